//! How many came lately, as HAProxy counts it (`freq_ctr`): this period's, and the share of the last one that is still
//! within reach.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::base::clock::Tick;

/// Events per second.
pub type Rate = Sliding<1000>;
/// Of what comes in larger numbers, or seldom: in the last minute.
pub type PerMinute = Sliding<60_000>;

/// A rate over a period of so many milliseconds.
#[derive(Debug, Default)]
pub struct Sliding<const PERIOD: u64> {
    /// Even and odd periods: the upper half says which period (plus one: 0 is never), the lower counts.
    periods: [AtomicU64; 2],
    peak: AtomicU64,
}

const COUNT: u64 = 0xffff_ffff;

impl<const PERIOD: u64> Sliding<PERIOD> {
    pub fn tick(&self, now: Tick) {
        self.add(1, now);
    }

    /// So many at once. A period counts up to 2^32 - 1; what is more is not counted.
    pub fn add(&self, n: u64, now: Tick) {
        let period = now.0 / PERIOD;
        let Some(cell) = self.periods.get((period % 2) as usize) else { return };
        let n = n.min(COUNT);
        let first = (period + 1) << 32 | n;
        let mut seen = cell.load(Ordering::Relaxed);
        let count = loop {
            if seen >> 32 == first >> 32 {
                // A carry would reach into the number of the period.
                if (seen & COUNT) + n > COUNT {
                    return;
                }
                break (cell.fetch_add(n, Ordering::Relaxed) & COUNT) + n;
            }
            match cell.compare_exchange_weak(seen, first, Ordering::Relaxed, Ordering::Relaxed) {
                Ok(_) => break n,
                Err(other) => seen = other,
            }
        };
        if count > self.peak.load(Ordering::Relaxed) {
            self.peak.fetch_max(count, Ordering::Relaxed);
        }
    }

    /// Of the period that ends now.
    pub fn recent(&self, now: Tick) -> u64 {
        let (period, passed) = (now.0 / PERIOD, now.0 % PERIOD);
        let last = period.checked_sub(1).map_or(0, |last| self.count(last));
        self.count(period) + last * (PERIOD - passed) / PERIOD
    }

    /// The most in one whole period of the clock.
    pub fn peak(&self) -> u64 {
        self.peak.load(Ordering::Relaxed)
    }

    pub fn forget_peak(&self) {
        self.peak.store(0, Ordering::Relaxed);
    }

    fn count(&self, period: u64) -> u64 {
        let seen = self.periods.get((period % 2) as usize).map_or(0, |cell| cell.load(Ordering::Relaxed));
        if seen >> 32 == period + 1 { seen & COUNT } else { 0 }
    }
}

impl Rate {
    /// Events in the second that ends now.
    pub fn per_second(&self, now: Tick) -> u64 {
        self.recent(now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_fades_over_the_next_second() {
        let rate = Rate::default();
        (0..100).for_each(|_| rate.tick(Tick(400)));
        assert_eq!(rate.per_second(Tick(999)), 100);
        assert_eq!(rate.per_second(Tick(1250)), 75);
        rate.tick(Tick(1250));
        assert_eq!(rate.per_second(Tick(1500)), 51);
        assert_eq!(rate.per_second(Tick(3000)), 0);
        assert_eq!(rate.peak(), 100);
    }

    #[test]
    fn a_minute_takes_many_at_once_and_never_runs_over() {
        let tokens = PerMinute::default();
        tokens.add(1200, Tick(30_000));
        tokens.add(300, Tick(59_000));
        assert_eq!(tokens.recent(Tick(59_999)), 1500);
        assert_eq!(tokens.recent(Tick(90_000)), 750);
        assert_eq!(tokens.recent(Tick(180_000)), 0);
        tokens.add(u64::MAX, Tick(180_000));
        tokens.add(7, Tick(180_000));
        assert_eq!(tokens.recent(Tick(180_000)), COUNT);
    }
}
