//! All that holds of one server at once (its checks, an operator's word, breaker, ejection, cooldown, key), and the one
//! [`Status`] that comes of it. Whatever changes any of it, a change is what differs from the status last told: so there
//! is one for each, and none twice. It lives behind the lock of [`super::Server`]; [`flags`] is what the request path
//! reads of it without.

use std::borrow::Cow;
use std::time::Duration;

use super::breaker::{self, Breaker, Round};
use super::cooldown::Cooldown;
use super::eject::Ejection;
use super::health::{Health, Slowness, State, Thresholds};
use super::misconfigured::Misconfigured;
use super::server::{Admin, LastCheck};
use super::slow_start::{self, STEPS};
use super::status::{Sign, Status, Trouble, spoken};
use super::{Rules, cooldown};
use crate::base::clock::Tick;

mod change;

/// What is not as it is when everything is well: one bit each.
pub(super) mod flags {
    pub const DRAIN: u32 = 1;
    pub const MAINT: u32 = 1 << 1;
    pub const LOST: u32 = 1 << 2;
    pub const NOT_CHECKED: u32 = 1 << 3;
    pub const DOWN: u32 = 1 << 4;
    /// Open or half open.
    pub const BREAKER: u32 = 1 << 5;
    pub const EJECTED: u32 = 1 << 6;
    pub const COOLDOWN: u32 = 1 << 7;
    pub const MISCONFIGURED: u32 = 1 << 8;
    pub const SLOW: u32 = 1 << 9;
    /// It came back: a slow start may go on.
    pub const BACK: u32 = 1 << 10;
    /// A success would change something.
    pub const UNSETTLED: u32 = 1 << 11;

    /// Clients' own keys are rate limited there: it counts as slow.
    pub const SHUNNED: u32 = 1 << 12;

    /// It takes no traffic, whatever the time.
    pub const OUT: u32 = DRAIN | MAINT | LOST | NOT_CHECKED | DOWN;
}

/// How the configuration places a server: what its status depends on beside itself.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Place {
    pub checks: Option<Thresholds>,
    pub rules: Rules,
    pub slow_start: Option<Duration>,
    /// The operator's, if there is one.
    pub weight: u16,
}

/// What a server is to the choice of the next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    Well,
    /// Last in line.
    Slow,
    /// Last in line, and a retry does not go there.
    Misconfigured,
    Out,
}

/// What holds for a request that would go to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Look {
    pub standing: Standing,
    /// It is half open: a request is a trial.
    pub half_open: bool,
    /// Every place for a trial is taken.
    pub saturated: bool,
    /// Of the slow start, 1..=16.
    pub step: u32,
}

/// How often a server that could not be reached is looked for while nobody else is usable.
const KNOCK: Duration = Duration::from_secs(1);

impl Look {
    pub const WELL: Look = Look { standing: Standing::Well, half_open: false, saturated: false, step: STEPS };
    pub const OUT: Look = Look { standing: Standing::Out, ..Look::WELL };
}

/// What comes of a sign beside a change of status.
#[derive(Debug, Default)]
pub(super) struct Signed {
    pub why: Option<Cow<'static, str>>,
    /// Its error rate is above the limit: take it out if the tier can do without it.
    pub eject: bool,
    /// The place of a trial is free again.
    pub freed: bool,
}

#[derive(Debug, Default)]
pub(super) struct Condition {
    pub admin: Admin,
    pub lost: bool,
    pub health: Health,
    /// What `health` came to; it stays while `health` begins anew.
    pub state: State,
    pub slowness: Slowness,
    pub breaker: Breaker,
    pub ejection: Ejection,
    pub cooldown: Cooldown,
    /// Of clients' own keys: what one of them is refused says little of what others get.
    pub clients_cooldown: Cooldown,
    pub key: Misconfigured,
    /// The latest failure.
    pub trouble: Option<Trouble>,
    /// When it last failed, or somebody looked whether it answers again.
    pub knocked: Option<Tick>,
    /// When it last came back.
    pub back: Option<Tick>,
    pub last_check: Option<LastCheck>,
    pub last_change: Option<Tick>,
    /// `None` before a pool or a check tells.
    pub placed: Option<Place>,
    /// It was part of a pool.
    pub pooled: bool,
    /// Why its status may be another at the next look, where whoever did it does not tell.
    pub pending: Option<&'static str>,
    told: Option<Told>,
}

