//! How a provider misbehaves: the set an operator posts, and which request it strikes.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// Longest stream that `chunks` may ask for.
const MAX_CHUNKS: usize = 1_000_000;

/// Which requests the faults strike, `models_status` aside.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Scope {
    /// Completions and embeddings.
    #[default]
    Answers,
    /// The list of models, which health checks ask for.
    Models,
    All,
}

/// All that can go wrong at once. Times in milliseconds; what is absent does not happen. A chunk is one event of a
/// stream, the first one (which only names the role) included.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Faults {
    pub scope: Scope,
    /// Only the next this many requests in scope; afterwards the provider is well again.
    pub times: Option<u64>,
    /// Before the head of the answer.
    pub delay_ms: u64,
    /// Between head and first chunk of a stream.
    pub first_chunk_delay_ms: u64,
    /// Between the chunks that name the roles and the first with content.
    pub first_content_delay_ms: u64,
    /// Between two chunks of a stream.
    pub chunk_delay_ms: u64,
    /// Number of chunks with content in a stream, instead of one a word.
    pub chunks: Option<usize>,
    /// Share of requests, 0 to 1, that get `status` (500 unless given). Evenly spread, not random.
    pub error_rate: Option<f64>,
    /// Without `error_rate`: every request gets it.
    pub status: Option<u16>,
    /// `retry-after` of those errors, in seconds.
    pub retry_after: Option<u64>,
    /// Seconds: those errors are a 429 then, unless `status` says otherwise, which names this time in `retry-after` and in
    /// `x-ratelimit-reset-requests`, as if the last request of a limit were used up.
    pub rate_limit: Option<u64>,
    /// A stream has status 200 and this error as its only event, without `[DONE]`.
    pub error_event: Option<u16>,
    pub stall_after_head: bool,
    /// Then silence, the connection open. Half the body of an answer that is not a stream.
    pub stall_after_chunks: Option<usize>,
    /// Then the connection breaks. Half the body of an answer that is not a stream.
    pub cut_after_chunks: Option<usize>,
    /// Stalls a stream after the chunks that name the roles.
    pub stall_before_content: bool,
    /// Cuts a stream after the chunks that name the roles.
    pub cut_before_content: bool,
    /// Reads the request and closes without a byte.
    pub cut_before_head: bool,
    /// Answers bytes that are not HTTP.
    pub garbage: bool,
    /// Promises a longer body than it sends, then closes.
    pub wrong_length: bool,
    /// Status of `GET /v1/models`, whatever the scope: a failing health check.
    pub models_status: Option<u16>,
}

#[derive(Debug, Error, PartialEq)]
pub enum FaultError {
    #[error("{0}")]
    Shape(String),
    #[error("{name} is {value}; it must be from {from} to {to}")]
    Range { name: &'static str, value: String, from: u32, to: u32 },
}

impl Faults {
    /// From a JSON object with any of the fields.
    pub fn parse(json: &[u8]) -> Result<Faults, FaultError> {
        let faults: Faults = serde_json::from_slice(json).map_err(|e| FaultError::Shape(e.to_string()))?;
        faults.check()
    }

    /// From `name=value` as on a command line; later ones win.
    pub fn from_pairs<'a>(pairs: impl IntoIterator<Item = &'a str>) -> Result<Faults, FaultError> {
        let mut object = serde_json::Map::new();
        for pair in pairs {
            let (name, value) = pair
                .split_once('=')
                .ok_or_else(|| FaultError::Shape(format!("'{pair}': write NAME=VALUE, like delay_ms=200")))?;
            let value = serde_json::from_str(value).unwrap_or_else(|_| value.into());
            object.insert(name.to_owned(), value);
        }
        let faults: Faults =
            serde_json::from_value(object.into()).map_err(|e| FaultError::Shape(e.to_string()))?;
        faults.check()
    }

    fn check(self) -> Result<Faults, FaultError> {
        for (name, status) in [("status", self.status), ("models_status", self.models_status)] {
            if let Some(status) = status.filter(|s| !(200..=599).contains(s)) {
                return Err(FaultError::Range { name, value: status.to_string(), from: 200, to: 599 });
            }
        }
        if let Some(status) = self.error_event.filter(|s| !(400..=599).contains(s)) {
            let (name, value) = ("error_event", status.to_string());
            return Err(FaultError::Range { name, value, from: 400, to: 599 });
        }
        if let Some(rate) = self.error_rate.filter(|r| !(0.0..=1.0).contains(r)) {
            return Err(FaultError::Range { name: "error_rate", value: rate.to_string(), from: 0, to: 1 });
        }
        if let Some(chunks) = self.chunks.filter(|n| *n > MAX_CHUNKS) {
            let to = 1_000_000;
            return Err(FaultError::Range { name: "chunks", value: chunks.to_string(), from: 0, to });
        }
        Ok(self)
    }

