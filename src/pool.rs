//! The servers of one backend and the choice among them: which may be used, which tier is active, who is next, who
//! waits; and what their answers tell of them. It owns no probe, no connection and no timer. A [`Pool`] is part of a
//! snapshot and is rebuilt by a reload; what must outlive it ([`server::Server`], [`queue::Queue`], [`retry::Budget`]) is
//! shared by `Arc`, kept by name.
//!
//! What it costs while all is well: [`Pool::pick`] reads one word of each server that its algorithm looks at, and raises
//! the count of the one it takes; [`Pool::tell`] of a success reads one word. Only round robin and least connections,
//! which are exact over threads, take a lock of their tier. All else is paid for by servers that something is the matter
//! with.

use std::borrow::Cow;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;

use self::balance::Draw;
use self::condition::{Look, Place, Standing, flags};
use self::find::Found;
use self::health::Thresholds;
use self::queue::{Entered, Who};
use crate::base::clock::Tick;

pub mod allowed;
pub mod balance;
pub mod breaker;
mod condition;
pub mod cooldown;
pub mod eject;
pub mod estimate;
mod find;
pub mod health;
pub mod hedge;
mod misconfigured;
pub mod queue;
pub mod retry;
pub mod server;
mod slot;
mod slow_start;
pub mod status;
pub mod tier;

pub use self::allowed::Allowed;
pub use self::queue::{Queue, Ticket};
pub use self::retry::{Budget, Policy, Tried};
pub use self::server::Server;
pub use self::slot::Slot;
pub use self::status::{Change, Sign, Status, Trouble};
pub use self::tier::Shape;

use self::tier::Tier;

/// A server as the configuration places it in one backend.
#[derive(Clone, Debug)]
pub struct Member {
    pub server: Arc<Server>,
    /// Lower first.
    pub tier: u32,
    /// 0..=256; 0 takes no traffic. [`Server::set_weight`] goes before it.
    pub weight: u16,
    /// Requests at once; `None` is unlimited. [`Server::set_limit`] goes before it.
    pub max_concurrent: Option<NonZeroU32>,
    /// Over this time its weight and its `max_concurrent` grow when it comes back.
    pub slow_start: Option<Duration>,
}

impl Member {
    /// The operator's weight if one was set at run time, else the configured one.
    pub fn effective_weight(&self) -> u16 {
        self.server.weight_override().unwrap_or(self.weight)
    }

    /// The operator's limit if one was set at run time, else the configured one.
    pub fn limit(&self) -> Option<NonZeroU32> {
        self.server.limit_override().unwrap_or(self.max_concurrent)
    }

    fn is_full(&self, step: u32) -> bool {
        self.limit().is_some_and(|max| self.server.in_flight() >= slow_start::limit(max, step))
    }
}

/// What takes servers out by what their answers tell; `None` is off.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Rules {
    pub breaker: Option<breaker::Rules>,
    pub eject: Option<eject::Rules>,
    pub cooldown: Option<cooldown::Rules>,
    /// 0.0..=1.0; below this share of usable servers in the active tier the next one helps out.
    pub help_below: Option<f64>,
}

/// What a pool is made of.
#[derive(Debug)]
pub struct Settings {
    pub members: Vec<Member>,
    /// `None`: the backend has no active check, so health does not count.
    pub checks: Option<Thresholds>,
    pub balance: balance::Kind,
    /// The same queue that the servers were made with.
    pub queue: Arc<Queue>,
    /// `queue.max`: how many may wait.
    pub queue_max: usize,
    pub rules: Rules,
}

/// What a request wants.
#[derive(Clone, Copy, Debug)]
pub struct Ask<'a> {
    /// Servers that it failed on.
    pub tried: &'a Tried,
    pub draw: Draw,
    /// Whose it is: for its place in the queue.
    pub who: Who,
    /// The servers that it may use; `None`: any.
    pub only: Option<&'a Allowed>,
}

impl Ask<'_> {
    fn may_use(&self, index: usize) -> bool {
        self.only.is_none_or(|only| only.contains(index))
    }
}

