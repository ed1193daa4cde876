//! `tables`: stick tables, what they are keyed by and what they count.

use std::time::Duration;

use crate::config::checked::{Counter, Table, TableKey};
use crate::config::diagnostic::{Code, Diagnostic};
use crate::config::reader::{Keys, Map};
use crate::config::value::{LONGEST, Value};

use super::timeouts::nonzero;

pub(super) const KEYS: &[&Keys] = &[&TABLE];

const TABLE: Keys =
    Keys { path: "tables.NAME", known: &["key", "size", "expire", "counters"], not_yet: &[], elsewhere: &[] };

const TABLE_KEYS: &[(&str, TableKey)] = &[("src", TableKey::Src), ("api_key", TableKey::ApiKey)];

/// Keys of the design that no table can have yet.
const KEYS_NOT_YET: &[&str] = &["header", "path", "model", "plan"];

/// Counters of the design and of HAProxy that nothing counts yet.
const COUNTERS_NOT_YET: &[&str] = &[
    "tokens_rate",
    "tokens_cnt",
    "gpc0",
    "gpc0_rate",
    "gpc1",
    "gpc1_rate",
    "gpt0",
    "http_err_cnt",
    "http_fail_rate",
    "http_fail_cnt",
    "conn_cnt",
    "conn_rate",
    "sess_cnt",
    "sess_rate",
    "sess_cur",
    "bytes_in_cnt",
    "bytes_in_rate",
    "bytes_out_cnt",
    "bytes_out_rate",
    "server_id",
];

pub(super) fn read(name: &str, value: Value<'_>) -> Option<Table> {
    let map = Map::open(value, &TABLE, format!("table `{name}`"))?;
    let key = map.required("key", |v| v.called("key").word(TABLE_KEYS, KEYS_NOT_YET));
    let size = map.or("size", 100_000, |v| v.count_usize(1..=100_000_000));
    let expire = map.required("expire", nonzero);
    let counters = map.required("counters", |v| counters(v, expire));
    Some(Table { name: name.to_owned(), key: key?, size, expire: expire?, counters: counters? })
}

fn counters(value: Value<'_>, expire: Option<Duration>) -> Option<Vec<Counter>> {
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
    match word {
        "http_req_rate" => rate(Counter::HttpReqRate),
        "http_err_rate" => rate(Counter::HttpErrRate),
        "http_req_cnt" => plain(Counter::HttpReqCnt),
        "conn_cur" => plain(Counter::ConnCur),
        _ => value.word(WORDS, COUNTERS_NOT_YET),
    }
}

/// For the hint at an unknown counter.
const WORDS: &[(&str, Counter)] = &[
    ("http_req_rate(10s)", Counter::ConnCur),
    ("http_req_cnt", Counter::ConnCur),
    ("http_err_rate(10s)", Counter::ConnCur),
    ("conn_cur", Counter::ConnCur),
];

/// The counter's name, without its period.
pub(super) fn name(counter: Counter) -> &'static str {
    match counter {
        Counter::HttpReqRate(_) => "http_req_rate",
        Counter::HttpReqCnt => "http_req_cnt",
        Counter::HttpErrRate(_) => "http_err_rate",
        Counter::ConnCur => "conn_cur",
    }
}

pub(super) fn period(counter: Counter) -> Option<Duration> {
    match counter {
        Counter::HttpReqRate(p) | Counter::HttpErrRate(p) => Some(p),
        Counter::HttpReqCnt | Counter::ConnCur => None,
    }
}
