//! The cells that figures are kept in: relaxed atomics, exact as counts, read without stopping anyone. Two cells read
//! one after the other may be a request apart.

mod rate;

use std::sync::Arc;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::{Mutex, RwLock};

use crate::base::clock::Tick;

pub use rate::{PerMinute, Rate};

/// Only grows.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    pub fn one(&self) {
        self.add(1);
    }

    pub fn add(&self, n: u64) {
        self.0.fetch_add(n, Ordering::Relaxed);
    }

    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// How many there are now, the most there were at once, and all there ever were.
#[derive(Debug, Default)]
pub struct Level {
    current: AtomicU64,
    peak: AtomicU64,
    total: AtomicU64,
}

impl Level {
    /// One more, until the [`Session`] is dropped.
    pub fn enter(self: &Arc<Level>) -> Session {
        let current = self.current.fetch_add(1, Ordering::Relaxed) + 1;
        // The peak is read first: it hardly ever changes, and a plain read does not take the cache line away.
        if current > self.peak.load(Ordering::Relaxed) {
            self.peak.fetch_max(current, Ordering::Relaxed);
        }
        self.total.fetch_add(1, Ordering::Relaxed);
        Session(Arc::clone(self))
    }

    pub fn current(&self) -> u64 {
        self.current.load(Ordering::Relaxed)
    }

    pub fn peak(&self) -> u64 {
        self.peak.load(Ordering::Relaxed)
    }

    pub fn total(&self) -> u64 {
        self.total.load(Ordering::Relaxed)
    }

    /// What there is now is the most there was.
    pub fn forget_peak(&self) {
        self.peak.store(self.current(), Ordering::Relaxed);
    }
}

/// Something that goes on: a connection, a request. It counts in its [`Level`] until it is dropped.
#[derive(Debug)]
pub struct Session(Arc<Level>);

impl Drop for Session {
    fn drop(&mut self) {
        self.0.current.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A duration's mean over about the last 512 samples (HAProxy's `qtime`, `ctime`, `rtime`, `ttime`) and its largest.
#[derive(Debug, Default)]
pub struct Mean {
    /// Sum of the window in microseconds.
    sum: AtomicU64,
    samples: AtomicU64,
    longest: AtomicU64,
}

impl Mean {
    const WINDOW: u64 = 512;

    pub fn add(&self, sample: Duration) {
        let sample = micros(sample);
        let earlier = self.samples.fetch_add(1, Ordering::Relaxed);
        let slide = |sum: u64| {
            let leaving = if earlier < Mean::WINDOW { 0 } else { sum.div_ceil(Mean::WINDOW) };
            Some((sum - leaving).saturating_add(sample))
        };
        // It never refuses, and a lost race is only tried again.
        let _ = self.sum.fetch_update(Ordering::Relaxed, Ordering::Relaxed, slide);
        if sample > self.longest.load(Ordering::Relaxed) {
            self.longest.fetch_max(sample, Ordering::Relaxed);
        }
    }

    /// `None` before the first sample.
    pub fn mean(&self) -> Option<Duration> {
        let window = self.samples.load(Ordering::Relaxed).min(Mean::WINDOW);
        self.sum.load(Ordering::Relaxed).checked_div(window).map(Duration::from_micros)
    }

    pub fn longest(&self) -> Option<Duration> {
        let any = self.samples.load(Ordering::Relaxed) > 0;
        any.then(|| Duration::from_micros(self.longest.load(Ordering::Relaxed)))
    }

    pub fn forget_longest(&self) {
        self.longest.store(0, Ordering::Relaxed);
    }
}

pub(super) fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

/// Answers by class: 1xx to 5xx, and what is none of them.
#[derive(Debug, Default)]
pub struct Classes([Counter; 6]);

impl Classes {
    pub fn count(&self, status: u16) {
        if let Some(cell) = self.0.get(class(status)) {
            cell.one();
        }
    }

    /// 1xx, 2xx, 3xx, 4xx, 5xx, other: the order of HAProxy's `hrsp_*`.
    pub fn read(&self) -> [u64; 6] {
        std::array::from_fn(|i| self.0.get(i).map_or(0, Counter::get))
    }
}

fn class(status: u16) -> usize {
    if (100..600).contains(&status) { usize::from(status / 100) - 1 } else { 5 }
}

/// Answers by exact status. A class takes memory from its first answer on.
#[derive(Debug, Default)]
pub struct Codes {
    classes: [OnceLock<Box<[Counter]>>; 5],
    other: Counter,
}

impl Codes {
    pub fn count(&self, status: u16) {
        let hundred = || (0..100).map(|_| Counter::default()).collect();
        match self.classes.get(class(status)) {
            Some(class) => {
                if let Some(cell) = class.get_or_init(hundred).get(usize::from(status % 100)) {
                    cell.one();
                }
            }
            None => self.other.one(),
        }
    }

