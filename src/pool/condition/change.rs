//! What differs from the status last told, and why.

use std::borrow::Cow;
use std::time::Duration;

use super::{Condition, Place, Told};
use crate::base::clock::Tick;
use crate::pool::status::{Change, Status, spoken};

impl Condition {
    /// The change since the last one told, if its status is another by now. `why`: of what was done to it.
    pub fn change(&mut self, place: &Place, why: Option<Cow<'static, str>>, now: Tick) -> Option<Change> {
        let to = self.status(place, now);
        let step = self.step(place, now);
        let Some(told) = self.told else {
            self.told = Some(Told { status: to, since: Some(now), step });
            return None;
        };
        if told.status == to {
            self.pending = None;
            return None;
        }
        let lasted = told.since.map_or(Duration::ZERO, |since| now.since(since));
        let why = why
            .or_else(|| self.pending.map(Cow::Borrowed))
            .unwrap_or_else(|| self.reason(told.status, to, place));
        self.pending = None;
        self.told = Some(Told { status: to, since: Some(now), step });
        self.last_change = Some(now);
        Some(Change { from: told.status, to, why, lasted, expected: self.expected(to, now) })
    }

    fn expected(&self, status: Status, now: Tick) -> Option<Duration> {
        let until = match status {
            Status::BreakerOpen => self.breaker.open_until(now),
            Status::Ejected => self.ejection.until(now),
            Status::Cooldown => self.cooldown.until(now),
            _ => None,
        };
        until.map(|until| until.since(now))
    }

    /// Why it changed, though nobody did anything to it: time, a reload, a weight, or a state that another one hid.
    fn reason(&self, from: Status, to: Status, place: &Place) -> Cow<'static, str> {
        let rules = &place.rules;
        match (from, to) {
            (_, Status::Drain) => Cow::Borrowed("weight 0"),
            (Status::Drain, _) => Cow::Owned(format!("weight {}", place.weight)),
            (_, Status::Down | Status::NotChecked) => Cow::Borrowed("checks are on now"),
            (Status::Down | Status::NotChecked, _) if place.checks.is_none() => {
                Cow::Borrowed("checks are off now")
            }
            (Status::BreakerOpen, _) => match rules.breaker {
                Some(rules) => Cow::Owned(format!("{} are over", spoken(rules.open_for))),
                None => Cow::Borrowed("the breaker is off now"),
            },
            (Status::HalfOpen, Status::Up) if rules.breaker.is_none() => {
                Cow::Borrowed("the breaker is off now")
            }
            (Status::Ejected, _) if rules.eject.is_none() => Cow::Borrowed("ejection is off now"),
            (Status::Ejected, _) => Cow::Owned(format!("{} are over", spoken(self.ejection.latest()))),
            (Status::Cooldown, _) if rules.cooldown.is_none() => Cow::Borrowed("cooldown is off now"),
            (Status::Cooldown, _) => Cow::Borrowed("its cooldown is over"),
            (Status::Slow, Status::Up) => Cow::Borrowed("it is no longer last in line"),
            _ => Cow::Borrowed("what hid it is over"),
        }
    }
}
