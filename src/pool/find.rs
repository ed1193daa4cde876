//! The walk over tiers that finds a server: who comes first, who is last in line, which tier helps another out.

use super::balance::{Candidate, Choice, Draw, Servers};
use super::condition::{Look, Standing, flags};
use super::slot::Bounds;
use super::slow_start::{self, STEPS};
use super::tier::Tier;
use super::{Ask, Member, Pool, Server, Shape, Slot};
use crate::base::clock::Tick;

/// How a walk over the tiers ended.
pub(super) enum Found {
    Slot(Slot),
    Busy,
    Nothing,
}

/// Whom a walk takes.
#[derive(Clone, Copy)]
struct Wanted<'a> {
    line: Line,
    /// Not those that the request failed on; `None`: whoever.
    untried: Option<&'a super::Tried>,
    /// Those that it may use; `None`: all.
    only: Option<&'a super::Allowed>,
}

impl Wanted<'_> {
    fn has(&self, index: usize) -> bool {
        self.only.is_none_or(|only| only.contains(index))
            && self.untried.is_none_or(|tried| !tried.contains(index))
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Line {
    Well,
    Slow,
    /// Slow or misconfigured.
    Last,
}

impl Line {
    fn has(self, standing: Standing) -> bool {
        match self {
            Line::Well => standing == Standing::Well,
            Line::Slow => standing == Standing::Slow,
            Line::Last => matches!(standing, Standing::Slow | Standing::Misconfigured),
        }
    }
}

/// The active tier and the one that helps it, by position.
#[derive(Clone, Copy)]
struct Help {
    active: usize,
    helping: usize,
    /// The share of first attempts that stays.
    share: f64,
}

impl Pool {
    /// `gated`: the room in the tier that takes first attempts belongs to those who wait already.
    pub(super) fn find(&self, ask: &Ask<'_>, gated: bool) -> Found {
        let found = self.find_once(ask, gated);
        let missed = match found {
            Found::Slot(_) => false,
            // One went and another came while we looked.
            Found::Nothing => self.has_usable(ask),
            // Another request may have been faster with the last trial: then others are to be asked.
            Found::Busy => self.rules.breaker.is_some() && self.any_half_open(ask),
        };
        match if missed { self.find_once(ask, gated) } else { found } {
            Found::Nothing => self.knock(ask).map_or(Found::Nothing, Found::Slot),
            found => found,
        }
    }

    /// Nobody is usable: perhaps one that could not be reached answers again.
    fn knock(&self, ask: &Ask<'_>) -> Option<Slot> {
        let tiers = self.tiers.iter().flat_map(|tier| self.of(tier));
        let mut wanted = tiers.filter(|(index, _)| ask.may_use(*index) && !ask.tried.contains(*index));
        wanted.find_map(|(index, member)| {
            Slot::knock(&member.server, index, &self.place(member), member.limit(), ask.draw.now)
        })
    }

    fn find_once(&self, ask: &Ask<'_>, gated: bool) -> Found {
        let found = if ask.tried.is_empty() { self.first(ask, gated) } else { self.again(ask, gated) };
        match found {
            // Half open, and every place of a trial is taken: it may be well in a moment.
            Found::Nothing if self.any_half_open(ask) => Found::Busy,
            found => found,
        }
    }

    /// A first attempt uses the active tier alone, and the one that helps it.
    fn first(&self, ask: &Ask<'_>, gated: bool) -> Found {
        if let Some(help) = self.help(ask.draw.now) {
            match self.first_with_help(ask, gated, help) {
                Found::Nothing => {}
                found => return found,
            }
        }
        for line in [Line::Well, Line::Last] {
            let wanted = Wanted { line, untried: None, only: ask.only };
            for tier in &self.tiers {
                match self.take(tier, ask.draw, gated, wanted) {
                    Choice::Taken(slot) => return Found::Slot(slot),
                    Choice::Full => return Found::Busy,
                    Choice::Empty => {}
                }
            }
        }
        Found::Nothing
    }

    /// The tier that the draw says, then the other one: who waits could use both. Lower tiers have only trials.
    fn first_with_help(&self, ask: &Ask<'_>, gated: bool, help: Help) -> Found {
        let stays = share_of(ask.draw) < help.share;
        let two = if stays { [help.active, help.helping] } else { [help.helping, help.active] };
        let wanted = Wanted { line: Line::Well, untried: None, only: ask.only };
        let mut found = Found::Nothing;
        for tier in (0..help.active).chain(two).filter_map(|position| self.tiers.get(position)) {
            match self.take(tier, ask.draw, gated, wanted) {
                Choice::Taken(slot) => return Found::Slot(slot),
                Choice::Full => found = Found::Busy,
                Choice::Empty => {}
            }
        }
        found
    }

    /// A retry: another server first, of any tier; a slow one rather than the one that just failed. It waits for a full
    /// one rather than go back (a dead server always has room), and goes back only when nothing else is usable. Where
    /// our key is refused another attempt has nothing to win: those are last here too.
    fn again(&self, ask: &Ask<'_>, gated: bool) -> Found {
        let untried = Some(ask.tried);
        let order = [(Line::Well, untried), (Line::Slow, untried), (Line::Well, None), (Line::Last, None)];
        for (line, untried) in order {
            match self.walk(ask.draw, gated, Wanted { line, untried, only: ask.only }) {
                Found::Nothing => {}
                found => return found,
            }
        }
        Found::Nothing
    }

    /// Over all tiers, lower first, past those that are full.
    fn walk(&self, draw: Draw, gated: bool, wanted: Wanted<'_>) -> Found {
        let (mut gate, mut busy) = (gated, false);
        for tier in &self.tiers {
            match self.take(tier, draw, gate, wanted) {
                Choice::Taken(slot) => return Found::Slot(slot),
                Choice::Full => (busy, gate) = (true, false),
                Choice::Empty => gate = gate && !self.has(tier, Wanted { untried: None, ..wanted }, draw.now),
            }
        }
        if busy { Found::Busy } else { Found::Nothing }
    }

    fn take(&self, tier: &Tier, draw: Draw, held_back: bool, wanted: Wanted<'_>) -> Choice<Slot> {
        tier.balance.choose(&Shown { pool: self, tier, held_back, wanted, now: draw.now }, draw)
    }

    fn has(&self, tier: &Tier, wanted: Wanted<'_>, now: Tick) -> bool {
        self.of(tier).any(|(index, member)| {
            let look = self.look(member, now);
            wanted.has(index) && wanted.line.has(look.standing) && !look.saturated
        })
    }

    fn any_half_open(&self, ask: &Ask<'_>) -> bool {
        self.looks(ask).any(|(_, look)| look.half_open)
    }

    pub(super) fn of<'a>(&'a self, tier: &'a Tier) -> impl Iterator<Item = (usize, &'a Member)> {
        tier.indexes.iter().filter_map(|index| Some((*index, self.members.get(*index)?)))
    }

    /// Well ones, and all that have a weight. One on trial does not count as well: it would make the tiers change places
    /// with each trial.
    fn count(&self, tier: &Tier, now: Tick) -> (usize, usize) {
        let weighed = || self.of(tier).filter(|(_, member)| member.effective_weight() > 0);
        let is_well = |member: &Member| {
            let look = self.look(member, now);
            look.standing == Standing::Well && !look.half_open
        };
        (weighed().filter(|(_, member)| is_well(member)).count(), weighed().count())
    }

    fn help(&self, now: Tick) -> Option<Help> {
        let below = self.rules.help_below.filter(|below| *below > 0.0)?;
        let counts = || self.tiers.iter().map(|tier| self.count(tier, now)).enumerate();
        let (active, (well, all)) = counts().find(|(_, (well, _))| *well > 0)?;
        let usable = well as f64 / all.max(1) as f64;
        if usable + 1e-9 >= below {
            return None;
        }
        let (helping, _) = counts().skip(active + 1).find(|(_, (well, _))| *well > 0)?;
        Some(Help { active, helping, share: usable / below })
    }

    /// Who takes first attempts now.
    pub(super) fn shape_now(&self, now: Tick) -> Shape {
        if let Some(help) = self.help(now) {
            let number = |position: usize| self.tiers.get(position).map(|tier| tier.number);
            return Shape { active: number(help.active), helping: number(help.helping) };
        }
        let well = self.tiers.iter().find(|tier| self.count(tier, now).0 > 0);
        let first = |is: &dyn Fn(Look) -> bool| {
            self.tiers.iter().find(|tier| self.of(tier).any(|(_, member)| is(self.look(member, now))))
        };
        let active = well
            .or_else(|| first(&|look| look.standing == Standing::Well))
            .or_else(|| first(&|look| look.standing != Standing::Out));
        Shape { active: active.map(|tier| tier.number), helping: None }
    }

    /// What holds of a server for a request now. While all is well this reads one word.
    pub(super) fn look(&self, member: &Member, now: Tick) -> Look {
        let set = member.server.flags() & self.counted;
        if set & flags::OUT != 0 || member.effective_weight() == 0 {
            return Look::OUT;
        }
        match set {
            0 => Look::WELL,
            flags::SLOW => Look { standing: Standing::Slow, ..Look::WELL },
            _ => member.server.look(&self.place(member), now),
        }
    }
}

