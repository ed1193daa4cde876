//! Header values with fetches in HAProxy's brackets: `%[src]`, `%[header(x-name)]`. The brackets are looked for in the
//! text as the file has it, so that nothing that a variable holds is taken for a fetch.

use http::HeaderName;

use super::headers;
use super::rules::Stage;
use crate::config::checked::{HeaderFetch, HeaderPart, HeaderText};
use crate::config::diagnostic::{Code, Diagnostic};
use crate::config::suggest;
use crate::config::value::Value;

const FETCHES: &[(&str, HeaderFetch)] = &[
    ("src", HeaderFetch::Src),
    ("client_cn", HeaderFetch::ClientCn),
    ("client_dn", HeaderFetch::ClientDn),
    ("tls_version", HeaderFetch::TlsVersion),
    ("tls_cipher", HeaderFetch::TlsCipher),
    ("host", HeaderFetch::Host),
    ("path", HeaderFetch::Path),
    ("method", HeaderFetch::Method),
    ("api_key", HeaderFetch::ApiKey),
    ("plan", HeaderFetch::Plan),
    ("request_id", HeaderFetch::RequestId),
    ("status", HeaderFetch::Status),
];

/// Bytes of a value as it is written.
const LONGEST: usize = 8_000;

/// Where a client may put its key.
pub(super) const KEYS: &[&str] =
    &["authorization", "proxy-authorization", "x-api-key", "api-key", "x-goog-api-key"];

/// HAProxy's names of the same.
const ELSEWHERE: &[(&str, &str)] = &[
    ("ssl_c_s_dn(cn)", "client_cn"),
    ("ssl_c_s_dn", "client_dn"),
    ("ssl_fc_protocol", "tls_version"),
    ("ssl_fc_cipher", "tls_cipher"),
    ("unique-id", "request_id"),
];

pub(super) fn read(value: Value<'_>, stage: Stage) -> Option<HeaderText> {
    let source = value.unresolved()?;
    if source.len() > LONGEST {
        let message = format!("`{}` is longer than {LONGEST} bytes", value.name);
        return value.reject(Code::OutOfRange, message, "peers refuse such headers");
    }
    let mut text = Some(String::new());
    let mut parts: Option<Vec<HeaderPart>> = Some(Vec::new());
    for piece in pieces(source) {
        match piece {
            Piece::Text(start, raw) => text = joined(text, value.text_of(raw, start)),
            Piece::Brackets => text = joined(text, Some("%[".to_owned())),
            Piece::Open(start) => {
                let message = "`%[` without its `]`";
                let wrong =
                    Diagnostic::error(Code::BadValue, value.part(start, source.len() - start), message);
                return value.context.reject(wrong.hint("like `%[src]`; write `%%[` for `%[` itself"));
            }
            Piece::Fetch(start, name) => {
                parts = flushed(value, parts, &mut text);
                let found = fetch(value, start, name, stage);
                parts = parts.zip(found).map(|(mut parts, fetch)| {
                    parts.push(HeaderPart::Fetch(fetch));
                    parts
                });
            }
        }
    }
    let mut parts = flushed(value, parts, &mut text)?;
    if parts.is_empty() {
        parts.push(HeaderPart::Text(headers::part("")?));
    }
    let space = |part: Option<&HeaderPart>, at: fn(&[u8]) -> Option<&u8>| match part {
        Some(HeaderPart::Text(text)) => matches!(at(text.as_bytes()), Some(b' ' | b'\t')),
        _ => false,
    };
    if space(parts.first(), |b| b.first()) || space(parts.last(), |b| b.last()) {
        return headers::no_value(value);
    }
    Some(HeaderText(parts))
}

/// `None` when either has a mistake.
fn joined(text: Option<String>, more: Option<String>) -> Option<String> {
    text.zip(more).map(|(text, more)| text + &more)
}

/// The text so far becomes a part.
fn flushed(
    value: Value<'_>,
    parts: Option<Vec<HeaderPart>>,
    text: &mut Option<String>,
) -> Option<Vec<HeaderPart>> {
    let text = text.replace(String::new())?;
    let mut parts = parts?;
    if !text.is_empty() {
        let part = headers::part(&text).or_else(|| headers::no_value(value))?;
        parts.push(HeaderPart::Text(part));
    }
    Some(parts)
}

