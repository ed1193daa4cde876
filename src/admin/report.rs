//! Everything the stats page shows, in plain values: what `/api/v1/status` sends as JSON and what the page is rendered
//! from, so that the two cannot disagree. What is unknown is `null`, never 0.

mod spending;

use serde::{Serialize, Serializer};

use crate::admin::attention::Notice;
use crate::pool::Status;

pub use spending::{Budget, Client, Ledger, Limits, Listed, Model, Stream};

#[derive(Clone, Debug, Serialize)]
pub struct Report {
    pub node: Node,
    /// What a person should look at, worst first. Empty when all is well.
    pub attention: Vec<Notice>,
    pub frontends: Vec<Frontend>,
    pub backends: Vec<Backend>,
    pub models: Vec<Model>,
    /// Those that cost most first.
    pub clients: Listed<Client>,
    /// All, then plans, then clients: of these the most spent first.
    pub budgets: Listed<Budget>,
    /// The oldest first; `/api/v1/streams` has all.
    pub streams: Listed<Stream>,
    /// `null`: it is off.
    pub ledger: Option<Ledger>,
    pub tables: Vec<Table>,
    /// `/api/v1/events` has them for machines.
    #[serde(skip)]
    pub events: Events,
}

/// What `/api/v1/events` sends.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Events {
    /// All since the start, those that are no longer kept too.
    pub total: u64,
    /// Newest first.
    pub events: Vec<Event>,
}

#[derive(Clone, Debug, Serialize)]
pub struct Event {
    /// Seconds since 1970, with milliseconds.
    pub at: f64,
    /// `server`, or what became of the tiers: `failover`, `failback`, `outage`, `recovery`, `help_begins`, `help_ends`;
    /// or of no backend: `budget`, `ledger`, `reload`, `certificate`, `rollback`; or what an alert watches: `latency`, `errors`.
    pub kind: &'static str,
    /// `better`, `worse`, `alarm`.
    pub tone: &'static str,
    /// What it happened to: `ai/primary`, `ai`, `client mobile`, `ledger`.
    pub subject: String,
    pub backend: Option<String>,
    pub server: Option<String>,
    pub from: String,
    pub to: String,
    pub why: String,
    /// It had been `from` for so long.
    pub lasted_seconds: Option<f64>,
    /// It will be `to` for so long, where that is known.
    pub expected_seconds: Option<f64>,
}

#[derive(Clone, Debug, Serialize)]
pub struct Node {
    pub version: &'static str,
    pub pid: u32,
    /// `starting`, `ready` or `draining`.
    pub state: &'static str,
    /// When this report was made, in seconds since 1970.
    pub at: u64,
    pub started_at: u64,
    pub uptime_seconds: u64,
    pub connections: usize,
    pub max_connections: usize,
    /// Access log lines that could not be written in time.
    pub log_lines_dropped: u64,
}

#[derive(Clone, Debug, Serialize)]
pub struct Frontend {
    pub name: String,
    pub addresses: Vec<String>,
    /// HAProxy's word: `OPEN`, `FULL` or `STOP`.
    pub status: &'static str,
    pub connections: u64,
    pub max_connections: usize,
    pub connections_total: u64,
    pub requests_in_flight: u64,
    pub requests_total: u64,
    pub responses: Responses,
    pub denied: Vec<Denied>,
    pub bytes_in: u64,
    pub bytes_out: u64,
    pub tls_failures: u64,
    pub recent: Recent,
}

#[derive(Clone, Debug, Serialize)]
pub struct Backend {
    pub name: String,
    /// Whether any server may take traffic.
    pub up: bool,
    pub usable_servers: usize,
    /// The tier that takes new requests; `null` when none can.
    pub active_tier: Option<u32>,
    pub first_tier: Option<u32>,
    /// The tier that takes a share because the active one is short of servers.
    pub helping_tier: Option<u32>,
    /// Nothing is usable: until the first comes back by time alone, where that is known.
    pub back_in_seconds: Option<f64>,
    /// As the file has it: `round_robin`, `hash(src)`, ...
    pub balance: String,
    pub in_flight: u64,
    pub queue: usize,
    pub queue_max: usize,
    pub queue_refusals: u64,
    pub requests_total: u64,
    pub responses: Responses,
    pub retries: u64,
    pub retries_refused: u64,
    /// Requests for which a second server was asked while the first was still silent.
    pub hedges: u64,
    pub hedges_won: u64,
    pub hedges_refused: u64,
    pub connect_errors: u64,
    pub response_errors: u64,
    /// Of all its servers: attempts that failed by a server's own fault, by what it was.
    pub failures: Vec<Failures>,
    pub bytes_in: u64,
    pub bytes_out: u64,
    pub recent: Recent,
    pub servers: Vec<Server>,
}

