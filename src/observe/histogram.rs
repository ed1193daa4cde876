//! Histograms with fixed buckets, the same everywhere, so that they can be added. What is measured has its own scale:
//! times from 1 ms to 10 min (wide enough for a model that thinks), numbers of tokens, money.

use std::marker::PhantomData;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::cell::micros;

/// Of times.
pub type Histogram = Buckets<Time>;
/// Of times, as it stood.
pub type Snapshot = Reading<Time>;
/// Of numbers of tokens.
pub type Sizes = Buckets<Tokens>;
/// Of money.
pub type Costs = Buckets<Money>;

/// What a histogram measures.
pub trait Scale {
    type Quantity;
    /// Upper ends of the buckets (inclusive), ascending, in the unit in which sums are kept; at most [`MOST_ENDS`].
    const ENDS: &'static [u64];
    /// So many of that unit are one of the unit in which Prometheus shows it.
    const PARTS: f64;

    fn raw(quantity: Self::Quantity) -> u64;
    fn quantity(raw: u64) -> Self::Quantity;
}

/// Kept in microseconds, shown in seconds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Time;

impl Scale for Time {
    type Quantity = Duration;
    const PARTS: f64 = 1e6;
    const ENDS: &'static [u64] = &[
        1_000,
        2_500,
        5_000,
        10_000,
        25_000,
        50_000,
        100_000,
        250_000,
        500_000,
        1_000_000,
        2_500_000,
        5_000_000,
        10_000_000,
        30_000_000,
        60_000_000,
        120_000_000,
        300_000_000,
        600_000_000,
    ];

    fn raw(duration: Duration) -> u64 {
        micros(duration)
    }

    fn quantity(raw: u64) -> Duration {
        Duration::from_micros(raw)
    }
}

/// The buckets that OpenTelemetry's conventions for `gen_ai.client.token.usage` give: powers of 4.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tokens;

impl Scale for Tokens {
    type Quantity = u64;
    const PARTS: f64 = 1.0;
    const ENDS: &'static [u64] = &[
        1, 4, 16, 64, 256, 1024, 4096, 16_384, 65_536, 262_144, 1_048_576, 4_194_304, 16_777_216, 67_108_864,
    ];

    fn raw(tokens: u64) -> u64 {
        tokens
    }

    fn quantity(raw: u64) -> u64 {
        raw
    }
}

/// Kept in micro-dollars, shown in dollars: from a short embedding to 100 dollars.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Money;

impl Scale for Money {
    type Quantity = u64;
    const PARTS: f64 = 1e6;
    const ENDS: &'static [u64] = &[
        10,
        100,
        250,
        500,
        1_000,
        2_500,
        5_000,
        10_000,
        25_000,
        50_000,
        100_000,
        250_000,
        500_000,
        1_000_000,
        2_500_000,
        5_000_000,
        10_000_000,
        100_000_000,
    ];

    fn raw(micro_dollars: u64) -> u64 {
        micro_dollars
    }

    fn quantity(raw: u64) -> u64 {
        raw
    }
}

/// Buckets that a scale may have.
const MOST_ENDS: usize = 18;
/// One more, for what is above all of them.
const CELLS: usize = MOST_ENDS + 1;

const _: () = {
    assert!(Time::ENDS.len() <= MOST_ENDS);
    assert!(Tokens::ENDS.len() <= MOST_ENDS);
    assert!(Money::ENDS.len() <= MOST_ENDS);
};

#[derive(Debug, Default)]
pub struct Buckets<S> {
    counts: [AtomicU64; CELLS],
    sum: AtomicU64,
    scale: PhantomData<S>,
}

impl<S: Scale> Buckets<S> {
    pub fn observe(&self, quantity: S::Quantity) {
        let raw = S::raw(quantity);
        let bucket = S::ENDS.partition_point(|end| *end < raw);
        if let Some(cell) = self.counts.get(bucket) {
            cell.fetch_add(1, Ordering::Relaxed);
            self.sum.fetch_add(raw, Ordering::Relaxed);
        }
    }

    pub fn snapshot(&self) -> Reading<S> {
        let counts =
            std::array::from_fn(|i| self.counts.get(i).map_or(0, |cell| cell.load(Ordering::Relaxed)));
        Reading { counts, sum: self.sum.load(Ordering::Relaxed), scale: PhantomData }
    }
}

