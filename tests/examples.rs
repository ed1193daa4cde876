//! The examples in `conf/` are good configurations: `tidegate check` says so.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test and its tools fail by panicking; the lints know only functions marked #[test]"
)]

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Once;

use regex::Regex;

fn examples() -> Vec<PathBuf> {
    let directory = root().join("conf");
    let mut files: Vec<PathBuf> = std::fs::read_dir(directory)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "yaml"))
        .collect();
    files.sort();
    files
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The certificates that the examples name are made, not kept.
fn make_certificates() {
    static MADE: Once = Once::new();
    MADE.call_once(run_the_script);
}

fn run_the_script() {
    let made =
        Command::new(root().join("certs/make.sh")).current_dir(root()).output().expect("certs/make.sh runs");
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
}

/// A value for each `${NAME}` without a default, as an operator would export it.
fn environment(text: &str) -> Vec<(String, &'static str)> {
    let name = Regex::new(r"\$\{([A-Z][A-Z0-9_]*)\}").unwrap();
    name.captures_iter(text).map(|hit| (hit[1].to_owned(), "a-value-of-the-environment")).collect()
}

#[test]
fn every_example_passes_the_check() {
    make_certificates();
    let files = examples();
    for name in ["demo.yaml", "minimal.yaml", "production.yaml"] {
        assert!(files.iter().any(|file| file.ends_with(name)), "no conf/{name}");
    }
    for file in files {
        let text = std::fs::read_to_string(&file).unwrap();
        let checked = Command::new(env!("CARGO_BIN_EXE_tidegate"))
            .args(["check", "-c"])
            .arg(&file)
            .current_dir(root())
            .envs(environment(&text))
            .output()
            .unwrap();
        let said = format!(
            "{}{}",
            String::from_utf8_lossy(&checked.stderr),
            String::from_utf8_lossy(&checked.stdout)
        );
        assert_eq!(checked.status.code(), Some(0), "{}:\n{said}", file.display());
    }
}

#[test]
fn missing_environment_is_an_error_and_not_an_empty_key() {
    let file = root().join("conf/production.yaml");
    let text = std::fs::read_to_string(&file).unwrap();
    let Some((name, _)) = environment(&text).into_iter().next() else { return };
    make_certificates();
    let checked = Command::new(env!("CARGO_BIN_EXE_tidegate"))
        .args(["check", "-c"])
        .arg(&file)
        .current_dir(root())
        .env_remove(&name)
        .output()
        .unwrap();
    let said =
        format!("{}{}", String::from_utf8_lossy(&checked.stderr), String::from_utf8_lossy(&checked.stdout));
    assert_eq!(checked.status.code(), Some(64), "{said}");
    assert!(said.contains(&name), "{said}");
}

#[test]
fn minimal_example_is_minimal() {
    let text = std::fs::read_to_string(root().join("conf/minimal.yaml")).unwrap();
    let lines =
        text.lines().filter(|line| !line.trim().is_empty() && !line.trim_start().starts_with('#')).count();
    assert!(lines <= 10, "{lines} lines");
}
