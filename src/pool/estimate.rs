//! What is thought of a server's time to first byte: a moving average that jumps up with a slow answer at once and comes
//! down slowly (peak-sensitive, as in Finagle). Without new answers it fades, so that a server that was slow is asked
//! again. One atomic word, no lock.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::base::clock::Tick;

/// Over this time an old answer counts for 1/e, in milliseconds.
const FADE: f64 = 10_000.0;
/// A failure counts as an answer that took twice what was thought, within these bounds, in microseconds: a server that
/// fails fast must not look like a fast server.
const FAILURE: std::ops::RangeInclusive<f64> = 1_000_000.0..=60_000_000.0;

/// Microseconds in the upper half, 0 for none; the tick of the latest answer in the lower.
#[derive(Debug, Default)]
pub struct Estimate(AtomicU64);

impl Estimate {
    /// The first byte of an answer came after this time.
    pub fn answered(&self, after: Duration, now: Tick) {
        self.take(now, |_| after.as_secs_f64() * 1e6);
    }

    /// No answer came after this time, or one that was none.
    pub fn failed(&self, after: Duration, now: Tick) {
        self.take(now, |thought| {
            let bad = (thought * 2.0).clamp(*FAILURE.start(), *FAILURE.end());
            bad.max(after.as_secs_f64() * 1e6)
        });
    }

    /// Somebody waited this long and left without an answer: it takes at least that. Of a server that nothing is known
    /// of, a short wait tells nothing.
    pub fn waited(&self, after: Duration, now: Tick) {
        let after = after.as_secs_f64() * 1e6;
        if after > self.read(now).unwrap_or(*FAILURE.start()) {
            self.take(now, |_| after);
        }
    }

    /// Nothing is known of it any more.
    pub fn forget(&self) {
        self.0.store(0, Ordering::Relaxed);
    }

    /// Microseconds; `None` before the first answer.
    pub fn read(&self, now: Tick) -> Option<f64> {
        let word = self.0.load(Ordering::Relaxed);
        (word >> 32 != 0).then(|| faded(word, now))
    }

    fn take(&self, now: Tick, sample: impl Fn(f64) -> f64) {
        let next = |word: u64| {
            let thought = if word >> 32 == 0 { 0.0 } else { faded(word, now) };
            let sample = sample(thought);
            // What has faded makes room for the sample; a peak counts whole.
            let blended = thought + sample * (1.0 - left(word, now));
            let next = if word >> 32 == 0 { sample } else { sample.max(blended) };
            let microseconds = next.clamp(1.0, f64::from(u32::MAX)) as u64;
            Some(microseconds << 32 | (now.0 & 0xffff_ffff))
        };
        let _ = self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, next);
    }
}

fn faded(word: u64, now: Tick) -> f64 {
    (word >> 32) as f64 * left(word, now)
}

/// The share that is left of what was thought.
fn left(word: u64, now: Tick) -> f64 {
    let passed = (now.0 & 0xffff_ffff).wrapping_sub(word & 0xffff_ffff) & 0xffff_ffff;
    // Another thread's answer may be a moment ahead of this one's clock.
    if passed > 0x8000_0000 { 1.0 } else { (-(passed as f64) / FADE).exp() }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn after(estimate: &Estimate, milliseconds: u64, now: u64) -> f64 {
        estimate.answered(Duration::from_millis(milliseconds), Tick(now));
        estimate.read(Tick(now)).unwrap()
    }

    #[test]
    fn a_slow_answer_counts_at_once_and_fast_ones_bring_it_down_slowly() {
        let estimate = Estimate::default();
        assert_eq!(estimate.read(Tick(0)), None);
        assert_eq!(after(&estimate, 100, 0), 100_000.0);
        assert_eq!(after(&estimate, 900, 10), 900_000.0);
        assert!(after(&estimate, 100, 20) > 890_000.0);
        let later = after(&estimate, 100, 10_020);
        assert!((380_000.0..410_000.0).contains(&later), "{later}");
        assert!((20..100).all(|second| after(&estimate, 100, second * 1000) > 99_000.0));
        assert!(after(&estimate, 100, 100_000) < 101_000.0);
    }

    #[test]
    fn what_is_not_renewed_fades() {
        let estimate = Estimate::default();
        after(&estimate, 1000, 5000);
        let read = |now| estimate.read(Tick(now)).unwrap();
        assert!((360_000.0..370_000.0).contains(&read(15_000)));
        assert!(read(100_000) < 100.0);
        assert_eq!(read(4_000), 1_000_000.0, "a clock that is behind");
    }

    #[test]
    fn failures_are_never_fast() {
        let estimate = Estimate::default();
        let fail = |milliseconds: u64, now| {
            estimate.failed(Duration::from_millis(milliseconds), Tick(now));
            estimate.read(Tick(now)).unwrap()
        };
        assert_eq!(fail(1, 0), 1_000_000.0);
        assert_eq!(fail(1, 0), 2_000_000.0);
        assert_eq!(fail(30_000, 0), 30_000_000.0);
        assert_eq!(fail(1, 0), 60_000_000.0);
        assert_eq!(fail(1, 0), 60_000_000.0);
    }

    #[test]
    fn a_wait_without_an_answer_only_makes_it_slower() {
        let estimate = Estimate::default();
        let wait = |milliseconds: u64| {
            estimate.waited(Duration::from_millis(milliseconds), Tick(0));
            estimate.read(Tick(0))
        };
        assert_eq!(wait(900), None);
        assert_eq!(wait(1500), Some(1_500_000.0));
        assert_eq!(wait(1000), Some(1_500_000.0));
        assert_eq!(wait(2000), Some(2_000_000.0));
    }

    proptest! {
        /// It never leaves the range of the answers, but for fading.
        #[test]
        fn it_is_never_above_the_slowest_answer(answers in prop::collection::vec((1u64..5000, 0u64..4000), 1..50)) {
            let (estimate, mut now, mut slowest) = (Estimate::default(), 0, 0);
            for (milliseconds, pause) in answers {
                now += pause;
                slowest = slowest.max(milliseconds);
                let thought = after(&estimate, milliseconds, now);
                prop_assert!(thought <= slowest as f64 * 1000.0 + 1.0);
                prop_assert!(thought >= milliseconds as f64 * 1000.0 - 1.0);
            }
        }
    }
}
