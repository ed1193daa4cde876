//! The rate counter, HAProxy's: events of the current period plus the share of the previous one that still lies within
//! the last period. A pure function of the time it is given.
//!
//! One thing is left out on purpose: HAProxy's display keeps a lone event at 1 for a whole second period ("flapping
//! correction"), and says itself not to use that reading for limits. Ours lets it go to 0.

use std::time::Duration;

use crate::base::clock::Tick;

/// The time over which a rate counts: 1 ms to 49 days, in whole milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
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

/// Events in the last period. The period is the caller's and stays the same for the life of a counter.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RateCounter {
    start: Tick,
    current: u32,
    previous: u32,
}

impl RateCounter {
    /// Counts `events` now.
    pub fn add(&mut self, events: u32, period: Period, now: Tick) {
        *self = self.rotated(period, now);
        self.current = self.current.saturating_add(events);
    }

    /// floor(current + previous x (period - elapsed) / period): events in the last period, not per second.
    pub fn read(&self, period: Period, now: Tick) -> u64 {
        let at = self.rotated(period, now);
        let left = period.ms() - elapsed(at.start, now);
        u64::from(at.current) + u64::from(at.previous) * left / period.ms()
    }

    /// How long until [`RateCounter::read`] gives `threshold` or less if nothing more is counted; zero if it does now.
    pub fn until_at_most(&self, threshold: u64, period: Period, now: Tick) -> Duration {
        if self.read(period, now) <= threshold {
            return Duration::ZERO;
        }
        // From here on threshold < 2^33, so that the products below stay within 64 bits.
        let at = self.rotated(period, now);
        let (current, previous) = (u64::from(at.current), u64::from(at.previous));
        // The reading is at most `threshold` as soon as counted x left < (threshold + 1 - whole) x period.
        let longest_left = |counted: u64, whole: u64| ((threshold + 1 - whole) * period.ms() - 1) / counted;
        let offset = if current <= threshold {
            period.ms() - longest_left(previous, current)
        } else {
            2 * period.ms() - longest_left(current, 0)
        };
        Tick(at.start.0.saturating_add(offset)).since(now)
    }

    /// The counter as it stands at `now`: after one period what was current is previous, after two nothing is left.
    fn rotated(&self, period: Period, now: Tick) -> RateCounter {
        let fresh = RateCounter { start: now, current: 0, previous: 0 };
        let elapsed = now.0.saturating_sub(self.start.0);
        if self.current == 0 && self.previous == 0 {
            fresh
        } else if elapsed < period.ms() {
            *self
        } else if elapsed < 2 * period.ms() {
            RateCounter { start: Tick(self.start.0 + period.ms()), current: 0, previous: self.current }
        } else {
            fresh
        }
    }
}

/// Milliseconds since `start`; a thread whose `now` is a little older than the counter's start reads it at its start.
fn elapsed(start: Tick, now: Tick) -> u64 {
    now.0.saturating_sub(start.0)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const TEN: Period = Period(10_000);

    /// `update_freq_ctr_period` and `read_freq_ctr_period` of HAProxy, as they are written there, without the flapping correction.
    struct Reference {
        tick: i64,
        current: i64,
        previous: i64,
    }

    impl Reference {
        fn add(&mut self, n: i64, period: i64, now: i64) {
            if now - self.tick >= period {
                self.previous = self.current;
                self.current = 0;
                self.tick += period;
                if now - self.tick >= period {
                    self.previous = 0;
                    self.tick = now;
                }
            }
            self.current += n;
        }

        fn read(&self, period: i64, now: i64) -> i64 {
            let (mut current, mut past) = (self.current, self.previous);
            let mut remain = self.tick + period - now;
            if remain < 0 {
                remain += period;
                past = if remain >= 0 { current } else { 0 };
                current = 0;
            }
            (past * remain + current * period) / period
        }
    }

    #[test]
    fn a_period_fades_over_the_next() {
        let mut counter = RateCounter::default();
        counter.add(10, TEN, Tick(1000));
        for (now, reading) in [(1000, 10), (10_999, 10), (11_000, 10), (11_001, 9), (16_000, 5), (20_999, 0)]
        {
            assert_eq!(counter.read(TEN, Tick(now)), reading, "at {now}");
        }
        counter.add(1, TEN, Tick(16_000));
        assert_eq!(counter.read(TEN, Tick(16_000)), 6);
        assert_eq!(counter.read(TEN, Tick(21_000)), 1);
    }

    #[test]
    fn two_silent_periods_forget_everything() {
        let mut counter = RateCounter::default();
        counter.add(10, TEN, Tick(0));
        counter.add(1, TEN, Tick(20_000));
        assert_eq!(counter.read(TEN, Tick(20_000)), 1);
    }

    #[test]
    fn the_largest_values_do_not_overflow() {
        let mut counter = RateCounter::default();
        let longest = Period::of(Duration::MAX);
        counter.add(u32::MAX, longest, Tick(5));
        counter.add(1, longest, Tick(5));
        counter.add(u32::MAX, longest, Tick(5 + longest.ms()));
        assert!(counter.read(longest, Tick(6 + longest.ms())) > u64::from(u32::MAX));
        for threshold in [0, 1, u64::from(u32::MAX), u64::MAX] {
            counter.until_at_most(threshold, longest, Tick(6 + longest.ms()));
        }
        counter.until_at_most(0, longest, Tick(u64::MAX));
        assert_eq!(Period::of(Duration::ZERO).length(), Duration::from_millis(1));
    }

    proptest! {
        #[test]
        fn it_counts_as_haproxy_does(
            period in 1u32..50,
            steps in prop::collection::vec((0u64..60, 0u32..20), 1..60),
        ) {
            let mut now = 1_000_000;
            let mut ours = RateCounter::default();
            let mut theirs = Reference { tick: 0, current: 0, previous: 0 };
            for (wait, events) in steps {
                now += wait;
                if events > 0 {
                    ours.add(events, Period(period), Tick(now));
                    theirs.add(i64::from(events), i64::from(period), now as i64);
                }
                prop_assert_eq!(ours.read(Period(period), Tick(now)) as i64, theirs.read(i64::from(period), now as i64));
            }
        }

        #[test]
        fn the_wait_is_exact(
            period in 1u32..200,
            steps in prop::collection::vec((0u64..150, 1u32..50), 1..8),
            threshold in 0u64..60,
            wait in 0u64..150,
        ) {
            let (period, mut now, mut counter) = (Period(period), 7, RateCounter::default());
            for (wait, events) in steps {
                now += wait;
                counter.add(events, period, Tick(now));
            }
            let now = Tick(now + wait);
            let wait = counter.until_at_most(threshold, period, now);
            prop_assert!(counter.read(period, now + wait) <= threshold);
            if !wait.is_zero() {
                prop_assert!(counter.read(period, now + (wait - Duration::from_millis(1))) > threshold);
            }
        }
    }
}
