//! Golden diagnostics. Each `tests/config/invalid/NAME.yaml` must be refused with exactly the text of `NAME.stderr`;
//! each `tests/config/valid/NAME.yaml` must load, with the warnings of its `NAME.stderr` (none where that is missing).
//! `UPDATE_GOLDEN=1 cargo test --test config` writes the texts anew: read the diff before you commit it.

#![expect(clippy::unwrap_used, reason = "a test that cannot read its files has failed")]

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use tidegate::config::load_text;
use tidegate::config::source::{Environment, NoDirectory};

/// What the files of this test refer to, so that they mean the same on every machine.
struct Fixed;

const LOCALHOST: &str = include_str!("../certs/localhost.pem");
const EXAMPLE: &str = include_str!("../certs/example.pem");
const EXPIRED: &str = include_str!("config/certificates/expired.pem");
const FUTURE: &str = include_str!("config/certificates/future.pem");

/// The parts of a PEM file with this label, one after the other.
fn pem(file: &str, label: &str) -> Vec<String> {
    let (begin, end) = (format!("-----BEGIN {label}-----"), format!("-----END {label}-----\n"));
    file.split(&begin)
        .skip(1)
        .map(|part| format!("{begin}{}{end}", part.split(&end).next().unwrap()))
        .collect()
}

fn certificate() -> String {
    pem(LOCALHOST, "CERTIFICATE").swap_remove(0)
}

fn key(file: &str) -> String {
    pem(file, "PRIVATE KEY").concat()
}

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

    fn is_not_text(&self, name: &str) -> bool {
        name == "BYTES"
    }

    fn why_no_file(&self, path: &Path) -> Option<String> {
        path.starts_with("none").then(|| "the directory `none`: No such file or directory".to_owned())
    }

    fn why_no_socket(&self, path: &Path) -> Option<String> {
        self.why_no_file(path)
    }

    fn why_no_directory(&self, path: &Path) -> Option<NoDirectory> {
        let no = match path.to_str()?.split('/').next()? {
            "a_file" => NoDirectory::Taken("it is a file, not a directory".to_owned()),
            "read_only" => NoDirectory::NotWritable(
                "`read_only` cannot be written to: Read-only file system (os error 30)".to_owned(),
            ),
            _ => return None,
        };
        Some(no)
    }

    fn file(&self, path: &Path) -> io::Result<Vec<u8>> {
        let text = match path.to_str() {
            Some("good.pem" | "certs/localhost.pem") => LOCALHOST.to_owned(),
            Some("certs/example.pem") => EXAMPLE.to_owned(),
            Some("ca.pem") => certificate(),
            Some("expired.pem") => EXPIRED.to_owned(),
            Some("future.pem") => FUTURE.to_owned(),
            Some("both.pem") => [EXPIRED, FUTURE].concat(),
            Some("errors/503.json") => "{\"error\": {\"message\": \"busy\"}}\n".to_owned(),
            Some("errors/502.HTML") => "<title>Busy</title>\n".to_owned(),
            Some("errors/empty.txt") => String::new(),
            Some("errors/large.html") => " ".repeat(64_001),
            Some("errors/haproxy.html") => "HTTP/1.0 400 Bad request\r\n\r\n".to_owned(),
            Some("errors/bytes.txt") => return Ok(vec![0xff]),
            Some("errors/broken.json") => "{\"error\": }\n".to_owned(),
            Some("wrong_key.pem") => certificate() + &key(EXAMPLE),
            Some("wrong_order.pem") => {
                let mut chain = pem(LOCALHOST, "CERTIFICATE");
                chain.reverse();
                chain.concat() + &key(LOCALHOST)
            }
            Some("wrong_chain.pem") => [certificate(), certificate(), key(LOCALHOST)].concat(),
            Some("useless_key.pem") => {
                certificate() + "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"
            }
            Some("no_x509.pem") => {
                "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n".to_owned() + &key(LOCALHOST)
            }
            Some("no_key.pem") => certificate(),
            Some("no_certificate.pem") => key(LOCALHOST),
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
fn of_many_mistakes_the_first_hundred_are_shown() {
    let text: String = (0..20_000).map(|i| format!("k{i}: {{a: [1, 2, 3]}}\n")).collect();
    let Err(found) = load_text(Path::new("x.yaml"), &text, &Fixed) else { panic!("no mistakes") };
    let printed = found.to_string();
    assert_eq!((found.iter().count(), found.errors()), (100, 20_002));
    assert!(printed.len() < 100_000, "{}", printed.len());
    assert!(printed.ends_with("... and 19902 more, not shown\n\n20002 errors in x.yaml\n"), "{printed}");
}

#[test]
fn an_unreadable_file_is_an_error_with_its_name() {
    let missing = Path::new("no/such/file.yaml");
    let found = tidegate::config::load(missing).map(|_| ()).unwrap_err().to_string();
    assert!(found.starts_with("no/such/file.yaml: error: cannot read the configuration: "), "{found}");
    assert!(found.ends_with("1 error in no/such/file.yaml\n"), "{found}");
}
