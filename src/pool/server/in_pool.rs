//! What a pool asks of its servers and does to them.

use std::borrow::Cow;
use std::sync::atomic::Ordering;

use super::{Admin, Server};
use crate::base::clock::Tick;
use crate::pool::breaker::{self, Round};
use crate::pool::condition::{Look, Place, Signed, flags};
use crate::pool::health::State;
use crate::pool::status::{Change, Sign, Status};
use crate::pool::{Rules, eject};

impl Server {
    pub(in crate::pool) fn flags(&self) -> u32 {
        self.flags.load(Ordering::SeqCst)
    }

    /// With the lock: what the flags alone do not tell.
    pub(in crate::pool) fn look(&self, place: &Place, now: Tick) -> Look {
        let mut condition = self.condition.lock();
        let look = condition.look(place, now);
        self.publish(&condition);
        look
    }

    /// Its first place in a pool. Another one it takes by [`Server::settle`], when the pool is in force.
    pub(in crate::pool) fn place_first(&self, place: Place) {
        let mut condition = self.condition.lock();
        if !std::mem::replace(&mut condition.pooled, true) {
            condition.place(place);
            self.publish(&condition);
        }
    }

    /// Takes its place, lets time go on, and tells what came of it. The flag is true when those who wait should look.
    pub(in crate::pool) fn settle(&self, place: Place, now: Tick) -> (Option<Change>, bool) {
        let mut condition = self.condition.lock();
        if condition.placed != Some(place) {
            condition.place(place);
        }
        let place = condition.place_now(self.weight_override());
        let grown = condition.settle(&place, now);
        let change = condition.change(&place, None, now);
        self.publish(&condition);
        let look = grown || change.is_some();
        (change, look)
    }

    /// Raises what is in flight unless `max` are taken, and takes the place of a trial where one is needed: both or none.
    pub(in crate::pool) fn reserve(
        &self,
        max: u32,
        rules: Option<&breaker::Rules>,
        now: Tick,
    ) -> Option<Option<Round>> {
        let raise = |now: u32| (now < max).then(|| now + 1);
        let raise = || self.in_flight.fetch_update(Ordering::SeqCst, Ordering::SeqCst, raise);
        let Some(rules) = rules.filter(|_| self.flags() & flags::BREAKER != 0) else {
            return raise().ok().map(|_| None);
        };
        let mut condition = self.condition.lock();
        if !condition.may_begin(rules, now) {
            return None;
        }
        raise().ok()?;
        let trial = condition.begin_trial(rules);
        self.publish(&condition);
        Some(trial)
    }

    /// Raises what is in flight for the one request that looks whether it answers again.
    pub(in crate::pool) fn knock(&self, place: &Place, max: u32, now: Tick) -> bool {
        let mut condition = self.condition.lock();
        if !condition.may_knock(place, now) {
            return false;
        }
        let raise = |now: u32| (now < max).then(|| now + 1);
        if self.in_flight.fetch_update(Ordering::SeqCst, Ordering::SeqCst, raise).is_err() {
            return false;
        }
        condition.knocked = Some(now);
        true
    }

    pub(in crate::pool) fn knock_at(&self, place: &Place, now: Tick) -> Option<Tick> {
        self.condition.lock().knock_at(place, now)
    }

    /// One that looked was answered.
    pub(in crate::pool) fn answers_again(&self, now: Tick) -> Option<Change> {
        let change = self.mutate_quietly(now, |condition| {
            condition.answers_again(now);
            Some(Cow::Borrowed("it answers again"))
        });
        self.queue.wake_all();
        change
    }

    pub(in crate::pool) fn release(&self, trial: Option<Round>) {
        if let Some(trial) = trial {
            self.condition.lock().breaker.give_back(trial);
        }
        self.in_flight.fetch_sub(1, Ordering::SeqCst);
        self.queue.release();
    }

    /// Takes a sign in. The flag is true when it should be ejected if there is room: then the change is told by that.
    pub(in crate::pool) fn sign(
        &self,
        sign: Sign,
        trial: Option<Round>,
        rules: &Rules,
        now: Tick,
    ) -> (Option<Change>, bool) {
        let mut condition = self.condition.lock();
        let before = self.status_of(&condition, now);
        let Signed { why, eject, freed } = condition.sign(sign, trial, rules, now);
        let opened = why.is_some();
        let change = if eject && !opened { None } else { self.tell_change(&mut condition, before, why, now) };
        self.publish(&condition);
        drop(condition);
        if change.is_some() {
            self.queue.wake_all();
        } else if freed {
            self.queue.release();
        }
        (change, eject)
    }

    pub(in crate::pool) fn is_ejected(&self, now: Tick) -> bool {
        self.flags() & flags::EJECTED != 0 && self.condition.lock().ejection.until(now).is_some()
    }

    /// Takes it out where `room`, if its error rate is still above the limit; and tells what changed. Wakes nobody.
    pub(in crate::pool) fn eject(&self, room: bool, rules: &eject::Rules, now: Tick) -> Option<Change> {
        self.mutate_quietly(now, |condition| {
            let out = condition.ejection.until(now).is_some();
            let begins = room && !out && condition.ejection.is_above(rules);
            begins.then(|| Cow::Owned(condition.ejection.begin(rules, now)))
        })
    }

    /// Takes it back: more are out than may be. Wakes nobody.
    pub(in crate::pool) fn end_ejection(&self, now: Tick) -> Option<Change> {
        self.mutate_quietly(now, |condition| {
            condition.ejection.end(now);
            Some(Cow::Borrowed("more servers were ejected than max_ejected allows"))
        })
    }

    pub(in crate::pool) fn ejected_until(&self, now: Tick) -> Option<Tick> {
        self.condition.lock().ejection.until(now)
    }

    pub(in crate::pool) fn status(&self, place: &Place, now: Tick) -> Status {
        self.condition.lock().status(place, now)
    }

    pub(in crate::pool) fn back_at(&self, place: &Place, now: Tick) -> Option<Tick> {
        self.condition.lock().back_at(place, now)
    }

    /// HAProxy's `status` column, with our own states in brackets.
    pub(in crate::pool) fn status_text(&self, place: &Place, now: Tick) -> Cow<'static, str> {
        let condition = self.condition.lock();
        if condition.admin == Admin::Maint {
            return Cow::Borrowed("MAINT");
        }
        if condition.lost {
            return Cow::Borrowed("DOWN (resolution)");
        }
        if let Some(thresholds) = place.checks
            && condition.state != State::Up
        {
            return condition.health.text(thresholds);
        }
        Cow::Borrowed(match condition.status(place, now) {
            Status::Maint | Status::Drain => "DRAIN",
            Status::BreakerOpen => "DOWN (breaker open)",
            Status::Ejected => "DOWN (ejected)",
            Status::Cooldown => "DOWN (cooldown)",
            Status::Misconfigured => "UP (misconfigured)",
            Status::HalfOpen => "UP (half open)",
            Status::Slow => "UP (slow)",
            Status::Up | Status::NotChecked | Status::Down | Status::Unresolved => match place.checks {
                Some(thresholds) => return condition.health.text(thresholds),
                None => "no check",
            },
        })
    }
}
