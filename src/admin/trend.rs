//! What happened in the last minute. The cells only ever grow, so a past reading is kept every few seconds, and the
//! difference to it is what is recent: at three in the morning the mean since the start a month ago says nothing.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use crate::admin::report::{Failures, Quantiles, Recent};
use crate::base::clock::Tick;
use crate::observe::histogram;

/// How often a reading is kept.
pub const EVERY: Duration = Duration::from_secs(5);
/// How far back `recent` reaches.
const REACH: Duration = Duration::from_secs(60);

/// Whose figures: a frontend, a backend, or a server of a backend.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Subject {
    Frontend(String),
    Backend(String),
    Server(String, String),
}

/// The cells of one subject as they stood.
#[derive(Clone, Debug, Default)]
pub struct Reading {
    pub requests: u64,
    pub classes: [u64; 6],
    pub duration: histogram::Snapshot,
    pub first_byte: histogram::Snapshot,
    pub first_content: histogram::Snapshot,
    /// By kind.
    pub failures: Vec<(&'static str, u64)>,
}

/// All readings of one moment.
pub type Readings = HashMap<Subject, Reading>;

#[derive(Debug, Default)]
pub struct Trend {
    past: VecDeque<(Tick, Readings)>,
}

impl Trend {
    /// Keeps a reading, and lets go of those that nobody needs: one at or beyond the reach is enough.
    pub fn keep(&mut self, now: Tick, readings: Readings) {
        self.past.push_back((now, readings));
        while self.past.get(1).is_some_and(|(at, _)| now.since(*at) >= REACH) {
            self.past.pop_front();
        }
    }

    /// The difference to about a minute ago, or to the start, when everything was 0.
    pub fn recent(&self, subject: &Subject, current: &Reading, now: Tick) -> Recent {
        let nothing = Reading::default();
        let first = self.past.front();
        let since = first.map_or(Tick(0), |(at, _)| *at);
        let before = first.and_then(|(_, readings)| readings.get(subject)).unwrap_or(&nothing);
        let seconds = now.since(since).as_secs_f64();
        let requests = current.requests.saturating_sub(before.requests);
        let classes = std::array::from_fn(|i| match (current.classes.get(i), before.classes.get(i)) {
            (Some(now), Some(then)) => now.saturating_sub(*then),
            _ => 0,
        });
        Recent {
            seconds,
            requests,
            requests_per_second: if seconds > 0.0 { requests as f64 / seconds } else { 0.0 },
            responses: classes.into(),
            duration: quantiles(&current.duration, &before.duration),
            first_byte: quantiles(&current.first_byte, &before.first_byte),
            first_content: quantiles(&current.first_content, &before.first_content),
            failures: failures(&current.failures, &before.failures),
        }
    }
}

/// What came since, the most frequent first.
pub fn failures(current: &[(&'static str, u64)], before: &[(&'static str, u64)]) -> Vec<Failures> {
    let then = |kind| before.iter().find(|(known, _)| *known == kind).map_or(0, |(_, count)| *count);
    let since =
        |&(kind, count): &(&'static str, u64)| Failures { kind, count: count.saturating_sub(then(kind)) };
    let mut failures: Vec<Failures> = current.iter().map(since).filter(|of| of.count > 0).collect();
    failures.sort_by_key(|of| (std::cmp::Reverse(of.count), of.kind));
    failures
}

fn quantiles(current: &histogram::Snapshot, before: &histogram::Snapshot) -> Quantiles {
    let cumulative: Vec<(f64, u64)> = current
        .cumulative()
        .zip(before.cumulative())
        .map(|((end, now), (_, then))| (end, now.saturating_sub(then)))
        .collect();
    let at = |q| quantile(&cumulative, q);
    Quantiles { p50: at(0.5), p95: at(0.95), p99: at(0.99) }
}

/// As [`histogram::Snapshot::quantile`]: even within a bucket, and no longer than where the last one begins.
fn quantile(cumulative: &[(f64, u64)], q: f64) -> Option<f64> {
    let total = cumulative.last().map(|(_, count)| *count).filter(|count| *count > 0)?;
    let rank = q * total as f64;
    let (mut start, mut below) = (0.0, 0);
    for (end, count) in cumulative {
        if *count > below && *count as f64 >= rank {
            let share = (rank - below as f64) / (count - below) as f64;
            return Some(if end.is_finite() { start + (end - start) * share.clamp(0.0, 1.0) } else { start });
        }
        (start, below) = (*end, *count);
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::observe::histogram::Histogram;

    fn subject() -> Subject {
        Subject::Server("ai".into(), "one".into())
    }

    fn reading(requests: u64, duration: &Histogram) -> Reading {
        let classes = [0, requests, 0, 0, 0, 0];
        Reading { requests, classes, duration: duration.snapshot(), ..Reading::default() }
    }

    #[test]
    fn what_is_long_ago_does_not_count() {
        let (mut trend, duration) = (Trend::default(), Histogram::default());
        (0..1000).for_each(|_| duration.observe(Duration::from_secs(100)));
        for second in (0..=120).step_by(5) {
            trend.keep(Tick(second * 1000), HashMap::from([(subject(), reading(1000, &duration))]));
        }
        (0..60).for_each(|_| duration.observe(Duration::from_millis(2)));
        let recent = trend.recent(&subject(), &reading(1060, &duration), Tick(120_000));
        assert_eq!((recent.requests, recent.responses.success, recent.seconds), (60, 60, 60.0));
        assert!((recent.requests_per_second - 1.0).abs() < 1e-9);
        assert!(recent.duration.p99.unwrap() <= 0.0025);
        assert_eq!(recent.first_byte.p50, None);
        assert_eq!(trend.past.len(), 13);
    }

    #[test]
    fn failures_are_those_since_then_the_most_frequent_first() {
        let now = [("connect", 5), ("status", 9), ("cut", 2)];
        let since = failures(&now, &[("connect", 5), ("status", 8)]);
        assert_eq!(
            since.iter().map(|of| (of.kind, of.count)).collect::<Vec<_>>(),
            [("cut", 2), ("status", 1)]
        );
    }

    #[test]
    fn before_the_first_reading_everything_is_recent() {
        let recent = Trend::default().recent(&subject(), &reading(10, &Histogram::default()), Tick(5000));
        assert_eq!((recent.requests, recent.requests_per_second), (10, 2.0));
        let recent = Trend::default().recent(&subject(), &Reading::default(), Tick(0));
        assert_eq!(recent.requests_per_second, 0.0);
    }

    #[test]
    fn quantiles_are_those_of_the_histogram() {
        let (histogram, nothing) = (Histogram::default(), Histogram::default());
        for ms in [1, 2, 3, 30, 40, 700, 900, 5000, 20_000, 700_000] {
            histogram.observe(Duration::from_millis(ms));
        }
        let snapshot = histogram.snapshot();
        let ours = quantiles(&snapshot, &nothing.snapshot());
        for (ours, q) in [(ours.p50, 0.5), (ours.p95, 0.95), (ours.p99, 0.99)] {
            let theirs = snapshot.quantile(q).unwrap().as_secs_f64();
            assert!((ours.unwrap() - theirs).abs() < 1e-3, "{q}: {ours:?} {theirs}");
        }
        assert_eq!(quantiles(&snapshot, &snapshot).p50, None);
    }
}
