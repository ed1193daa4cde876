//! The floors of ARCHITECTURE.md, enforced: a module imports lower floors and itself; what stands on the same floor does
//! not know its neighbours, but for the edges listed here. And no file grows into a maze.
#![expect(
    clippy::unwrap_used,
    reason = "a test and its tools fail by panicking; the lints know only #[test] functions"
)]

use std::collections::BTreeSet;
use std::fmt::Write;
use std::path::{Path, PathBuf};

use regex::Regex;

/// Top-level modules by floor, lowest first.
const FLOORS: [&[&str]; 6] = [
    &["base"],
    &["config"],
    &["acl", "alert", "rewrite", "auth", "stick", "limit", "pool", "ai", "observe", "wire", "outcome"],
    &["runtime"],
    &[
        "proxy",
        "listen",
        "probe",
        "resolve",
        "upstream",
        "transport",
        "admin",
        "history",
        "ledger",
        "log_writer",
        "mock",
        "notify",
    ],
    &["app", "cli"],
];

/// Edges within a floor, as marked in ARCHITECTURE.md: who may know whom.
const NEIGHBOURS: &[(&str, &str)] = &[
    ("limit", "stick"),
    ("listen", "transport"),
    ("upstream", "transport"),
    ("probe", "upstream"),
    ("proxy", "transport"),
    ("proxy", "listen"),
    ("proxy", "upstream"),
    ("proxy", "log_writer"),
    ("proxy", "ledger"),
    ("admin", "ledger"),
    ("admin", "history"),
    ("cli", "app"),
];

/// Lines of a file, its tests not counted.
const LONGEST_FILE: usize = 600;

/// A source file under `src/`.
struct Source {
    path: PathBuf,
    /// The top-level module it belongs to; `None` for `main.rs` and `lib.rs`.
    module: Option<String>,
    /// Without its tests and comments.
    code: Vec<String>,
}

fn sources() -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut found = Vec::new();
    walk(&root, &mut found);
    found
        .into_iter()
        .map(|path| {
            let relative = path.strip_prefix(&root).unwrap().to_owned();
            let first = relative.iter().next().unwrap().to_str().unwrap().trim_end_matches(".rs").to_owned();
            let text = std::fs::read_to_string(&path).unwrap();
            Source {
                module: (!matches!(first.as_str(), "main" | "lib")).then_some(first),
                code: without_tests(&text),
                path: relative,
            }
        })
        .collect()
}