/// A histogram as it stood.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reading<S> {
    /// Not cumulative; those after the scale's own stay 0.
    counts: [u64; CELLS],
    sum: u64,
    scale: PhantomData<S>,
}

impl<S: Scale> Reading<S> {
    pub fn count(&self) -> u64 {
        self.counts.iter().sum()
    }

    pub fn sum(&self) -> S::Quantity {
        S::quantity(self.sum)
    }

    /// The sum in the unit in which it is shown.
    pub fn shown_sum(&self) -> f64 {
        self.sum as f64 / S::PARTS
    }

    /// What was observed after `earlier`.
    #[must_use]
    pub fn since(&self, earlier: &Self) -> Self {
        let counts = std::array::from_fn(|i| self.counts[i].saturating_sub(earlier.counts[i]));
        Reading { counts, sum: self.sum.saturating_sub(earlier.sum), scale: PhantomData }
    }

    pub fn add(&mut self, other: &Reading<S>) {
        self.counts.iter_mut().zip(other.counts).for_each(|(mine, theirs)| *mine += theirs);
        self.sum += other.sum;
    }

    /// Upper end in the unit in which it is shown (infinite for the last) and how many were at most that much.
    pub fn cumulative(&self) -> impl Iterator<Item = (f64, u64)> {
        let ends = S::ENDS.iter().map(|end| *end as f64 / S::PARTS).chain([f64::INFINITY]);
        let running = self.counts.iter().scan(0, |sum, count| {
            *sum += count;
            Some(*sum)
        });
        ends.zip(running)
    }

    /// What a share `q` (0.0..=1.0) of all did not pass, as if they were spread evenly within a bucket.
    /// `None` when there was nothing; at most the end of the last bucket.
    pub fn quantile(&self, q: f64) -> Option<S::Quantity> {
        let total = self.count();
        if total == 0 {
            return None;
        }
        let rank = q.clamp(0.0, 1.0) * total as f64;
        let (mut below, mut start) = (0u64, 0u64);
        for (end, count) in S::ENDS.iter().zip(self.counts) {
            if count > 0 && (below + count) as f64 >= rank {
                let share = ((rank - below as f64) / count as f64).clamp(0.0, 1.0);
                return Some(S::quantity(start + ((end - start) as f64 * share) as u64));
            }
            below += count;
            start = *end;
        }
        Some(S::quantity(start))
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
    fn every_scale_ascends_and_shows_round_ends() {
        fn shown<S: Scale + Default>() -> Vec<String> {
            assert!(S::ENDS.is_sorted_by(|a, b| a < b));
            Buckets::<S>::default().snapshot().cumulative().map(|(end, _)| end.to_string()).collect()
        }
        assert_eq!(shown::<Time>()[..3], ["0.001", "0.0025", "0.005"]);
        assert_eq!(shown::<Tokens>()[12..], ["16777216", "67108864", "inf"]);
        assert_eq!(shown::<Money>()[..4], ["0.00001", "0.0001", "0.00025", "0.0005"]);
    }

    #[test]
    fn tokens_and_money_have_buckets_of_their_own() {
        let (sizes, costs) = (Sizes::default(), Costs::default());
        [1, 5, 100_000_000].into_iter().for_each(|tokens| sizes.observe(tokens));
        [0, 2_000, 200_000_000].into_iter().for_each(|micro_dollars| costs.observe(micro_dollars));
        let (sizes, costs) = (sizes.snapshot(), costs.snapshot());
        assert_eq!(sizes.cumulative().last(), Some((f64::INFINITY, 3)));
        assert_eq!(sizes.cumulative().find(|(end, _)| *end == 4.0), Some((4.0, 1)));
        assert_eq!((sizes.sum(), costs.shown_sum()), (100_000_006, 200.002));
        assert_eq!(costs.cumulative().find(|(end, _)| *end == 0.0025), Some((0.0025, 2)));
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
            let bucket = Time::ENDS.partition_point(|end| *end < exact).min(17);
            let start = if bucket == 0 { 0 } else { Time::ENDS[bucket - 1] };
            let found = micros(histogram.snapshot().quantile(q).unwrap());
            prop_assert!(start <= found && found <= Time::ENDS[bucket], "{start} {found} {exact}");
        }
    }
}
