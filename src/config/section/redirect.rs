//! The action `redirect`: to a fixed place, or to the same url with some parts replaced.

use http::HeaderValue;

use super::url;
use crate::config::checked::{Redirect, RedirectTarget, Scheme};
use crate::config::diagnostic::{Code, Diagnostic};
use crate::config::reader::{Keys, Map};
use crate::config::value::Value;

pub(super) const REDIRECT: Keys = Keys {
    path: "frontends.NAME.rules.redirect",
    known: &["scheme", "host", "port", "location", "status"],
    not_yet: &[],
    elsewhere: &[("code", "the key is `status`"), ("prefix", "use `location` for a fixed url")],
};

pub(super) fn read(value: Value<'_>) -> Option<Redirect> {
    let map = Map::open(value, &REDIRECT, "`redirect`")?;
    let status = map.or("status", 302, status);
    let words = [("http", Scheme::Http), ("https", Scheme::Https)];
    let scheme = map.maybe("scheme", |v| v.word(&words, &[]));
    let host = map.maybe("host", host);
    let port = map.maybe("port", |v| v.count_u16(1..=65535));
    let location = map.get("location").map(location);
    let parts = ["scheme", "host", "port"].into_iter().find(|k| map.has(k));
    match (location, parts) {
        (Some(_), Some(part)) => {
            let message = format!("`location` is a whole url: `{part}` has no meaning beside it");
            let wrong = Diagnostic::error(Code::Conflict, map.key_span(part), message);
            map.context.reject(wrong.hint("remove one of them"))
        }
        (Some(location), None) => Some(Redirect { status, target: RedirectTarget::Location(location?) }),
        (None, Some(_)) => Some(Redirect { status, target: RedirectTarget::Parts { scheme, host, port } }),
        (None, None) if !map.is_clean() => None,
        (None, None) => {
            let wrong =
                Diagnostic::error(Code::MissingKey, map.span, "`redirect` leads to where it comes from");
            map.context.reject(wrong.hint("give it `scheme`, `host`, `port` or `location`"))
        }
    }
}

fn status(value: Value<'_>) -> Option<u16> {
    value.word(&[("301", 301), ("302", 302), ("303", 303), ("307", 307), ("308", 308)], &[])
}

fn host(value: Value<'_>) -> Option<String> {
    let text = value.nonempty()?;
    if url::is_host(&text) {
        return Some(text.to_ascii_lowercase());
    }
    let message = format!("`{}` is not a host", value.shown());
    value.reject(Code::BadValue, message, "like `api.example.com`; the port has its own key")
}

fn location(value: Value<'_>) -> Option<HeaderValue> {
    let text = value.nonempty()?;
    let absolute = ["https://", "http://", "/"].iter().any(|p| text.starts_with(p));
    match HeaderValue::from_str(&text) {
        Ok(header) if absolute && text.bytes().all(|b| b.is_ascii_graphic()) => Some(header),
        _ => {
            let message = format!("`{}` is not a location", value.shown());
            value.reject(
                Code::BadValue,
                message,
                "a url like `https://example.com/new`, or a path like `/new`",
            )
        }
    }
}
