//! The figures of every frontend, backend and server: what `show stat`, the page and the metrics are all read from.
//! They outlive a reload, kept by name. State (up, weight, queue length) is not here: the pool knows it.

mod call;
mod client;
mod money;
mod taken;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::Mutex;

use super::cell::{Availability, ByLabel, Classes, Codes, Counter, Level, Mean, Rate};
use super::histogram::Histogram;
use crate::base::clock::Tick;

pub use super::cell::Session;
pub use call::{CallStats, Times};
pub use client::ClientStats;
pub use money::{Cost, dollars};
pub use taken::Taken;

/// One frontend. The comment names HAProxy's column.
#[derive(Debug, Default)]
pub struct FrontendStats {
    /// Client connections: `scur smax stot conn_tot`.
    pub connections: Arc<Level>,
    /// `rate rate_max conn_rate conn_rate_max`.
    pub connection_rate: Rate,
    /// Requests in progress; all of them are `req_tot`.
    pub requests: Arc<Level>,
    /// `req_rate req_rate_max`.
    pub request_rate: Rate,
    /// From clients, heads included: `bin`.
    pub bytes_in: Counter,
    /// To clients, heads included: `bout`.
    pub bytes_out: Counter,
    /// Requests refused by a rule, a plan or for want of a key: `dreq`.
    pub denied_requests: Counter,
    /// The same, and malformed ones, by the label of `tidegate_denied_total`.
    pub denied: ByLabel,
    /// Malformed, cut or late requests: `ereq`.
    pub bad_requests: Counter,
    /// Connections refused before a request (limit, PROXY protocol): `dcon`.
    pub refused_connections: Counter,
    /// Handshakes that failed: `ssl_failed_handshake`.
    pub tls_failures: Counter,
    /// Answered by a `return`, a redirect, `monitor`: `intercepted`.
    pub answered_here: Counter,
    /// `hrsp_*`.
    pub answers: Classes,
    /// From the first byte of a request to the end of its answer.
    pub duration: Histogram,
    /// From the first byte of a request to the first of its answer.
    pub first_byte: Histogram,
}

impl FrontendStats {
    pub fn connection(&self, now: Tick) -> Session {
        self.connection_rate.tick(now);
        self.connections.enter()
    }

    pub fn request(&self, now: Tick) -> Session {
        self.request_rate.tick(now);
        self.requests.enter()
    }

    /// Every `_max` begins anew; what is counted goes on.
    pub fn forget_peaks(&self) {
        self.connections.forget_peak();
        self.requests.forget_peak();
        self.connection_rate.forget_peak();
        self.request_rate.forget_peak();
    }
}

/// What backends and servers have in common.
#[derive(Debug, Default)]
pub struct Traffic {
    /// Requests in progress here: `scur smax stot`. A server counts each attempt.
    pub sessions: Arc<Level>,
    /// `rate rate_max`.
    pub session_rate: Rate,
    /// Tick (plus one) of the latest session; 0 is never.
    last_session: AtomicU64,
    /// Toward servers: `bin`.
    pub bytes_in: Counter,
    /// From servers: `bout`.
    pub bytes_out: Counter,
    /// `econ`.
    pub connect_errors: Counter,
    /// Broken, cut or missing answers: `eresp`.
    pub response_errors: Counter,
    /// Attempts after the first: `wretr`. On a server: attempts that failed here and were made again.
    pub retries: Counter,
    /// Retries that went to another server: `wredis`.
    pub redispatches: Counter,
    /// The client left: `cli_abrt`.
    pub client_aborts: Counter,
    /// The server broke off: `srv_abrt`.
    pub server_aborts: Counter,
    /// New connections to servers: `connect`.
    pub connects: Counter,
    /// Requests sent on a connection that was there: `reuse`.
    pub reuses: Counter,
    /// Times the balancer chose: `lbtot`.
    pub chosen: Counter,
    /// `hrsp_*`.
    pub answers: Classes,
    /// `qtime qtime_max`.
    pub queue_time: Mean,
    /// `ctime ctime_max`.
    pub connect_time: Mean,
    /// From sending the request to the head of the answer: `rtime rtime_max`.
    pub response_time: Mean,
    /// `ttime ttime_max`.
    pub total_time: Mean,
    pub duration: Histogram,
    pub first_byte: Histogram,
    /// Of event streams: from the first byte of a request to the first content.
    pub first_content: Histogram,
    /// `lastchg chkdown downtime`.
    pub availability: Availability,
}