/// Pieces with the byte where they begin; for a fetch, that of its name.
#[derive(Debug, PartialEq, Eq)]
enum Piece<'a> {
    Text(usize, &'a str),
    /// `%%[`
    Brackets,
    Fetch(usize, &'a str),
    /// `%[` without an end.
    Open(usize),
}

fn pieces(source: &str) -> Vec<Piece<'_>> {
    let mut pieces = Vec::new();
    let mut from = 0;
    while let Some(found) = source.get(from..).and_then(|rest| rest.find("%[")) {
        let at = from + found;
        let before = source.get(from..at).unwrap_or_default();
        let escaped = before.strip_suffix('%');
        let before = escaped.unwrap_or(before);
        if !before.is_empty() {
            pieces.push(Piece::Text(from, before));
        }
        from = at + 2;
        if escaped.is_some() {
            pieces.push(Piece::Brackets);
            continue;
        }
        let Some(end) = source.get(from..).and_then(|rest| rest.find(']')) else {
            pieces.push(Piece::Open(at));
            return pieces;
        };
        pieces.push(Piece::Fetch(from, source.get(from..from + end).unwrap_or_default()));
        from += end + 1;
    }
    if let Some(rest) = source.get(from..).filter(|rest| !rest.is_empty()) {
        pieces.push(Piece::Text(from, rest));
    }
    pieces
}

/// The fetch of this name; reports one that is not there.
fn fetch(value: Value<'_>, start: usize, name: &str, stage: Stage) -> Option<HeaderFetch> {
    let span = value.part(start, name.len());
    let hidden = value.is_hidden();
    if let Some(header) = name.strip_prefix("header(").and_then(|rest| rest.strip_suffix(')')) {
        return match HeaderName::from_bytes(header.as_bytes()) {
            Ok(header) if KEYS.contains(&header.as_str()) => {
                let message = format!("`{header}` holds the client's key, which goes nowhere else");
                let wrong = Diagnostic::error(Code::Conflict, span, message);
                value.context.reject(wrong.hint("`%[api_key]` is the name of the client"))
            }
            Ok(header) => Some(HeaderFetch::Header(header)),
            Err(_) => {
                let wrong = Diagnostic::error(Code::BadValue, span, "not the name of a header");
                value.context.reject(wrong.hint("letters, digits and `-`, like `%[header(x-name)]`"))
            }
        };
    }
    match FETCHES.iter().find(|(n, _)| *n == name) {
        Some((_, HeaderFetch::Status)) if stage != Stage::Response => {
            let wrong = Diagnostic::error(Code::Conflict, span, "a request has no status yet");
            value.context.reject(wrong.hint("`%[status]` is for `response_rules`"))
        }
        Some((_, fetch)) => Some(fetch.clone()),
        None => {
            let message = match hidden {
                true => "there is no such fetch".to_owned(),
                false => format!("there is no fetch `{name}`"),
            };
            let wrong = Diagnostic::error(Code::UnknownName, span, message);
            value.context.reject(wrong.hint(hint(if hidden { "" } else { name })))
        }
    }
}

fn hint(name: &str) -> String {
    if let Some((_, ours)) = ELSEWHERE.iter().find(|(theirs, _)| *theirs == name) {
        return format!("here it is `%[{ours}]`");
    }
    if matches!(name, "header" | "hdr" | "req.hdr")
        || name.starts_with("hdr(")
        || name.starts_with("req.hdr(")
    {
        return "a header is `%[header(x-name)]`".to_owned();
    }
    let names: Vec<&str> = FETCHES.iter().map(|(n, _)| *n).chain(["header(x-name)"]).collect();
    match suggest::nearest(name, names.iter().copied()) {
        Some(near) => format!("did you mean `%[{near}]`?"),
        None => format!("one of {}; write `%%[` for `%[` itself", names.join(" ")),
    }
}

#[cfg(test)]
mod tests {
    use super::Piece::{Brackets, Fetch, Open, Text};
    use super::*;

    #[test]
    fn a_value_comes_apart_at_its_brackets() {
        assert_eq!(pieces("plain 5%"), [Text(0, "plain 5%")]);
        assert_eq!(pieces("a %[src]b"), [Text(0, "a "), Fetch(4, "src"), Text(8, "b")]);
        assert_eq!(pieces("%[a]%[b]"), [Fetch(2, "a"), Fetch(6, "b")]);
        assert_eq!(pieces("5%%[src]"), [Text(0, "5"), Brackets, Text(4, "src]")]);
        assert_eq!(pieces("x%[src"), [Text(0, "x"), Open(1)]);
        assert_eq!(pieces(""), []);
    }

    #[test]
    fn names_of_haproxy_lead_to_ours() {
        assert_eq!(hint("ssl_c_s_dn(cn)"), "here it is `%[client_cn]`");
        assert!(hint("scr").contains("did you mean `%[src]`?"));
        assert!(hint("hdr(host)").contains("%[header(x-name)]"));
    }

    proptest::proptest! {
        #[test]
        fn nothing_of_a_value_is_lost(source in "[%\\[\\]ab(ü ]{0,24}") {
            let length: usize = pieces(&source).iter().map(|p| match p {
                Text(_, text) => text.len(),
                Brackets => 3,
                Fetch(_, name) => name.len() + 3,
                Open(start) => source.len() - start,
            }).sum();
            proptest::prop_assert_eq!(length, source.len());
        }
    }
}
