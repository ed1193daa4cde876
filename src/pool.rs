//! The servers of one backend and the choice among them: which may be used, which tier is active, who is next, who
//! waits. It owns no probe, no connection and no timer. A [`Pool`] is part of a snapshot and is rebuilt by a reload;
//! what must outlive it ([`server::Server`], [`queue::Queue`], [`retry::Budget`]) is shared by `Arc`, kept by name.

use std::borrow::Cow;
use std::num::NonZeroU32;
use std::sync::Arc;

use self::balance::{Candidate, Choice, Draw, Servers};
use self::health::{State, Thresholds};
use self::queue::Entered;
use self::server::Admin;
use self::tier::Tier;
use crate::base::clock::Tick;

pub mod balance;
pub mod estimate;
pub mod health;
pub mod hedge;
pub mod queue;
pub mod retry;
pub mod server;
pub mod tier;

pub use self::queue::{Queue, Ticket};
pub use self::retry::{Budget, Policy, Tried};
pub use self::server::{Server, Slot};

/// A server as the configuration places it in one backend.
#[derive(Clone, Debug)]
pub struct Member {
    pub server: Arc<Server>,
    /// Lower first.
    pub tier: u32,
    /// 0..=256; 0 takes no traffic. [`Server::set_weight`] goes before it.
    pub weight: u16,
    /// Requests at once; `None` is unlimited.
    pub max_concurrent: Option<NonZeroU32>,
}

impl Member {
    /// The operator's weight if one was set at run time, else the configured one.
    pub fn effective_weight(&self) -> u16 {
        self.server.weight_override().unwrap_or(self.weight)
    }

    fn is_full(&self) -> bool {
        self.max_concurrent.is_some_and(|max| self.server.in_flight() >= max.get())
    }
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
}

/// How a walk over the tiers ended.
enum Found {
    Slot(Slot),
    Busy,
    Nothing,
}

impl Pool {
    pub fn new(settings: Settings) -> Pool {
        let Settings { members, checks, balance, queue, queue_max } = settings;
        let tiers = Tier::group(&members, balance);
        Pool { members, tiers, checks, balance, queue, queue_max }
    }

    /// Chooses a server for a request that has failed on `tried`.
    ///
    /// The active tier is the lowest one with a usable server. A first attempt uses it alone: when it is full it
    /// waits, as in HAProxy, and does not spill into the next tier. A retry takes an untried server with room from any
    /// tier, lower first; it waits for a full untried one rather than go back to the server that just failed (a dead
    /// server always has room), and goes back only when nothing else is usable.
    ///
    /// While others wait, a newcomer does not overtake them.
    pub fn pick(&self, tried: &Tried, draw: Draw) -> Pick {
        match self.find(tried, draw, self.queue.has_first_attempts()) {
            Found::Slot(slot) => Pick::Server(slot),
            Found::Nothing => Pick::NoServer,
            Found::Busy => self.wait(tried, draw),
        }
    }

    /// Chooses again for a request whose `ticket` was ready. When it loses the race, [`Pick::Wait`] gives the ticket
    /// back and the place in the queue with it.
    pub fn resume(&self, tried: &Tried, draw: Draw, ticket: Ticket) -> Pick {
        match self.find(tried, draw, false) {
            Found::Slot(slot) => {
                ticket.served();
                Pick::Server(slot)
            }
            Found::Nothing => Pick::NoServer,
            Found::Busy => Pick::Wait(ticket),
        }
    }

    fn wait(&self, tried: &Tried, draw: Draw) -> Pick {
        let look_again = |gated| match self.find(tried, draw, gated) {
            Found::Busy => None,
            Found::Slot(slot) => Some(Pick::Server(slot)),
            Found::Nothing => Some(Pick::NoServer),
        };
        match self.queue.enter(self.queue_max, queue::Who::default(), tried.is_empty(), look_again) {
            Entered::Served(pick) => pick,
            Entered::Waiting(ticket) => Pick::Wait(ticket),
            Entered::Full => Pick::QueueFull,
        }
    }

    /// `gated`: the room in the active tier belongs to those who wait already.
    fn find(&self, tried: &Tried, draw: Draw, gated: bool) -> Found {
        let mut active_seen = false;
        let mut busy = false;
        for tier in &self.tiers {
            let held_back = gated && !active_seen;
            match self.take(tier, draw, held_back, |index| !tried.contains(index)) {
                Choice::Taken(slot) => return Found::Slot(slot),
                Choice::Full if tried.is_empty() => return Found::Busy,
                Choice::Full => (busy, active_seen) = (true, true),
                Choice::Empty => active_seen |= self.is_usable_tier(tier),
            }
        }
        if busy {
            return Found::Busy;
        }
        if tried.is_empty() || !active_seen {
            return Found::Nothing;
        }
        self.find_again(draw, gated)
    }

