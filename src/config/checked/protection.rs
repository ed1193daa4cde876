//! What keeps traffic away from servers that do badly, without mistakes. Shares are 0.0..=1.0.

use std::time::Duration;

/// A row of failures takes a server out; trials bring it back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Breaker {
    /// In a row, 1..=1000.
    pub failures: u32,
    pub open_for: Duration,
    /// Requests that must all succeed before the server is back, 1..=100.
    pub trial_requests: u32,
}

/// A share of failures takes a server out for a time.
#[derive(Clone, Debug, PartialEq)]
pub struct Eject {
    /// Above this share. Below 1.0.
    pub error_rate: f64,
    /// Of the last so many requests, 1..=1000.
    pub over: u32,
    /// The first time; doubled each further time.
    pub time: Duration,
    /// Never below `time`.
    pub up_to: Duration,
    /// Share of the servers of a tier that may be out at once, rounded down.
    pub max_ejected: f64,
}

/// A server that said "not now" is left alone for a time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cooldown {
    /// Where the server names no time; doubled while it goes on.
    pub default: Duration,
    /// The longest, also of the times that servers name. Never below `default`.
    pub up_to: Duration,
}

/// A second attempt elsewhere while the first one is slow.
#[derive(Clone, Debug, PartialEq)]
pub struct Hedge {
    /// Of the times to the first content: 0.5..=0.999.
    pub quantile: f64,
    /// Never sooner than this.
    pub at_least: Duration,
    /// Second attempts as a share of requests.
    pub budget: f64,
}
