//! `backends.NAME.check.http`: one request, and what its answer must have.

use http::Method;

use super::expect;
use crate::config::checked::{Expect, HttpCheck};
use crate::config::diagnostic::{Code, Diagnostic};
use crate::config::reader::{Keys, Map};
use crate::config::section::headers;
use crate::config::value::Value;

pub(super) const HTTP: Keys = Keys {
    path: "backends.NAME.check.http",
    known: &["method", "path", "headers", "body", "expect"],
    not_yet: &[],
    elsewhere: &[("status", "it stands in `expect`: `expect: {status: [200]}`")],
};

pub(super) fn read(value: Value<'_>, backend: &str) -> Option<HttpCheck> {
    let map = Map::open(value, &HTTP, format!("the HTTP check of backend `{backend}`"))?;
    let method = map.or("method", Method::GET, method);
    let path = map.or("path", "/".to_owned(), path);
    let headers = map.or("headers", Vec::new(), |v| headers::pairs(v, headers::value));
    let body = map.maybe("body", body);
    let expect = map.get("expect").map_or_else(|| Some(expect::usual()), expect::read)?;
    if body.is_some() && method != Method::POST {
        let message = format!("the check sends a body with {method}: most servers do not look at it");
        let warning = Diagnostic::warning(Code::Conflict, map.key_span("body"), message);
        map.context.report(warning.hint("add `method: POST`, or remove `body`"));
    }
    head_has_no_body(&map, &method, &expect)?;
    Some(HttpCheck { method, path, headers, body, expect })
}

fn method(value: Value<'_>) -> Option<Method> {
    let words = [("GET", 0), ("HEAD", 1), ("OPTIONS", 2), ("POST", 3)];
    value.word(&words, &[]).map(|i| match i {
        0 => Method::GET,
        1 => Method::HEAD,
        2 => Method::OPTIONS,
        _ => Method::POST,
    })
}

fn path(value: Value<'_>) -> Option<String> {
    let text = value.nonempty()?;
    if text.starts_with('/') && text.bytes().all(|b| b.is_ascii_graphic() && b != b'#') {
        return Some(text);
    }
    let hint = "it begins with `/` and is appended to the path of the server's `url`: `/models`";
    value.reject(Code::BadValue, format!("`{}` cannot be the path of a check", value.shown()), hint)
}

/// Any text; line ends are its own.
fn body(value: Value<'_>) -> Option<String> {
    let text = value.text()?;
    if text.is_empty() {
        return value.reject(Code::BadValue, "`body` is empty", "give it a value, or remove it");
    }
    Some(text)
}

/// Every server would be down for ever.
fn head_has_no_body(map: &Map<'_>, method: &Method, expect: &Expect) -> Option<()> {
    if expect.body.is_none() || *method != Method::HEAD {
        return Some(());
    }
    let message = "`expect` asks for a body, but an answer to HEAD has none: every server would be down";
    let wrong = Diagnostic::error(Code::Conflict, map.key_span("method"), message);
    map.context.reject(wrong.hint("write `method: GET`, or remove `body` from `expect`"))
}
