//! An entry under its shard's lock: what may be counted and read in one go.

use std::time::Duration;

use crate::base::clock::Tick;

use super::key::Key;
use super::layout::{Event, Layout, Place};
use super::shard::Shard;
use super::spec::Gpc;

/// How long to wait for something in flight to end, which nobody can know.
const IN_FLIGHT_WAIT: Duration = Duration::from_secs(1);

/// One entry of a table while its shard is locked.
pub struct Entry<'a> {
    pub(super) shard: &'a mut Shard,
    pub(super) index: u32,
    pub(super) layout: &'a Layout,
    pub(super) expire: Duration,
}

impl Entry<'_> {
    /// Counts a request.
    pub fn request(&mut self, now: Tick) {
        self.count(Event::Request, 1, now);
    }

    /// Counts an error, which is the client's: a bad request, a denied one, an answer of 4xx.
    pub fn error(&mut self, now: Tick) {
        self.count(Event::Error, 1, now);
    }

    /// Counts a failure, which is the server's: a bad answer, one of 5xx except 501 and 505.
    pub fn failure(&mut self, now: Tick) {
        self.count(Event::Failure, 1, now);
    }

    /// Counts bytes from the client and bytes to it.
    pub fn bytes(&mut self, received: u64, sent: u64, now: Tick) {
        self.count(Event::BytesIn, received, now);
        self.count(Event::BytesOut, sent, now);
    }

    /// Counts tokens of prompts and answers.
    pub fn tokens(&mut self, tokens: u64, now: Tick) {
        self.count(Event::Tokens, tokens, now);
    }

    /// Counts what was spent, in micro-dollars.
    pub fn cost(&mut self, micro_dollars: u64, now: Tick) {
        self.count(Event::Cost, micro_dollars, now);
    }

    /// Counts an amount in one wide rate, by its place in the table's list, and gives the period that it counts in, to
    /// be named if it is taken back. None, with nothing counted, where the amount is 0 or there is no wide rate.
    pub fn reserve(&mut self, counter: usize, amount: u64, now: Tick) -> Option<Tick> {
        match self.layout.places.get(counter) {
            Some(&Place::WideRate { slot, period, .. }) if amount > 0 => {
                let rate = self.shard.wide_rate_mut(self.index, slot);
                rate.add(amount, period, now);
                Some(rate.began())
            }
            _ => None,
        }
    }

    /// Takes back what [`Entry::reserve`] counted, or a part of it: see [`super::RateCounter::take_back`].
    pub fn take_back(&mut self, counter: usize, amount: u64, counted_in: Tick) {
        if let Some(&Place::WideRate { slot, period, .. }) = self.layout.places.get(counter) {
            self.shard.wide_rate_mut(self.index, slot).take_back(amount, counted_in, period);
        }
    }

    /// Raises a counter of the rules by one, and its rate.
    pub fn raise_gpc(&mut self, which: Gpc, now: Tick) {
        self.count(Event::Gpc(which), 1, now);
    }

    /// Sets the tag.
    pub fn set_gpt0(&mut self, value: u32) {
        for place in &self.layout.places {
            if let Place::Tag { slot } = *place {
                *self.shard.total_mut(self.index, slot) = u64::from(value);
            }
        }
    }

    /// Makes a counter read `value`, as far as it has room; false where that is for those who track the entry to say.
    pub(super) fn set(&mut self, counter: usize, value: u64, now: Tick) -> bool {
        let narrow = u32::try_from(value).unwrap_or(u32::MAX);
        match self.layout.places.get(counter) {
            Some(&Place::Rate { slot, .. }) => self.shard.rate_mut(self.index, slot).set(narrow, now),
            Some(&Place::WideRate { slot, .. }) => self.shard.wide_rate_mut(self.index, slot).set(value, now),
            Some(&Place::Total { slot, .. }) => *self.shard.total_mut(self.index, slot) = value,
            Some(&Place::Tag { slot }) => *self.shard.total_mut(self.index, slot) = u64::from(narrow),
            Some(Place::InFlight) | None => return false,
        }
        true
    }

    /// Counts that the entry is tracked once more. In flight is what the pins say.
    pub(super) fn connection(&mut self, now: Tick) {
        self.count(Event::Connection, 1, now);
    }

    /// Guards on this entry that are alive.
    pub fn in_flight(&self) -> u32 {
        self.shard.pins(self.index)
    }

    /// The reading of the counter at this place of the table's list; 0 where there is none.
    pub fn read(&self, counter: usize, now: Tick) -> u64 {
        match self.layout.places.get(counter) {
            Some(&Place::Rate { slot, period, .. }) => self.shard.rate(self.index, slot).read(period, now),
            Some(&Place::WideRate { slot, period, .. }) => {
                self.shard.wide_rate(self.index, slot).read(period, now)
            }
            Some(&Place::Total { slot, .. } | &Place::Tag { slot }) => self.shard.total(self.index, slot),
            Some(Place::InFlight) => u64::from(self.in_flight()),
            None => 0,
        }
    }

    /// How long until the counter reads `threshold` or less if nothing more happens: exact for a rate, 1 s for what is
    /// in flight, the table's `expire` for a total or a tag, which only goes with its entry. Zero when it does already.
    pub fn until_below(&self, counter: usize, threshold: u64, now: Tick) -> Duration {
        if self.read(counter, now) <= threshold {
            return Duration::ZERO;
        }
        match self.layout.places.get(counter) {
            Some(&Place::Rate { slot, period, .. }) => {
                self.shard.rate(self.index, slot).until_at_most(threshold, period, now)
            }
            Some(&Place::WideRate { slot, period, .. }) => {
                self.shard.wide_rate(self.index, slot).until_at_most(threshold, period, now)
            }
            Some(Place::Total { .. } | Place::Tag { .. }) => self.expire,
            Some(Place::InFlight) => IN_FLIGHT_WAIT,
            None => Duration::ZERO,
        }
    }

    pub(super) fn row(&self, key: Key, now: Tick) -> Row {
        Row {
            key,
            in_use: self.in_flight(),
            expires_in: self.expire.saturating_sub(now.since(self.shard.touched(self.index))),
            values: (0..self.layout.places.len()).map(|counter| self.read(counter, now)).collect(),
        }
    }

    /// An amount of 0 changes nothing: it does not even begin a period.
    fn count(&mut self, event: Event, amount: u64, now: Tick) {
        if amount == 0 {
            return;
        }
        for place in &self.layout.places {
            match *place {
                Place::Rate { slot, period, of } if of == event => {
                    let amount = u32::try_from(amount).unwrap_or(u32::MAX);
                    self.shard.rate_mut(self.index, slot).add(amount, period, now);
                }
                Place::WideRate { slot, period, of } if of == event => {
                    self.shard.wide_rate_mut(self.index, slot).add(amount, period, now);
                }
                Place::Total { slot, of } if of == event => {
                    let total = self.shard.total_mut(self.index, slot);
                    *total = total.saturating_add(amount);
                }
                _ => {}
            }
        }
    }
}

/// An entry as `show table` prints it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    pub key: Key,
    /// Guards on it: connections and requests that track it now.
    pub in_use: u32,
    /// Time until it expires if nothing touches it; an entry in use does not.
    pub expires_in: Duration,
    /// Readings, in the order of the table's counters.
    pub values: Vec<u64>,
}
