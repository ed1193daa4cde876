//! In which order those who wait get their turn: by priority, then fair between clients, then by arrival. It knows
//! waiters by number only; what they were told is the business of [`super::line`].
//!
//! Fair is start-time fair queueing with services of one size: a client's turns are in rounds, one in each, and a class
//! is in the round of the last one it served. A client that comes is in the current round, however many another has in
//! line; a client that was served is in the next. Rounds belong to the client and count what it was served, so who
//! leaves the line unserved takes no turn along. The classes are strict: while higher ones wait, lower ones starve, by
//! design.

use std::collections::{BTreeMap, BTreeSet};

use ahash::HashMap;

use super::{Priority, Who};

#[derive(Debug, Default)]
pub(super) struct Turns {
    high: Class,
    normal: Class,
    low: Class,
}

#[derive(Debug, Default)]
struct Class {
    /// The latest round someone was served in.
    current: u64,
    waiting: usize,
    clients: HashMap<u64, Client>,
    /// The first ready waiter of every client that has one, by round, then arrival.
    heads: BTreeMap<(u64, u64), u64>,
    /// Clients of whom nobody waits, kept for the round they were served in: else who always comes back at once would
    /// be in the current round for ever.
    served: Vec<u64>,
}

#[derive(Debug)]
struct Client {
    /// The round of its next service. At most one beyond the current round.
    next: u64,
    waiting: usize,
    /// Those who were told of a place: their turns come before those of the ready ones.
    told: u64,
    ready: BTreeSet<u64>,
    /// It is in [`Class::served`].
    kept: bool,
}

impl Turns {
    fn class(&mut self, priority: Priority) -> &mut Class {
        match priority {
            Priority::High => &mut self.high,
            Priority::Normal => &mut self.normal,
            Priority::Low => &mut self.low,
        }
    }

    /// A newcomer, ready to be told.
    pub(super) fn join(&mut self, who: Who, id: u64) {
        let class = self.class(who.priority);
        class.waiting += 1;
        let current = class.current;
        class.change(who.client, |client| {
            if client.waiting == 0 {
                client.next = client.next.max(current);
            }
            client.waiting += 1;
            client.ready.insert(id);
        });
    }

    /// The first who may be told of a place.
    pub(super) fn first_ready(&self) -> Option<u64> {
        [&self.high, &self.normal, &self.low]
            .iter()
            .find_map(|class| class.heads.keys().next())
            .map(|&(_, id)| id)
    }

    /// A ready one was told.
    pub(super) fn tell(&mut self, who: Who, id: u64) {
        self.class(who.priority).change(who.client, |client| {
            if client.ready.remove(&id) {
                client.told += 1;
            }
        });
    }

    /// One who was told could not use it: not ready until [`Turns::ready_again`].
    pub(super) fn set_aside(&mut self, who: Who) {
        self.class(who.priority).change(who.client, |client| client.told = client.told.saturating_sub(1));
    }

    pub(super) fn ready_again(&mut self, who: Who, id: u64) {
        self.class(who.priority).change(who.client, |client| {
            client.ready.insert(id);
        });
    }

    /// Leaves the line; `told`: was told and not set aside since.
    pub(super) fn leave(&mut self, who: Who, id: u64, told: bool, served: bool) {
        let class = self.class(who.priority);
        class.waiting = class.waiting.saturating_sub(1);
        if class.waiting == 0 {
            *class = Class::default();
            return;
        }
        let current = class.current;
        let mut round = current;
        class.change(who.client, |client| {
            client.ready.remove(&id);
            client.told = client.told.saturating_sub(u64::from(told));
            client.waiting = client.waiting.saturating_sub(1);
            if served {
                round = client.next;
                // Who could not be served for some rounds has no claim to them all at once.
                client.next = (round + 1).max(current);
            }
        });
        if round > current {
            class.begin(round);
        }
        class.forget_or_keep(who.client);
    }
}

impl Class {
    /// Changes a client (a new one, if need be) and puts its first ready waiter in its place.
    fn change(&mut self, key: u64, change: impl FnOnce(&mut Client)) {
        let current = self.current;
        let client = self.clients.entry(key).or_insert_with(|| Client::new(current));
        let before = client.head();
        change(client);
        let after = client.head();
        if before == after {
            return;
        }
        if let Some(head) = before {
            self.heads.remove(&head);
        }
        if let Some(head) = after {
            self.heads.insert(head, key);
        }
    }

    fn begin(&mut self, round: u64) {
        self.current = round;
        for key in std::mem::take(&mut self.served) {
            if let Some(client) = self.clients.get_mut(&key) {
                client.kept = false;
            }
            self.forget_or_keep(key);
        }
    }

    fn forget_or_keep(&mut self, key: u64) {
        let Some(client) = self.clients.get_mut(&key) else { return };
        if client.waiting > 0 {
            return;
        }
        if client.next <= self.current {
            self.clients.remove(&key);
        } else if !client.kept {
            client.kept = true;
            self.served.push(key);
        }
    }
}

impl Client {
    fn new(current: u64) -> Client {
        Client { next: current, waiting: 0, told: 0, ready: BTreeSet::new(), kept: false }
    }

    fn head(&self) -> Option<(u64, u64)> {
        self.ready.first().map(|&id| (self.next + self.told, id))
    }
}
