//! Every change of a server's state, and every switch of tiers that comes of it, is one event: one line in the log, one
//! count, one entry in the ring that the stats page shows and alerts are made from. Whoever causes or sees a change tells
//! it here: of servers and tiers in this file, of budgets, the ledger, reloads and the rest in those below it.

mod budget;
mod certificate;
mod figure;
mod ledger;
mod reload;

use std::borrow::Cow;
use std::fmt;
use std::sync::atomic::Ordering;
use std::time::Duration;

use log::{Level, log};
use parking_lot::Mutex;

use crate::base::clock::{self, Tick};
use crate::observe::events::{Event, EventKind, Tone, span};
use crate::observe::stats::LatestChange;
use crate::pool::health::State as Health;
use crate::pool::{Change, Member, Shape, Status};
use crate::runtime::snapshot::{Backend, Snapshot};
use crate::runtime::state::State;

pub use budget::{Spending, budget};
pub use certificate::{certificate_ends, certificate_renewed};
pub use figure::figure;
pub use ledger::{calls_lost, ledger_degraded, ledger_recovered};
pub use reload::{reload_applied, reload_refused, rolled_back};

/// The shape of a backend that was last told of.
#[derive(Debug, Default)]
pub struct Announced(Mutex<Option<(Shape, Tick)>>);

/// Tells of a server's change: log, count, ring; then of what it means for the tiers of its backend.
pub fn server_changed(state: &State, backend: &Backend, server: usize, change: &Change) {
    let Some(of) = backend.servers.get(server) else { return };
    let tone = tone(change);
    let (usable, all) = (backend.pool.usable_count(state.clock.now()), backend.servers.len());
    let tier = backend.pool.active_tier(state.clock.now());
    let line = Line { backend, name: &of.target.name, change };
    log!(level(tone), "{line}; {usable} of {all} servers usable, active tier {}", Tier(tier));
    server_ordered(state, backend, server, change);
}

/// As [`server_changed`] without its line: what an operator did has a line that says so.
pub fn server_ordered(state: &State, backend: &Backend, server: usize, change: &Change) {
    let Some(of) = backend.servers.get(server) else { return };
    let now = state.clock.now();
    of.stats.changes.count(change.to.label());
    *of.stats.latest_change.lock() = Some(LatestChange {
        to: change.to.label(),
        at: now,
        why: change.why.to_string(),
        until: change.expected.map(|expected| now + expected),
    });
    state.events.push(Event {
        at: clock::unix_time(),
        kind: EventKind::Server,
        tone: tone(change),
        subject: Cow::Owned(format!("{}/{}", backend.name, of.target.name)),
        backend: Some(backend.name.clone()),
        server: Some(of.target.name.clone()),
        from: Cow::Borrowed(change.from.label()),
        to: Cow::Borrowed(change.to.label()),
        why: change.why.to_string(),
        lasted: Some(change.lasted),
        expected: change.expected,
        figures: Vec::new(),
    });
    if let Some(member) = backend.pool.members().get(server) {
        of.stats.traffic.availability.note(answers(backend, member), now);
    }
    tiers(state, backend, Some(&format_args!("{} is {}", of.target.name, in_words(change.to))));
}

/// What time alone brings, and what a reload or a weight brought: called ten times a second.
pub fn settle(state: &State, snapshot: &Snapshot) {
    for backend in &snapshot.backends {
        for (server, change) in backend.pool.settle(state.clock.now()) {
            server_changed(state, backend, server, &change);
        }
        tiers(state, backend, None);
    }
}

/// Whether a server answers its checks, whatever traffic and operators think of it: what `downtime` counts.
fn answers(backend: &Backend, member: &Member) -> bool {
    let server = &member.server;
    !server.lost() && (backend.pool.checks().is_none() || server.state() == Health::Up)
}

