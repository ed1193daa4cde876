//! Golden diagnostics. Each `tests/config/invalid/NAME.yaml` must be refused with exactly the text of `NAME.stderr`;
//! each `tests/config/valid/NAME.yaml` must load, with the warnings of its `NAME.stderr` (none where that is missing).
//! `UPDATE_GOLDEN=1 cargo test --test config` writes the texts anew: read the diff before you commit it.

#![expect(clippy::unwrap_used, reason = "a test that cannot read its files has failed")]

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use tidegate::config::load_text;
use tidegate::config::source::Environment;

/// What the files of this test refer to, so that they mean the same on every machine.
struct Fixed;

const CERTIFICATE: &str = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
const KEY: &str = "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n";

impl Environment for Fixed {
    fn variable(&self, name: &str) -> Option<String> {
        match name {
            "SECRET" => Some("sk-from-the-environment".to_owned()),
            "EMPTY" => Some(String::new()),
            "SEVEN" => Some("7".to_owned()),
            "STRUCTURE" => Some("{a: b}\nc: d".to_owned()),
            _ => None,
        }
    }

    fn file(&self, path: &Path) -> io::Result<Vec<u8>> {
        let text = match path.to_str() {
            Some("good.pem" | "certs/localhost.pem" | "certs/example.pem") => [CERTIFICATE, KEY].concat(),
            Some("no_key.pem") => CERTIFICATE.to_owned(),
            Some("no_certificate.pem") => KEY.to_owned(),
            Some("broken.pem") => "-----BEGIN CERTIFICATE-----\nAAAA\n".to_owned(),
            Some("/run/secrets/key") => "sk-from-a-file\n".to_owned(),
            _ => return Err(io::Error::new(io::ErrorKind::NotFound, "No such file or directory")),
        };
        Ok(text.into_bytes())
    }
}

fn directory(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}

fn files(name: &str) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = fs::read_dir(directory(name))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|e| e == "yaml"))
        .collect();
    files.sort();
    assert!(!files.is_empty(), "no files in {name}");
    files
}

/// What is printed for a file, and whether it is good.
fn outcome(path: &Path) -> (String, bool) {
    let text = fs::read_to_string(path).unwrap();
    let name = Path::new(path.file_name().unwrap());
    match load_text(name, &text, &Fixed) {
        Ok(checked) => (checked.warnings.to_string(), true),
        Err(found) => (found.to_string(), false),
    }
}

fn check(path: &Path, must_be_good: bool) -> Result<(), String> {
    let (printed, good) = outcome(path);
    let golden = path.with_extension("stderr");
    if good != must_be_good {
        return Err(format!("{}: good = {good}\n{printed}", path.display()));
    }
    for secret in ["sk-from-the-environment", "sk-from-a-file", "sk-in-the-file"] {
        if printed.contains(secret) {
            return Err(format!("{}: shows a secret\n{printed}", path.display()));
        }
    }
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        match printed.as_str() {
            "" => drop(fs::remove_file(&golden)),
            text => fs::write(&golden, text).unwrap(),
        }
        return Ok(());
    }
    let expected = fs::read_to_string(&golden).unwrap_or_default();
    if printed == expected {
        return Ok(());
    }
    Err(format!("{}\n--- expected\n{expected}--- printed\n{printed}", golden.display()))
}

fn check_all(name: &str, must_be_good: bool) {
    let wrong: Vec<String> = files(name).iter().filter_map(|path| check(path, must_be_good).err()).collect();
    assert!(wrong.is_empty(), "{}\nUPDATE_GOLDEN=1 accepts what is printed", wrong.join("\n"));
}

#[test]
fn invalid_files_are_refused_with_their_diagnostics() {
    check_all("tests/config/invalid", false);
}

#[test]
fn valid_files_load_with_their_warnings() {
    check_all("tests/config/valid", true);
}

#[test]
fn shipped_files_load_without_a_warning() {
    for path in files("conf") {
        let (printed, good) = outcome(&path);
        assert!(good && printed.is_empty(), "{printed}");
    }
}

#[test]
fn the_minimal_file_has_ten_lines() {
    let text = fs::read_to_string(directory("conf/minimal.yaml")).unwrap();
    assert!(text.lines().count() <= 10);
}

#[test]
fn an_unreadable_file_is_an_error_with_its_name() {
    let missing = Path::new("no/such/file.yaml");
    let found = tidegate::config::load(missing).map(|_| ()).unwrap_err().to_string();
    assert!(found.starts_with("no/such/file.yaml: error: cannot read the configuration: "), "{found}");
    assert!(found.ends_with("1 error in no/such/file.yaml\n"), "{found}");
}
