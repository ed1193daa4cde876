//! Figures of backends over the last minute, with hysteresis: above its limit in two readings is a problem, below four
//! fifths of it is the end, and few requests say nothing.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use super::fact::Measure;
use crate::base::clock::Tick;

/// How often cells are read.
pub const EVERY: Duration = Duration::from_secs(5);
/// What a figure is of.
const REACH: Duration = Duration::from_secs(60);
/// Readings above the limit, one after the other, that make a problem.
const CERTAIN: u32 = 2;
/// Requests of which something can be said.
pub const ENOUGH: u64 = 20;
/// Readings with fewer, after which a problem is over: a minute.
const QUIET: u32 = 12;
/// A problem is over below this share of its limit.
const BELOW: f64 = 0.8;

/// The cells of a backend as they stand. They only grow.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Reading {
    /// Answers of any status.
    pub answers: u64,
    /// Those with a status of 500 and above, and those that were cut.
    pub failed: u64,
    /// Of the time to the first byte: how many were at most so many seconds, ascending; the last end is infinite.
    pub latency: Vec<(f64, u64)>,
}

/// A figure that went above its limit, or came back.
#[derive(Clone, Debug, PartialEq)]
pub struct Turn {
    pub backend: Arc<str>,
    pub measure: Measure,
    pub over: bool,
    /// Seconds, or a share. `None`: there are too few requests to tell.
    pub value: Option<f64>,
    /// Of the last minute.
    pub requests: u64,
}

/// All figures that somebody wants to hear of.
#[derive(Debug, Default)]
pub struct Watch(HashMap<Arc<str>, Watched>);

#[derive(Debug, Default)]
struct Watched {
    past: VecDeque<(Tick, Reading)>,
    alarms: Vec<Alarm>,
}

#[derive(Debug)]
struct Alarm {
    measure: Measure,
    over: bool,
    above: u32,
    few: u32,
}

impl Watch {
    /// These are watched from now on; what was watched before goes on as it stands.
    pub fn follow(&mut self, wanted: &[(Arc<str>, Measure)]) {
        self.0.retain(|name, _| wanted.iter().any(|(backend, _)| backend == name));
        for (backend, measure) in wanted {
            let alarms = &mut self.0.entry(backend.clone()).or_default().alarms;
            if !alarms.iter().any(|alarm| alarm.measure == *measure) {
                alarms.push(Alarm { measure: *measure, over: false, above: 0, few: 0 });
            }
        }
        for (name, watched) in &mut self.0 {
            watched.alarms.retain(|alarm| {
                wanted.iter().any(|(backend, measure)| backend == name && *measure == alarm.measure)
            });
        }
    }

    pub fn backends(&self) -> impl Iterator<Item = &Arc<str>> {
        self.0.keys()
    }

    /// Takes a reading of a backend, every [`EVERY`].
    pub fn read(&mut self, backend: &str, reading: Reading, now: Tick) -> Vec<Turn> {
        let Some((name, watched)) =
            self.0.get_key_value(backend).map(|(name, _)| name.clone()).and_then(|name| {
                let watched = self.0.get_mut(&name)?;
                Some((name, watched))
            })
        else {
            return Vec::new();
        };
        let Watched { past, alarms } = watched;
        let mut turns = Vec::new();
        if let Some((_, before)) = past.front() {
            for alarm in alarms {
                let (value, requests) = alarm.value(before, &reading);
                if let Some(over) = alarm.step(value, requests) {
                    let value = value.filter(|_| requests >= ENOUGH);
                    let (backend, measure) = (name.clone(), alarm.measure);
                    turns.push(Turn { backend, measure, over, value, requests });
                }
            }
        }
        past.push_back((now, reading));
        while past.get(1).is_some_and(|(at, _)| now.since(*at) >= REACH) {
            past.pop_front();
        }
        turns
    }
}

impl Alarm {
    /// The figure of what came since, and of how many requests it is.
    fn value(&self, before: &Reading, now: &Reading) -> (Option<f64>, u64) {
        match self.measure {
            Measure::Latency(_) => percentile(before, now),
            Measure::Errors(_) => {
                let all = now.answers.saturating_sub(before.answers);
                let failed = now.failed.saturating_sub(before.failed).min(all);
                ((all > 0).then(|| failed as f64 / all as f64), all)
            }
        }
    }

    /// Whether it turned, and where to.
    fn step(&mut self, value: Option<f64>, requests: u64) -> Option<bool> {
        let Some(value) = value.filter(|_| requests >= ENOUGH) else {
            self.above = 0;
            self.few += 1;
            return (self.over && self.few >= QUIET).then(|| {
                self.over = false;
                false
            });
        };
        self.few = 0;
        let limit = match self.measure {
            Measure::Latency(time) => time.as_secs_f64(),
            Measure::Errors(share) => share,
        };
        self.above = if value > limit { self.above + 1 } else { 0 };
        let turned = match self.over {
            false => self.above >= CERTAIN,
            true => value < BELOW * limit,
        };
        if !turned {
            return None;
        }
        self.over = !self.over;
        Some(self.over)
    }
}

