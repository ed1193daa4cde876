//! `backends.NAME.check.http.expect.body`: what the body of an answer must have.

use super::header::{one_of, regex};
use super::json;
use crate::config::checked::BodyMatch;
use crate::config::diagnostic::Code;
use crate::config::reader::{Keys, Map};
use crate::config::tree::Kind;
use crate::config::value::Value;

pub(super) const BODY: Keys = Keys {
    path: "backends.NAME.check.http.expect.body",
    known: &["contains", "regex", "json"],
    not_yet: &[],
    elsewhere: &[],
};

pub(super) fn read(value: Value<'_>) -> Option<BodyMatch> {
    if !matches!(value.node.kind, Kind::Map(_)) && !value.node.is_empty() {
        let message = format!("`body` must be a mapping, not {}", value.kind());
        let hint = "like `body: {contains: ok}` or `body: {json: {\"$.status\": ok}}`";
        return value.reject(Code::WrongType, message, hint);
    }
    let map = Map::open(value, &BODY, "the expected body")?;
    one_of(
        &map,
        [
            ("contains", map.get("contains").map(|v| contains(v).map(BodyMatch::Contains))),
            ("regex", map.get("regex").map(|v| regex(v).map(BodyMatch::Regex))),
            ("json", map.get("json").map(|v| json::read(v).map(BodyMatch::Json))),
        ],
    )
}

/// Any text; a body has line ends too.
fn contains(value: Value<'_>) -> Option<String> {
    let text = value.text()?;
    if text.is_empty() {
        return value.reject(
            Code::BadValue,
            "`contains` is empty: every body does",
            "give it a value, or remove it",
        );
    }
    Some(text)
}
