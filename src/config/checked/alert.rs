//! Who is told of what, without mistakes. An alert that the file switches off is not there at all.

use std::time::Duration;

use crate::base::secret::Secret;

#[derive(Clone, Debug, PartialEq)]
pub struct Alert {
    /// `http://` or `https://` with a host, and nothing in it that a request line could not carry. Secret as a whole.
    pub webhook: Secret,
    pub format: AlertFormat,
    /// In the order of the file, each event once. Never empty.
    pub events: Vec<AlertEvent>,
    /// Indices in [`Checked::backends`](super::Checked::backends), each once; `None`: all.
    pub backends: Option<Vec<usize>>,
    /// The same event of the same subject is not told again sooner. At least a second.
    pub every: Duration,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AlertFormat {
    Slack,
    /// Events API v2.
    PagerDuty {
        routing_key: Secret,
    },
    Json,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum AlertEvent {
    ServerDown,
    ServerUp,
    Failover,
    BreakerOpen,
    NoServer,
    /// Above this time, for a backend.
    LatencyP95(Duration),
    /// Above this share of a backend's requests: 0.001..=0.99.
    ErrorRate(f64),
    Budget,
    Certificate,
    ReloadFailed,
    Rollback,
    Ledger,
}