/// What to do next with a request.
#[derive(Debug)]
pub enum Pick {
    Server(Slot),
    /// Every server it may use is at its `max_concurrent`: await the ticket (no longer than `timeouts.queue`), then
    /// [`Pool::resume`].
    Wait(Ticket),
    /// It would have to wait, but the queue is full: 503 `overloaded`.
    QueueFull,
    /// Nothing usable: 503 `no_server_available`.
    NoServer,
}

#[derive(Debug)]
pub struct Pool {
    members: Vec<Member>,
    tiers: Vec<Tier>,
    checks: Option<Thresholds>,
    balance: balance::Kind,
    queue: Arc<Queue>,
    queue_max: usize,
    rules: Rules,
    /// The [`flags`] that count here: what is switched off does not, though a server may still have it.
    counted: u32,
}

/// Ejecting a server depends on others of its tier, also on those that a pool before a reload ejects: one at a time. It
/// is rare.
static EJECTING: Mutex<()> = Mutex::new(());

impl Pool {
    pub fn new(settings: Settings) -> Pool {
        let Settings { members, checks, balance, queue, queue_max, rules } = settings;
        let tiers = Tier::group(&members, balance);
        let counted = counted(checks, &rules);
        let pool = Pool { members, tiers, checks, balance, queue, queue_max, rules, counted };
        for member in &pool.members {
            member.server.place_first(pool.configured(member));
        }
        pool
    }

    /// Chooses a server for a request that has failed on `ask.tried`.
    ///
    /// The active tier is the lowest one with a well server. A first attempt uses it alone (and the tier that helps it,
    /// see [`Rules::help_below`]): when it is full it waits, as in HAProxy, and does not spill into the next tier. A
    /// retry takes an untried server with room from any tier, lower first; it waits for a full untried one rather than
    /// go back to the server that just failed (a dead server always has room), and goes back only when nothing else is
    /// usable. Slow and misconfigured servers are for when no tier has a well one.
    ///
    /// While others wait, a newcomer does not overtake them.
    pub fn pick(&self, ask: &Ask<'_>) -> Pick {
        match self.find(ask, self.queue.has_first_attempts(ask.who.wants)) {
            Found::Slot(slot) => Pick::Server(slot),
            Found::Nothing => Pick::NoServer,
            Found::Busy => self.wait(ask),
        }
    }

    /// Chooses again for a request whose `ticket` was ready. When it loses the race, [`Pick::Wait`] gives the ticket
    /// back and the place in the queue with it.
    pub fn resume(&self, ask: &Ask<'_>, ticket: Ticket) -> Pick {
        match self.find(ask, false) {
            Found::Slot(slot) => {
                ticket.served();
                Pick::Server(slot)
            }
            Found::Nothing => Pick::NoServer,
            Found::Busy => Pick::Wait(ticket),
        }
    }

    fn wait(&self, ask: &Ask<'_>) -> Pick {
        let look_again = |gated| match self.find(ask, gated) {
            Found::Busy => None,
            Found::Slot(slot) => Some(Pick::Server(slot)),
            Found::Nothing => Some(Pick::NoServer),
        };
        match self.queue.enter(self.queue_max, ask.who, ask.tried.is_empty(), look_again) {
            Entered::Served(pick) => pick,
            Entered::Waiting(ticket) => Pick::Wait(ticket),
            Entered::Full => Pick::QueueFull,
        }
    }

    /// What an attempt came to, at most once for each slot. Nothing is told of a client that left: the slot is just
    /// dropped. A change is for the caller to log, count and show.
    pub fn tell(&self, slot: &mut Slot, sign: Sign, now: Tick) -> Option<Change> {
        let trial = slot.begin_telling()?;
        let server = slot.server();
        if sign == Sign::Well && slot.knocks() {
            return server.answers_again(now);
        }
        if sign == Sign::Well && trial.is_none() && server.flags() & flags::UNSETTLED == 0 {
            return None;
        }
        let (change, above) = server.sign(sign, trial, &self.rules, now);
        let ejected = self.rules.eject.as_ref().filter(|_| above).and_then(|rules| {
            let _one_at_a_time = EJECTING.lock();
            let room = self.has_room_to_eject(slot.index(), rules, now);
            server.eject(room, rules, now)
        });
        if ejected.is_some() {
            self.queue.wake_all();
        }
        change.or(ejected)
    }

