//! Takes a server out whose error rate is too high, though it does not fail in a row: for a time that grows with each
//! return. How many of a tier may be out at once is for whoever sees the tier.

use std::time::Duration;

use super::status::Trouble;
use crate::base::clock::Tick;

/// `backends.*.eject`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rules {
    /// 0.0..=1.0; above it a server is out.
    pub error_rate: f64,
    /// The latest answers that count. 0 counts as 1.
    pub over: u32,
    /// The first ejection; each further one takes twice as long.
    pub time: Duration,
    /// The longest. After as long without an ejection the doubling is forgotten.
    pub up_to: Duration,
    /// Of a tier's servers, 0.0..=1.0.
    pub max_ejected: f64,
}

impl Rules {
    /// How many of so many servers may be ejected at once.
    pub fn most(&self, servers: usize) -> usize {
        // Shares are decimals: 0.3 * 10 must not be 2.
        (self.max_ejected.clamp(0.0, 1.0) * servers as f64 + 1e-9).floor() as usize
    }
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ejection {
    window: Window,
    until: Option<Tick>,
    /// What the latest one took; zero when it is forgotten.
    latest: Duration,
    ended: Tick,
    /// The latest failure.
    last: Option<Trouble>,
}

impl Ejection {
    /// Nothing that another success would change.
    pub fn is_clean(&self) -> bool {
        self.window.failures == 0 && self.until.is_none()
    }

    /// The end of it; `None` when it is over or never was.
    pub fn until(&self, now: Tick) -> Option<Tick> {
        self.until.filter(|until| now < *until)
    }

    /// As of the last call that was given the time.
    pub fn is_out(&self) -> bool {
        self.until.is_some()
    }

    /// How long the latest one was to last.
    pub fn latest(&self) -> Duration {
        self.latest
    }

    /// Takes an answer in. True when a failure puts the error rate above the limit: then [`Ejection::begin`], if there
    /// is room. While it is out nothing counts: those answers were asked for before.
    pub fn count(&mut self, failure: Option<Trouble>, rules: &Rules, now: Tick) -> bool {
        if self.until(now).is_some() {
            return false;
        }
        self.window.push(failure.is_some(), rules.over.max(1));
        self.last = failure.or(self.last);
        failure.is_some() && self.is_above(rules)
    }

    /// Whether the error rate is above the limit now.
    pub fn is_above(&self, rules: &Rules) -> bool {
        f64::from(self.window.failures) > rules.error_rate * f64::from(rules.over.max(1)) + 1e-9
    }

    /// Takes the server out; says why.
    pub fn begin(&mut self, rules: &Rules, now: Tick) -> String {
        if now.since(self.ended) >= rules.up_to {
            self.latest = Duration::ZERO;
        }
        let time = self.latest.saturating_mul(2).max(rules.time).min(rules.up_to.max(rules.time));
        let last = self.last.map(|last| format!(", the last: {last}")).unwrap_or_default();
        let why = format!("{} of the last {} failed{last}", self.window.failures, rules.over.max(1));
        self.latest = time;
        self.until = Some(now + time);
        self.ended = now + time;
        self.window = Window::default();
        why
    }

    /// When it ended, if that is since the last call.
    pub fn advance(&mut self, now: Tick) -> Option<Tick> {
        let until = self.until.filter(|until| now >= *until)?;
        self.until = None;
        Some(until)
    }

    /// Takes it back before its time.
    pub fn end(&mut self, now: Tick) {
        if self.until.take().is_some() {
            self.ended = now;
        }
    }
}

/// The latest answers: one that never came counts as a success.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Window {
    failed: Vec<bool>,
    next: usize,
    failures: u32,
}