/// The 95th, even within a bucket; at the last one where that begins.
fn percentile(before: &Reading, now: &Reading) -> (Option<f64>, u64) {
    let then = |place: usize| before.latency.get(place).map_or(0, |(_, count)| *count);
    let since = |(place, &(end, count)): (usize, &(f64, u64))| (end, count.saturating_sub(then(place)));
    let all = now.latency.iter().enumerate().map(since).next_back().map_or(0, |(_, count)| count);
    let rank = 0.95 * all as f64;
    let (mut start, mut below) = (0.0, 0);
    for (end, count) in now.latency.iter().enumerate().map(since) {
        if count > below && count as f64 >= rank {
            let share = (rank - below as f64) / (count - below) as f64;
            let value = if end.is_finite() { start + (end - start) * share.clamp(0.0, 1.0) } else { start };
            return (Some(value), all);
        }
        (start, below) = (end, count);
    }
    (None, all)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: Measure = Measure::Latency(Duration::from_secs(2));
    const FAILED: Measure = Measure::Errors(0.05);

    struct Bench {
        watch: Watch,
        cells: Reading,
        now: Tick,
    }

    impl Bench {
        fn new() -> Bench {
            let mut watch = Watch::default();
            watch.follow(&[("ai".into(), LIMIT), ("ai".into(), FAILED)]);
            let latency = [1.0, 2.0, 4.0, f64::INFINITY].map(|end| (end, 0)).to_vec();
            Bench { watch, cells: Reading { latency, ..Reading::default() }, now: Tick(0) }
        }

        /// Five seconds with so many requests of `place` in the buckets, of which `failed` failed; `measure over`.
        fn pass(&mut self, requests: u64, place: usize, failed: u64) -> Vec<String> {
            self.cells.answers += requests;
            self.cells.failed += failed;
            self.cells.latency.iter_mut().skip(place).for_each(|(_, count)| *count += requests);
            self.now = self.now + EVERY;
            let turns = self.watch.read("ai", self.cells.clone(), self.now);
            turns.iter().map(|turn| format!("{} {}", turn.measure, turn.over)).collect()
        }
    }

    #[test]
    fn two_readings_above_make_a_problem_and_four_fifths_end_it() {
        let mut bench = Bench::new();
        assert!(
            bench.pass(100, 0, 0).is_empty(),
            "the first reading is what the others are measured against"
        );
        assert!(bench.pass(100, 2, 0).is_empty(), "one reading is an accident");
        assert_eq!(bench.pass(100, 2, 0), ["2s true"]);
        assert!(bench.pass(100, 2, 0).is_empty(), "it is told once");
        // Slow ones leave the window one by one; p95 falls below 1.6 s only when hardly any is left.
        let mut quiet = 0;
        while bench.pass(100, 0, 0).is_empty() {
            quiet += 1;
        }
        assert!((8..=12).contains(&quiet), "{quiet}");
    }

    #[test]
    fn between_the_limit_and_four_fifths_nothing_changes() {
        let mut bench = Bench::new();
        bench.pass(100, 0, 0);
        (0..3).for_each(|_| drop(bench.pass(100, 0, 6)));
        for _ in 0..30 {
            assert!(bench.pass(1000, 0, 45).is_empty(), "4.5 % is less than 5 %, but no less than 4 %");
        }
        let turned: Vec<String> = (0..14).flat_map(|_| bench.pass(1000, 0, 30)).collect();
        assert_eq!(turned, ["5% false"]);
    }

    #[test]
    fn few_requests_make_no_problem_and_a_minute_of_them_ends_one() {
        let mut bench = Bench::new();
        for _ in 0..30 {
            assert!(bench.pass(1, 2, 1).is_empty(), "12 a minute");
        }
        (0..3).for_each(|_| drop(bench.pass(100, 0, 50)));
        let mut passed = 0;
        let ends = loop {
            let turns = bench.pass(0, 0, 0);
            passed += 1;
            if !turns.is_empty() || passed > 60 {
                break turns;
            }
        };
        assert_eq!(ends, ["5% false"]);
        assert!((22..=26).contains(&passed), "a minute of the window, and one of silence: {passed}");
    }

    #[test]
    fn what_is_no_longer_watched_is_forgotten_and_what_stays_goes_on() {
        let mut bench = Bench::new();
        bench.pass(100, 0, 0);
        bench.pass(100, 2, 100);
        bench.watch.follow(&[("ai".into(), FAILED), ("other".into(), LIMIT)]);
        assert_eq!(bench.pass(100, 2, 100), ["5% true"], "its second reading");
        assert_eq!(bench.watch.backends().count(), 2);
        bench.watch.follow(&[]);
        assert!(bench.pass(100, 2, 100).is_empty());
    }

    #[test]
    fn the_percentile_is_even_within_a_bucket_and_unknown_of_nothing() {
        let reading = |counts: [u64; 3]| Reading {
            latency: [1.0, 2.0, f64::INFINITY].into_iter().zip(counts).collect(),
            ..Reading::default()
        };
        let nothing = reading([0, 0, 0]);
        assert_eq!(percentile(&nothing, &nothing), (None, 0));
        assert_eq!(percentile(&nothing, &reading([0, 100, 100])), (Some(1.95), 100));
        assert_eq!(percentile(&reading([0, 100, 100]), &reading([100, 200, 200])), (Some(0.95), 100));
        assert_eq!(percentile(&nothing, &reading([0, 0, 7])), (Some(2.0), 7));
        assert_eq!(percentile(&Reading::default(), &reading([0, 0, 7])), (Some(2.0), 7));
    }
}
