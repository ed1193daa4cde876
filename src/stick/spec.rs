//! What a table counts, under HAProxy's names.

use std::fmt;
use std::time::Duration;

use super::counter::Period;

/// A table as the configuration describes it. Two equal ones may share their entries over a reload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TableSpec {
    pub name: String,
    /// Entries at most, at least 1.
    pub size: usize,
    /// How long an entry lives after its last touch, while nothing tracks it.
    pub expire: Duration,
    /// Read by their place in this list.
    pub counters: Vec<CounterKind>,
}

/// A counter of a table. Names, meaning and order are HAProxy's (`stick-table ... store`, `show table`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum CounterKind {
    /// A tag that a rule sets, 32 bits.
    Gpt0,
    /// What a rule raises, at will.
    Gpc0,
    /// How often it was raised in the last period.
    Gpc0Rate(Period),
    /// Times the entry was tracked since it was made: by a connection, or by a request whose connection does not.
    ConnCnt,
    /// The same in the last period.
    ConnRate(Period),
    /// Guards on it that are alive.
    ConnCur,
    /// Requests since the entry was made.
    HttpReqCnt,
    /// Requests in the last period.
    HttpReqRate(Period),
    /// Since the entry was made: bad requests, denied ones, failed authentication, answers of 4xx.
    HttpErrCnt,
    /// The same in the last period.
    HttpErrRate(Period),
    /// Bytes from the client, heads included, since the entry was made.
    BytesInCnt,
    /// The same in the last period.
    BytesInRate(Period),
    /// Bytes to the client, heads included, since the entry was made.
    BytesOutCnt,
    /// The same in the last period.
    BytesOutRate(Period),
    /// What a rule raises, at will: a second one.
    Gpc1,
    /// How often it was raised in the last period.
    Gpc1Rate(Period),
    /// Since the entry was made: bad answers of servers, and those of 5xx except 501 and 505.
    HttpFailCnt,
    /// The same in the last period.
    HttpFailRate(Period),
    /// Tokens of prompts and answers since the entry was made. HAProxy has no such, nor the two that follow.
    TokensCnt,
    /// The same in the last period.
    TokensRate(Period),
    /// Micro-dollars spent in the last period.
    CostRate(Period),
}

/// What raises a counter, as far as one request is concerned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Raised {
    /// Every request, when it is tracked.
    Request,
    /// Every connection that tracks, or every request whose connection does not.
    Connection,
    /// Every request that is refused, when it is over.
    Error,
    /// What servers do, bytes, tokens, money, and what rules choose to raise.
    Other,
}

/// A counter that means what the operator's rules make of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Gpc {
    Zero,
    One,
}