    /// Every usable server has been tried: any of them, lower tiers first.
    fn find_again(&self, draw: Draw, gated: bool) -> Found {
        let mut busy = false;
        for tier in &self.tiers {
            match self.take(tier, draw, gated && !busy, |_| true) {
                Choice::Taken(slot) => return Found::Slot(slot),
                Choice::Full => busy = true,
                Choice::Empty => {}
            }
        }
        if busy { Found::Busy } else { Found::Nothing }
    }

    fn take(&self, tier: &Tier, draw: Draw, held_back: bool, wanted: impl Fn(usize) -> bool) -> Choice<Slot> {
        tier.balance.choose(&Shown { pool: self, tier, held_back, wanted, now: draw.now }, draw)
    }

    fn at(&self, tier: &Tier, position: usize) -> Option<(usize, &Member)> {
        let index = *tier.indexes.get(position)?;
        Some((index, self.members.get(index)?))
    }

    fn is_usable(&self, member: &Member) -> bool {
        member.server.admin() == Admin::Ready
            && !member.server.lost()
            && (self.checks.is_none() || member.server.state() == State::Up)
            && member.effective_weight() > 0
    }

    fn is_usable_tier(&self, tier: &Tier) -> bool {
        tier.indexes.iter().any(|&index| self.members.get(index).is_some_and(|m| self.is_usable(m)))
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

    /// Whether traffic may go to this server now, its concurrency aside.
    pub fn usable(&self, index: usize) -> bool {
        self.members.get(index).is_some_and(|member| self.is_usable(member))
    }

    pub fn usable_count(&self) -> usize {
        self.members.iter().filter(|member| self.is_usable(member)).count()
    }

    /// Whether a server outside `tried` is usable: a retry has somewhere else to go.
    pub fn has_other(&self, tried: &Tried) -> bool {
        (0..self.members.len()).any(|index| !tried.contains(index) && self.usable(index))
    }

    /// The number of the tier that takes first attempts now; `None` when nothing is usable. A change is a failover.
    pub fn active_tier(&self) -> Option<u32> {
        self.tiers.iter().find(|tier| self.is_usable_tier(tier)).map(|tier| tier.number)
    }

    /// A server's state in HAProxy's words: `UP`, `UP 2/3`, `DOWN`, `DOWN 1/2`, `DRAIN`, `MAINT`, `no check`.
    pub fn status_text(&self, index: usize) -> Cow<'static, str> {
        match self.members.get(index) {
            Some(member) => member.server.status_text(self.checks, member.effective_weight()),
            None => Cow::Borrowed("unknown"),
        }
    }
}

/// A tier as its algorithm sees it.
struct Shown<'a, W> {
    pool: &'a Pool,
    tier: &'a Tier,
    /// The room in it belongs to others.
    held_back: bool,
    wanted: W,
    now: Tick,
}

impl<W> Shown<'_, W> {
    fn server(&self, position: usize) -> Option<&Server> {
        self.pool.at(self.tier, position).map(|(_, member)| &*member.server)
    }
}

impl<W: Fn(usize) -> bool> Servers for Shown<'_, W> {
    type Taken = Slot;

    fn count(&self) -> usize {
        self.tier.indexes.len()
    }

    fn look(&self, position: usize) -> Candidate {
        let Some((index, member)) = self.pool.at(self.tier, position) else { return Candidate::Out };
        if !(self.wanted)(index) || !self.pool.is_usable(member) {
            Candidate::Out
        } else if self.held_back || member.is_full() {
            Candidate::Full
        } else {
            Candidate::Weight(u32::from(member.effective_weight()))
        }
    }

    fn in_flight(&self, position: usize) -> u32 {
        self.server(position).map_or(0, Server::in_flight)
    }

    fn first_byte(&self, position: usize) -> Option<f64> {
        self.server(position)?.first_byte().read(self.now)
    }

    fn take(&self, position: usize) -> Option<Slot> {
        let (index, member) = self.pool.at(self.tier, position)?;
        Slot::reserve(&member.server, index, member.max_concurrent)
    }
}

#[cfg(test)]
mod tests;
