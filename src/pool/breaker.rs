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