    fn has_room_to_eject(&self, index: usize, rules: &eject::Rules, now: Tick) -> bool {
        let Some(tier) = self.tiers.iter().find(|tier| tier.indexes.contains(&index)) else { return false };
        let out = self.of(tier).filter(|(_, member)| member.server.is_ejected(now)).count();
        out < self.most_ejected(tier, rules)
    }

    fn most_ejected(&self, tier: &Tier, rules: &eject::Rules) -> usize {
        rules.most(self.of(tier).filter(|(_, member)| member.effective_weight() > 0).count())
    }

    /// What only time brings (a breaker half-opens, a cooldown or an ejection ends, a slow start goes on), and what this
    /// pool's rules make of its servers when it is new; wakes who waits. To be called ten times a second, of the pool in
    /// force alone. The changes are by the servers' positions.
    pub fn settle(&self, now: Tick) -> Vec<(usize, Change)> {
        let mut changes = Vec::new();
        let mut look = false;
        for (index, member) in self.members.iter().enumerate() {
            let (change, wakes) = member.server.settle(self.configured(member), now);
            look |= wakes;
            changes.extend(change.map(|change| (index, change)));
        }
        if let Some(rules) = &self.rules.eject {
            self.tiers.iter().for_each(|tier| self.end_ejections(tier, rules, now, &mut changes));
        }
        if look || !changes.is_empty() {
            self.queue.wake_all();
        }
        changes
    }

    /// A reload or a weight made the tier smaller: who would come back first comes back now.
    fn end_ejections(
        &self,
        tier: &Tier,
        rules: &eject::Rules,
        now: Tick,
        changes: &mut Vec<(usize, Change)>,
    ) {
        let is_out = |(_, member): &(usize, &Member)| member.server.is_ejected(now);
        if self.of(tier).filter(is_out).count() <= self.most_ejected(tier, rules) {
            return;
        }
        let _one_at_a_time = EJECTING.lock();
        let mut out: Vec<(Tick, usize, &Member)> = self
            .of(tier)
            .filter_map(|(index, member)| Some((member.server.ejected_until(now)?, index, member)))
            .collect();
        out.sort_by_key(|(until, index, _)| (*until, *index));
        let surplus = out.len().saturating_sub(self.most_ejected(tier, rules));
        for (_, index, member) in out.into_iter().take(surplus) {
            changes.extend(member.server.end_ejection(now).map(|change| (index, change)));
        }
    }

    /// As the configuration has it.
    fn configured(&self, member: &Member) -> Place {
        Place { checks: self.checks, rules: self.rules, slow_start: member.slow_start, weight: member.weight }
    }

    /// With the operator's weight.
    fn place(&self, member: &Member) -> Place {
        Place { weight: member.effective_weight(), ..self.configured(member) }
    }

    pub fn balance(&self) -> balance::Kind {
        self.balance
    }

    /// All servers in the order of the configuration; positions are what [`Tried`] and [`Slot::index`] speak of.
    pub fn members(&self) -> &[Member] {
        &self.members
    }

    pub fn queue(&self) -> &Arc<Queue> {
        &self.queue
    }

    pub fn queue_max(&self) -> usize {
        self.queue_max
    }

    pub fn checks(&self) -> Option<Thresholds> {
        self.checks
    }

    pub fn rules(&self) -> &Rules {
        &self.rules
    }

    fn is_usable(&self, member: &Member, now: Tick) -> bool {
        self.look(member, now).standing != Standing::Out
    }

    /// Whether traffic may go to this server now, if only for want of another; its concurrency aside.
    pub fn usable(&self, index: usize, now: Tick) -> bool {
        self.members.get(index).is_some_and(|member| self.is_usable(member, now))
    }

    pub fn usable_count(&self, now: Tick) -> usize {
        self.members.iter().filter(|member| self.is_usable(member, now)).count()
    }

    /// Whether a server that the request may use is usable.
    pub fn has_usable(&self, ask: &Ask<'_>) -> bool {
        self.looks(ask).any(|(_, look)| look.standing != Standing::Out)
    }