    pub fn delay(&self) -> Duration {
        Duration::from_millis(self.delay_ms)
    }
}

/// The faults in force and how far they have run.
#[derive(Debug)]
pub struct Faulty {
    faults: Faults,
    struck: u64,
    /// Share of an error that is due; a whole one strikes.
    due: f64,
}

impl Faulty {
    pub fn new(faults: Faults) -> Faulty {
        Faulty { faults, struck: 0, due: 0.0 }
    }

    pub fn current(&self) -> &Faults {
        &self.faults
    }

    /// What strikes this request. In the result `status` is for this very request, `error_rate` is settled.
    pub fn strike(&mut self, models: bool) -> Faults {
        let in_scope = match self.faults.scope {
            Scope::All => true,
            Scope::Answers => !models,
            Scope::Models => models,
        };
        let spent = self.faults.times.is_some_and(|times| self.struck >= times);
        let mut faults = Faults::default();
        if in_scope && !spent {
            self.struck += 1;
            faults = self.faults.clone();
            if let Some(seconds) = faults.rate_limit {
                faults.status.get_or_insert(429);
                faults.retry_after.get_or_insert(seconds);
            }
            if let Some(rate) = faults.error_rate.take() {
                self.due += rate;
                faults.status = (self.due >= 1.0 - f64::EPSILON).then(|| faults.status.unwrap_or(500));
                if faults.status.is_some() {
                    self.due -= 1.0;
                }
            }
        }
        if models && self.faults.models_status.is_some() {
            faults.status = self.faults.models_status;
        }
        faults
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faults_are_given_by_name_in_json_or_as_pairs() {
        let json = Faults::parse(br#"{"delay_ms":5,"stall_after_head":true,"scope":"all"}"#);
        assert_eq!(json, Faults::from_pairs(["delay_ms=5", "stall_after_head=true", "scope=all"]));
        assert!(matches!(Faults::parse(br#"{"dely_ms":5}"#), Err(FaultError::Shape(_))));
        assert!(matches!(Faults::from_pairs(["delay_ms"]), Err(FaultError::Shape(_))));
        assert!(matches!(Faults::from_pairs(["status=42"]), Err(FaultError::Range { name: "status", .. })));
        assert!(matches!(Faults::from_pairs(["error_rate=2"]), Err(FaultError::Range { .. })));
        let wrong = Faults::from_pairs(["error_event=200"]);
        assert!(matches!(wrong, Err(FaultError::Range { name: "error_event", .. })));
    }

    #[test]
    fn an_error_rate_is_spread_evenly() {
        let mut faulty = Faulty::new(Faults { error_rate: Some(0.25), ..Faults::default() });
        let struck: Vec<_> = (0..8).map(|_| faulty.strike(false).status).collect();
        assert_eq!(struck, [None, None, None, Some(500), None, None, None, Some(500)]);
    }

    #[test]
    fn a_rate_limit_is_a_429_with_its_time() {
        let faults = Faults::from_pairs(["rate_limit=7", "times=1"]).unwrap();
        let mut faulty = Faulty::new(faults.clone());
        let struck = faulty.strike(false);
        assert_eq!((struck.status, struck.retry_after), (Some(429), Some(7)));
        assert_eq!(faulty.strike(false).status, None);
        let mut faulty = Faulty::new(Faults { error_rate: Some(0.5), times: None, ..faults });
        assert_eq!([(); 4].map(|()| faulty.strike(false).status), [None, Some(429), None, Some(429)]);
    }

    #[test]
    fn times_strike_that_many_requests_in_scope_and_no_more() {
        let faults = Faults { status: Some(503), times: Some(2), ..Faults::default() };
        let mut faulty = Faulty::new(faults);
        assert_eq!(faulty.strike(true).status, None);
        let struck: Vec<_> = (0..3).map(|_| faulty.strike(false).status).collect();
        assert_eq!(struck, [Some(503), Some(503), None]);
    }

    #[test]
    fn the_list_of_models_fails_on_its_own() {
        let faults = Faults { models_status: Some(500), delay_ms: 9, ..Faults::default() };
        let mut faulty = Faulty::new(faults);
        assert_eq!((faulty.strike(true).status, faulty.strike(true).delay_ms), (Some(500), 0));
        assert_eq!((faulty.strike(false).status, faulty.strike(false).delay_ms), (None, 9));
    }
}
