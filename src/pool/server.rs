//! What is known of one server and outlives a reload: how much it has in flight, whether its checks pass, what an
//! operator said. Weight, tier and limit come from the configuration and live in [`super::Member`].

use std::borrow::Cow;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU32, Ordering};
use std::time::Duration;

use parking_lot::Mutex;

use super::estimate::Estimate;
use super::health::{CheckResult, Health, State, Thresholds, Transition};
use super::queue::Queue;
use crate::base::clock::Tick;

/// What an operator wants of a server.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Admin {
    #[default]
    Ready,
    /// No new traffic; checks go on.
    Drain,
    /// No new traffic, no checks.
    Maint,
}

const NO_OVERRIDE: u32 = u32::MAX;

#[derive(Debug)]
pub struct Server {
    name: Box<str>,
    queue: Arc<Queue>,
    in_flight: AtomicU32,
    /// A copy of `checks.health.state()` that the request path reads without a lock.
    state: AtomicU8,
    admin: AtomicU8,
    /// Its name has no address: there is nowhere to connect to.
    lost: AtomicBool,
    weight_override: AtomicU32,
    first_byte: Estimate,
    checks: Mutex<Checks>,
}

#[derive(Debug, Default)]
struct Checks {
    health: Health,
    last_change: Option<Tick>,
    last: Option<LastCheck>,
}

/// The latest check, for the stats page and `show stat`.
#[derive(Clone, Debug)]
pub struct LastCheck {
    pub at: Tick,
    pub result: CheckResult,
}

impl Server {
    /// A server of the backend that `queue` belongs to, not checked yet.
    pub fn new(name: impl Into<Box<str>>, queue: Arc<Queue>) -> Server {
        Server {
            name: name.into(),
            queue,
            in_flight: AtomicU32::new(0),
            state: AtomicU8::new(encode_state(State::Unknown)),
            admin: AtomicU8::new(encode_admin(Admin::Ready)),
            lost: AtomicBool::new(false),
            weight_override: AtomicU32::new(NO_OVERRIDE),
            first_byte: Estimate::default(),
            checks: Mutex::default(),
        }
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    /// Requests that hold a [`Slot`] now.
    pub fn in_flight(&self) -> u32 {
        // SeqCst: pairs with the queue's count of waiters, see `Queue::enter`.
        self.in_flight.load(Ordering::SeqCst)
    }

    pub fn state(&self) -> State {
        decode_state(self.state.load(Ordering::Acquire))
    }

    pub fn admin(&self) -> Admin {
        decode_admin(self.admin.load(Ordering::Acquire))
    }

    /// Applies an operator's word; those who wait look again. Gives what held before.
    ///
    /// After maintenance the state is that of before, and the next check decides alone: what is known is old.
    pub fn set_admin(&self, admin: Admin, now: Tick) -> Admin {
        let mut checks = self.checks.lock();
        let before = decode_admin(self.admin.swap(encode_admin(admin), Ordering::AcqRel));
        if before != admin {
            checks.last_change = Some(now);
            if before == Admin::Maint {
                checks.health.doubt();
            }
            drop(checks);
            self.queue.wake_all();
        }
        before
    }

    pub fn lost(&self) -> bool {
        self.lost.load(Ordering::Acquire)
    }

    /// Says whether the server's name has an address. True when that is new.
    pub fn set_lost(&self, lost: bool, now: Tick) -> bool {
        let news = self.lost.swap(lost, Ordering::AcqRel) != lost;
        if news {
            self.checks.lock().last_change = Some(now);
            self.queue.wake_all();
        }
        news
    }

    /// The weight an operator set at run time, if any.
    pub fn weight_override(&self) -> Option<u16> {
        u16::try_from(self.weight_override.load(Ordering::Relaxed)).ok()
    }

    /// Sets the weight over the configured one (at most 256); `None` returns to the configured one.
    pub fn set_weight(&self, weight: Option<u16>) {
        let value = weight.map_or(NO_OVERRIDE, |weight| u32::from(weight.min(256)));
        self.weight_override.store(value, Ordering::Relaxed);
        self.queue.wake_all();
    }

    /// What is thought of its time to the first byte.
    pub fn first_byte(&self) -> &Estimate {
        &self.first_byte
    }

    /// Takes a check's result in. A transition is for the caller to log, count and alert; those who wait are woken.
    pub fn report(&self, result: CheckResult, thresholds: Thresholds, now: Tick) -> Option<Transition> {
        let mut checks = self.checks.lock();
        let transition = checks.health.observe(result.passed(), thresholds);
        checks.last = Some(LastCheck { at: now, result });
        if transition.is_some() {
            checks.last_change = Some(now);
            self.state.store(encode_state(checks.health.state()), Ordering::Release);
            drop(checks);
            self.queue.wake_all();
        }
        transition
    }

    /// Counts it as up until checks say otherwise: for a reload that adds checks to a backend that serves already.
    pub fn assume_up(&self) {
        let mut checks = self.checks.lock();
        (checks.health, checks.last) = (Health::assumed_up(), None);
        self.state.store(encode_state(State::Up), Ordering::Release);
        drop(checks);
        self.queue.wake_all();
    }

    /// What the checks said was said of another address: the next result decides at once, like the first. Until then it
    /// counts as before.
    pub fn forget_checks(&self) {
        self.checks.lock().health = Health::default();
    }

    /// How long to wait before the next check: `fast_interval` while the state may change.
    pub fn next_interval(&self, interval: Duration, fast_interval: Duration) -> Duration {
        self.checks.lock().health.next_interval(interval, fast_interval)
    }

    /// When the state (of checks, or an operator's) last changed; `None` before the first result.
    pub fn last_change(&self) -> Option<Tick> {
        self.checks.lock().last_change
    }

    pub fn last_check(&self) -> Option<LastCheck> {
        self.checks.lock().last.clone()
    }

    /// HAProxy's `status` column. `checks` is `None` where the backend has no check.
    pub fn status_text(&self, checks: Option<Thresholds>, weight: u16) -> Cow<'static, str> {
        if self.admin() == Admin::Maint {
            return Cow::Borrowed("MAINT");
        }
        if self.lost() {
            return Cow::Borrowed("DOWN (resolution)");
        }
        let draining = weight == 0 || self.admin() == Admin::Drain;
        match (checks, self.state()) {
            (None, _) | (Some(_), State::Up) if draining => Cow::Borrowed("DRAIN"),
            (None, _) => Cow::Borrowed("no check"),
            (Some(thresholds), _) => self.checks.lock().health.text(thresholds),
        }
    }
}