impl Window {
    fn push(&mut self, failed: bool, over: u32) {
        let over = usize::try_from(over).unwrap_or(usize::MAX);
        if self.failed.len() != over {
            if !failed {
                // Nothing but successes are as good as nothing.
                *self = Window::default();
                return;
            }
            *self = Window { failed: vec![false; over], next: 0, failures: 0 };
        }
        let Some(oldest) = self.failed.get_mut(self.next) else { return };
        let dropped = std::mem::replace(oldest, failed);
        self.failures = self.failures + u32::from(failed) - u32::from(dropped);
        self.next = (self.next + 1) % over;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const RULES: Rules = Rules {
        error_rate: 0.3,
        over: 10,
        time: Duration::from_secs(30),
        up_to: Duration::from_secs(300),
        max_ejected: 0.5,
    };

    /// `-` is a failure. Says at which answer it is above the limit.
    fn above(ejection: &mut Ejection, answers: &str, now: u64) -> String {
        let mut one = |c| {
            if ejection.count((c == '-').then_some(Trouble::Empty), &RULES, Tick(now)) { '!' } else { '.' }
        };
        answers.chars().map(&mut one).collect()
    }

    #[test]
    fn the_share_counts_over_the_latest_answers() {
        let mut ejection = Ejection::default();
        assert_eq!(above(&mut ejection, "---+-", 0), "....!", "three of ten are not above 30%");
        let mut ejection = Ejection::default();
        assert_eq!(above(&mut ejection, "--+++++++-+-+-", 0), "..............");
        assert_eq!(above(&mut ejection, "++++++++++", 0), "..........");
        assert!(ejection.is_clean());
        assert_eq!(above(&mut ejection, "-+++-+++-+---", 0), "...........!!");
    }

    #[test]
    fn it_takes_twice_as_long_each_time_and_forgets_that_after_a_while() {
        let (mut ejection, mut now) = (Ejection::default(), Tick(0));
        let mut out = |pause: u64| {
            now = now + Duration::from_secs(pause);
            assert_eq!(above(&mut ejection, "----", now.0), "...!", "the window began anew");
            assert_eq!(
                ejection.begin(&RULES, now),
                "4 of the last 10 failed, the last: closed without an answer"
            );
            assert_eq!(above(&mut ejection, "------", now.0), "......", "asked for before");
            let until = ejection.until(now).unwrap();
            let took = until.since(now).as_secs();
            assert_eq!((ejection.advance(until), ejection.advance(until)), (Some(until), None));
            now = until;
            took
        };
        assert_eq!([0, 1, 0, 299, 0].map(&mut out), [30, 60, 120, 240, 300]);
        assert_eq!([0, 300, 0].map(out), [300, 30, 60]);
    }

    #[test]
    fn a_share_of_a_tier_is_rounded_down() {
        let most = |max_ejected| move |servers| Rules { max_ejected, ..RULES }.most(servers);
        assert_eq!([0, 1, 2, 3, 4, 10].map(most(0.5)), [0, 0, 1, 1, 2, 5]);
        assert_eq!([10, 3, 100].map(most(0.3)), [3, 0, 30]);
        assert_eq!([0, 7].map(most(1.0)), [0, 7]);
        assert_eq!(most(0.0)(100), 0);
    }

    #[test]
    fn a_reload_with_another_window_begins_anew() {
        let mut ejection = Ejection::default();
        above(&mut ejection, "---", 0);
        let rules = Rules { over: 5, ..RULES };
        assert!(!ejection.count(Some(Trouble::Cut), &rules, Tick(0)));
        assert!(ejection.count(Some(Trouble::Cut), &rules, Tick(0)));
        assert!(!ejection.count(None, &RULES, Tick(0)) && ejection.is_clean());
    }

    proptest! {
        #[test]
        fn the_window_is_the_latest_answers(answers in prop::collection::vec(any::<bool>(), 0..100), over in 1u32..30) {
            let rules = Rules { over, error_rate: 1.0, ..RULES };
            let mut ejection = Ejection::default();
            for (index, failed) in answers.iter().enumerate() {
                ejection.count(failed.then_some(Trouble::Cut), &rules, Tick(0));
                let from = (index + 1).saturating_sub(over as usize);
                let expected = answers[from..=index].iter().filter(|failed| **failed).count();
                prop_assert_eq!(ejection.window.failures as usize, expected);
            }
        }
    }
}
