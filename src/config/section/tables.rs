//! `tables`: stick tables, what they are keyed by and what they count.

use std::time::Duration;

use crate::config::checked::{Counter, Table, TableKey};
use crate::config::diagnostic::{Code, Diagnostic};
use crate::config::reader::{Keys, Map};
use crate::config::value::{LONGEST, Value};

use super::ai::names::ModelNames;
use super::timeouts::nonzero;

pub(super) const KEYS: &[&Keys] = &[&TABLE];

const TABLE: Keys =
    Keys { path: "tables.NAME", known: &["key", "size", "expire", "counters"], not_yet: &[], elsewhere: &[] };

const TABLE_KEYS: &[(&str, TableKey)] = &[
    ("src", TableKey::Src),
    ("api_key", TableKey::ApiKey),
    ("model", TableKey::Model),
    ("plan", TableKey::Plan),
];

/// Keys of the design that no table can have yet.
const KEYS_NOT_YET: &[&str] = &["header", "path"];

/// Counters of the design and of HAProxy that nothing counts yet.
const COUNTERS_NOT_YET: &[&str] = &["sess_cnt", "sess_rate", "sess_cur", "server_id"];

pub(super) fn read(name: &str, value: Value<'_>, models: &ModelNames) -> Option<Table> {
    let map = Map::open(value, &TABLE, format!("table `{name}`"))?;
    let key = map.required("key", |v| v.called("key").word(TABLE_KEYS, KEYS_NOT_YET));
    let size = map.or("size", 100_000, |v| v.count_usize(1..=100_000_000));
    let expire = map.required("expire", nonzero);
    let counters = map.required("counters", |v| counters(v, expire, models));
    Some(Table { name: name.to_owned(), key: key?, size, expire: expire?, counters: counters? })
}

fn counters(value: Value<'_>, expire: Option<Duration>, models: &ModelNames) -> Option<Vec<Counter>> {
    let mut counters: Vec<Counter> = Vec::new();
    let mut good = true;
    for item in value.one_or_more()? {
        match counter(item) {
            Some(c) if counters.iter().any(|other| name(*other) == name(c)) => {
                let message = format!("the table already counts `{}`", name(c));
                good = item.reject::<()>(Code::Conflict, message, "each counter once").is_some();
            }
            Some(c) => {
                warn_short_expire(item, c, expire);
                warn_no_price(item, c, models);
                counters.push(c);
            }
            None => good = false,
        }
    }
    good.then_some(counters)
}

/// An entry that is forgotten before its period is over lets a slow client off.
fn warn_short_expire(value: Value<'_>, counter: Counter, expire: Option<Duration>) {
    if let (Some(period), Some(expire)) = (period(counter), expire)
        && period > expire
    {
        let message = "the table forgets an entry before this period is over";
        let warning = Diagnostic::warning(Code::Conflict, value.span(), message);
        value.context.report(warning.hint("let `expire` be at least as long as the period"));
    }
}

fn warn_no_price(value: Value<'_>, counter: Counter, models: &ModelNames) {
    if let (Counter::CostRate(_), Some(why)) = (counter, models.why_free(None)) {
        let message = format!("`cost_rate` stays at 0: {why}");
        let warning = Diagnostic::warning(Code::Conflict, value.span(), message);
        value.context.report(warning.hint("give prices in `ai.models`, or remove it"));
    }
}

fn counter(value: Value<'_>) -> Option<Counter> {
    let text = value.nonempty()?;
    let (word, period) = match text.split_once('(') {
        None => (text.as_str(), None),
        Some((word, rest)) => match rest.strip_suffix(')') {
            Some(period) => (word, Some(period)),
            None => {
                let message = format!("`{}` lacks its `)`", value.shown());
                return value.reject(Code::BadValue, message, "like `http_req_rate(10s)`");
            }
        },
    };
    let rate = |make: fn(Duration) -> Counter| match period {
        Some(p) => value
            .called("period")
            .duration_of(p, &value.shown(), Duration::from_millis(1)..=LONGEST)
            .map(make),
        None => {
            let message = format!("`{word}` needs a period");
            value.reject(Code::BadValue, message, format!("like `{word}(10s)`"))
        }
    };
    let plain = |counter: Counter| match period {
        None => Some(counter),
        Some(_) => value.reject(Code::BadValue, format!("`{word}` has no period"), format!("write `{word}`")),
    };
    match KINDS.iter().find(|(name, _)| *name == word) {
        Some((_, Kind::Rate(make))) => rate(*make),
        Some((_, Kind::Plain(counter))) => plain(*counter),
        None => {
            let written = written();
            let words: Vec<(&str, Counter)> = written.iter().map(|w| (w.as_str(), Counter::Gpt0)).collect();
            value.word(&words, COUNTERS_NOT_YET)
        }
    }
}

