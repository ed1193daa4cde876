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

#[cfg(test)]
mod tests {
    use super::*;

    const RULES: Rules = Rules { default: Duration::from_secs(5), up_to: Duration::from_secs(60) };

    fn seconds(seconds: u64) -> Option<Duration> {
        Some(Duration::from_secs(seconds))
    }

    #[test]
    fn the_time_it_asks_for_is_believed_up_to_a_limit() {
        let mut cooldown = Cooldown::default();
        cooldown.limited(seconds(30), &RULES, Tick(0));
        assert_eq!(cooldown.until(Tick(29_999)), Some(Tick(30_000)));
        assert_eq!(cooldown.until(Tick(30_000)), None);
        cooldown.limited(seconds(3600), &RULES, Tick(30_000));
        assert_eq!(cooldown.until(Tick(30_000)), Some(Tick(90_000)));
        cooldown.limited(seconds(1), &RULES, Tick(40_000));
        assert_eq!(cooldown.until(Tick(40_000)), Some(Tick(90_000)), "not shortened");
        cooldown.well();
        assert_eq!(cooldown.until(Tick(40_000)), Some(Tick(90_000)), "one that was sent before");
        cooldown.advance(Tick(90_000));
        assert!(cooldown.is_clean());
    }

    #[test]
    fn without_a_time_it_doubles_until_it_is_well() {
        let (mut cooldown, mut now) = (Cooldown::default(), Tick(0));
        let mut next = |well: bool| {
            if well {
                cooldown.well();
            }
            cooldown.limited(None, &RULES, now);
            let until = cooldown.until(now).unwrap();
            let took = until.since(now).as_secs();
            now = until;
            took
        };
        assert_eq!([false; 6].map(&mut next), [5, 10, 20, 40, 60, 60]);
        assert_eq!([true, false].map(next), [5, 10]);
    }

    #[test]
    fn a_crowd_that_was_sent_together_doubles_nothing() {
        let mut cooldown = Cooldown::default();
        (0..100).for_each(|now| cooldown.limited(None, &RULES, Tick(now)));
        assert_eq!(cooldown.until(Tick(99)), Some(Tick(5099)));
        let mut none = Cooldown::default();
        none.limited(seconds(0), &RULES, Tick(7));
        assert_eq!(none.until(Tick(7)), None);
    }

    #[test]
    fn a_default_above_the_limit_is_cut_to_it() {
        let mut cooldown = Cooldown::default();
        let rules = Rules { default: Duration::from_secs(90), ..RULES };
        cooldown.limited(None, &rules, Tick(0));
        assert_eq!(cooldown.until(Tick(0)), Some(Tick(60_000)));
    }
}
