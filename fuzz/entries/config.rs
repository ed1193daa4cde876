//! The configuration: any text is a configuration or a list of mistakes. Mistakes lie within the text, and neither they
//! nor a warning show a secret, wherever it comes from.

use std::io;
use std::path::Path;

use tidegate::config::diagnostic::Diagnostics;
use tidegate::config::load_text;
use tidegate::config::source::Environment;

/// What `${NAME}` and files give: secrets that no text has by itself.
struct Sealed;

const VARIABLE: &str = "qzvariablesealedqz";
const CONTENT: &str = "qzfilesealedqz";

impl Environment for Sealed {
    fn variable(&self, name: &str) -> Option<String> {
        match name {
            "SECRET" => Some(VARIABLE.to_owned()),
            "EMPTY" => Some(String::new()),
            "SEVEN" => Some("7".to_owned()),
            "STRUCTURE" => Some(format!("{{{VARIABLE}: b}}\nc: d")),
            _ => None,
        }
    }

    fn is_not_text(&self, name: &str) -> bool {
        name == "BYTES"
    }

    fn file(&self, path: &Path) -> io::Result<Vec<u8>> {
        match path.to_str() {
            Some("/run/secrets/key") => Ok(format!("{CONTENT}\n").into_bytes()),
            Some("bytes") => Ok(vec![0xff, 0xfe]),
            _ => Err(io::Error::new(io::ErrorKind::NotFound, "No such file or directory")),
        }
    }
}

/// A key in the text itself; it counts where it follows a key of this name and nothing makes it anything else.
const IN_THE_TEXT: &str = "qzintextsealedqz";

pub fn run(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else { return };
    let found = match load_text(Path::new("fuzz.yaml"), text, &Sealed) {
        Ok(checked) => {
            hides_secrets(text, &format!("{checked:?}"));
            assert_eq!(checked.warnings.errors(), 0, "errors in a good configuration");
            checked.warnings
        }
        Err(found) => {
            assert!(found.errors() > 0, "refused without an error");
            found
        }
    };
    lies_within(text.strip_prefix('\u{feff}').unwrap_or(text), &found);
    let shown = found.to_string();
    let odd = |c: char| c.is_control() && c != '\n';
    assert!(!shown.contains(odd), "commands for a terminal: {shown:?}");
    hides_secrets(text, &shown);
}

fn lies_within(text: &str, found: &Diagnostics) {
    // As YAML has them: CR alone ends one too.
    let lines: Vec<usize> =
        text.lines().flat_map(|line| line.split('\r')).map(|line| line.chars().count()).collect();
    for diagnostic in found.iter() {
        let span = diagnostic.span;
        let line = |number: usize| match number.checked_sub(1) {
            Some(index) => lines.get(index).copied().or((index == lines.len()).then_some(0)),
            None => None,
        };
        let within = line(span.line).is_some_and(|width| (1..=width + 1).contains(&span.column))
            && line(span.end_line).is_some()
            && span.end_column >= 1
            && (span.line, span.column) <= (span.end_line, span.end_column);
        assert!(within, "outside of the text: {diagnostic:?}");
    }
}

fn hides_secrets(text: &str, shown: &str) {
    let (lower_text, lower) = (text.to_lowercase(), shown.to_lowercase());
    for secret in [VARIABLE, CONTENT] {
        if !lower_text.contains(secret) {
            assert!(!lower.contains(secret), "the value of a reference: {shown}");
        }
    }
    if names_a_key(&lower_text) {
        assert!(!lower.contains(IN_THE_TEXT), "a key of the file: {shown}");
    }
}

/// `api_key: KEY` alone on a line, in a file without anything that could make it text (quotes, blocks, comments) or the
/// name of a table.
fn names_a_key(text: &str) -> bool {
    let mut places = text.split(['\n', '\r']).filter(|line| line.contains(IN_THE_TEXT));
    let line = places.next().map(|line| line.trim_start_matches([' ', '-'])).unwrap_or_default();
    let keys = ["api_key", "token", "x-api-key", "authorization"];
    let named = keys
        .iter()
        .any(|key| line.strip_prefix(key).and_then(|rest| rest.strip_prefix(": ")) == Some(IN_THE_TEXT));
    named
        && places.next().is_none()
        && !text.contains(['|', '>', '"', '\'', '#', '?'])
        && !text.contains("tables")
}
