//! Who asks, what that costs, and what is going on: the part of the report that is about calls and money. Dollars are
//! for people: whoever counts exactly reads the ledger.

use serde::Serialize;

use super::Quantiles;

/// The first of so many.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Listed<T> {
    /// Those that are not in the list too.
    pub total: usize,
    pub list: Vec<T>,
}

impl<T> Listed<T> {
    /// All of them, in their order, or the first `most`.
    pub fn first(mut all: Vec<T>, most: usize) -> Listed<T> {
        let total = all.len();
        all.truncate(most);
        Listed { total, list: all }
    }

    /// How many are not in the list.
    pub fn rest(&self) -> usize {
        self.total.saturating_sub(self.list.len())
    }
}

/// What a model took since the start.
#[derive(Clone, Debug, Serialize)]
pub struct Model {
    /// `other` stands for all that the configuration does not list.
    pub name: String,
    /// Calls that ended, however they did.
    pub requests: u64,
    /// Of the last minute.
    pub requests_per_second: f64,
    /// Of prompt and completion, of the last minute.
    pub tokens_per_second: f64,
    /// Those of `cached_tokens` included.
    pub prompt_tokens: u64,
    /// Those of `reasoning_tokens` included.
    pub completion_tokens: u64,
    pub cached_tokens: u64,
    pub reasoning_tokens: u64,
    /// `null` without a price.
    pub cost_usd: Option<f64>,
    /// Of event streams: from the first byte of a request to the first content.
    pub first_content: Quantiles,
    /// Of event streams: seconds for each token after the first.
    pub output_token: Quantiles,
}

/// Of the configuration, or `key:HEX12` of one that only a server can judge (passthrough).
#[derive(Clone, Debug, Serialize)]
pub struct Client {
    /// Empty: all without a key. `other` stands for all that came after there were too many names.
    pub name: String,
    pub plan: Option<String>,
    /// Those that were refused included.
    pub requests: u64,
    /// For a limit of the plan, or for want of money.
    pub refused: u64,
    pub in_flight: u64,
    pub requests_per_second: f64,
    pub requests_last_minute: u64,
    pub tokens_last_minute: u64,
    pub limits: Limits,
    pub prompt_tokens: u64,
    pub completion_tokens: u64,
    /// Since the start.
    pub cost_usd: f64,
    /// Of this UTC day; `null` for one that is not in the file.
    pub cost_today_usd: Option<f64>,
    /// Of this UTC month; `null` for one that is not in the file.
    pub cost_month_usd: Option<f64>,
    /// `null`: the client has no budget of its own, neither in `clients` nor in its plan.
    pub budget: Option<Budget>,
    /// `null`: none since the start.
    pub last_request_seconds_ago: Option<u64>,
}

/// What the plan of a client allows it. `null` is no limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Limits {
    pub concurrent: Option<u64>,
    pub requests_per_minute: Option<u64>,
    pub tokens_per_minute: Option<u64>,
}

/// What somebody may spend, and has spent of it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Budget {
    /// `all`, `plan` (all its clients together) or `client`.
    pub scope: &'static str,
    /// Of the plan or client; empty for all.
    pub name: String,
    /// `day` or `month`, in UTC.
    pub period: &'static str,
    pub budget_usd: f64,
    pub spent_usd: f64,
    /// By calls in flight: what they are estimated to cost.
    pub reserved_usd: f64,
    /// What new calls may still cost: neither spent nor reserved.
    pub left_usd: f64,
    /// The share of it at which people are told, 0 to 1.
    pub alert_at: f64,
    /// `in_budget`, `nearly_used_up` (from `alert_at` on) or `used_up`.
    pub state: &'static str,
    /// Seconds since 1970.
    pub begins_anew_at: u64,
}

impl Budget {
    /// How it is called in sentences: as in the log.
    pub fn whose(&self) -> String {
        match self.scope {
            "all" => "all clients".to_owned(),
            scope => format!("{scope} {}", self.name),
        }
    }

    /// What is spent of it, 0 to 1, or more.
    pub fn share(&self) -> f64 {
        self.spent_usd / self.budget_usd.max(1e-6)
    }
}

/// A call or an event stream in flight.
#[derive(Clone, Debug, Serialize)]
pub struct Stream {
    /// What `kill stream` takes.
    pub number: u64,
    /// The client's, or ours.
    pub request_id: String,
    pub age_seconds: f64,
    /// `null`: anonymous.
    pub client: Option<String>,
    pub plan: Option<String>,
    pub frontend: String,
    pub src: String,
    /// `null`: it names none, or its body is not read.
    pub model: Option<String>,
    pub backend: Option<String>,
    pub server: Option<String>,
    pub attempts: u32,
    /// Its answer is an event stream; `null`: there is no answer yet.
    pub streamed: Option<bool>,
    /// So far; reckoned, where the provider has not told yet.
    pub prompt_tokens: Option<u64>,
    pub completion_tokens: Option<u64>,
    /// So far; `null` without a price.
    pub cost_usd: Option<f64>,
}

/// Where calls are kept, and how that goes. Counts are of this process.
#[derive(Clone, Debug, Serialize)]
pub struct Ledger {
    pub file: String,
    /// Whether the disk takes them; else they wait in memory.
    pub durable: bool,
    /// Calls that wait to be written.
    pub pending: u64,
    pub written: u64,
    /// Calls that memory had no room for while the disk took none.
    pub lost: u64,
}