fn walk(directory: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            walk(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
    found.sort();
}

/// The lines before the tests, comments blanked. A file of tests alone (`tests.rs`) has none.
fn without_tests(text: &str) -> Vec<String> {
    let lines: Vec<&str> = text.lines().collect();
    let is_test_module = |index: &usize| {
        let next = lines.get(index + 1).map(|line| line.trim_start()).unwrap_or_default();
        lines[*index].trim() == "#[cfg(test)]" && next.contains("mod ") && next.ends_with('{')
    };
    let end = (0..lines.len()).find(is_test_module).unwrap_or(lines.len());
    lines[..end].iter().map(|line| line.split("//").next().unwrap_or_default().to_owned()).collect()
}

fn is_test_file(path: &Path) -> bool {
    path.file_stem().is_some_and(|stem| stem == "tests" || stem.to_string_lossy().ends_with("_tests"))
        || path.iter().any(|part| part == "tests")
}

/// The top-level modules that this code names: `crate::a::..`, `crate::{a, b::..}`.
fn imports(code: &[String]) -> BTreeSet<String> {
    let text = code.join("\n");
    let single = Regex::new(r"\bcrate::([a-z_]+)").unwrap();
    let group = Regex::new(r"\bcrate::\{([^;]*)\}").unwrap();
    let mut found: BTreeSet<String> = single.captures_iter(&text).map(|hit| hit[1].to_owned()).collect();
    for hit in group.captures_iter(&text) {
        let mut depth = 0;
        let mut outer = String::new();
        for character in hit[1].chars() {
            match character {
                '{' => depth += 1,
                '}' => depth -= 1,
                _ if depth == 0 => outer.push(character),
                _ => {}
            }
        }
        for part in outer.split(',') {
            let name: String =
                part.trim().chars().take_while(|c| c.is_ascii_lowercase() || *c == '_').collect();
            if !name.is_empty() {
                found.insert(name);
            }
        }
    }
    found
}

fn floor(module: &str) -> Option<usize> {
    FLOORS.iter().position(|modules| modules.contains(&module))
}

/// What is wrong with this file importing that module.
fn objection(from: &str, to: &str) -> Option<String> {
    let (Some(here), Some(there)) = (floor(from), floor(to)) else {
        return Some(format!(
            "`{from}` or `{to}` has no floor: add it to the map in ARCHITECTURE.md and here"
        ));
    };
    if from == to || there < here || NEIGHBOURS.contains(&(from, to)) {
        return None;
    }
    let why = if there > here { "goes up" } else { "crosses a floor" };
    Some(format!("`{from}` (floor {here}) imports `{to}` (floor {there}): the edge {why}"))
}

#[test]
fn imports_go_down() {
    let mut wrong = String::new();
    for source in sources() {
        // `main.rs` and `lib.rs` see everything; the test files see what they test.
        let Some(module) = source.module.as_deref().filter(|_| !is_test_file(&source.path)) else { continue };
        for import in imports(&source.code) {
            if let Some(objection) = objection(module, &import) {
                let _ = writeln!(wrong, "src/{}: {objection}", source.path.display());
            }
        }
    }
    assert!(wrong.is_empty(), "\n{wrong}");
}

#[test]
fn every_module_has_a_floor() {
    let modules: BTreeSet<String> = sources().into_iter().filter_map(|source| source.module).collect();
    let unknown: Vec<&String> = modules.iter().filter(|module| floor(module).is_none()).collect();
    assert!(unknown.is_empty(), "without a floor in ARCHITECTURE.md and here: {unknown:?}");
}

#[test]
fn allowed_neighbours_are_used() {
    let mut used = BTreeSet::new();
    for source in sources() {
        if let Some(module) = &source.module {
            used.extend(imports(&source.code).into_iter().map(|import| (module.clone(), import)));
        }
    }
    for (from, to) in NEIGHBOURS {
        assert!(
            used.contains(&((*from).to_owned(), (*to).to_owned())),
            "{from} -> {to} is allowed for nothing"
        );
    }
}

#[test]
fn no_file_is_a_maze() {
    let long: Vec<String> = sources()
        .into_iter()
        .filter(|source| !is_test_file(&source.path) && source.code.len() > LONGEST_FILE)
        .map(|source| format!("src/{}: {} lines", source.path.display(), source.code.len()))
        .collect();
    assert!(long.is_empty(), "more than {LONGEST_FILE} lines: {long:?}");
}

#[test]
fn no_mod_rs() {
    let found: Vec<PathBuf> =
        sources().into_iter().map(|source| source.path).filter(|path| path.ends_with("mod.rs")).collect();
    assert!(found.is_empty(), "a module is `name.rs` beside `name/`: {found:?}");
}

#[test]
fn map_in_the_documents_is_this_one() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("ARCHITECTURE.md");
    let text = std::fs::read_to_string(path).unwrap_or_else(|error| panic!("ARCHITECTURE.md: {error}"));
    let modules: BTreeSet<String> = sources().into_iter().filter_map(|source| source.module).collect();
    let missing: Vec<&String> = modules.iter().filter(|module| !text.contains(module.as_str())).collect();
    assert!(missing.is_empty(), "not in ARCHITECTURE.md: {missing:?}");
}

#[test]
fn objections_are_raised() {
    assert_eq!(objection("proxy", "runtime"), None);
    assert_eq!(objection("limit", "stick"), None);
    assert!(objection("stick", "limit").is_some(), "not the other way round");
    assert!(objection("pool", "proxy").is_some());
    assert!(objection("proxy", "admin").is_some());
    assert!(objection("proxy", "nonsense").is_some());
    let code = ["use crate::{base::clock::{Tick, x}, runtime};", "fn f(a: crate::pool::Server) {}"]
        .map(str::to_owned);
    assert_eq!(imports(&code).into_iter().collect::<Vec<_>>(), ["base", "pool", "runtime"]);
}
