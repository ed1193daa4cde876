//! When a hedged request is due: what the servers of one backend took to their first content lately. It knows times,
//! not requests; how many hedges a backend affords is a [`super::Budget`].

use std::array;
use std::sync::atomic::{
    AtomicU32, AtomicU64,
    Ordering::{Acquire, Relaxed, Release},
};
use std::time::Duration;

use parking_lot::Mutex;

use crate::base::clock::Tick;

/// Each octave has this many buckets, so the middle of one is at most 1/16 away from what it holds.
const PER_OCTAVE: u64 = 8;

/// Times below and above count as these, in microseconds.
const SHORTEST: u64 = 1_000;
const LONGEST: u64 = 600_000_000;

const FIRST_OCTAVE: u64 = SHORTEST.ilog2() as u64;
const BUCKETS: usize = ((LONGEST.ilog2() as u64 - FIRST_OCTAVE + 1) * PER_OCTAVE) as usize;

/// Fewer say nothing.
const ENOUGH: u64 = 20;

/// How long one generation is written to. Two are read, so the window is one to two of these.
const GENERATION: u64 = 60_000;

/// Times to first content of one backend over about the last two minutes.
#[derive(Debug, Default)]
pub struct Learned {
    /// That of minute `n` is at `n % 2`.
    generations: [Generation; 2],
    /// Held by who empties a generation for its next minute, once in each.
    turn: Mutex<()>,
}

#[derive(Debug)]
struct Generation {
    minute: AtomicU64,
    counts: [AtomicU32; BUCKETS],
}

impl Default for Generation {
    fn default() -> Generation {
        Generation { minute: AtomicU64::new(0), counts: array::from_fn(|_| AtomicU32::new(0)) }
    }
}

impl Learned {
    /// One attempt had its first content after `took`; counted as at least 1 ms and at most 10 minutes.
    pub fn observe(&self, took: Duration, now: Tick) {
        let minute = now.0 / GENERATION;
        let generation = self.generation(minute);
        if generation.minute.load(Acquire) < minute {
            self.renew(generation, minute);
        }
        if let Some(count) = generation.counts.get(bucket(took)) {
            count.fetch_add(1, Relaxed);
        }
    }

    /// The time that a share `q` (0.0..=1.0) of the attempts stayed within, with an error of at most 1/16; `None` when
    /// fewer than 20 are known.
    pub fn quantile(&self, q: f64, now: Tick) -> Option<Duration> {
        let minute = now.0 / GENERATION;
        let mut sums = [0u64; BUCKETS];
        for generation in &self.generations {
            if generation.minute.load(Acquire) + 1 < minute {
                continue;
            }
            for (sum, count) in sums.iter_mut().zip(&generation.counts) {
                *sum += u64::from(count.load(Relaxed));
            }
        }
        let total: u64 = sums.iter().sum();
        if total < ENOUGH {
            return None;
        }
        let rank = (q.clamp(0.0, 1.0) * total as f64).ceil().max(1.0);
        let mut below = 0;
        let at = sums.iter().position(|sum| {
            below += sum;
            below as f64 >= rank
        })?;
        Some(middle(at))
    }

    fn generation(&self, minute: u64) -> &Generation {
        let [even, odd] = &self.generations;
        if minute.is_multiple_of(2) { even } else { odd }
    }

    #[cold]
    fn renew(&self, generation: &Generation, minute: u64) {
        let _turn = self.turn.lock();
        if generation.minute.load(Acquire) < minute {
            for count in &generation.counts {
                count.store(0, Relaxed);
            }
            generation.minute.store(minute, Release);
        }
    }
}

fn bucket(took: Duration) -> usize {
    let micros = u64::try_from(took.as_micros()).unwrap_or(LONGEST).clamp(SHORTEST, LONGEST);
    let octave = u64::from(micros.ilog2());
    let part = (micros >> (octave - 3)) % PER_OCTAVE;
    ((octave - FIRST_OCTAVE) * PER_OCTAVE + part) as usize
}

