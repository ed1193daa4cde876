//! A circuit breaker: a row of failures opens it, and while it is open nothing goes to the server. Then a few requests go
//! as trials; all of them have to succeed for it to close, and one failure opens it again. A pure state machine: whoever
//! holds it brings the time and the rules, which a reload may change under it.

use std::time::Duration;

use super::status::Trouble;
use crate::base::clock::Tick;

/// `backends.*.breaker`. 0 counts as 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rules {
    /// Failures in a row that open it.
    pub failures: u32,
    pub open_for: Duration,
    /// Requests that have to succeed before it closes; no more go meanwhile.
    pub trial_requests: u32,
}

/// Which half-open phase a trial belongs to: what comes of it afterwards tells nothing of the next one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Round(u64);

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Breaker {
    phase: Phase,
    round: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Closed { row: u32 },
    Open { until: Tick },
    HalfOpen { taken: u32, passed: u32 },
}

impl Default for Phase {
    fn default() -> Phase {
        Phase::Closed { row: 0 }
    }
}

impl Breaker {
    /// Closed, and nothing counts against the server.
    pub fn is_clean(&self) -> bool {
        self.phase == Phase::Closed { row: 0 }
    }

    pub fn is_closed(&self) -> bool {
        matches!(self.phase, Phase::Closed { .. })
    }

    /// The end of the time it is open; `None` when it is not.
    pub fn open_until(&self, now: Tick) -> Option<Tick> {
        match self.phase {
            Phase::Open { until } => Some(until).filter(|until| now < *until),
            _ => None,
        }
    }

    pub fn is_half_open(&self, now: Tick) -> bool {
        !self.is_closed() && self.open_until(now).is_none()
    }

    /// Closed at once, by somebody's word.
    pub fn reset(&mut self) {
        *self = Breaker { phase: Phase::default(), round: self.round + 1 };
    }

    /// What time brings, and a reload that asks for fewer trials. True when it closed.
    pub fn advance(&mut self, rules: &Rules, now: Tick) -> bool {
        if let Phase::Open { until } = self.phase
            && now >= until
        {
            self.round += 1;
            self.phase = Phase::HalfOpen { taken: 0, passed: 0 };
        }
        let done =
            matches!(self.phase, Phase::HalfOpen { passed, .. } if passed >= rules.trial_requests.max(1));
        if done {
            self.reset();
        }
        done
    }

    /// Whether one more trial may go. Only of one that is half open, after [`Breaker::advance`].
    pub fn has_trial(&self, rules: &Rules) -> bool {
        match self.phase {
            Phase::HalfOpen { taken, passed } => taken.saturating_add(passed) < rules.trial_requests.max(1),
            _ => false,
        }
    }

    /// Takes the place of a trial.
    pub fn begin_trial(&mut self, rules: &Rules) -> Option<Round> {
        if !self.has_trial(rules) {
            return None;
        }
        if let Phase::HalfOpen { taken, .. } = &mut self.phase {
            *taken += 1;
        }
        Some(Round(self.round))
    }

    /// An open one need not wait for its end: trials may begin.
    pub fn try_now(&mut self, now: Tick) {
        if let Phase::Open { until } = &mut self.phase {
            *until = now.min(*until);
        }
    }

    /// A trial that told nothing: its place is free again. True when it was one of this phase.
    pub fn give_back(&mut self, round: Round) -> bool {
        match &mut self.phase {
            Phase::HalfOpen { taken, .. } if round == Round(self.round) => {
                *taken = taken.saturating_sub(1);
                true
            }
            _ => false,
        }
    }

    /// A request succeeded. True when that closed it.
    pub fn well(&mut self, trial: Option<Round>, rules: &Rules) -> bool {
        match &mut self.phase {
            Phase::Closed { row } => *row = 0,
            Phase::HalfOpen { taken, passed } if trial == Some(Round(self.round)) => {
                *taken = taken.saturating_sub(1);
                *passed += 1;
                if *passed >= rules.trial_requests.max(1) {
                    self.reset();
                    return true;
                }
            }
            // From before it opened.
            Phase::Open { .. } | Phase::HalfOpen { .. } => {}
        }
        false
    }

