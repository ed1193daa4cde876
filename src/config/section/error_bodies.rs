//! `frontends.NAME.error_bodies`: files that clients get in place of our own errors.

use http::HeaderValue;

use crate::config::checked::{Action, ErrorBody, Rule};
use crate::config::diagnostic::{Code, Diagnostic, Span};
use crate::config::value::Value;

/// An error is a page, not a site; every frontend holds its own.
const LARGEST: usize = 64_000;

/// Statuses that are answered without a rule, and those that a list for every frontend usually has as well.
const OWN: &[u16] =
    &[400, 401, 403, 404, 405, 408, 411, 413, 414, 417, 429, 431, 500, 501, 502, 503, 504, 505];

const TYPES: &[(&str, &str)] = &[
    ("json", "application/json"),
    ("html", "text/html; charset=utf-8"),
    ("htm", "text/html; charset=utf-8"),
    ("txt", "text/plain; charset=utf-8"),
    ("xml", "application/xml"),
];

/// A body with the place of its status.
pub(super) type Placed = (ErrorBody, Span);

pub(super) fn read(value: Value<'_>) -> Option<Vec<Placed>> {
    let mut bodies: Vec<Placed> = Vec::new();
    let mut good = true;
    for (key, item) in value.pairs("{503: errors/503.json}")? {
        let status = status(item, &key.text, key.span);
        match status.zip(body(item)) {
            Some((status, _)) if bodies.iter().any(|(b, _)| b.status == status) => {
                let message = format!("status {status} has two bodies");
                item.context.report(Diagnostic::error(Code::Conflict, key.span, message).hint("remove one"));
                good = false;
            }
            Some((status, (content_type, body))) => {
                bodies.push((ErrorBody { status, content_type, body }, key.span));
            }
            None => good = false,
        }
    }
    good.then_some(bodies)
}

fn status(value: Value<'_>, text: &str, span: Span) -> Option<u16> {
    match text.parse::<u16>() {
        Ok(status) if (400..=599).contains(&status) && text.len() == 3 => Some(status),
        _ => {
            let wrong = Diagnostic::error(Code::OutOfRange, span, "not the status of an error");
            value.context.reject(wrong.hint("from 400 to 599, each with its file: `{503: errors/503.json}`"))
        }
    }
}

/// The content type and the body.
fn body(value: Value<'_>) -> Option<(HeaderValue, Vec<u8>)> {
    let path = value.path()?;
    let ending = path.extension().and_then(|e| e.to_str()).map(str::to_ascii_lowercase).unwrap_or_default();
    let Some((_, content_type)) = TYPES.iter().find(|(e, _)| *e == ending) else {
        let message = format!("the ending of `{}` does not tell its content type", value.shown());
        return value.reject(Code::BadValue, message, "one of .json .html .htm .txt .xml");
    };
    let body = match value.context.environment.file(&path) {
        Ok(body) => body,
        Err(e) => {
            let message = format!("cannot read `{}`: {e}", value.shown());
            let hint = "paths are relative to the working directory; the user that runs this must be able to read it";
            return value.reject(Code::Unreadable, message, hint);
        }
    };
    match why_not(&body, &ending) {
        None => Some((HeaderValue::from_static(content_type), body)),
        Some((message, hint)) => {
            value.reject(Code::Unreadable, format!("`{}` {message}", value.shown()), hint)
        }
    }
}

/// What keeps a file from being the body of an error.
fn why_not(body: &[u8], ending: &str) -> Option<(String, &'static str)> {
    if body.len() > LARGEST {
        let message = format!("has {} bytes: the body of an error has at most {LARGEST}", body.len());
        return Some((message, "link to pictures and styles instead of having them in it"));
    }
    if body.is_empty() {
        return Some(("is empty".to_owned(), "write what clients are to read, or remove this status"));
    }
    if body.starts_with(b"HTTP/") {
        let message = "is a whole answer, as HAProxy's `errorfile` has it".to_owned();
        return Some((
            message,
            "keep only what stands below its empty line; status and headers are made here",
        ));
    }
    let Ok(text) = std::str::from_utf8(body) else {
        return Some(("is not UTF-8 text".to_owned(), "save it as UTF-8"));
    };
    if ending == "json"
        && let Err(e) = serde_json::from_str::<serde::de::IgnoredAny>(text)
    {
        let message = format!("is not JSON (line {}, column {})", e.line(), e.column());
        return Some((message, "clients would fail to read it"));
    }
    None
}

/// Warns of a status that nothing here answers with. What servers answer passes unchanged.
pub(super) fn warn_unused(value: Value<'_>, bodies: &[Placed], rules: &[Rule]) {
    for (body, span) in bodies {
        let by_rule = rules.iter().any(|rule| match &rule.action {
            Action::Deny { status } | Action::Tarpit { status, .. } => *status == body.status,
            _ => false,
        });
        if !OWN.contains(&body.status) && !by_rule {
            let message =
                format!("no rule of this frontend answers with {}, and nothing else does", body.status);
            let warning = Diagnostic::warning(Code::Unused, *span, message);
            value.context.report(warning.hint("what servers answer passes unchanged; remove it"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_text_of_a_reasonable_size_is_a_body() {
        assert_eq!(why_not(b"{\"error\": \"busy\"}", "json"), None);
        assert_eq!(why_not(&[b' '; LARGEST], "txt"), None);
        for (body, ending, part) in [
            (&[b' '; LARGEST + 1][..], "txt", "64001 bytes"),
            (b"", "txt", "empty"),
            (b"HTTP/1.0 503 Down\r\n\r\n", "html", "whole answer"),
            (b"\xff", "html", "UTF-8"),
            (b"{\"error\": }", "json", "line 1, column 11"),
        ] {
            assert!(why_not(body, ending).unwrap().0.contains(part), "{part}");
        }
    }
}