/// A request's place on a server; the place is free again when it is dropped, and one who waits is woken.
#[derive(Debug)]
pub struct Slot {
    server: Arc<Server>,
    index: usize,
}

impl Slot {
    /// Takes a place, unless `max` are taken; exact whatever the number of threads.
    pub(super) fn reserve(server: &Arc<Server>, index: usize, max: Option<NonZeroU32>) -> Option<Slot> {
        let max = max.map_or(u32::MAX, NonZeroU32::get);
        let raise = |now: u32| (now < max).then(|| now + 1);
        server.in_flight.fetch_update(Ordering::SeqCst, Ordering::SeqCst, raise).ok()?;
        Some(Slot { server: Arc::clone(server), index })
    }

    pub fn server(&self) -> &Arc<Server> {
        &self.server
    }

    /// The server's position in the pool, for [`super::retry::Tried`].
    pub fn index(&self) -> usize {
        self.index
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.server.in_flight.fetch_sub(1, Ordering::SeqCst);
        self.server.queue.release();
    }
}

fn encode_state(state: State) -> u8 {
    match state {
        State::Unknown => 0,
        State::Up => 1,
        State::Down => 2,
    }
}

fn decode_state(code: u8) -> State {
    match code {
        1 => State::Up,
        2 => State::Down,
        _ => State::Unknown,
    }
}

fn encode_admin(admin: Admin) -> u8 {
    match admin {
        Admin::Ready => 0,
        Admin::Drain => 1,
        Admin::Maint => 2,
    }
}

fn decode_admin(code: u8) -> Admin {
    match code {
        1 => Admin::Drain,
        2 => Admin::Maint,
        _ => Admin::Ready,
    }
}

#[cfg(test)]
mod tests {
    use super::super::health::Verdict;
    use super::*;

    fn result(passed: bool) -> CheckResult {
        let verdict = if passed { Verdict::AnswerOk } else { Verdict::AnswerUnexpected };
        CheckResult { verdict, code: Some(200), reason: "".into(), took: Duration::from_millis(3) }
    }

    #[test]
    fn status_text_ranks_maint_before_drain_before_health() {
        let server = Server::new("a", Arc::default());
        let checks = Some(Thresholds::default());
        assert_eq!(server.status_text(None, 1), "no check");
        assert_eq!(server.status_text(None, 0), "DRAIN");
        assert_eq!(server.status_text(checks, 1), "DOWN");
        assert_eq!(server.report(result(true), Thresholds::default(), Tick(5)), Some(Transition::Up));
        assert_eq!(server.status_text(checks, 1), "UP");
        assert_eq!(server.report(result(false), Thresholds::default(), Tick(7)), None);
        assert_eq!(server.status_text(checks, 1), "UP 2/3");
        assert_eq!(server.last_change(), Some(Tick(5)));
        server.set_admin(Admin::Drain, Tick(9));
        assert_eq!(server.status_text(checks, 1), "DRAIN");
        server.set_admin(Admin::Maint, Tick(11));
        assert_eq!(server.status_text(checks, 1), "MAINT");
        assert_eq!(server.last_change(), Some(Tick(11)));
        assert_eq!(server.last_check().map(|check| check.at), Some(Tick(7)));
    }

    #[test]
    fn forgotten_checks_let_the_next_result_decide() {
        let server = Server::new("a", Arc::default());
        server.report(result(true), Thresholds::default(), Tick(1));
        server.forget_checks();
        assert_eq!(server.state(), State::Up);
        assert_eq!(server.report(result(false), Thresholds::default(), Tick(2)), Some(Transition::Down));
        assert_eq!(server.state(), State::Down);
        server.forget_checks();
        assert_eq!(server.report(result(true), Thresholds::default(), Tick(3)), Some(Transition::Up));
    }

    #[test]
    fn an_operators_weight_is_capped_and_can_be_taken_back() {
        let server = Server::new("a", Arc::default());
        assert_eq!(server.weight_override(), None);
        server.set_weight(Some(300));
        assert_eq!(server.weight_override(), Some(256));
        server.set_weight(None);
        assert_eq!(server.weight_override(), None);
    }

    #[test]
    fn the_limit_is_exact_under_concurrency() {
        let server = Arc::new(Server::new("a", Arc::default()));
        let max = NonZeroU32::new(3);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..5000 {
                        let slot = Slot::reserve(&server, 0, max);
                        assert!(server.in_flight() <= 3);
                        drop(slot);
                    }
                });
            }
        });
        assert_eq!(server.in_flight(), 0);
    }
}