/// The middle of a bucket, within the times that are told apart.
fn middle(bucket: usize) -> Duration {
    let (octave, part) = (bucket as u64 / PER_OCTAVE + FIRST_OCTAVE, bucket as u64 % PER_OCTAVE);
    let width = 1 << (octave - 3);
    let micros = (PER_OCTAVE + part) * width + width / 2;
    Duration::from_micros(micros.clamp(SHORTEST, LONGEST))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::base::clock::Clock;

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    fn near(found: Option<Duration>, wanted: Duration) -> bool {
        found.is_some_and(|found| (found.as_secs_f64() / wanted.as_secs_f64() - 1.0).abs() <= 0.1)
    }

    #[test]
    fn fewer_than_twenty_say_nothing() {
        let (learned, now) = (Learned::default(), Tick(7));
        (0..19).for_each(|_| learned.observe(ms(5), now));
        assert_eq!(learned.quantile(0.5, now), None);
        learned.observe(ms(5), now);
        assert!(near(learned.quantile(0.5, now), ms(5)));
    }

    #[test]
    fn a_quantile_is_what_that_share_stayed_within() {
        let (learned, now) = (Learned::default(), Tick(7));
        (0..95).for_each(|_| learned.observe(ms(100), now));
        (0..5).for_each(|_| learned.observe(ms(9000), now));
        assert!(near(learned.quantile(0.5, now), ms(100)) && near(learned.quantile(0.95, now), ms(100)));
        assert!(near(learned.quantile(0.96, now), ms(9000)) && near(learned.quantile(1.0, now), ms(9000)));
        assert!(near(learned.quantile(0.0, now), ms(100)) && near(learned.quantile(f64::NAN, now), ms(100)));
    }

    #[test]
    fn what_is_older_than_two_minutes_is_forgotten() {
        let (learned, clock) = (Learned::default(), Clock::fake());
        (0..30).for_each(|_| learned.observe(ms(100), clock.now()));
        clock.advance(Duration::from_secs(119));
        assert!(near(learned.quantile(0.9, clock.now()), ms(100)));
        clock.advance(Duration::from_secs(1));
        assert_eq!(learned.quantile(0.9, clock.now()), None);
        (0..30).for_each(|_| learned.observe(ms(400), clock.now()));
        assert!(near(learned.quantile(0.0, clock.now()), ms(400)));
    }

    #[test]
    fn both_minutes_count() {
        let (learned, clock) = (Learned::default(), Clock::fake());
        clock.advance(Duration::from_secs(3600));
        (0..10).for_each(|_| learned.observe(ms(100), clock.now()));
        clock.advance(Duration::from_secs(60));
        (0..10).for_each(|_| learned.observe(ms(800), clock.now()));
        assert!(near(learned.quantile(0.5, clock.now()), ms(100)));
        assert!(near(learned.quantile(0.6, clock.now()), ms(800)));
    }

    #[test]
    fn a_thread_whose_clock_is_behind_empties_nothing() {
        let learned = Learned::default();
        (0..20).for_each(|_| learned.observe(ms(100), Tick(2 * GENERATION)));
        learned.observe(ms(100), Tick(2 * GENERATION - 1));
        learned.observe(ms(100), Tick(1));
        assert!(near(learned.quantile(0.5, Tick(2 * GENERATION)), ms(100)));
    }

    #[test]
    fn what_is_too_short_or_too_long_counts_at_the_ends() {
        let (learned, now) = (Learned::default(), Tick(0));
        (0..10).for_each(|_| learned.observe(Duration::ZERO, now));
        (0..10).for_each(|_| learned.observe(Duration::MAX, now));
        assert!(near(learned.quantile(0.5, now), ms(1)));
        assert!(near(learned.quantile(1.0, now), Duration::from_secs(600)));
    }

    #[test]
    fn threads_lose_nothing() {
        let learned = Learned::default();
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| (0..60).for_each(|at| learned.observe(ms(100), Tick(GENERATION * 5 + at))));
            }
        });
        let total: u32 = learned.generations.iter().flat_map(|g| &g.counts).map(|c| c.load(Relaxed)).sum();
        assert_eq!(total, 240);
    }

    proptest! {
        #[test]
        fn every_time_is_told_to_a_tenth(micros in SHORTEST..=LONGEST) {
            let took = Duration::from_micros(micros);
            prop_assert!(near(Some(middle(bucket(took))), took), "{took:?} {:?}", middle(bucket(took)));
        }

        #[test]
        fn quantiles_are_those_of_the_sorted_times(
            times in prop::collection::vec(1u64..600_000, 20..300), q in 0.5f64..=0.999, start in 0u64..1_000_000
        ) {
            let learned = Learned::default();
            times.iter().for_each(|time| learned.observe(ms(*time), Tick(start)));
            let mut sorted = times;
            sorted.sort_unstable();
            let rank = (q * sorted.len() as f64).ceil() as usize;
            prop_assert!(near(learned.quantile(q, Tick(start + 59_000)), ms(sorted[rank - 1])));
        }

        #[test]
        fn buckets_rise_with_the_time(one in 0u64..700_000_000, other in 0u64..700_000_000) {
            let (one, other) = (one.min(other), one.max(other));
            prop_assert!(bucket(Duration::from_micros(one)) <= bucket(Duration::from_micros(other)));
            prop_assert!(bucket(Duration::from_micros(other)) < BUCKETS);
        }
    }
}
