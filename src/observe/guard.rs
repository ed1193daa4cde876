//! Whether things are worse after a change than before it: a stated test over what requests came to.
//!
//! Two shares are compared, that of answers that failed by a server's side (5xx, or cut), and that of answers whose first
//! byte came later than all but a twentieth did before. Each share after is held against the share before by the
//! one-sided test of two proportions with a pooled variance: `z = (q - p) / sqrt(s(1 - s)(1/n + 1/m))`. Because one looks
//! again and again while the guard lasts, `z` has to reach 4 (a chance of 1 in 30,000 each time if nothing has changed);
//! and because what is significant need not matter, the difference has to be [`LEAST`] as well.

use super::histogram::{Histogram, Snapshot};

/// What `z` has to reach.
const Z: f64 = 4.0;
/// By how much a share has to be larger.
const LEAST: f64 = 0.01;
/// The same of answers that are late.
const LEAST_LATE: f64 = 0.10;
/// Answers after the change that must be there before anything is said.
const FEWEST: u64 = 20;
/// Where less was seen before, so many good answers are taken for granted.
const GRANTED: u64 = 50;
/// The share of answers that were not late before.
const ON_TIME: f64 = 0.95;

/// What the requests of a time came to.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Sums {
    pub answers: u64,
    /// 5xx, or cut by a server's fault. At most `answers`.
    pub failed: u64,
    pub first_byte: Snapshot,
}

impl Sums {
    /// Adds one frontend.
    pub fn add(&mut self, answers: u64, failed: u64, first_byte: &Histogram) {
        self.answers += answers;
        self.failed += failed;
        self.first_byte.add(&first_byte.snapshot());
    }

    /// What came after `earlier`.
    #[must_use]
    pub fn since(&self, earlier: &Sums) -> Sums {
        Sums {
            answers: self.answers.saturating_sub(earlier.answers),
            failed: self.failed.saturating_sub(earlier.failed),
            first_byte: self.first_byte.since(&earlier.first_byte),
        }
    }
}

/// Why things are worse, in words; `None`: they are not, as far as can be told.
pub fn worse(before: &Sums, after: &Sums) -> Option<String> {
    if after.answers < FEWEST {
        return None;
    }
    let granted = GRANTED.saturating_sub(before.answers);
    let (p, n) = (share(before.failed, before.answers + granted), before.answers + granted);
    let q = share(after.failed, after.answers);
    if exceeds((p, n), (q, after.answers), LEAST) {
        return Some(format!(
            "{} of {} answers failed on the server's side ({}), of {} before the change {}",
            after.failed,
            after.answers,
            percent(q),
            before.answers,
            percent(share(before.failed, before.answers)),
        ));
    }
    late(before, after)
}

/// The same of answers whose first byte is late by the measure of before.
fn late(before: &Sums, after: &Sums) -> Option<String> {
    let (n, m) = (before.first_byte.count(), after.first_byte.count());
    if n < GRANTED || m < FEWEST {
        return None;
    }
    let over = |snapshot: &Snapshot, end: f64| {
        let within = snapshot.cumulative().find(|(bucket, _)| *bucket >= end).map_or(0, |(_, count)| count);
        share(snapshot.count() - within, snapshot.count())
    };
    // The end of the first bucket in which all but a twentieth were.
    let (end, _) = before.first_byte.cumulative().find(|(_, count)| share(*count, n) >= ON_TIME)?;
    let (p, q) = (over(&before.first_byte, end), over(&after.first_byte, end));
    let is_worse = end.is_finite() && exceeds((p, n), (q, m), LEAST_LATE);
    is_worse.then(|| {
        format!(
            "{} of {m} answers began later than after {end}s, of {n} before the change {}",
            percent(q),
            percent(p)
        )
    })
}

/// Whether `q` of `m` is larger than `p` of `n`, by more than chance and by at least so much.
fn exceeds((p, n): (f64, u64), (q, m): (f64, u64), least: f64) -> bool {
    if q - p < least {
        return false;
    }
    let (n, m) = (n as f64, m as f64);
    let pooled = (p * n + q * m) / (n + m);
    let deviation = (pooled * (1.0 - pooled) * (1.0 / n + 1.0 / m)).sqrt();
    q - p >= Z * deviation
}

/// 0 of none.
fn share(part: u64, of: u64) -> f64 {
    if of == 0 { 0.0 } else { part as f64 / of as f64 }
}

fn percent(share: f64) -> String {
    format!("{:.1} %", share * 100.0)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;

    fn sums(answers: u64, failed: u64, first_byte_ms: u64) -> Sums {
        let histogram = Histogram::default();
        (0..answers).for_each(|_| histogram.observe(Duration::from_millis(first_byte_ms)));
        let mut sums = Sums::default();
        sums.add(answers, failed, &histogram);
        sums
    }

    #[test]
    fn nothing_is_said_of_few_answers() {
        assert_eq!(worse(&sums(1000, 0, 30), &sums(19, 19, 30)), None);
        assert!(worse(&sums(1000, 0, 30), &sums(20, 20, 30)).is_some());
    }

    #[test]
    fn many_failures_are_worse_and_a_few_are_chance() {
        assert_eq!(worse(&sums(1000, 5, 30), &sums(1000, 12, 30)), None);
        assert_eq!(
            worse(&sums(100_000, 100, 30), &sums(100_000, 700, 30)),
            None,
            "less than one in a hundred more"
        );
        assert_eq!(
            worse(&sums(1000, 5, 30), &sums(200, 40, 30)).unwrap(),
            "40 of 200 answers failed on the server's side (20.0 %), of 1000 before the change 0.5 %"
        );
    }

    #[test]
    fn without_traffic_before_good_answers_are_taken_for_granted() {
        assert!(worse(&Sums::default(), &sums(40, 40, 30)).is_some());
        assert_eq!(worse(&Sums::default(), &sums(40, 3, 30)), None);
        assert_eq!(worse(&Sums::default(), &sums(4000, 0, 9000)), None, "nobody knows what was usual");
    }

    #[test]
    fn what_was_bad_before_may_stay_bad() {
        assert_eq!(worse(&sums(500, 500, 30), &sums(500, 500, 30)), None);
        assert_eq!(worse(&sums(500, 250, 30), &sums(500, 260, 30)), None);
    }

    #[test]
    fn late_answers_are_worse() {
        assert_eq!(worse(&sums(500, 0, 30), &sums(500, 0, 45)), None, "the same bucket");
        assert_eq!(
            worse(&sums(500, 0, 30), &sums(100, 0, 400)).unwrap(),
            "100.0 % of 100 answers began later than after 0.05s, of 500 before the change 0.0 %"
        );
        assert_eq!(worse(&sums(500, 0, 400), &sums(500, 0, 30)), None);
    }

    proptest! {
        #[test]
        fn the_same_figures_are_never_worse(answers in 0..5000u64, failed in 0..5000u64, ms in 0..100_000u64) {
            let answers = answers + GRANTED;
            let sums = sums(answers, failed.min(answers), ms);
            prop_assert_eq!(worse(&sums, &sums), None);
        }

        #[test]
        fn more_failures_are_never_better(before in 0..50u64, failed in 0..1000u64, more in 0..1000u64) {
            let (least, most) = (failed.min(1000), (failed + more).min(1000));
            let was = worse(&sums(1000, before, 30), &sums(1000, least, 30)).is_some();
            let is = worse(&sums(1000, before, 30), &sums(1000, most, 30)).is_some();
            prop_assert!(is || !was);
        }
    }
}
