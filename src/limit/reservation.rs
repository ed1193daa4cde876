//! The tokens of one request: reserved before anybody knows them, settled with the truth.
//!
//! A reservation counts in the minute in which it was made and fades with it, however long the answer takes: a client
//! whose answers take five minutes still gets its whole limit each minute. What turns out to be too much is taken back
//! from that minute, as far as it still counts. What turns out to be too little is owed: it counts when it is known, so
//! that nobody outlives a debt by being slow. So in every minute of the counter the truth of what was admitted is at
//! most the limit and what requests in flight went over their reservations since the last admission; with the debt of
//! one alone nothing more is admitted until it fits again.

use std::time::Duration;

use crate::base::clock::Tick;
use crate::stick::Entry;

use super::window;

/// What of a request counts against its client's limit.
#[derive(Debug, Default)]
pub(super) struct Reservation {
    /// All that was counted for it, faded or not.
    counted: u64,
    /// What can be taken back, by the period that it was counted in; the latest first. A third would have faded.
    parts: [Option<(Tick, u64)>; 2],
    settled: bool,
}

/// What is reserved for an estimate. More than the whole limit is cut to it: such a request passes when nothing else
/// has used anything. At least 1, so that a limit of 0 lets none pass.
pub(super) fn amount(estimate: u64, limit: Option<u64>) -> u64 {
    estimate.min(limit.unwrap_or(u64::MAX)).max(1)
}

impl Reservation {
    /// Counts so much more.
    pub(super) fn add(&mut self, entry: &mut Entry<'_>, counter: usize, amount: u64, now: Tick) {
        let Some(period) = entry.reserve(counter, amount, now) else { return };
        self.counted = self.counted.saturating_add(amount);
        match &mut self.parts {
            [Some((latest, part)), _] if *latest == period => *part = part.saturating_add(amount),
            [latest, earlier] => *earlier = latest.replace((period, amount)),
        }
    }

    /// Counts what was used so far, if it is more than was counted; or counts nothing more and says no, when the limit
    /// has no room for it.
    pub(super) fn grow(
        &mut self,
        entry: &mut Entry<'_>,
        counter: usize,
        used: u64,
        limit: Option<u64>,
        now: Tick,
    ) -> bool {
        let more = used.saturating_sub(self.counted);
        let fits = more == 0
            || limit.is_none_or(|limit| window::wait(entry, counter, more, limit, now) == Duration::ZERO);
        if fits {
            self.add(entry, counter, more, now);
        }
        fits
    }

    /// Puts the truth in the place of what was counted.
    pub(super) fn settle(&mut self, entry: &mut Entry<'_>, counter: usize, truth: u64, now: Tick) {
        if truth >= self.counted {
            self.add(entry, counter, truth - self.counted, now);
        } else {
            self.take_back(entry, counter, self.counted - truth);
        }
        self.settled = true;
    }

    /// Takes back everything that still counts.
    pub(super) fn refund(&mut self, entry: &mut Entry<'_>, counter: usize) {
        self.take_back(entry, counter, u64::MAX);
        self.settled = true;
    }

    pub(super) fn is_settled(&self) -> bool {
        self.settled
    }

    /// Whether so much is counted already.
    pub(super) fn covers(&self, used: u64) -> bool {
        self.counted >= used
    }

    /// The latest part first: it is the one that counts longest.
    fn take_back(&mut self, entry: &mut Entry<'_>, counter: usize, mut amount: u64) {
        for (period, part) in self.parts.iter().flatten() {
            let taken = amount.min(*part);
            entry.take_back(counter, taken, *period);
            amount -= taken;
        }
    }
}
