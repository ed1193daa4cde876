//! `backends.NAME.check`: how the health of a server is asked for.

use std::time::Duration;

use http::Method;

use super::headers;
use super::timeouts::nonzero;
use crate::config::checked::{Check, CheckKind, Expect, HttpCheck};
use crate::config::diagnostic::Code;
use crate::config::reader::{Keys, Map};
use crate::config::value::Value;

pub(super) const KEYS: &[&Keys] = &[&CHECK, &HTTP, &EXPECT];

const CHECK: Keys = Keys {
    path: "backends.NAME.check",
    known: &["http", "interval", "fast_interval", "timeout", "rise", "fall"],
    not_yet: &["chat", "tcp", "slow_above"],
    elsewhere: &[("path", "it stands in `http`: `check: {http: {path: ...}}`")],
};

const HTTP: Keys = Keys {
    path: "backends.NAME.check.http",
    known: &["method", "path", "headers", "expect"],
    not_yet: &[],
    elsewhere: &[("status", "it stands in `expect`: `expect: {status: [200]}`")],
};

const EXPECT: Keys =
    Keys { path: "backends.NAME.check.http.expect", known: &["status"], not_yet: &[], elsewhere: &[] };

pub(super) fn read(value: Value<'_>, backend: &str) -> Option<Check> {
    let map = Map::open(value, &CHECK, format!("the check of backend `{backend}`"))?;
    let other_kind = !map.is_clean() && !map.has("http");
    let interval = map.or("interval", Duration::from_secs(5), nonzero);
    let fast_interval = map.or("fast_interval", Duration::from_secs(1).min(interval), nonzero);
    let timeout = map.or("timeout", Duration::from_secs(3), nonzero);
    let rise = map.or("rise", 2, |v| v.count_u32(1..=1000));
    let fall = map.or("fall", 3, |v| v.count_u32(1..=1000));
    if other_kind {
        return None;
    }
    let http =
        map.required("http", |v| Map::open(v, &HTTP, format!("the HTTP check of backend `{backend}`")))?;
    let method = http.or("method", Method::GET, method);
    let path = http.or("path", "/".to_owned(), path);
    let headers = http.or("headers", Vec::new(), |v| headers::pairs(v, headers::value));
    let expect = http.get("expect").and_then(|v| Map::open(v, &EXPECT, "`expect`"));
    let expect = match expect {
        Some(map) => map.required("status", statuses)?,
        None => vec![200],
    };
    let expect = Expect { status: expect, headers: Vec::new(), body: None };
    Some(Check {
        kind: CheckKind::Http(Box::new(HttpCheck { method, path, headers, body: None, expect })),
        interval,
        jitter: 0.1,
        fast_interval,
        down_interval: interval,
        timeout,
        rise,
        fall,
        slow_above: None,
        down_above: None,
    })
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

/// Statuses that count as healthy; `200-299` is a range.
fn statuses(value: Value<'_>) -> Option<Vec<u16>> {
    let ranges = Value::each(value.one_or_more()?, |v| {
        let text = v.nonempty()?;
        let (from, to) = text.split_once('-').unwrap_or((&text, &text));
        match (from.parse::<u16>(), to.parse::<u16>()) {
            (Ok(from), Ok(to)) if from >= 100 && to <= 599 && from <= to => Some(from..=to),
            _ => {
                let message = format!("`{}` is not a status", v.shown());
                v.reject(Code::OutOfRange, message, "from 100 to 599, or a range like `200-299`")
            }
        }
    })?;
    let mut all: Vec<u16> = ranges.into_iter().flatten().collect();
    all.sort_unstable();
    all.dedup();
    Some(all)
}