/// Tells of a change of tiers, if there is one. `why` is the last thing that happened; `None`: it is only seen now.
pub fn tiers(state: &State, backend: &Backend, why: Option<&dyn fmt::Display>) {
    // Before the first round of checks is over, nothing is up and nothing has failed.
    if !state.ready.load(Ordering::Relaxed) && !state.stopping.load(Ordering::Relaxed) {
        return;
    }
    let kept = state.backend(&backend.name);
    let mut announced = kept.announced.0.lock();
    // Under the lock: two threads tell of their changes in the order in which they happened.
    let now = state.clock.now();
    let shape = backend.pool.shape(now);
    backend.stats.traffic.availability.note(shape.active.is_some(), now);
    // At the start it is measured against what the file wants: that everything is well.
    let weighed = backend.pool.members().iter().filter(|member| member.effective_weight() > 0);
    let first = weighed.map(|member| member.tier).min();
    let well = Shape { active: first, helping: None };
    let (before, since) = announced.map_or((well, None), |(shape, since)| (shape, Some(since)));
    if announced.is_some() && before == shape {
        return;
    }
    *announced = Some((shape, now));
    let lasted = since.map(|since| now.since(since));
    let found = if since.is_none() {
        &"so the first checks found it"
    } else {
        &"the configuration or a weight changed"
    };
    let why = why.unwrap_or(found);
    if before.active != shape.active {
        let mut switch = Switch::of_active(before.active, shape.active);
        if switch.tone == Tone::Better && !is_well(backend, shape.active, now) {
            switch.tone = Tone::Worse;
        }
        tell(state, backend, switch, lasted, why);
    }
    if before.helping != shape.helping {
        let switch = Switch::of_help(before.helping, shape.helping);
        tell(state, backend, switch, lasted, why);
    }
}

/// Whether a tier has more to offer than servers that are last in line.
fn is_well(backend: &Backend, tier: Option<u32>, now: Tick) -> bool {
    let mut members =
        backend.pool.members().iter().enumerate().filter(|(_, member)| Some(member.tier) == tier);
    members.any(|(index, _)| matches!(backend.pool.status(index, now), Status::Up | Status::HalfOpen))
}

struct Switch {
    kind: EventKind,
    tone: Tone,
    from: Option<u32>,
    to: Option<u32>,
}

impl Switch {
    fn of_active(from: Option<u32>, to: Option<u32>) -> Switch {
        let (kind, tone) = match (from, to) {
            (_, None) => (EventKind::Outage, Tone::Alarm),
            (None, Some(_)) => (EventKind::Recovery, Tone::Better),
            (Some(from), Some(to)) if to > from => (EventKind::Failover, Tone::Worse),
            (Some(_), Some(_)) => (EventKind::Failback, Tone::Better),
        };
        Switch { kind, tone, from, to }
    }

    fn of_help(from: Option<u32>, to: Option<u32>) -> Switch {
        match to {
            Some(_) => Switch { kind: EventKind::HelpBegins, tone: Tone::Worse, from, to },
            None => Switch { kind: EventKind::HelpEnds, tone: Tone::Better, from, to },
        }
    }
}

fn tell(state: &State, backend: &Backend, switch: Switch, lasted: Option<Duration>, why: &dyn fmt::Display) {
    let name = &backend.name;
    let (from, to) = (Tier(switch.from), Tier(switch.to));
    let been = lasted.map_or(String::new(), |lasted| format!(" after {}", span(lasted)));
    let level = level(switch.tone);
    match switch.kind {
        EventKind::Failover => {
            log!(level, "backend {name}: failover from tier {from} to tier {to}{been}: {why}");
        }
        EventKind::Failback => {
            log!(level, "backend {name}: failback from tier {from} to tier {to}{been}: {why}");
        }
        EventKind::Recovery => {
            log!(level, "backend {name} has a usable server again{been}, active tier {to}: {why}");
        }
        EventKind::HelpBegins => log!(level, "backend {name}: tier {to} helps out: {why}"),
        EventKind::HelpEnds => log!(level, "backend {name}: tier {from} no longer helps out{been}: {why}"),
        _ => {
            log!(level, "backend {name} has no usable server, its requests get 503: {why}");
        }
    }
    backend.stats.tier_changes.count(switch.kind.label());
    let tier = |tier: Option<u32>| tier.map_or(Cow::Borrowed("none"), |t| Cow::Owned(format!("tier {t}")));
    state.events.push(Event {
        at: clock::unix_time(),
        kind: switch.kind,
        tone: switch.tone,
        subject: Cow::Owned(name.to_string()),
        backend: Some(name.clone()),
        server: None,
        from: tier(switch.from),
        to: tier(switch.to),
        why: why.to_string(),
        lasted,
        expected: None,
        figures: Vec::new(),
    });
}