#[derive(Clone, Copy, Debug)]
struct Told {
    status: Status,
    since: Option<Tick>,
    step: u32,
}

impl Condition {
    /// What it is in this place.
    pub fn status(&self, place: &Place, now: Tick) -> Status {
        let (checked, rules) = (place.checks.is_some(), &place.rules);
        if self.admin == Admin::Maint {
            Status::Maint
        } else if self.admin == Admin::Drain || place.weight == 0 {
            Status::Drain
        } else if self.lost {
            Status::Unresolved
        } else if checked && self.state == State::Down {
            Status::Down
        } else if checked && self.state == State::Unknown {
            Status::NotChecked
        } else if rules.breaker.is_some() && self.breaker.open_until(now).is_some() {
            Status::BreakerOpen
        } else if rules.eject.is_some() && self.ejection.until(now).is_some() {
            Status::Ejected
        } else if rules.cooldown.is_some() && self.cooldown.until(now).is_some() {
            Status::Cooldown
        } else if self.key.is_marked() {
            Status::Misconfigured
        } else if rules.breaker.is_some() && self.breaker.is_half_open(now) {
            Status::HalfOpen
        } else if self.is_slow(place, now) {
            Status::Slow
        } else {
            Status::Up
        }
    }

    fn is_slow(&self, place: &Place, now: Tick) -> bool {
        let checks_say = place.checks.is_some_and(|checks| checks.slow_above.is_some());
        (checks_say && self.slowness.is_slow())
            || (place.rules.cooldown.is_some() && self.clients_cooldown.until(now).is_some())
    }

    pub fn look(&mut self, place: &Place, now: Tick) -> Look {
        let standing = match self.status(place, now) {
            Status::Up | Status::HalfOpen => Standing::Well,
            Status::Slow => Standing::Slow,
            Status::Misconfigured if self.key.until(now).is_some() => Standing::Misconfigured,
            Status::Misconfigured => Standing::Well,
            _ => return Look::OUT,
        };
        // A half-open server may be slow too.
        let standing =
            if standing == Standing::Well && self.is_slow(place, now) { Standing::Slow } else { standing };
        self.advance(now);
        let trials = place.rules.breaker.filter(|_| self.breaker.is_half_open(now));
        if let Some(rules) = &trials
            && self.breaker.advance(rules, now)
        {
            self.back = Some(now);
        }
        let half_open = trials.is_some() && !self.breaker.is_closed();
        let saturated = half_open && trials.is_some_and(|rules| !self.breaker.has_trial(&rules));
        Look { standing, half_open, saturated, step: self.step(place, now) }
    }

    pub fn step(&self, place: &Place, now: Tick) -> u32 {
        match (self.back, place.slow_start) {
            (Some(back), Some(slow_start)) => slow_start::step(back, now, slow_start),
            _ => STEPS,
        }
    }

    /// Whether the breaker lets a request through.
    pub fn may_begin(&mut self, rules: &breaker::Rules, now: Tick) -> bool {
        if self.breaker.advance(rules, now) {
            self.back = Some(now);
        }
        self.breaker.is_closed() || self.breaker.has_trial(rules)
    }

    /// Takes the place of a trial where one is needed, after [`Condition::may_begin`].
    pub fn begin_trial(&mut self, rules: &breaker::Rules) -> Option<Round> {
        self.breaker.begin_trial(rules)
    }

    /// When it comes back by time alone; `None` where time does not help, or does not have to.
    pub fn back_at(&self, place: &Place, now: Tick) -> Option<Tick> {
        let rules = &place.rules;
        let open = rules.breaker.and_then(|_| self.breaker.open_until(now));
        let ejected = rules.eject.and_then(|_| self.ejection.until(now));
        let cooling = rules.cooldown.and_then(|_| self.cooldown.until(now));
        match self.status(place, now) {
            Status::BreakerOpen | Status::Ejected | Status::Cooldown => open.max(ejected).max(cooling),
            _ => None,
        }
    }

