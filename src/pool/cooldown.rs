//! A server that is asked too much says so (429, an exhausted quota) and is left alone for the time it names; where it
//! names none, for a time that doubles while that goes on. It is no failure.

use std::time::Duration;

use crate::base::clock::Tick;

/// `backends.*.cooldown`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rules {
    /// Where the server names no time.
    pub default: Duration,
    /// The longest that is believed.
    pub up_to: Duration,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cooldown {
    until: Option<Tick>,
    /// The time of the latest cooldown that was not named; it doubles until the server answers well.
    latest: Duration,
}

impl Cooldown {
    pub fn is_clean(&self) -> bool {
        *self == Cooldown::default()
    }

    /// The end of it; `None` when it is over or never was.
    pub fn until(&self, now: Tick) -> Option<Tick> {
        self.until.filter(|until| now < *until)
    }

    /// As of the last call that was given the time.
    pub fn is_out(&self) -> bool {
        self.until.is_some()
    }

    /// A longer one is not shortened. Those that come while it lasts were sent before it began: they do not double it.
    pub fn limited(&mut self, asked: Option<Duration>, rules: &Rules, now: Tick) {
        let time = match asked {
            Some(asked) => asked.min(rules.up_to),
            None => {
                let doubled = match self.until(now) {
                    Some(_) => self.latest,
                    None => self.latest.saturating_mul(2),
                };
                self.latest = doubled.max(rules.default).min(rules.up_to);
                self.latest
            }
        };
        self.until = self.until.max(Some(now + time));
    }

    /// The row of those that were not named is over; the cooldown itself goes on.
    pub fn well(&mut self) {
        self.latest = Duration::ZERO;
    }

    /// Forgets one that is over, but not the row.
    pub fn advance(&mut self, now: Tick) {
        self.until = self.until(now);
    }
}
