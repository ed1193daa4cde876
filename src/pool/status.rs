//! The words for what a server is and what an attempt on it came to: for the log, the metrics and the stats page. What
//! leads from one to the other is elsewhere.

use std::borrow::Cow;
use std::fmt;
use std::time::Duration;

/// What a server is, all in all. Where several hold at once, what wins is: maint, drain, unresolved, down or not checked,
/// breaker open, ejected, cooldown, misconfigured, half open, slow, up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Status {
    /// The backend has checks, and none has told yet: no traffic.
    NotChecked,
    Up,
    /// Its checks are slow, or clients' own keys are rate limited there: last in line.
    Slow,
    /// Its breaker lets a few trial requests through.
    HalfOpen,
    /// It asked to be left alone.
    Cooldown,
    /// Its error rate is above that of `eject`.
    Ejected,
    BreakerOpen,
    /// It refuses our key: last in line.
    Misconfigured,
    Down,
    /// Its name has no address.
    Unresolved,
    /// No new traffic, by an operator's word or a weight of 0.
    Drain,
    Maint,
}

impl Status {
    pub const ALL: [Status; 12] = [
        Status::NotChecked,
        Status::Up,
        Status::Slow,
        Status::HalfOpen,
        Status::Cooldown,
        Status::Ejected,
        Status::BreakerOpen,
        Status::Misconfigured,
        Status::Down,
        Status::Unresolved,
        Status::Drain,
        Status::Maint,
    ];

    /// As in metrics and events.
    pub fn label(self) -> &'static str {
        match self {
            Status::NotChecked => "not_checked",
            Status::Up => "up",
            Status::Slow => "slow",
            Status::HalfOpen => "half_open",
            Status::Cooldown => "cooldown",
            Status::Ejected => "ejected",
            Status::BreakerOpen => "breaker_open",
            Status::Misconfigured => "misconfigured",
            Status::Down => "down",
            Status::Unresolved => "unresolved",
            Status::Drain => "drain",
            Status::Maint => "maint",
        }
    }
}

/// A server became something else.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    pub from: Status,
    pub to: Status,
    /// For people, without secrets: `status 503`, `5 failures in a row, the last: status 503`, `60s are over`.
    pub why: Cow<'static, str>,
    /// It was `from` for so long.
    pub lasted: Duration,
    /// It stays `to` for so long, where that is known.
    pub expected: Option<Duration>,
}

/// What an attempt told of its server. An answer that is the client's own fault (a 4xx) is [`Sign::Well`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sign {
    Well,
    Failed(Trouble),
    /// A 429 or an exhausted quota, and the time it asked for.
    Limited(Option<Duration>),
    /// The same, when it was asked with a client's own key: it is last in line for that time.
    ClientLimited(Option<Duration>),
    /// 401 with our key.
    KeyRefused,
    /// 403 with our key: the key may be wrong, or the request may ask for what is not ours.
    KeyForbidden,
}

/// How a server failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Trouble {
    /// No connection.
    Connect,
    ConnectTimeout,
    /// It refused the stream before it acted (HTTP/2).
    Refused,
    /// Closed or reset before the first byte of an answer.
    Empty,
    /// No head of an answer within `timeouts.first_byte`.
    FirstByte,
    /// No content of an event stream within `timeouts.first_content`.
    FirstContent,
    /// An answer that is not HTTP.
    Broken,
    /// The answer ended in the middle.
    Cut,
    /// The answer stood still for `timeouts.server`.
    Silent,
    Status(u16),
    /// The first event of a stream was an error.
    ErrorEvent,
}

impl Trouble {
    /// As in metrics.
    pub fn label(self) -> &'static str {
        match self {
            Trouble::Connect => "connect",
            Trouble::ConnectTimeout => "connect_timeout",
            Trouble::Refused => "refused",
            Trouble::Empty => "empty",
            Trouble::FirstByte => "first_byte",
            Trouble::FirstContent => "first_content",
            Trouble::Broken => "broken",
            Trouble::Cut => "cut",
            Trouble::Silent => "silent",
            Trouble::Status(_) => "status",
            Trouble::ErrorEvent => "error_event",
        }
    }
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let words = match self {
            Trouble::Connect => "no connection",
            Trouble::ConnectTimeout => "no connection in time",
            Trouble::Refused => "stream refused",
            Trouble::Empty => "closed without an answer",
            Trouble::FirstByte => "no answer in time",
            Trouble::FirstContent => "no first content in time",
            Trouble::Broken => "an answer that is not HTTP",
            Trouble::Cut => "answer cut",
            Trouble::Silent => "answer stood still",
            Trouble::Status(status) => return write!(f, "status {status}"),
            Trouble::ErrorEvent => "an error event instead of content",
        };
        f.write_str(words)
    }
}

/// A duration as an operator would write it: `250ms`, `1.5s`, `60s`.
pub(super) fn spoken(time: Duration) -> String {
    let milliseconds = time.as_millis();
    match milliseconds % 1000 {
        0 => format!("{}s", milliseconds / 1000),
        _ if milliseconds < 1000 => format!("{milliseconds}ms"),
        _ => format!("{:.1}s", time.as_secs_f64()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_status_has_its_own_label() {
        let mut labels = Status::ALL.map(Status::label).to_vec();
        labels.sort_unstable();
        labels.dedup();
        assert_eq!(labels.len(), Status::ALL.len());
    }

    #[test]
    fn times_read_as_an_operator_writes_them() {
        let spoken = |milliseconds| spoken(Duration::from_millis(milliseconds));
        assert_eq!([0, 250, 1500, 60_000].map(spoken), ["0s", "250ms", "1.5s", "60s"]);
    }
}
