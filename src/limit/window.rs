//! The last minute, of requests as of tokens, HAProxy's arithmetic: a quiet client may use the whole at once. In a
//! minute of the counter never more than the limit is admitted; across two minutes the fading estimate of the first
//! stands in for it.

use std::time::Duration;

use crate::base::clock::Tick;
use crate::stick::{Entry, Period};

/// The window, and what a client that asks for more than its whole limit is told to wait.
pub const WINDOW: Period = Period::MINUTE;

/// Where a client stands: `x-ratelimit-{limit,remaining,reset}-{requests,tokens}`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quota {
    pub limit: u64,
    pub remaining: u64,
    /// Until the whole limit is free again if nothing more comes: OpenAI's meaning of reset.
    pub reset: Duration,
}

/// How long until so much more fits; zero when it fits now. `counter` is the place of the rate in the entry.
pub(super) fn wait(entry: &Entry<'_>, counter: usize, amount: u64, limit: u64, now: Tick) -> Duration {
    match limit.checked_sub(amount) {
        Some(highest) => entry.until_below(counter, highest, now),
        None => WINDOW.length(),
    }
}

pub(super) fn quota(entry: &Entry<'_>, counter: usize, limit: u64, now: Tick) -> Quota {
    Quota {
        limit,
        remaining: limit.saturating_sub(entry.read(counter, now)),
        reset: entry.until_below(counter, 0, now),
    }
}
