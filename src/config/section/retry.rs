//! `backends.NAME.retry`: what is tried again, how often and how soon.

use std::time::Duration;

use crate::config::checked::{Retry, RetryWhen};
use crate::config::diagnostic::Code;
use crate::config::reader::{Keys, Map};
use crate::config::value::{LONGEST, Value};

pub(super) const RETRY: Keys = Keys {
    path: "backends.NAME.retry",
    known: &["attempts", "when", "backoff", "budget"],
    not_yet: &[],
    elsewhere: &[("retries", "the key is `attempts`, and counts the first try too")],
};

pub(super) fn read(backend: &Map<'_>) -> Retry {
    let mut retry = Retry {
        attempts: 3,
        when: RetryWhen {
            connect_failure: true,
            empty_response: true,
            timeout: true,
            statuses: vec![429, 500, 502, 503, 504, 529],
        },
        backoff_min: Duration::from_millis(100),
        backoff_max: Duration::from_secs(2),
        budget: 0.2,
    };
    let what = format!("the retry of {}", backend.what);
    if let Some(map) = backend.get("retry").and_then(|v| Map::open(v, &RETRY, what)) {
        retry.attempts = map.or("attempts", retry.attempts, |v| v.count_u32(1..=10));
        retry.when = map.or("when", retry.when.clone(), when);
        (retry.backoff_min, retry.backoff_max) =
            map.or("backoff", (retry.backoff_min, retry.backoff_max), backoff);
        retry.budget = map.or("budget", retry.budget, |v| v.share());
    }
    retry
}

#[derive(Clone, Copy)]
enum Reason {
    ConnectFailure,
    EmptyResponse,
    Timeout,
}

const REASONS: &[(&str, Reason)] = &[
    ("connect_failure", Reason::ConnectFailure),
    ("empty_response", Reason::EmptyResponse),
    ("timeout", Reason::Timeout),
];

fn when(value: Value<'_>) -> Option<RetryWhen> {
    let mut when = RetryWhen::default();
    let mut good = true;
    for item in value.items()? {
        let Some(text) = item.nonempty() else {
            good = false;
            continue;
        };
        if text.bytes().all(|b| b.is_ascii_digit()) {
            match item.count_u16(400..=599) {
                Some(status) => when.statuses.push(status),
                None => good = false,
            }
            continue;
        }
        match item.word(REASONS, &[]) {
            Some(Reason::ConnectFailure) => when.connect_failure = true,
            Some(Reason::EmptyResponse) => when.empty_response = true,
            Some(Reason::Timeout) => when.timeout = true,
            None => good = false,
        }
    }
    when.statuses.sort_unstable();
    when.statuses.dedup();
    good.then_some(when)
}

/// `100ms..2s`.
fn backoff(value: Value<'_>) -> Option<(Duration, Duration)> {
    let text = value.nonempty()?;
    let hint = "from the first pause to the longest one, like `100ms..2s`";
    let Some((from, to)) = text.split_once("..") else {
        let message = format!("`backoff` must be a range of durations, not `{}`", value.shown());
        return value.reject(Code::BadValue, message, hint);
    };
    let range = Duration::ZERO..=LONGEST;
    let from = value.duration_of(from, &value.shown(), range.clone());
    let to = value.duration_of(to, &value.shown(), range);
    let (from, to) = (from?, to?);
    if from > to {
        return value.reject(Code::OutOfRange, "`backoff` begins with the longer pause", hint);
    }
    Some((from, to))
}
