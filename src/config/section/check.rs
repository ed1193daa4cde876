//! `backends.NAME.check`: how the health of a server is asked for, and what its answers mean.

mod body;
mod chat;
mod expect;
mod header;
mod http;
mod json;
mod json_path;
mod tcp;

use std::time::Duration;

use super::timeouts::nonzero;
use crate::config::checked::{Check, CheckKind};
use crate::config::diagnostic::{Code, Diagnostic};
use crate::config::reader::{Keys, Map};
use crate::config::value::Value;

pub(super) const KEYS: &[&Keys] = &[
    &CHECK,
    &http::HTTP,
    &expect::EXPECT,
    &header::HEADER,
    &body::BODY,
    &json::JSON,
    &chat::CHAT,
    &tcp::TCP,
];

const CHECK: Keys = Keys {
    path: "backends.NAME.check",
    known: &[
        "http",
        "chat",
        "tcp",
        "interval",
        "jitter",
        "fast_interval",
        "down_interval",
        "timeout",
        "rise",
        "fall",
        "slow_above",
        "down_above",
    ],
    not_yet: &[],
    elsewhere: &[
        ("path", "it stands in `http`: `check: {http: {path: ...}}`"),
        ("expect", "it stands in `http`: `check: {http: {expect: ...}}`"),
        ("model", "it stands in `chat`: `check: {chat: {model: ...}}`"),
    ],
};

/// The three kinds of checks.
const KINDS: [&str; 3] = ["http", "chat", "tcp"];

pub(super) fn read(value: Value<'_>, backend: &str) -> Option<Check> {
    let map = Map::open(value, &CHECK, format!("the check of backend `{backend}`"))?;
    let kind = kind(&map, backend);
    let interval = map.or("interval", Duration::from_secs(5), nonzero);
    let check = Check {
        interval,
        jitter: map.or("jitter", 0.1, |v| v.share_within(0.0..=0.5)),
        fast_interval: map.or("fast_interval", Duration::from_secs(1).min(interval), nonzero),
        down_interval: map.or("down_interval", interval, nonzero),
        timeout: map.or("timeout", Duration::from_secs(3), nonzero),
        rise: map.or("rise", 2, |v| v.count_u32(1..=1000)),
        fall: map.or("fall", 3, |v| v.count_u32(1..=1000)),
        slow_above: map.maybe("slow_above", nonzero),
        down_above: map.maybe("down_above", nonzero),
        kind: kind?,
    };
    times(&map, &check);
    Some(check)
}

/// Exactly one of them.
fn kind(map: &Map<'_>, backend: &str) -> Option<CheckKind> {
    let http = map.get("http").map(|v| http::read(v, backend).map(|c| CheckKind::Http(Box::new(c))));
    let chat = map.get("chat").map(|v| chat::read(v, backend).map(CheckKind::Chat));
    let tcp = map.get("tcp").map(|v| tcp::read(v, backend).map(|()| CheckKind::Tcp));
    let mut given = KINDS.iter().zip([http, chat, tcp]).filter_map(|(name, kind)| Some((*name, kind?)));
    let Some((first, kind)) = given.next() else {
        if KINDS.iter().any(|kind| map.misspelt(kind)) {
            return None;
        }
        let message = format!("{} does not say how: it needs `http`, `chat` or `tcp`", map.what);
        let hint = "like `check: {http: {path: /models}}`, or `tcp: {}` for a connection alone";
        return map.context.reject(Diagnostic::error(Code::MissingKey, map.span, message).hint(hint));
    };
    if let Some((second, _)) = given.next() {
        let message = format!("{} has both `{first}` and `{second}`", map.what);
        let wrong = Diagnostic::error(Code::Conflict, map.key_span(second), message);
        return map.context.reject(wrong.hint("a server is checked in one way: keep one of them"));
    }
    kind
}

/// How the times stand to each other.
fn times(map: &Map<'_>, check: &Check) {
    if let (Some(slow), Some(down)) = (check.slow_above, check.down_above)
        && down < slow
    {
        let message = "`down_above` is below `slow_above`: a server would be down before it is slow";
        let wrong = Diagnostic::error(Code::Conflict, map.key_span("down_above"), message);
        map.context.report(wrong.hint("let `down_above` be the longer one"));
    }
    for (key, time) in [("slow_above", check.slow_above), ("down_above", check.down_above)] {
        if time.is_some_and(|time| time >= check.timeout) {
            let message = format!("`{key}` never counts: a check fails at its `timeout` before");
            let warning = Diagnostic::warning(Code::Conflict, map.key_span(key), message);
            map.context.report(warning.hint(format!("lower `{key}`, or raise `timeout`")));
        }
    }
    if check.fast_interval > check.interval {
        let message = "`fast_interval` is longer than `interval`: a change is seen later, not sooner";
        let warning = Diagnostic::warning(Code::Conflict, map.key_span("fast_interval"), message);
        map.context.report(warning.hint("let it be the shorter one"));
    }
}
