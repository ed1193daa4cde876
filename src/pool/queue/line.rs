//! The line itself, under its lock: who waits, who was told of a freed place, and to whom a place goes that its holder
//! could not use.
//!
//! A freed place is told to one waiter: the first ready one. Who looked and could not use it is set aside until there
//! is news (a place freed, a change of state), and the place goes to the next ready one. So a place is shown to
//! everyone once, in the order of their turns, and never goes round in circles. Nothing here takes longer with the
//! length of the line than a lookup in an ordered map does, except [`Line::hint_all`].

use std::collections::BTreeMap;
use std::task::{Context, Poll, Waker};

use super::Who;
use super::turns::Turns;

#[derive(Debug, Default)]
pub(super) struct Line {
    /// By number, which is the order of arrival.
    waiters: BTreeMap<u64, Waiter>,
    turns: Turns,
    next_id: u64,
    pub(super) peak: usize,
    /// Counts what may let somebody be served: freed places and changes of state.
    news: u64,
    /// How many are [`Standing::Told`] or [`Standing::Looking`].
    told: usize,
    /// Those set aside since the last news. They may have left.
    aside: Vec<u64>,
    /// Freed places that nobody could be told of, because everyone was told of one already: for those who come next.
    unclaimed: usize,
    /// The servers' state changed: everyone who comes should look, until a first attempt finds nothing.
    reopened: bool,
}

#[derive(Debug)]
struct Waiter {
    who: Who,
    first_attempt: bool,
    standing: Standing,
    /// It may look, and nobody loses when it finds nothing.
    hint: bool,
    /// The news it looked at and has not reported back from.
    looks_at: Option<u64>,
    waker: Option<Waker>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Standing {
    /// May be told of a place.
    Ready,
    /// A place was freed for it; it does not know yet.
    Told,
    /// It knows: it is served, or hands the place on.
    Looking,
    /// It could not use the last place.
    Aside,
}

/// What a waiter leaves behind.
#[derive(Debug)]
pub(super) struct Left {
    pub first_attempt: bool,
    pub wants: u64,
    /// Drop it without the lock.
    pub waker: Option<Waker>,
    /// The one its place goes to: wake it without the lock.
    pub heir: Option<Waker>,
}

impl Line {
    pub(super) fn forget_peak(&mut self) {
        self.peak = self.waiters.len();
    }

    pub(super) fn len(&self) -> usize {
        self.waiters.len()
    }

    /// Returns the newcomer's number.
    pub(super) fn join(&mut self, who: Who, first_attempt: bool) -> u64 {
        let id = self.next_id;
        self.next_id += 1;
        // The first in the line has just looked itself.
        let alone = self.waiters.is_empty();
        let hint = self.reopened && !alone;
        let waiter =
            Waiter { who, first_attempt, standing: Standing::Ready, hint, looks_at: None, waker: None };
        self.waiters.insert(id, waiter);
        self.turns.join(who, id);
        self.peak = self.peak.max(self.waiters.len());
        if self.unclaimed > 0 && !alone {
            self.unclaimed -= 1;
            self.tell(id);
        }
        id
    }

    /// A place was freed. Wake the result without the lock.
    pub(super) fn free_place(&mut self) -> Option<Waker> {
        self.bring_news();
        self.give_place()
    }

    /// Everyone may look. Wake the result, in this order, without the lock.
    pub(super) fn hint_all(&mut self) -> Vec<Waker> {
        self.bring_news();
        self.reopened = !self.waiters.is_empty();
        let mut wakers = Vec::new();
        for waiter in self.waiters.values_mut() {
            waiter.hint = waiter.standing == Standing::Ready;
            if let Some(waker) = waiter.waker.take() {
                wakers.push((std::cmp::Reverse(waiter.who.priority), waker));
            }
        }
        wakers.sort_by_key(|&(priority, _)| priority);
        wakers.into_iter().map(|(_, waker)| waker).collect()
    }

    fn bring_news(&mut self) {
        self.news += 1;
        for id in std::mem::take(&mut self.aside) {
            if let Some(waiter) = self.waiters.get_mut(&id) {
                waiter.standing = Standing::Ready;
                self.turns.ready_again(waiter.who, id);
            }
        }
    }

    fn give_place(&mut self) -> Option<Waker> {
        match self.turns.first_ready() {
            Some(id) => self.tell(id),
            None => {
                // With nobody told, all have seen it and none could use it.
                self.unclaimed += usize::from(self.told > 0);
                None
            }
        }
    }

    fn tell(&mut self, id: u64) -> Option<Waker> {
        let waiter = self.waiters.get_mut(&id)?;
        self.turns.tell(waiter.who, id);
        self.told += 1;
        waiter.standing = Standing::Told;
        waiter.hint = false;
        waiter.waker.take()
    }

    /// Whether the waiter `id` may look; if not, it is woken by `context` when it may. Then wakers: the one replaced
    /// (drop it without the lock), and the one of who is told next because this one looked in vain (wake it likewise).
    pub(super) fn poll(
        &mut self,
        id: u64,
        context: &Context<'_>,
    ) -> (Poll<()>, Option<Waker>, Option<Waker>) {
        let Some(waiter) = self.waiters.get_mut(&id) else { return (Poll::Ready(()), None, None) };
        let may_look = match waiter.standing {
            Standing::Told => true,
            // More news came while it looked: it may have missed them.
            Standing::Looking => waiter.looks_at != Some(self.news),
            Standing::Ready | Standing::Aside => std::mem::take(&mut waiter.hint),
        };
        if may_look {
            if waiter.standing == Standing::Told {
                waiter.standing = Standing::Looking;
            }
            waiter.looks_at = Some(self.news);
            return (Poll::Ready(()), waiter.waker.take(), None);
        }
        let fits = waiter.waker.as_ref().is_some_and(|waker| waker.will_wake(context.waker()));
        let replaced = if fits { None } else { waiter.waker.replace(context.waker().clone()) };
        let saw_all = waiter.looks_at.take() == Some(self.news);
        let no_room = saw_all && waiter.first_attempt;
        let mut heir = None;
        if waiter.standing == Standing::Looking {
            waiter.standing = Standing::Aside;
            self.turns.set_aside(waiter.who);
            self.told -= 1;
            self.aside.push(id);
            heir = self.give_place();
        }
        if no_room {
            // What a first attempt does not find, the next that comes would not find either.
            self.unclaimed = 0;
            self.reopened = false;
        }
        (Poll::Pending, replaced, heir)
    }

    pub(super) fn leave(&mut self, id: u64, served: bool) -> Option<Left> {
        let waiter = self.waiters.remove(&id)?;
        let told = matches!(waiter.standing, Standing::Told | Standing::Looking);
        self.told -= usize::from(told);
        self.turns.leave(waiter.who, id, told, served);
        let heir = match waiter.standing {
            // Served with another place than that.
            Standing::Told => self.give_place(),
            Standing::Looking if !served => self.give_place(),
            _ => None,
        };
        if self.waiters.is_empty() {
            self.unclaimed = 0;
            self.reopened = false;
            self.aside.clear();
        }
        let wants = waiter.who.wants;
        Some(Left { first_attempt: waiter.first_attempt, wants, waker: waiter.waker, heir })
    }
}