    /// Whether a retry has somewhere else to go than to those in `ask.tried`.
    pub fn has_other(&self, ask: &Ask<'_>) -> bool {
        let good = |standing| matches!(standing, Standing::Well | Standing::Slow);
        let untried = |index: usize| !ask.tried.contains(index);
        if self.looks(ask).any(|(index, look)| untried(index) && !look.saturated && good(look.standing)) {
            return true;
        }
        !self.looks(ask).any(|(_, look)| good(look.standing))
            && self.looks(ask).any(|(index, look)| untried(index) && look.standing == Standing::Misconfigured)
    }

    /// What holds of each server that the request may use.
    fn looks(&self, ask: &Ask<'_>) -> impl Iterator<Item = (usize, Look)> {
        let members = self.members.iter().enumerate().filter(|(index, _)| ask.may_use(*index));
        members.map(|(index, member)| (index, self.look(member, ask.draw.now)))
    }

    /// Who takes first attempts now. A change of it is an event.
    pub fn shape(&self, now: Tick) -> Shape {
        self.shape_now(now)
    }

    /// The number of the tier that takes first attempts now; `None` when nothing is usable.
    pub fn active_tier(&self, now: Tick) -> Option<u32> {
        self.shape(now).active
    }

    /// While nothing is usable: how long until the first server comes back by time alone (a cooldown, an open breaker, an
    /// ejection). `None`: nobody knows. Zero when something is usable.
    pub fn back_in(&self, now: Tick) -> Option<Duration> {
        self.back_in_for(None, now)
    }

    /// The same of those among `only`.
    pub fn back_in_for(&self, only: Option<&Allowed>, now: Tick) -> Option<Duration> {
        let members = self.members.iter().enumerate();
        let members: Vec<&Member> = members
            .filter(|(index, _)| only.is_none_or(|only| only.contains(*index)))
            .map(|(_, member)| member)
            .collect();
        if members.iter().any(|member| self.is_usable(member, now)) {
            return Some(Duration::ZERO);
        }
        let back = |member: &Member| member.server.back_at(&self.place(member), now);
        members.into_iter().filter_map(back).min().map(|at| at.since(now))
    }

    /// How long until a request may look whether a server among `only` answers again that could not be reached.
    pub fn knock_in(&self, only: Option<&Allowed>, now: Tick) -> Option<Duration> {
        let members = self.members.iter().enumerate();
        let of = members.filter(|(index, _)| only.is_none_or(|only| only.contains(*index)));
        of.filter_map(|(_, member)| member.server.knock_at(&self.place(member), now))
            .min()
            .map(|at| at.since(now))
    }

    /// What a server is, all in all; `NotChecked` for a position that there is not.
    pub fn status(&self, index: usize, now: Tick) -> Status {
        let member = self.members.get(index);
        member.map_or(Status::NotChecked, |member| member.server.status(&self.place(member), now))
    }

    /// A server's state in HAProxy's words: `UP`, `UP 2/3`, `DOWN`, `DOWN 1/2`, `DRAIN`, `MAINT`, `no check`; and in
    /// ours: `UP (slow)`, `DOWN (breaker open)`.
    pub fn status_text(&self, index: usize, now: Tick) -> Cow<'static, str> {
        match self.members.get(index) {
            Some(member) => member.server.status_text(&self.place(member), now),
            None => Cow::Borrowed("unknown"),
        }
    }
}

fn counted(checks: Option<Thresholds>, rules: &Rules) -> u32 {
    let parts = [
        (flags::NOT_CHECKED | flags::DOWN, checks.is_some()),
        (flags::SLOW, checks.is_some_and(|checks| checks.slow_above.is_some())),
        (flags::BREAKER, rules.breaker.is_some()),
        (flags::EJECTED, rules.eject.is_some()),
        (flags::COOLDOWN | flags::SHUNNED, rules.cooldown.is_some()),
        (flags::DRAIN | flags::MAINT | flags::LOST | flags::MISCONFIGURED | flags::BACK, true),
    ];
    parts.into_iter().filter(|(_, counts)| *counts).fold(0, |all, (bits, _)| all | bits)
}

#[cfg(test)]
mod tests;