enum Kind {
    Rate(fn(Duration) -> Counter),
    Plain(Counter),
}

const KINDS: &[(&str, Kind)] = &[
    ("http_req_rate", Kind::Rate(Counter::HttpReqRate)),
    ("http_req_cnt", Kind::Plain(Counter::HttpReqCnt)),
    ("http_err_rate", Kind::Rate(Counter::HttpErrRate)),
    ("http_err_cnt", Kind::Plain(Counter::HttpErrCnt)),
    ("http_fail_rate", Kind::Rate(Counter::HttpFailRate)),
    ("http_fail_cnt", Kind::Plain(Counter::HttpFailCnt)),
    ("conn_cur", Kind::Plain(Counter::ConnCur)),
    ("conn_rate", Kind::Rate(Counter::ConnRate)),
    ("conn_cnt", Kind::Plain(Counter::ConnCnt)),
    ("bytes_in_rate", Kind::Rate(Counter::BytesInRate)),
    ("bytes_in_cnt", Kind::Plain(Counter::BytesInCnt)),
    ("bytes_out_rate", Kind::Rate(Counter::BytesOutRate)),
    ("bytes_out_cnt", Kind::Plain(Counter::BytesOutCnt)),
    ("tokens_rate", Kind::Rate(Counter::TokensRate)),
    ("tokens_cnt", Kind::Plain(Counter::TokensCnt)),
    ("cost_rate", Kind::Rate(Counter::CostRate)),
    ("gpc0", Kind::Plain(Counter::Gpc0)),
    ("gpc0_rate", Kind::Rate(Counter::Gpc0Rate)),
    ("gpc1", Kind::Plain(Counter::Gpc1)),
    ("gpc1_rate", Kind::Rate(Counter::Gpc1Rate)),
    ("gpt0", Kind::Plain(Counter::Gpt0)),
];

/// As they are written, for the hint at an unknown counter.
fn written() -> Vec<String> {
    let written = |(name, kind): &(&str, Kind)| match kind {
        Kind::Rate(_) => format!("{name}(10s)"),
        Kind::Plain(_) => (*name).to_owned(),
    };
    KINDS.iter().map(written).collect()
}

/// The counter's name, without its period.
pub(super) fn name(counter: Counter) -> &'static str {
    match counter {
        Counter::HttpReqRate(_) => "http_req_rate",
        Counter::HttpReqCnt => "http_req_cnt",
        Counter::HttpErrRate(_) => "http_err_rate",
        Counter::HttpErrCnt => "http_err_cnt",
        Counter::HttpFailRate(_) => "http_fail_rate",
        Counter::HttpFailCnt => "http_fail_cnt",
        Counter::ConnCur => "conn_cur",
        Counter::ConnRate(_) => "conn_rate",
        Counter::ConnCnt => "conn_cnt",
        Counter::BytesInRate(_) => "bytes_in_rate",
        Counter::BytesInCnt => "bytes_in_cnt",
        Counter::BytesOutRate(_) => "bytes_out_rate",
        Counter::BytesOutCnt => "bytes_out_cnt",
        Counter::TokensRate(_) => "tokens_rate",
        Counter::TokensCnt => "tokens_cnt",
        Counter::CostRate(_) => "cost_rate",
        Counter::Gpc0 => "gpc0",
        Counter::Gpc0Rate(_) => "gpc0_rate",
        Counter::Gpc1 => "gpc1",
        Counter::Gpc1Rate(_) => "gpc1_rate",
        Counter::Gpt0 => "gpt0",
    }
}

fn period(counter: Counter) -> Option<Duration> {
    match counter {
        Counter::HttpReqRate(p)
        | Counter::HttpErrRate(p)
        | Counter::HttpFailRate(p)
        | Counter::ConnRate(p)
        | Counter::BytesInRate(p)
        | Counter::BytesOutRate(p)
        | Counter::TokensRate(p)
        | Counter::CostRate(p)
        | Counter::Gpc0Rate(p)
        | Counter::Gpc1Rate(p) => Some(p),
        _ => None,
    }
}