    /// Every status that was counted, ascending, then `None` for what is no status of HTTP.
    pub fn read(&self) -> impl Iterator<Item = (Option<u16>, u64)> {
        let hundreds =
            (1u16..).zip(&self.classes).filter_map(|(hundred, cells)| Some((hundred, cells.get()?)));
        let exact = hundreds.flat_map(|(hundred, cells)| {
            (hundred * 100..).zip(cells.iter()).map(|(status, cell)| (Some(status), cell.get()))
        });
        exact.chain(std::iter::once((None, self.other.get()))).filter(|(_, count)| *count > 0)
    }
}

/// Counts by a label that the code knows (the reason of a denial). Only a label's first count takes the lock.
#[derive(Debug, Default)]
pub struct ByLabel(RwLock<Vec<(&'static str, Counter)>>);

impl ByLabel {
    pub fn count(&self, label: &'static str) {
        if ByLabel::raise(&self.0.read(), label) {
            return;
        }
        let mut cells = self.0.write();
        if !ByLabel::raise(&cells, label) {
            let cell = Counter::default();
            cell.one();
            cells.push((label, cell));
        }
    }

    fn raise(cells: &[(&'static str, Counter)], label: &str) -> bool {
        let cell = cells.iter().find(|(known, _)| *known == label);
        cell.inspect(|(_, cell)| cell.one()).is_some()
    }

    /// In the order in which the labels first came.
    pub fn read(&self) -> Vec<(&'static str, u64)> {
        self.0.read().iter().map(|(label, cell)| (*label, cell.get())).collect()
    }
}

/// Whether something is up, since when, and how long it was not.
#[derive(Debug, Default)]
pub struct Availability(Mutex<UpTime>);

/// A reading of [`Availability`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct UpTime {
    /// `None` until it is known.
    pub up: Option<bool>,
    /// When `up` last changed.
    pub since: Tick,
    /// All the time it was down.
    pub downtime: Duration,
    /// Times it went from up to down.
    pub times_down: u64,
}

impl Availability {
    /// Says how it is now; whether that is news.
    pub fn note(&self, up: bool, now: Tick) -> bool {
        let mut state = self.0.lock();
        if state.up == Some(up) {
            return false;
        }
        let lasted = now.since(state.since);
        match state.up {
            Some(false) => state.downtime += lasted,
            Some(true) => state.times_down += 1,
            None => {}
        }
        (state.up, state.since) = (Some(up), now);
        true
    }

    pub fn read(&self, now: Tick) -> UpTime {
        let mut state = *self.0.lock();
        if state.up == Some(false) {
            state.downtime += now.since(state.since);
        }
        state
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_level_remembers_its_peak_and_total() {
        let level = Arc::new(Level::default());
        let two = (level.enter(), level.enter());
        drop(two);
        let _one = level.enter();
        assert_eq!((level.current(), level.peak(), level.total()), (1, 2, 3));
        level.forget_peak();
        assert_eq!((level.current(), level.peak(), level.total()), (1, 1, 3));
    }

    #[test]
    fn threads_lose_no_count() {
        let (level, rate, codes) = (Arc::new(Level::default()), Rate::default(), Codes::default());
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for i in 0..5000u16 {
                        let _session = level.enter();
                        rate.tick(Tick(2500));
                        codes.count(200 + i % 300);
                    }
                });
            }
        });
        assert_eq!((level.current(), level.total(), rate.peak()), (0, 20_000, 20_000));
        assert!((1..=4).contains(&level.peak()));
        assert_eq!(codes.read().map(|(_, count)| count).sum::<u64>(), 20_000);
    }

    #[test]
    fn a_mean_is_unknown_before_the_first_sample_and_follows_the_recent_ones() {
        let mean = Mean::default();
        assert_eq!((mean.mean(), mean.longest()), (None, None));
        mean.add(Duration::from_millis(10));
        mean.add(Duration::from_millis(20));
        assert_eq!(mean.mean(), Some(Duration::from_millis(15)));
        (0..10_000).for_each(|_| mean.add(Duration::from_millis(40)));
        assert!(mean.mean().unwrap().abs_diff(Duration::from_millis(40)) < Duration::from_millis(1));
        assert_eq!(mean.longest(), Some(Duration::from_millis(40)));
    }

    #[test]
    fn codes_are_counted_apart_and_in_classes() {
        let (codes, classes) = (Codes::default(), Classes::default());
        for status in [200, 200, 429, 404, 599, 100, 600, 0] {
            codes.count(status);
            classes.count(status);
        }
        let read: Vec<_> = codes.read().collect();
        let expected =
            [(Some(100), 1), (Some(200), 2), (Some(404), 1), (Some(429), 1), (Some(599), 1), (None, 2)];
        assert_eq!(read, expected);
        assert_eq!(classes.read(), [1, 2, 0, 2, 1, 2]);
    }

    #[test]
    fn labels_appear_when_they_are_first_counted() {
        let reasons = ByLabel::default();
        ["deny_rule", "unauthorized", "deny_rule"].into_iter().for_each(|reason| reasons.count(reason));
        assert_eq!(reasons.read(), [("deny_rule", 2), ("unauthorized", 1)]);
    }

    #[test]
    fn downtime_adds_up_and_goes_on_while_down() {
        let state = Availability::default();
        assert_eq!(state.read(Tick(5)), UpTime::default());
        assert!(state.note(true, Tick(1000)));
        assert!(!state.note(true, Tick(1500)));
        assert!(state.note(false, Tick(2000)));
        assert_eq!(state.read(Tick(5000)).downtime, Duration::from_secs(3));
        state.note(true, Tick(6000));
        state.note(false, Tick(7000));
        let read = state.read(Tick(8000));
        assert_eq!((read.downtime, read.times_down, read.since), (Duration::from_secs(5), 2, Tick(7000)));
    }
}