#[derive(Clone, Debug, Serialize)]
pub struct Server {
    pub name: String,
    /// `host:port` as the file has it.
    pub address: String,
    /// HAProxy's words: `UP`, `UP 2/3`, `DOWN`, `DOWN 1/2`, `DRAIN`, `MAINT`, `no check`, and ours in the same manner.
    pub status: String,
    #[serde(serialize_with = "label")]
    pub state: Status,
    /// Why it is in this state; `null` where nothing has changed yet.
    pub why: Option<String>,
    /// Until time alone changes it, where that is known.
    pub state_ends_seconds: Option<u64>,
    /// May take traffic now.
    pub usable: bool,
    /// Usable and in the tier that is active.
    pub active: bool,
    /// Since the state last changed; `null` before it is known.
    pub state_seconds: Option<u64>,
    pub check: Option<Check>,
    pub checks: u64,
    pub check_failures: u64,
    pub times_down: u64,
    pub down_seconds: u64,
    pub tier: u32,
    pub weight: u16,
    pub in_flight: u32,
    pub max_concurrent: Option<u32>,
    pub requests_total: u64,
    pub responses: Responses,
    pub retries: u64,
    pub connect_errors: u64,
    pub response_errors: u64,
    /// Attempts that failed by its own fault, by what it was.
    pub failures: Vec<Failures>,
    pub bytes_in: u64,
    pub bytes_out: u64,
    /// Since the start; `recent` has the last minute's.
    pub duration: Quantiles,
    pub first_byte: Quantiles,
    pub first_content: Quantiles,
    pub recent: Recent,
}

/// The label of `tidegate_server_state`.
fn label<S: Serializer>(state: &Status, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(state.label())
}

/// Failures of one kind: `connect`, `first_byte`, `status`, ...
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Failures {
    pub kind: &'static str,
    pub count: u64,
}

/// The latest health check.
#[derive(Clone, Debug, Serialize)]
pub struct Check {
    pub passed: bool,
    /// HAProxy's `check_status`: `L7OK`, `L4CON`, ...
    pub code: &'static str,
    pub http_status: Option<u16>,
    pub reason: String,
    pub took_ms: u64,
    pub seconds_ago: u64,
}

/// Answers by class since the start.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub struct Responses {
    #[serde(rename = "1xx")]
    pub informational: u64,
    #[serde(rename = "2xx")]
    pub success: u64,
    #[serde(rename = "3xx")]
    pub redirection: u64,
    #[serde(rename = "4xx")]
    pub client_error: u64,
    #[serde(rename = "5xx")]
    pub server_error: u64,
    pub other: u64,
}

impl From<[u64; 6]> for Responses {
    fn from(classes: [u64; 6]) -> Responses {
        let [informational, success, redirection, client_error, server_error, other] = classes;
        Responses { informational, success, redirection, client_error, server_error, other }
    }
}

#[derive(Clone, Debug, Serialize)]
pub struct Denied {
    pub reason: &'static str,
    pub count: u64,
}

/// The last minute, or less after a start.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Recent {
    pub seconds: f64,
    pub requests: u64,
    pub requests_per_second: f64,
    pub responses: Responses,
    /// From the first byte of the request to the end of the answer; those that ended.
    pub duration: Quantiles,
    /// From the first byte of the request (on a server: from sending it) to the first of the answer.
    pub first_byte: Quantiles,
    /// The same to the first content of an event stream.
    pub first_content: Quantiles,
    /// Attempts that failed by a server's fault, by what it was, the most frequent first.
    pub failures: Vec<Failures>,
}

/// Seconds; `null` when there was nothing to measure.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub struct Quantiles {
    pub p50: Option<f64>,
    pub p95: Option<f64>,
    pub p99: Option<f64>,
}

#[derive(Clone, Debug, Serialize)]
pub struct Table {
    pub name: String,
    /// `src` or `api_key`.
    pub key: &'static str,
    pub counters: Vec<String>,
    pub expire_seconds: f64,
    pub entries: usize,
    pub size: usize,
    /// Entries that had to go before their time.
    pub evicted: u64,
    /// Requests that were not tracked for want of room.
    pub full: u64,
}