/// 0.0..1.0, the same for all requests with the same key.
fn share_of(draw: Draw) -> f64 {
    // Another mix than the balancers': who goes to which tier must not tell who goes to which server.
    let bits = super::balance::mixed(draw.key.unwrap_or(draw.random) ^ 0x7469_6572_7469_6572);
    (bits >> 11) as f64 / (1u64 << 53) as f64
}

/// A tier as its algorithm sees it.
struct Shown<'a> {
    pool: &'a Pool,
    tier: &'a Tier,
    /// The room in it belongs to others.
    held_back: bool,
    wanted: Wanted<'a>,
    now: Tick,
}

impl Shown<'_> {
    fn at(&self, position: usize) -> Option<(usize, &Member)> {
        let index = *self.tier.indexes.get(position)?;
        Some((index, self.pool.members.get(index)?))
    }

    fn server(&self, position: usize) -> Option<&Server> {
        self.at(position).map(|(_, member)| &*member.server)
    }
}

impl Servers for Shown<'_> {
    type Taken = Slot;

    fn count(&self) -> usize {
        self.tier.indexes.len()
    }

    fn look(&self, position: usize) -> Candidate {
        let Some((index, member)) = self.at(position) else { return Candidate::Out };
        if !self.wanted.has(index) {
            return Candidate::Out;
        }
        let look = self.pool.look(member, self.now);
        let full = member.is_full(look.step);
        if !self.wanted.line.has(look.standing) || look.saturated || (look.half_open && full) {
            // Nobody waits for a trial while another server is usable.
            Candidate::Out
        } else if self.held_back || full {
            Candidate::Full
        } else {
            Candidate::Weight(slow_start::weight(member.effective_weight(), look.step))
        }
    }

    fn in_flight(&self, position: usize) -> u32 {
        self.server(position).map_or(0, Server::in_flight)
    }

    fn first_byte(&self, position: usize) -> Option<f64> {
        self.server(position)?.first_byte().read(self.now)
    }

    fn take(&self, position: usize) -> Option<Slot> {
        let (index, member) = self.at(position)?;
        let step = if member.slow_start.is_some() { self.pool.look(member, self.now).step } else { STEPS };
        let bounds = Bounds { max: member.limit(), step, breaker: self.pool.rules.breaker.as_ref() };
        Slot::reserve(&member.server, index, bounds, self.now)
    }
}
