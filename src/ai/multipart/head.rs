//! Heads of a form's parts, and the boundary: what MIME says of parameters, as strictly as all servers agree on.

use std::borrow::Cow;

/// What is known of a part before its value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Head {
    pub name: String,
    /// It is a value as it stands: no file, not encoded.
    pub plain: bool,
}

/// The type itself, without parameters.
pub fn media_type(content_type: &str) -> &str {
    content_type.split(';').next().unwrap_or_default().trim_matches(is_space)
}

/// The boundary that a content type names, if it is one of RFC 2046 (5.1.1).
pub fn boundary(content_type: &str) -> Option<Cow<'_, str>> {
    if !media_type(content_type).eq_ignore_ascii_case("multipart/form-data") {
        return None;
    }
    let mut found = None;
    for parameter in parameters(content_type.split_once(';')?.1) {
        let (name, value) = parameter?;
        if name.eq_ignore_ascii_case("boundary") {
            if found.is_some() {
                return None;
            }
            found = Some(Cow::Borrowed(value));
        }
    }
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"'()+_,-./:=? ".contains(&byte);
    found.filter(|text| (1..=70).contains(&text.len()) && text.bytes().all(allowed) && !text.ends_with(' '))
}

/// Reads the head of a part: its lines with their CRLF, without the empty one.
pub fn read(lines: &str) -> Option<Head> {
    let mut name = None;
    let mut plain = true;
    for line in lines.split_terminator("\r\n") {
        // Also folded lines, and control bytes, which end a line for some.
        if line.starts_with(is_space) || line.bytes().any(|byte| byte < b' ' && byte != b'\t') {
            return None;
        }
        let (field, value) = line.split_once(':')?;
        if field.eq_ignore_ascii_case("content-disposition") {
            let (kind, rest) = value.split_once(';')?;
            if name.is_some() || !kind.trim_matches(is_space).eq_ignore_ascii_case("form-data") {
                return None;
            }
            for parameter in parameters(rest) {
                let (key, value) = parameter?;
                match key.to_ascii_lowercase().as_str() {
                    "name" if name.is_some() || value.contains('\\') => return None,
                    "name" => name = Some(value.to_owned()),
                    "name*" => return None,
                    "filename" | "filename*" => plain = false,
                    _ => {}
                }
            }
        } else if field.eq_ignore_ascii_case("content-transfer-encoding") {
            let value = value.trim_matches(is_space);
            plain &= ["7bit", "8bit", "binary"].iter().any(|known| known.eq_ignore_ascii_case(value));
        } else if field.ends_with(is_space) {
            return None;
        }
    }
    Some(Head { name: name?, plain })
}

fn is_space(char: char) -> bool {
    matches!(char, ' ' | '\t')
}

/// `name=value` and `name="value"`, set apart by semicolons; `None` for what is neither, and nothing behind it.
fn parameters(text: &str) -> impl Iterator<Item = Option<(&str, &str)>> {
    let mut rest = Some(text);
    std::iter::from_fn(move || {
        let text = rest.take()?.trim_start_matches(is_space);
        if text.is_empty() {
            return None;
        }
        let Some((parameter, behind)) = parameter(text) else { return Some(None) };
        rest = behind;
        Some(Some(parameter))
    })
}

/// The first one, and what follows its semicolon. A quote inside of a quoted value is written `%22` by browsers; readers
/// do not agree on `\"`.
fn parameter(text: &str) -> Option<((&str, &str), Option<&str>)> {
    let (name, value) = text.split_once('=')?;
    if name.is_empty() || !name.bytes().all(is_token) {
        return None;
    }
    let (value, behind) = match value.strip_prefix('"') {
        Some(quoted) => quoted.split_once('"').filter(|(value, _)| !value.ends_with('\\'))?,
        None => value.split_at(value.bytes().position(|byte| !is_token(byte)).unwrap_or(value.len())),
    };
    match behind.trim_start_matches(is_space) {
        "" => Some(((name, value), None)),
        behind => Some(((name, value), Some(behind.strip_prefix(';')?))),
    }
}

/// RFC 9110 5.6.2.
fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}
