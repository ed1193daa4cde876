//! What a table counts, and where in an entry each counter lies.

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

/// A counter of a table, under HAProxy's names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CounterKind {
    /// Requests in the last period.
    HttpReqRate(Period),
    /// Requests since the entry was made.
    HttpReqCnt,
    /// In the last period: bad requests, denied ones, failed authentication, answers of 4xx.
    HttpErrRate(Period),
    /// Requests in flight.
    ConnCur,
}

impl CounterKind {
    /// The name, without the period.
    pub fn name(self) -> &'static str {
        match self {
            CounterKind::HttpReqRate(_) => "http_req_rate",
            CounterKind::HttpReqCnt => "http_req_cnt",
            CounterKind::HttpErrRate(_) => "http_err_rate",
            CounterKind::ConnCur => "conn_cur",
        }
    }

    pub fn period(self) -> Option<Period> {
        match self {
            CounterKind::HttpReqRate(period) | CounterKind::HttpErrRate(period) => Some(period),
            CounterKind::HttpReqCnt | CounterKind::ConnCur => None,
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

/// What happens to an entry and is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Event {
    Request,
    Error,
}

/// Where one counter lies in an entry.
#[derive(Clone, Copy, Debug)]
pub(super) enum Place {
    Rate { slot: usize, period: Period, of: Event },
    Total { slot: usize, of: Event },
    InFlight,
}

/// Where all of them lie: an entry has `rates` rate counters and `totals` plain ones.
#[derive(Clone, Debug)]
pub(super) struct Layout {
    pub(super) places: Box<[Place]>,
    pub(super) rates: usize,
    pub(super) totals: usize,
}

impl Layout {
    pub(super) fn of(counters: &[CounterKind]) -> Layout {
        let (mut rates, mut totals) = (0, 0);
        let next = |count: &mut usize| {
            *count += 1;
            *count - 1
        };
        let places = counters
            .iter()
            .map(|counter| match *counter {
                CounterKind::HttpReqRate(period) => {
                    Place::Rate { slot: next(&mut rates), period, of: Event::Request }
                }
                CounterKind::HttpErrRate(period) => {
                    Place::Rate { slot: next(&mut rates), period, of: Event::Error }
                }
                CounterKind::HttpReqCnt => Place::Total { slot: next(&mut totals), of: Event::Request },
                CounterKind::ConnCur => Place::InFlight,
            })
            .collect();
        Layout { places, rates, totals }
    }
}
