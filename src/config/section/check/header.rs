//! `backends.NAME.check.http.expect.header`: headers that an answer must have.

use std::collections::HashSet;

use http::HeaderName;

use crate::config::checked::TextMatch;
use crate::config::diagnostic::{Code, Diagnostic};
use crate::config::reader::{Keys, Map};
use crate::config::section::acls::regexes::{self, Subject};
use crate::config::section::headers;
use crate::config::tree::Kind;
use crate::config::value::Value;

pub(super) const HEADER: Keys = Keys {
    path: "backends.NAME.check.http.expect.header.NAME",
    known: &["contains", "regex", "present"],
    not_yet: &[],
    elsewhere: &[("equals", "write the value itself: `x-ready: \"yes\"`")],
};

pub(super) fn read(value: Value<'_>) -> Option<Vec<(HeaderName, TextMatch)>> {
    let mut wanted = Vec::new();
    let mut seen = HashSet::new();
    let mut good = true;
    for (key, item) in value.pairs("{x-ready: \"yes\"}")? {
        match (headers::name(item.context, &key.text, key.span), text(item)) {
            (Some(name), Some(_)) if !seen.insert(name.clone()) => {
                let wrong =
                    Diagnostic::error(Code::Conflict, key.span, format!("header `{name}` is named twice"));
                item.context.report(wrong.hint("names differ by more than upper and lower case"));
                good = false;
            }
            (Some(name), Some(text)) => wanted.push((name, text)),
            _ => good = false,
        }
    }
    good.then_some(wanted)
}

/// The whole value, or what of it is asked.
fn text(value: Value<'_>) -> Option<TextMatch> {
    match value.node.kind {
        Kind::Map(_) => {
            let map = Map::open(value, &HEADER, format!("header `{}`", value.name))?;
            one_of(
                &map,
                [
                    ("contains", map.get("contains").map(|v| v.nonempty().map(TextMatch::Contains))),
                    ("regex", map.get("regex").map(|v| regex(v).map(TextMatch::Regex))),
                    ("present", map.get("present").map(|v| present(v).map(|()| TextMatch::Present))),
                ],
            )
        }
        _ => equals(value),
    }
}

fn equals(value: Value<'_>) -> Option<TextMatch> {
    let text = value.text()?;
    let possible = text.trim_matches([' ', '\t']) == text && !text.chars().any(char::is_control);
    if possible { Some(TextMatch::Equals(text)) } else { headers::no_value(value) }
}

pub(super) fn present(value: Value<'_>) -> Option<()> {
    value.must_be_true("write `present: true`, or remove it")
}

/// A pattern that compiles for text and for bytes alike, with the options that both have by themselves.
pub(super) fn regex(value: Value<'_>) -> Option<String> {
    regexes::one(value, value.nonempty()?, Subject::Path, false)
}

/// The one way that is given; every other one is a mistake, and so is none. After an unknown key none needs no second
/// message.
pub(super) fn one_of<T, const N: usize>(
    map: &Map<'_>,
    ways: [(&'static str, Option<Option<T>>); N],
) -> Option<T> {
    let names: Vec<String> = ways.iter().map(|(name, _)| format!("`{name}`")).collect();
    let mut given = ways.into_iter().filter_map(|(name, way)| Some((name, way?)));
    match (given.next(), given.next()) {
        (Some((_, way)), None) => way,
        (Some((first, _)), Some((second, _))) => {
            let message = format!("{} has both `{first}` and `{second}`", map.what);
            let wrong = Diagnostic::error(Code::Conflict, map.key_span(second), message);
            map.context.reject(wrong.hint("it takes one of them; a regular expression can ask for both"))
        }
        (None, _) if !map.is_clean() => None,
        (None, _) => {
            let message = format!("{} does not say what is asked", map.what);
            let wrong = Diagnostic::error(Code::MissingKey, map.span, message);
            map.context.reject(wrong.hint(format!("one of {}", names.join(" "))))
        }
    }
}