    /// What time alone brings.
    pub fn advance(&mut self, now: Tick) {
        if let Some(ended) = self.ejection.advance(now) {
            self.back = Some(ended);
        }
        self.cooldown.advance(now);
        self.clients_cooldown.advance(now);
    }

    /// Takes a sign in.
    pub fn sign(&mut self, sign: Sign, trial: Option<Round>, rules: &Rules, now: Tick) -> Signed {
        self.advance(now);
        let mut signed = Signed::default();
        match sign {
            Sign::Well => {
                if let Some(rules) = &rules.breaker
                    && self.breaker.well(trial, rules)
                {
                    self.back = Some(now);
                    signed.why = Some(match rules.trial_requests {
                        0 | 1 => Cow::Borrowed("a trial request succeeded"),
                        trials => Cow::Owned(format!("{trials} trial requests succeeded")),
                    });
                }
                if let Some(rules) = &rules.eject {
                    self.ejection.count(None, rules, now);
                }
                if self.key.is_marked() {
                    signed.why = Some(Cow::Borrowed("it takes our api_key"));
                }
                self.cooldown.well();
                self.clients_cooldown.well();
                self.key.well();
            }
            Sign::Failed(trouble) => {
                self.trouble = Some(trouble);
                self.knocked = Some(now);
                if let Some(rules) = &rules.breaker {
                    signed.why = self.breaker.failed(trial, trouble, rules, now).map(Cow::Owned);
                }
                if let Some(rules) = &rules.eject {
                    signed.eject = self.ejection.count(Some(trouble), rules, now);
                }
            }
            Sign::Limited(asked) => {
                if let Some(rules) = &rules.cooldown {
                    self.cooldown.limited(asked, rules, now);
                    signed.why = Some(match asked {
                        Some(asked) => Cow::Owned(limited(asked, rules)),
                        None => Cow::Borrowed("rate limited"),
                    });
                }
            }
            Sign::ClientLimited(asked) => {
                if let Some(rules) = &rules.cooldown {
                    self.clients_cooldown.limited(asked, rules, now);
                    signed.why = Some(Cow::Borrowed("a client's own key is rate limited"));
                }
            }
            Sign::KeyRefused => signed.why = Some(self.key.refused(now)),
            Sign::KeyForbidden => signed.why = self.key.forbidden(now),
        }
        if let Some(trial) = trial {
            // Of one that told something, this does nothing: its place was used.
            signed.freed = !matches!(sign, Sign::Well | Sign::Failed(_)) && self.breaker.give_back(trial);
        }
        signed
    }

    /// Whether one request may look if it answers again, though it is out: where nobody else is usable, and nobody could
    /// reach it. Once a second: after a blip of the network nobody is to wait for the end of an open breaker.
    pub fn may_knock(&self, place: &Place, now: Tick) -> bool {
        self.is_unreachable()
            && matches!(self.status(place, now), Status::BreakerOpen | Status::Ejected)
            && self.next_knock() <= now
    }

    fn next_knock(&self) -> Tick {
        self.knocked.map_or(Tick::default(), |at| at + KNOCK)
    }

    /// When a request may look whether it answers again.
    pub fn knock_at(&self, place: &Place, now: Tick) -> Option<Tick> {
        let out = matches!(self.status(place, now), Status::BreakerOpen | Status::Ejected);
        (self.is_unreachable() && out).then(|| self.next_knock())
    }

    /// The latest failure was that nobody answered there.
    fn is_unreachable(&self) -> bool {
        matches!(self.trouble, Some(Trouble::Connect | Trouble::ConnectTimeout | Trouble::Empty))
    }

    /// The checks tell that it came back: that nobody could connect is over. Trials tell the rest.
    pub fn came_back(&mut self, now: Tick) {
        self.trouble = None;
        if self.ejection.is_out() {
            self.ejection = Ejection::default();
        }
        self.breaker.try_now(now);
    }

    /// It answered one that looked: it is back.
    pub fn answers_again(&mut self, now: Tick) {
        self.breaker.reset();
        self.ejection = Ejection::default();
        self.back = Some(now);
    }

