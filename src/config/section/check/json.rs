//! `backends.NAME.check.http.expect.body.json`: what stands where in an answer that is JSON.

use serde_json::{Number, Value as Json};

use super::header::{one_of, present, regex};
use super::json_path;
use crate::config::checked::{JsonMatch, JsonPath};
use crate::config::diagnostic::{Code, Diagnostic};
use crate::config::reader::{Keys, Map};
use crate::config::tree::Kind;
use crate::config::value::Value;

pub(super) const JSON: Keys = Keys {
    path: "backends.NAME.check.http.expect.body.json.PATH",
    known: &["regex", "present"],
    not_yet: &[],
    elsewhere: &[
        ("contains", "write `regex`: it may match any part of the text"),
        ("equals", "write the value itself: `\"$.ok\": true`"),
    ],
};

/// At least one place, each once.
pub(super) fn read(value: Value<'_>) -> Option<Vec<(JsonPath, JsonMatch)>> {
    let entries = value.pairs("{\"$.status\": ok}")?;
    if entries.is_empty() {
        let hint = "name a place and what stands there, like `json: {\"$.status\": ok}`";
        return value.reject(Code::BadValue, "`json` asks for nothing", hint);
    }
    let mut wanted: Vec<(JsonPath, JsonMatch)> = Vec::new();
    let mut good = true;
    for (key, item) in entries {
        match (json_path::read(item.context, &key.text, key.span), what(item)) {
            (Some(path), Some(_)) if wanted.iter().any(|(other, _)| other.steps == path.steps) => {
                let wrong = Diagnostic::error(Code::Conflict, key.span, "this place is named twice");
                item.context.report(wrong.hint("`$.a`, `a` and `$[\"a\"]` are the same place: keep one"));
                good = false;
            }
            (Some(path), Some(what)) => wanted.push((path, what)),
            _ => good = false,
        }
    }
    good.then_some(wanted)
}

fn what(value: Value<'_>) -> Option<JsonMatch> {
    match value.node.kind {
        Kind::Map(_) => {
            let map = Map::open(value, &JSON, "what is asked of this place")?;
            one_of(
                &map,
                [
                    ("regex", map.get("regex").map(|v| regex(v).map(JsonMatch::Regex))),
                    ("present", map.get("present").map(|v| present(v).map(|()| JsonMatch::Present))),
                ],
            )
        }
        _ => scalar(value).map(JsonMatch::Equals),
    }
}

/// What it is in YAML it is in JSON: a number, `true`, `false`, `null`, or else a string. In quotes it is a string.
fn scalar(value: Value<'_>) -> Option<Json> {
    if value.node.is_null() {
        return Some(Json::Null);
    }
    let text = value.text()?;
    if matches!(&value.node.kind, Kind::Scalar(s) if s.quoted) {
        return Some(Json::String(text));
    }
    match text.as_str() {
        "true" => return Some(Json::Bool(true)),
        "false" => return Some(Json::Bool(false)),
        _ => {}
    }
    if let Ok(number) = serde_json::from_str::<Number>(&text) {
        return Some(Json::Number(number));
    }
    let lower = text.to_ascii_lowercase();
    let word = matches!(lower.as_str(), "true" | "false" | "null");
    let number = text.starts_with(|c: char| c.is_ascii_digit() || matches!(c, '+' | '-' | '.'))
        && text.parse::<f64>().is_ok();
    if word || number {
        let message = format!("`{}` is no value of JSON", value.shown());
        let hint = "put it in quotes when it is a string; JSON writes `true`, `false`, `null`, `0.5`, `-3`";
        return value.reject(Code::BadValue, message, hint);
    }
    Some(Json::String(text))
}