    /// A request failed. What opened it, when that did.
    pub fn failed(
        &mut self,
        trial: Option<Round>,
        trouble: Trouble,
        rules: &Rules,
        now: Tick,
    ) -> Option<String> {
        let why = match &mut self.phase {
            Phase::Closed { row } => {
                *row = row.saturating_add(1);
                if *row < rules.failures.max(1) {
                    return None;
                }
                match *row {
                    1 => trouble.to_string(),
                    row => format!("{row} failures in a row, the last: {trouble}"),
                }
            }
            Phase::HalfOpen { .. } if trial == Some(Round(self.round)) => {
                format!("a trial failed: {trouble}")
            }
            Phase::Open { .. } | Phase::HalfOpen { .. } => return None,
        };
        self.round += 1;
        self.phase = Phase::Open { until: now + rules.open_for };
        Some(why)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const RULES: Rules = Rules { failures: 3, open_for: Duration::from_millis(1000), trial_requests: 2 };

    fn fail(breaker: &mut Breaker, trial: Option<Round>, now: u64) -> Option<String> {
        breaker.failed(trial, Trouble::Status(503), &RULES, Tick(now))
    }

    fn opened() -> Breaker {
        let mut breaker = Breaker::default();
        (0..3).for_each(|_| _ = fail(&mut breaker, None, 0));
        breaker
    }

    fn half_open() -> Breaker {
        let mut breaker = opened();
        assert!(!breaker.advance(&RULES, Tick(1000)));
        breaker
    }

    #[test]
    fn only_failures_in_a_row_open_it() {
        let mut breaker = Breaker::default();
        for _ in 0..10 {
            assert_eq!((fail(&mut breaker, None, 0), fail(&mut breaker, None, 0)), (None, None));
            assert!(!breaker.is_clean());
            breaker.well(None, &RULES);
            assert!(breaker.is_clean());
        }
        assert_eq!((fail(&mut breaker, None, 0), fail(&mut breaker, None, 0)), (None, None));
        let why = fail(&mut breaker, None, 5);
        assert_eq!(why.as_deref(), Some("3 failures in a row, the last: status 503"));
        assert_eq!(breaker.open_until(Tick(1004)), Some(Tick(1005)));
        assert_eq!(breaker.open_until(Tick(1005)), None);
        assert!(breaker.is_half_open(Tick(1005)));
    }

    #[test]
    fn what_was_sent_before_it_opened_tells_nothing_any_more() {
        let mut breaker = opened();
        assert_eq!(fail(&mut breaker, None, 500), None);
        assert!(!breaker.well(None, &RULES));
        assert_eq!(breaker.open_until(Tick(999)), Some(Tick(1000)), "neither longer nor shorter");
        let mut breaker = half_open();
        let trial = breaker.begin_trial(&RULES);
        assert_eq!(fail(&mut breaker, None, 1001), None);
        assert!(!breaker.well(None, &RULES) && !breaker.well(None, &RULES));
        assert!(breaker.is_half_open(Tick(1001)) && trial.is_some());
    }

    #[test]
    fn tripped_server_gets_its_trials_and_no_more() {
        let mut breaker = half_open();
        let (one, two) = (breaker.begin_trial(&RULES), breaker.begin_trial(&RULES));
        assert!(one.is_some() && two.is_some() && breaker.begin_trial(&RULES).is_none());
        assert!(!breaker.well(one, &RULES));
        assert!(!breaker.has_trial(&RULES), "so many in all, not at once");
        assert!(breaker.well(two, &RULES));
        assert!(breaker.is_clean());
    }

    #[test]
    fn one_failed_trial_opens_it_again() {
        let mut breaker = half_open();
        let (one, two) = (breaker.begin_trial(&RULES), breaker.begin_trial(&RULES));
        assert_eq!(fail(&mut breaker, one, 1500).as_deref(), Some("a trial failed: status 503"));
        assert_eq!(breaker.open_until(Tick(1500)), Some(Tick(2500)));
        assert!(!breaker.well(two, &RULES));
        breaker.advance(&RULES, Tick(2500));
        assert!(!breaker.give_back(two.unwrap()), "of the phase before");
        assert_eq!(fail(&mut breaker, two, 2600), None);
        assert!(breaker.begin_trial(&RULES).is_some() && breaker.begin_trial(&RULES).is_some());
    }

    #[test]
    fn a_trial_that_told_nothing_gives_its_place_back() {
        let mut breaker = half_open();
        let (one, two) = (breaker.begin_trial(&RULES).unwrap(), breaker.begin_trial(&RULES));
        assert!(breaker.give_back(one) && breaker.has_trial(&RULES));
        let again = breaker.begin_trial(&RULES);
        assert!(!breaker.well(two, &RULES) && breaker.well(again, &RULES));
    }

    #[test]
    fn a_reload_that_asks_for_fewer_trials_does_not_leave_it_half_open_for_ever() {
        let mut breaker = half_open();
        let one = breaker.begin_trial(&RULES);
        breaker.well(one, &RULES);
        let fewer = Rules { trial_requests: 1, ..RULES };
        assert!(!breaker.has_trial(&fewer));
        assert!(breaker.advance(&fewer, Tick(1001)) && breaker.is_clean());
    }

    proptest! {
        /// Whatever happens in whatever order: never more trials than allowed, and it can always be closed.
        #[test]
        fn trials_are_bounded_and_it_never_gets_stuck(steps in prop::collection::vec((0u8..6, 0usize..8), 0..200)) {
            let (mut breaker, mut trials, mut now) = (Breaker::default(), Vec::new(), Tick(0));
            for (step, which) in steps {
                let trial = if trials.is_empty() { None } else { Some(trials.swap_remove(which % trials.len())) };
                match step {
                    0 => _ = breaker.well(trial, &RULES),
                    1 => _ = breaker.failed(trial, Trouble::Cut, &RULES, now),
                    2 => _ = trial.map(|trial| breaker.give_back(trial)),
                    3 => {
                        trials.extend(trial);
                        now = now + Duration::from_millis(300);
                    }
                    _ => {
                        trials.extend(trial);
                        breaker.advance(&RULES, now);
                        trials.extend(breaker.begin_trial(&RULES));
                    }
                }
                let current = trials.iter().filter(|trial| **trial == Round(breaker.round)).count();
                if let Phase::HalfOpen { taken, passed } = breaker.phase {
                    prop_assert_eq!(taken as usize, current);
                    prop_assert!(taken + passed <= 2);
                }
            }
            trials.into_iter().for_each(|trial| _ = breaker.give_back(trial));
            breaker.advance(&RULES, now + Duration::from_millis(1000));
            while let Some(trial) = breaker.begin_trial(&RULES) {
                breaker.well(Some(trial), &RULES);
            }
            prop_assert!(breaker.is_closed());
        }
    }
}
