//! Where in an entry each counter lies, and what raises it. Made once from a table's description.

use super::counter::Period;
use super::spec::{CounterKind, Gpc};

/// What happens to an entry and is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Event {
    /// The entry is tracked.
    Connection,
    Request,
    Error,
    Failure,
    BytesIn,
    BytesOut,
    Tokens,
    Cost,
    Gpc(Gpc),
}

/// Where one counter lies in an entry.
#[derive(Clone, Copy, Debug)]
pub(super) enum Place {
    Rate {
        slot: usize,
        period: Period,
        of: Event,
    },
    WideRate {
        slot: usize,
        period: Period,
        of: Event,
    },
    Total {
        slot: usize,
        of: Event,
    },
    /// Lies among the totals, but is set, not raised.
    Tag {
        slot: usize,
    },
    InFlight,
}

/// Where all of them lie: an entry has `rates` rate counters, `wide_rates` wide ones and `totals` plain ones.
#[derive(Clone, Debug)]
pub(super) struct Layout {
    pub(super) places: Box<[Place]>,
    pub(super) rates: usize,
    pub(super) wide_rates: usize,
    pub(super) totals: usize,
}

impl Layout {
    pub(super) fn of(counters: &[CounterKind]) -> Layout {
        let (mut rates, mut wide_rates, mut totals) = (0, 0, 0);
        let mut rate = |period, of| Place::Rate { slot: next(&mut rates), period, of };
        let mut wide = |period, of| Place::WideRate { slot: next(&mut wide_rates), period, of };
        let place = |counter: &CounterKind| match *counter {
            CounterKind::Gpc0Rate(period) => rate(period, Event::Gpc(Gpc::Zero)),
            CounterKind::Gpc1Rate(period) => rate(period, Event::Gpc(Gpc::One)),
            CounterKind::ConnRate(period) => rate(period, Event::Connection),
            CounterKind::HttpReqRate(period) => rate(period, Event::Request),
            CounterKind::HttpErrRate(period) => rate(period, Event::Error),
            CounterKind::HttpFailRate(period) => rate(period, Event::Failure),
            CounterKind::BytesInRate(period) => wide(period, Event::BytesIn),
            CounterKind::BytesOutRate(period) => wide(period, Event::BytesOut),
            CounterKind::TokensRate(period) => wide(period, Event::Tokens),
            CounterKind::CostRate(period) => wide(period, Event::Cost),
            CounterKind::Gpc0 => Place::Total { slot: next(&mut totals), of: Event::Gpc(Gpc::Zero) },
            CounterKind::Gpc1 => Place::Total { slot: next(&mut totals), of: Event::Gpc(Gpc::One) },
            CounterKind::ConnCnt => Place::Total { slot: next(&mut totals), of: Event::Connection },
            CounterKind::HttpReqCnt => Place::Total { slot: next(&mut totals), of: Event::Request },
            CounterKind::HttpErrCnt => Place::Total { slot: next(&mut totals), of: Event::Error },
            CounterKind::HttpFailCnt => Place::Total { slot: next(&mut totals), of: Event::Failure },
            CounterKind::BytesInCnt => Place::Total { slot: next(&mut totals), of: Event::BytesIn },
            CounterKind::BytesOutCnt => Place::Total { slot: next(&mut totals), of: Event::BytesOut },
            CounterKind::TokensCnt => Place::Total { slot: next(&mut totals), of: Event::Tokens },
            CounterKind::Gpt0 => Place::Tag { slot: next(&mut totals) },
            CounterKind::ConnCur => Place::InFlight,
        };
        let places = counters.iter().map(place).collect();
        Layout { places, rates, wide_rates, totals }
    }

    /// Whether anything of an entry is raised by this event. Known without the entry, and so without its lock.
    pub(super) fn counts(&self, event: Event) -> bool {
        self.places.iter().any(|place| match place {
            Place::Rate { of, .. } | Place::WideRate { of, .. } | Place::Total { of, .. } => *of == event,
            Place::Tag { .. } | Place::InFlight => false,
        })
    }

    /// Whether an entry has a tag to set.
    pub(super) fn tagged(&self) -> bool {
        self.places.iter().any(|place| matches!(place, Place::Tag { .. }))
    }
}

fn next(count: &mut usize) -> usize {
    *count += 1;
    *count - 1
}