/// What no backend is about.
struct Word {
    kind: EventKind,
    tone: Tone,
    subject: Cow<'static, str>,
    from: &'static str,
    to: &'static str,
    why: String,
}

impl Word {
    fn event(self) -> Event {
        Event {
            at: clock::unix_time(),
            kind: self.kind,
            tone: self.tone,
            subject: self.subject,
            backend: None,
            server: None,
            from: Cow::Borrowed(self.from),
            to: Cow::Borrowed(self.to),
            why: self.why,
            lasted: None,
            expected: None,
            figures: Vec::new(),
        }
    }
}

fn level(tone: Tone) -> Level {
    match tone {
        Tone::Better => Level::Info,
        Tone::Worse => Level::Warn,
        Tone::Alarm => Level::Error,
    }
}

fn tone(change: &Change) -> Tone {
    match change.to {
        Status::Misconfigured => Tone::Alarm,
        // What an operator ordered is none of our worries.
        Status::Up | Status::HalfOpen | Status::Drain | Status::Maint => Tone::Better,
        to if badness(to) < badness(change.from) => Tone::Better,
        _ => Tone::Worse,
    }
}

/// How little a server is worth in this state; what an operator took out was well until seen otherwise.
fn badness(status: Status) -> u8 {
    match status {
        Status::Up | Status::NotChecked | Status::Drain | Status::Maint => 0,
        Status::Slow | Status::HalfOpen => 1,
        Status::Misconfigured => 2,
        Status::Cooldown | Status::Ejected | Status::BreakerOpen => 3,
        Status::Down | Status::Unresolved => 4,
    }
}

/// A state in a sentence after "is".
pub fn in_words(status: Status) -> &'static str {
    match status {
        Status::NotChecked => "not checked yet",
        Status::Up => "up",
        Status::Slow => "slow (last in line)",
        Status::HalfOpen => "on trial",
        Status::Cooldown => "in a cooldown",
        Status::Ejected => "ejected",
        Status::BreakerOpen => "cut off by its circuit breaker",
        Status::Misconfigured => "misconfigured (it refuses our api_key)",
        Status::Down => "down",
        Status::Unresolved => "without an address",
        Status::Drain => "draining",
        Status::Maint => "in maintenance",
    }
}

struct Tier(Option<u32>);

impl fmt::Display for Tier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(tier) => write!(f, "{tier}"),
            None => f.write_str("none"),
        }
    }
}

/// `server ai/primary is DOWN: connection refused (was up for 2h 3m)`.
struct Line<'a> {
    backend: &'a Backend,
    name: &'a str,
    change: &'a Change,
}

impl fmt::Display for Line<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Change { from, to, why, lasted, expected } = self.change;
        let (backend, name) = (&self.backend.name, self.name);
        write!(f, "server {backend}/{name} ")?;
        if *to == Status::Misconfigured {
            // The pool's words for it end with what stands before them here.
            let why = why.strip_suffix(": it refuses our api_key").unwrap_or(why);
            return write!(
                f,
                "refuses our api_key ({why}): it is asked last from now on. Put a good key in \
                 backends.{backend}.servers.{name}.api_key and reload"
            );
        }
        let word = match to {
            Status::NotChecked => "NOT CHECKED",
            Status::Up => "UP",
            Status::Slow => "SLOW, so last in line",
            Status::HalfOpen => "ON TRIAL",
            Status::Cooldown => "COOLING DOWN",
            Status::Ejected => "EJECTED",
            Status::BreakerOpen => "CUT OFF by its circuit breaker",
            Status::Misconfigured => "MISCONFIGURED",
            Status::Down => "DOWN",
            Status::Unresolved => "DOWN (resolution)",
            Status::Drain => "DRAINING",
            Status::Maint => "in MAINTENANCE",
        };
        write!(f, "is {word}")?;
        if let Some(expected) = expected {
            write!(f, " for {}", span(*expected))?;
        }
        write!(f, ": {why}")?;
        // Before it was known, it was nothing that could be said to have lasted.
        if *from == Status::NotChecked {
            return Ok(());
        }
        write!(f, " (was {} for {})", from.label().replace('_', " "), span(*lasted))
    }
}

#[cfg(test)]
mod tests;