impl CounterKind {
    /// The name, without the period.
    pub fn name(self) -> &'static str {
        match self {
            CounterKind::Gpt0 => "gpt0",
            CounterKind::Gpc0 => "gpc0",
            CounterKind::Gpc0Rate(_) => "gpc0_rate",
            CounterKind::ConnCnt => "conn_cnt",
            CounterKind::ConnRate(_) => "conn_rate",
            CounterKind::ConnCur => "conn_cur",
            CounterKind::HttpReqCnt => "http_req_cnt",
            CounterKind::HttpReqRate(_) => "http_req_rate",
            CounterKind::HttpErrCnt => "http_err_cnt",
            CounterKind::HttpErrRate(_) => "http_err_rate",
            CounterKind::BytesInCnt => "bytes_in_cnt",
            CounterKind::BytesInRate(_) => "bytes_in_rate",
            CounterKind::BytesOutCnt => "bytes_out_cnt",
            CounterKind::BytesOutRate(_) => "bytes_out_rate",
            CounterKind::Gpc1 => "gpc1",
            CounterKind::Gpc1Rate(_) => "gpc1_rate",
            CounterKind::HttpFailCnt => "http_fail_cnt",
            CounterKind::HttpFailRate(_) => "http_fail_rate",
            CounterKind::TokensCnt => "tokens_cnt",
            CounterKind::TokensRate(_) => "tokens_rate",
            CounterKind::CostRate(_) => "cost_rate",
        }
    }

    /// Over what a rate counts; `None`: it is no rate.
    pub fn period(self) -> Option<Period> {
        match self {
            CounterKind::Gpc0Rate(period)
            | CounterKind::ConnRate(period)
            | CounterKind::HttpReqRate(period)
            | CounterKind::HttpErrRate(period)
            | CounterKind::BytesInRate(period)
            | CounterKind::BytesOutRate(period)
            | CounterKind::Gpc1Rate(period)
            | CounterKind::HttpFailRate(period)
            | CounterKind::TokensRate(period)
            | CounterKind::CostRate(period) => Some(period),
            CounterKind::Gpt0
            | CounterKind::Gpc0
            | CounterKind::ConnCnt
            | CounterKind::ConnCur
            | CounterKind::HttpReqCnt
            | CounterKind::HttpErrCnt
            | CounterKind::BytesInCnt
            | CounterKind::BytesOutCnt
            | CounterKind::Gpc1
            | CounterKind::HttpFailCnt
            | CounterKind::TokensCnt => None,
        }
    }

    pub fn raised_by(self) -> Raised {
        match self {
            CounterKind::HttpReqCnt | CounterKind::HttpReqRate(_) => Raised::Request,
            CounterKind::ConnCnt | CounterKind::ConnRate(_) | CounterKind::ConnCur => Raised::Connection,
            CounterKind::HttpErrCnt | CounterKind::HttpErrRate(_) => Raised::Error,
            CounterKind::Gpt0
            | CounterKind::Gpc0
            | CounterKind::Gpc0Rate(_)
            | CounterKind::Gpc1
            | CounterKind::Gpc1Rate(_)
            | CounterKind::BytesInCnt
            | CounterKind::BytesInRate(_)
            | CounterKind::BytesOutCnt
            | CounterKind::BytesOutRate(_)
            | CounterKind::HttpFailCnt
            | CounterKind::HttpFailRate(_)
            | CounterKind::TokensCnt
            | CounterKind::TokensRate(_)
            | CounterKind::CostRate(_) => Raised::Other,
        }
    }

    /// Whether it counts in 32 bits: tags, and rates of events.
    pub fn is_narrow(self) -> bool {
        match self {
            CounterKind::BytesInRate(_)
            | CounterKind::BytesOutRate(_)
            | CounterKind::TokensRate(_)
            | CounterKind::CostRate(_) => false,
            CounterKind::Gpt0 => true,
            kind => kind.period().is_some(),
        }
    }

    /// Which of the counters of rules this one shows, as a total or as a rate.
    pub fn gpc(self) -> Option<Gpc> {
        match self {
            CounterKind::Gpc0 | CounterKind::Gpc0Rate(_) => Some(Gpc::Zero),
            CounterKind::Gpc1 | CounterKind::Gpc1Rate(_) => Some(Gpc::One),
            _ => None,
        }
    }
}

/// As HAProxy's `show table` writes it: `http_req_rate(10000)`, the period in milliseconds.
impl fmt::Display for CounterKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.period() {
            Some(period) => write!(f, "{}({})", self.name(), period.length().as_millis()),
            None => f.write_str(self.name()),
        }
    }
}

#[cfg(test)]
impl CounterKind {
    /// Every kind there is, in HAProxy's order, ours at the end.
    pub(super) fn all(period: Period) -> [CounterKind; 21] {
        use CounterKind::*;
        [
            Gpt0,
            Gpc0,
            Gpc0Rate(period),
            ConnCnt,
            ConnRate(period),
            ConnCur,
            HttpReqCnt,
            HttpReqRate(period),
            HttpErrCnt,
            HttpErrRate(period),
            BytesInCnt,
            BytesInRate(period),
            BytesOutCnt,
            BytesOutRate(period),
            Gpc1,
            Gpc1Rate(period),
            HttpFailCnt,
            HttpFailRate(period),
            TokensCnt,
            TokensRate(period),
            CostRate(period),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_sort_and_read_as_haproxy_shows_them() {
        let mut kinds = CounterKind::all(Period::MINUTE);
        kinds.reverse();
        kinds.sort();
        let shown: Vec<String> = kinds.iter().map(ToString::to_string).collect();
        assert_eq!(
            shown.join(" "),
            "gpt0 gpc0 gpc0_rate(60000) conn_cnt conn_rate(60000) conn_cur http_req_cnt http_req_rate(60000) \
             http_err_cnt http_err_rate(60000) bytes_in_cnt bytes_in_rate(60000) bytes_out_cnt bytes_out_rate(60000) \
             gpc1 gpc1_rate(60000) http_fail_cnt http_fail_rate(60000) tokens_cnt tokens_rate(60000) \
             cost_rate(60000)"
        );
    }

    #[test]
    fn what_rules_raise_is_known_by_its_total_and_by_its_rate() {
        let raised = CounterKind::all(Period::MINUTE).map(CounterKind::gpc);
        assert_eq!(raised.iter().filter(|which| **which == Some(Gpc::Zero)).count(), 2);
        assert_eq!(raised.iter().filter(|which| **which == Some(Gpc::One)).count(), 2);
        assert_eq!(CounterKind::Gpt0.gpc(), None);
    }
}