impl Traffic {
    /// A request begins here.
    pub fn session(&self, now: Tick) -> Session {
        self.session_rate.tick(now);
        self.last_session.store(now.0.saturating_add(1), Ordering::Relaxed);
        self.sessions.enter()
    }

    /// Time since the latest session began: `lastsess`. `None`: there was none.
    pub fn since_last_session(&self, now: Tick) -> Option<Duration> {
        let last = self.last_session.load(Ordering::Relaxed).checked_sub(1)?;
        Some(now.since(Tick(last)))
    }

    /// Every `_max` begins anew; what is counted goes on.
    pub fn forget_peaks(&self) {
        self.sessions.forget_peak();
        self.session_rate.forget_peak();
        for time in [&self.queue_time, &self.connect_time, &self.response_time, &self.total_time] {
            time.forget_longest();
        }
    }
}

/// One backend.
#[derive(Debug, Default)]
pub struct BackendStats {
    pub traffic: Traffic,
    /// `dreq`.
    pub denied_requests: Counter,
    /// Waited for a free place, whatever came of it.
    pub queued: Counter,
    /// Refused because the queue was full, or gave up waiting.
    pub queue_refusals: Counter,
    /// Retries that the budget did not afford.
    pub retries_refused: Counter,
    /// Requests for which a second server was asked while the first was still silent.
    pub hedges: Counter,
    /// Those of them in which the second server was first.
    pub hedges_won: Counter,
    /// Those that the hedge budget did not afford.
    pub hedges_refused: Counter,
    /// Failovers, failbacks and the like, by [`super::events::EventKind::label`].
    pub tier_changes: ByLabel,
}

/// One server of one backend.
#[derive(Debug, Default)]
pub struct ServerStats {
    pub traffic: Traffic,
    /// `chkfail`: checks that failed while the server was up, as in HAProxy.
    pub check_failures: Counter,
    /// Checks made.
    pub checks: Counter,
    /// Attempts that failed by the server's fault, by what it was.
    pub failures: ByLabel,
    /// Changes of state, by the state that it came to.
    pub changes: ByLabel,
    /// The latest of them.
    pub latest_change: Mutex<Option<LatestChange>>,
}

/// How a server came to the state it is in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LatestChange {
    /// The state's label.
    pub to: &'static str,
    pub at: Tick,
    /// For people.
    pub why: String,
    /// When time alone will change it, where that is known.
    pub until: Option<Tick>,
}

/// Requests by exact status for one (frontend, backend, server), or one frontend's own answers:
/// `tidegate_requests_total`.
#[derive(Debug, Default)]
pub struct RequestCells(Codes);

impl RequestCells {
    /// One request ended; `None`: without an answer (the client left first).
    pub fn count(&self, status: Option<u16>) {
        self.0.count(status.unwrap_or(0));
    }

    /// Statuses that were counted, ascending; `None` last.
    pub fn read(&self) -> impl Iterator<Item = (Option<u16>, u64)> {
        self.0.read()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_session_is_unknown_before_the_first() {
        let traffic = Traffic::default();
        assert_eq!(traffic.since_last_session(Tick(500)), None);
        drop(traffic.session(Tick(0)));
        assert_eq!(traffic.since_last_session(Tick(500)), Some(Duration::from_millis(500)));
        assert_eq!((traffic.sessions.current(), traffic.sessions.total()), (0, 1));
    }

    #[test]
    fn requests_without_an_answer_are_counted_apart() {
        let cells = RequestCells::default();
        [Some(200), None, Some(502), Some(200)].into_iter().for_each(|status| cells.count(status));
        assert_eq!(cells.read().collect::<Vec<_>>(), [(Some(200), 2), (Some(502), 1), (None, 1)]);
    }

    #[test]
    fn requests_and_connections_are_levels_of_their_own() {
        let frontend = FrontendStats::default();
        let connection = frontend.connection(Tick(10));
        drop(frontend.request(Tick(20)));
        let _request = frontend.request(Tick(30));
        assert_eq!((frontend.connections.current(), frontend.requests.current()), (1, 1));
        assert_eq!((frontend.connections.total(), frontend.requests.total()), (1, 2));
        assert_eq!(frontend.request_rate.per_second(Tick(40)), 2);
        drop(connection);
        assert_eq!(frontend.connections.current(), 0);
    }
}
