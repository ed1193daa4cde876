//! `${NAME}`, `${NAME:-default}` and `${file:/path}` within a text. They are resolved after the YAML is read, so that
//! no value can change the structure of the file.

use std::path::Path;

use super::source::Environment;

/// A reference that cannot be resolved: which bytes of the text, why, and what to do. Never the value of anything.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Unresolved {
    pub start: usize,
    pub length: usize,
    pub message: String,
    pub hint: String,
}

/// A secret in a file is short; larger is a mistake.
const LARGEST_FILE: usize = 64_000;

/// The text with all references replaced. `$${` stands for `${` itself.
pub(super) fn resolve(text: &str, environment: &dyn Environment) -> Result<String, Unresolved> {
    let mut resolved = String::with_capacity(text.len());
    let mut position = 0;
    while let Some(found) = text.get(position..).and_then(|rest| rest.find("${")) {
        let start = position + found;
        let before = text.get(position..start).unwrap_or_default();
        if let Some(escaped) = before.strip_suffix('$') {
            resolved.push_str(escaped);
            resolved.push_str("${");
            position = start + 2;
            continue;
        }
        resolved.push_str(before);
        let inside = text.get(start + 2..).unwrap_or_default();
        let wrong = |length: usize, message: String, hint: &str| Unresolved {
            start,
            length,
            message,
            hint: hint.to_owned(),
        };
        let Some(end) = inside.find('}') else {
            let hint = "write `$${` for these two characters themselves";
            return Err(wrong(text.len() - start, "`${` without its `}`".to_owned(), hint));
        };
        let reference = inside.get(..end).unwrap_or_default();
        let value = one(reference, environment).map_err(|(m, h)| wrong(end + 3, m, &h))?;
        resolved.push_str(&value);
        position = start + end + 3;
    }
    resolved.push_str(text.get(position..).unwrap_or_default());
    Ok(resolved)
}

/// What is between the braces; the error is a message and a hint.
fn one(reference: &str, environment: &dyn Environment) -> Result<String, (String, String)> {
    if let Some(path) = reference.strip_prefix("file:") {
        return file(path, environment);
    }
    let (name, default) = match reference.split_once(":-") {
        Some((name, default)) => (name, Some(default)),
        None => (reference, None),
    };
    let first = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    if !first || !name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') {
        let message = "not the name of a variable between `${` and `}`".to_owned();
        return Err((message, "`${NAME}`, `${NAME:-default}` or `${file:/path}`".to_owned()));
    }
    if default.is_some_and(|d| d.contains("${")) {
        let message = "references cannot stand within one another".to_owned();
        return Err((message, "give the default as a plain text".to_owned()));
    }
    if environment.is_not_text(name) {
        let message = format!("the variable `{name}` is set, but is not UTF-8 text");
        return Err((message, "look for bytes of a key that was not encoded, in hex or base64".to_owned()));
    }
    match (environment.variable(name), default) {
        (Some(value), Some(default)) if value.is_empty() => Ok(default.to_owned()),
        (Some(value), _) => Ok(value),
        (None, Some(default)) => Ok(default.to_owned()),
        (None, None) => Err((
            format!("the environment has no `{name}`"),
            format!("set it before the start, or give a default: `${{{name}:-...}}`"),
        )),
    }
}

/// The content without the line end that editors put behind it.
fn file(path: &str, environment: &dyn Environment) -> Result<String, (String, String)> {
    let hint = || "the file must be there when the configuration is read, and readable".to_owned();
    let bytes =
        environment.file(Path::new(path)).map_err(|e| (format!("cannot read `{path}`: {e}"), hint()))?;
    if bytes.len() > LARGEST_FILE {
        return Err((format!("`{path}` is larger than {LARGEST_FILE} bytes"), hint()));
    }
    let text = String::from_utf8(bytes).map_err(|_| (format!("`{path}` is not UTF-8 text"), hint()))?;
    let line = text.strip_suffix('\n').unwrap_or(&text);
    Ok(line.strip_suffix('\r').unwrap_or(line).to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Fixed;

    impl Environment for Fixed {
        fn variable(&self, name: &str) -> Option<String> {
            match name {
                "A" => Some("one".into()),
                "TRICKY" => Some("${A}".into()),
                "EMPTY" => Some(String::new()),
                _ => None,
            }
        }

        fn is_not_text(&self, name: &str) -> bool {
            name == "BYTES"
        }

        fn file(&self, path: &Path) -> std::io::Result<Vec<u8>> {
            if path == Path::new("/run/x") {
                Ok(b"secret\n".to_vec())
            } else {
                Err(std::io::ErrorKind::NotFound.into())
            }
        }
    }

    #[test]
    fn references_become_their_values() {
        for (text, value) in [
            ("plain $ text", "plain $ text"),
            ("${A}", "one"),
            ("Bearer ${A}-${A}!", "Bearer one-one!"),
            ("${B:-two}", "two"),
            ("${EMPTY:-two}", "two"),
            ("${EMPTY}", ""),
            ("${B:-}", ""),
            ("${file:/run/x}", "secret"),
            ("$${A} ${A}", "${A} one"),
        ] {
            assert_eq!(resolve(text, &Fixed).as_deref(), Ok(value), "{text}");
        }
    }

    #[test]
    fn values_are_not_resolved_again() {
        assert_eq!(resolve("${TRICKY}", &Fixed).as_deref(), Ok("${A}"));
    }

    #[test]
    fn what_is_missing_is_named_at_its_place() {
        let wrong = resolve("Bearer ${NOPE}.", &Fixed).unwrap_err();
        assert_eq!((wrong.start, wrong.length), (7, 7));
        assert_eq!(wrong.message, "the environment has no `NOPE`");
        assert!(resolve("${file:/nope}", &Fixed).unwrap_err().message.starts_with("cannot read `/nope`"));
        assert!(resolve("${A", &Fixed).unwrap_err().message.contains("without its `}`"));
        assert!(resolve("${A:-${B}}", &Fixed).unwrap_err().message.contains("within one another"));
        assert!(resolve("${BYTES:-x}", &Fixed).unwrap_err().message.contains("not UTF-8"));
        assert!(resolve("${}", &Fixed).is_err() && resolve("${1A}", &Fixed).is_err());
    }

    proptest::proptest! {
        #[test]
        fn any_text_ends_without_a_panic(text in "[${}A:a-]{0,24}") {
            let _ = resolve(&text, &Fixed);
        }
    }
}