    /// Another address or another key: what traffic told says nothing of it.
    pub fn forget_traffic(&mut self) {
        self.breaker.reset();
        self.ejection = Ejection::default();
        self.cooldown = Cooldown::default();
        self.clients_cooldown = Cooldown::default();
        self.key = Misconfigured::default();
        self.pending = Some("another address or api_key: nothing is known of it");
    }

    /// An operator says that it is well.
    pub fn is_well(&mut self) {
        self.breaker.reset();
        self.ejection = Ejection::default();
        self.cooldown = Cooldown::default();
        self.clients_cooldown = Cooldown::default();
        self.key.end();
    }

    /// Takes the place that the configuration in force gives it.
    pub fn place(&mut self, place: Place) {
        self.undo_what_is_off(&place);
        let step = self.step(&place, Tick::default());
        let status = self.status(&place, Tick::default());
        self.placed = Some(place);
        self.told.get_or_insert(Told { status, since: None, step });
    }

    /// What rules have done that are no more; requests from before a reload may still bring some of it.
    fn undo_what_is_off(&mut self, place: &Place) {
        if place.rules.breaker.is_none() && !self.breaker.is_clean() {
            self.breaker.reset();
        }
        if place.rules.eject.is_none() && !self.ejection.is_clean() {
            self.ejection = Ejection::default();
        }
        if place.rules.cooldown.is_none() {
            self.cooldown = Cooldown::default();
            self.clients_cooldown = Cooldown::default();
        }
        if place.checks.is_none_or(|checks| checks.slow_above.is_none()) {
            self.slowness = Slowness::default();
        }
    }

    /// Checks, and no pool so far.
    pub fn begin_checks(&mut self, thresholds: Thresholds) {
        let place = self.place_now(None);
        self.place(Place { checks: Some(thresholds), ..place });
    }

    /// Where it was put last, with the operator's weight.
    pub fn place_now(&self, weight: Option<u16>) -> Place {
        let unplaced = Place { checks: None, rules: Rules::default(), slow_start: None, weight: 1 };
        let place = self.placed.unwrap_or(unplaced);
        Place { weight: weight.unwrap_or(place.weight), ..place }
    }

    /// Time goes on in this place. True when a slow start made a step.
    pub fn settle(&mut self, place: &Place, now: Tick) -> bool {
        self.undo_what_is_off(place);
        self.advance(now);
        if let Some(rules) = &place.rules.breaker
            && self.breaker.advance(rules, now)
        {
            self.back = Some(now);
        }
        let step = self.step(place, now);
        if step == STEPS {
            self.back = None;
        }
        let Some(told) = &mut self.told else { return false };
        told.since.get_or_insert(now);
        std::mem::replace(&mut told.step, step) != step
    }

    /// The bits of [`flags`].
    pub fn flags(&self) -> u32 {
        let unsettled = !self.breaker.is_clean()
            || !self.ejection.is_clean()
            || !self.cooldown.is_clean()
            || !self.clients_cooldown.is_clean()
            || !self.key.is_clean();
        let bits = [
            (flags::DRAIN, self.admin == Admin::Drain),
            (flags::MAINT, self.admin == Admin::Maint),
            (flags::LOST, self.lost),
            (flags::NOT_CHECKED, self.state == State::Unknown),
            (flags::DOWN, self.state == State::Down),
            (flags::BREAKER, !self.breaker.is_closed()),
            (flags::EJECTED, self.ejection.is_out()),
            (flags::COOLDOWN, self.cooldown.is_out()),
            (flags::MISCONFIGURED, self.key.is_marked()),
            (flags::SLOW, self.slowness.is_slow()),
            (flags::SHUNNED, self.clients_cooldown.is_out()),
            (flags::BACK, self.back.is_some()),
            (flags::UNSETTLED, unsettled),
        ];
        bits.into_iter().filter(|(_, holds)| *holds).fold(0, |all, (bit, _)| all | bit)
    }
}

fn limited(asked: Duration, rules: &cooldown::Rules) -> String {
    if asked <= rules.up_to {
        return format!("rate limited, it asks for {}", spoken(asked));
    }
    format!("rate limited, it asks for {}, cooldown.up_to is {}", spoken(asked), spoken(rules.up_to))
}
