//! The action `return`: an answer without a server.

use http::HeaderValue;

use crate::config::checked::Return;
use crate::config::diagnostic::{Code, Diagnostic};
use crate::config::reader::{Keys, Map};
use crate::config::value::Value;

pub(super) const RETURN: Keys = Keys {
    path: "frontends.NAME.rules.return",
    known: &["status", "content_type", "body"],
    not_yet: &[],
    elsewhere: &[],
};

pub(super) fn read(value: Value<'_>) -> Option<Return> {
    let map = Map::open(value, &RETURN, "`return`")?;
    let status = map.or("status", 200, |v| v.count_u16(200..=599));
    let content_type =
        map.or("content_type", HeaderValue::from_static("text/plain; charset=utf-8"), content_type);
    let body = map.or("body", String::new(), |v| v.text());
    if matches!(status, 204 | 304) && !body.is_empty() {
        let wrong = Diagnostic::error(
            Code::Conflict,
            map.key_span("body"),
            format!("an answer {status} has no body"),
        );
        return map.context.reject(wrong.hint("remove `body`, or answer with another status"));
    }
    Some(Return { status, content_type, body })
}

fn content_type(value: Value<'_>) -> Option<HeaderValue> {
    let text = value.nonempty()?;
    let kind = text.split(';').next().unwrap_or_default().trim();
    let known = kind.split_once('/').is_some_and(|(a, b)| !a.is_empty() && !b.is_empty() && !b.contains('/'));
    match HeaderValue::from_str(&text) {
        Ok(header) if known => Some(header),
        _ => {
            let message = format!("`{}` is not a content type", value.shown());
            value.reject(Code::BadValue, message, "like `text/plain` or `application/json`")
        }
    }
}
