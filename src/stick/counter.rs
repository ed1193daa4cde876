//! The rate counter, HAProxy's: events of the current period plus the share of the previous one that still lies within
//! the last period. A pure function of the time it is given.
//!
//! Events are counted in 32 bits; bytes, tokens and micro-dollars in 64: 4 GiB in a period are soon reached. What does not
//! fit stays at the most that does.
//!
//! One thing is left out on purpose: HAProxy's display keeps a lone event at 1 for a whole second period ("flapping
//! correction"), and says itself not to use that reading for limits. Ours lets it go to 0.

use std::time::Duration;

use crate::base::clock::Tick;

/// The time over which a rate counts: 1 ms to 49 days, in whole milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Period(u32);

impl Period {
    pub const MINUTE: Period = Period(60_000);

    /// What is shorter or longer than a period may be becomes the nearest that may.
    pub fn of(length: Duration) -> Period {
        Period(u32::try_from(length.as_millis()).unwrap_or(u32::MAX).max(1))
    }

    pub fn length(self) -> Duration {
        Duration::from_millis(self.ms())
    }

    fn ms(self) -> u64 {
        u64::from(self.0)
    }
}

/// What a rate counter counts in: `u32` or `u64`.
pub trait Count: Copy + Default + PartialEq + Into<u64> {
    #[must_use]
    fn plus(self, more: Self) -> Self;
    #[must_use]
    fn minus(self, less: Self) -> Self;
}

impl Count for u32 {
    fn plus(self, more: u32) -> u32 {
        self.saturating_add(more)
    }

    fn minus(self, less: u32) -> u32 {
        self.saturating_sub(less)
    }
}

impl Count for u64 {
    fn plus(self, more: u64) -> u64 {
        self.saturating_add(more)
    }

    fn minus(self, less: u64) -> u64 {
        self.saturating_sub(less)
    }
}

/// Events in the last period. The period is the caller's and stays the same for the life of a counter.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RateCounter<N: Count = u32> {
    start: Tick,
    current: N,
    previous: N,
}

/// Bytes, tokens or micro-dollars in the last period.
pub type WideRateCounter = RateCounter<u64>;

impl<N: Count> RateCounter<N> {
    /// Counts `events` now.
    pub fn add(&mut self, events: N, period: Period, now: Tick) {
        *self = self.rotated(period, now);
        self.current = self.current.plus(events);
    }

    /// Makes it read `events` now, all of them of a period that begins now.
    pub fn set(&mut self, events: N, now: Tick) {
        *self = RateCounter { start: now, current: events, previous: N::default() };
    }

    /// When the current period began, which names it: what is added now can be taken back from it later.
    pub fn began(&self) -> Tick {
        self.start
    }

    /// Takes events back from the period that began at `start`, in which they were counted. What has faded with its
    /// period is gone already, so nothing is taken for it from a later one.
    pub fn take_back(&mut self, events: N, start: Tick, period: Period) {
        if self.start == start {
            self.current = self.current.minus(events);
        } else if self.start.0.checked_sub(period.ms()) == Some(start.0) {
            self.previous = self.previous.minus(events);
        }
    }

    /// floor(current + previous x (period - elapsed) / period): events in the last period, not per second.
    pub fn read(&self, period: Period, now: Tick) -> u64 {
        let at = self.rotated(period, now);
        let left = period.ms() - elapsed(at.start, now);
        at.current.into().saturating_add(share(at.previous.into(), left, period.ms()))
    }

    /// How long until [`RateCounter::read`] gives `threshold` or less if nothing more is counted; zero if it does now.
    pub fn until_at_most(&self, threshold: u64, period: Period, now: Tick) -> Duration {
        if self.read(period, now) <= threshold {
            return Duration::ZERO;
        }
        let at = self.rotated(period, now);
        let (current, previous): (u64, u64) = (at.current.into(), at.previous.into());
        // The reading is at most `threshold` as soon as counted x left < (threshold + 1 - whole) x period. The threshold
        // is below the reading, so it is no u64::MAX, and the longest time left is shorter than a period.
        let longest_left = |counted: u64, whole: u64| match (threshold + 1 - whole).checked_mul(period.ms()) {
            Some(product) => (product - 1) / counted,
            None => {
                let product = u128::from(threshold + 1 - whole) * u128::from(period.ms());
                u64::try_from((product - 1) / u128::from(counted)).unwrap_or(period.ms())
            }
        };
        let offset = if current <= threshold {
            period.ms() - longest_left(previous, current)
        } else {
            2 * period.ms() - longest_left(current, 0)
        };
        Tick(at.start.0.saturating_add(offset)).since(now)
    }

    /// The counter as it stands at `now`: after one period what was current is previous, after two nothing is left.
    fn rotated(&self, period: Period, now: Tick) -> RateCounter<N> {
        let none = N::default();
        let fresh = RateCounter { start: now, current: none, previous: none };
        let elapsed = elapsed(self.start, now);
        if self.current == none && self.previous == none {
            fresh
        } else if elapsed < period.ms() {
            *self
        } else if elapsed < 2 * period.ms() {
            RateCounter { start: Tick(self.start.0 + period.ms()), current: none, previous: self.current }
        } else {
            fresh
        }
    }
}

/// floor(counted x left / period), for a `left` of at most the period. Only bytes need the wide product.
fn share(counted: u64, left: u64, period: u64) -> u64 {
    match counted.checked_mul(left) {
        Some(product) => product / period,
        None => {
            let share = u128::from(counted) * u128::from(left) / u128::from(period);
            u64::try_from(share).unwrap_or(u64::MAX)
        }
    }
}

/// Milliseconds since `start`; a thread whose `now` is a little older than the counter's start reads it at its start.
fn elapsed(start: Tick, now: Tick) -> u64 {
    now.0.saturating_sub(start.0)
}

#[cfg(test)]
pub(super) mod tests;
