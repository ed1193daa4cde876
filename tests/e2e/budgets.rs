//! Money, seen from outside: what a call costs to the micro-dollar, whose budget it is paid from, and what happens where
//! that ends.

mod caps;
mod cost_header;
mod crowd;
mod exact_costs;
mod hostile;
mod in_stream;
mod left_early;
mod marks;
mod reloaded;
mod shown;

use crate::support::http::Message;

/// A 429 that only the next period, or the operator, ends: it must not be tried again.
#[track_caller]
fn is_used_up(answer: &Message) {
    answer.is_error(429, "insufficient_quota");
    assert_eq!(answer.json()["error"]["type"], "insufficient_quota");
    assert_eq!(answer.header("x-should-retry"), Some("false"));
    assert_eq!(answer.header("retry-after"), None);
}

/// A 429 that calls in flight will end.
#[track_caller]
fn is_held(answer: &Message) {
    answer.is_error(429, "rate_limit_exceeded");
    assert!(answer.header("retry-after").unwrap().parse::<u64>().unwrap() >= 1, "{answer:?}");
    assert_ne!(answer.header("x-should-retry"), Some("false"));
}
