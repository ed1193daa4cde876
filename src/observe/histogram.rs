//! A latency histogram with fixed buckets from 1 ms to 10 min: wide enough for a model that thinks, and the same
//! everywhere, so that histograms can be added.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::cell::micros;

/// Upper ends (inclusive) in seconds as Prometheus shows them, and in microseconds.
const BUCKETS: [(f64, u64); 18] = [
    (0.001, 1_000),
    (0.0025, 2_500),
    (0.005, 5_000),
    (0.01, 10_000),
    (0.025, 25_000),
    (0.05, 50_000),
    (0.1, 100_000),
    (0.25, 250_000),
    (0.5, 500_000),
    (1.0, 1_000_000),
    (2.5, 2_500_000),
    (5.0, 5_000_000),
    (10.0, 10_000_000),
    (30.0, 30_000_000),
    (60.0, 60_000_000),
    (120.0, 120_000_000),
    (300.0, 300_000_000),
    (600.0, 600_000_000),
];

/// Buckets, and one for what is longer than all of them.
const CELLS: usize = BUCKETS.len() + 1;

#[derive(Debug, Default)]
pub struct Histogram {
    counts: [AtomicU64; CELLS],
    /// Microseconds.
    sum: AtomicU64,
}

impl Histogram {
    pub fn observe(&self, duration: Duration) {
        let length = micros(duration);
        let bucket = BUCKETS.partition_point(|(_, end)| *end < length);
        if let Some(cell) = self.counts.get(bucket) {
            cell.fetch_add(1, Ordering::Relaxed);
            self.sum.fetch_add(length, Ordering::Relaxed);
        }
    }

    pub fn snapshot(&self) -> Snapshot {
        let counts =
            std::array::from_fn(|i| self.counts.get(i).map_or(0, |cell| cell.load(Ordering::Relaxed)));
        Snapshot { counts, sum: self.sum.load(Ordering::Relaxed) }
    }
}

/// A histogram as it stood.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Snapshot {
    /// Not cumulative.
    counts: [u64; CELLS],
    sum: u64,
}

impl Snapshot {
    pub fn count(&self) -> u64 {
        self.counts.iter().sum()
    }

    pub fn sum(&self) -> Duration {
        Duration::from_micros(self.sum)
    }

    pub fn add(&mut self, other: &Snapshot) {
        self.counts.iter_mut().zip(other.counts).for_each(|(mine, theirs)| *mine += theirs);
        self.sum += other.sum;
    }

    /// Upper end in seconds (infinite for the last) and how many were at most that long.
    pub fn cumulative(&self) -> impl Iterator<Item = (f64, u64)> {
        let ends = BUCKETS.iter().map(|(seconds, _)| *seconds).chain([f64::INFINITY]);
        let running = self.counts.iter().scan(0, |sum, count| {
            *sum += count;
            Some(*sum)
        });
        ends.zip(running)
    }

    /// The length that a share `q` (0.0..=1.0) of all did not pass, as if lengths were spread evenly within a bucket.
    /// `None` when there was nothing; at most ten minutes, where the buckets end.
    pub fn quantile(&self, q: f64) -> Option<Duration> {
        let total = self.count();
        if total == 0 {
            return None;
        }
        let rank = q.clamp(0.0, 1.0) * total as f64;
        let (mut below, mut start) = (0u64, 0u64);
        for ((_, end), count) in BUCKETS.iter().zip(self.counts) {
            if count > 0 && (below + count) as f64 >= rank {
                let share = ((rank - below as f64) / count as f64).clamp(0.0, 1.0);
                return Some(Duration::from_micros(start + ((end - start) as f64 * share) as u64));
            }
            below += count;
            start = *end;
        }
        Some(Duration::from_micros(start))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn an_end_belongs_to_its_bucket() {
        let histogram = Histogram::default();
        for length in [Duration::ZERO, MS, MS + Duration::from_micros(1), 600_000 * MS, 600_001 * MS] {
            histogram.observe(length);
        }
        let ends: Vec<(f64, u64)> = histogram.snapshot().cumulative().collect();
        assert_eq!(ends[0], (0.001, 2));
        assert_eq!(ends[1], (0.0025, 3));
        assert_eq!(ends[17], (600.0, 4));
        assert_eq!(ends[18], (f64::INFINITY, 5));
    }

    #[test]
    fn the_two_columns_of_the_buckets_agree() {
        for (seconds, length) in BUCKETS {
            assert_eq!((seconds * 1e6).round() as u64, length);
        }
        assert!(BUCKETS.is_sorted_by(|a, b| a.1 < b.1));
    }

    #[test]
    fn quantiles_are_interpolated_and_unknown_when_empty() {
        let histogram = Histogram::default();
        assert_eq!(histogram.snapshot().quantile(0.5), None);
        (0..100).for_each(|_| histogram.observe(7 * MS));
        assert_eq!(histogram.snapshot().quantile(0.5), Some(Duration::from_micros(7500)));
        (0..100).for_each(|_| histogram.observe(3_000_000 * MS));
        assert_eq!(histogram.snapshot().quantile(0.99), Some(Duration::from_secs(600)));
    }

    #[test]
    fn snapshots_add_up() {
        let (a, b) = (Histogram::default(), Histogram::default());
        a.observe(3 * MS);
        b.observe(30 * MS);
        let mut both = a.snapshot();
        both.add(&b.snapshot());
        assert_eq!((both.count(), both.sum()), (2, 33 * MS));
    }

    proptest! {
        /// A quantile lies in the bucket of the sample that has its rank.
        #[test]
        fn a_quantile_is_in_the_right_bucket(
            mut lengths in prop::collection::vec(0u64..700_000_000, 1..200), q in 0.0f64..=1.0
        ) {
            let histogram = Histogram::default();
            lengths.iter().for_each(|length| histogram.observe(Duration::from_micros(*length)));
            lengths.sort_unstable();
            let rank = ((q * lengths.len() as f64).ceil() as usize).clamp(1, lengths.len());
            let exact = lengths[rank - 1].min(600_000_000);
            let bucket = BUCKETS.partition_point(|(_, end)| *end < exact).min(17);
            let start = if bucket == 0 { 0 } else { BUCKETS[bucket - 1].1 };
            let found = micros(histogram.snapshot().quantile(q).unwrap());
            prop_assert!(start <= found && found <= BUCKETS[bucket].1, "{start} {found} {exact}");
        }
    }
}
