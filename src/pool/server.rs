//! What is known of one server and outlives a reload: how much it has in flight, whether its checks pass, how its
//! answers were, what an operator said. Weight, tier and limit come from the configuration and live in
//! [`super::Member`]; what a status depends on of them is put here by [`super::Pool::settle`].
//!
//! All of it is behind one short lock, which calls nothing and nobody is woken under. The request path does not take it
//! while all is well: it reads the flags, which are written with every change.

use std::borrow::Cow;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use parking_lot::Mutex;

use super::condition::{Condition, flags};
use super::estimate::Estimate;
use super::health::{CheckResult, Health, State, Thresholds, Transition};
use super::queue::Queue;
use super::status::{Change, Status, Trouble, spoken};
use crate::base::clock::Tick;

mod in_pool;

pub use super::slot::Slot;

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
    /// Of `condition`, see [`flags`].
    flags: AtomicU32,
    weight_override: AtomicU32,
    /// 0 is no limit.
    limit_override: AtomicU32,
    first_byte: Estimate,
    condition: Mutex<Condition>,
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
        let condition = Condition::default();
        Server {
            name: name.into(),
            queue,
            in_flight: AtomicU32::new(0),
            flags: AtomicU32::new(condition.flags()),
            weight_override: AtomicU32::new(NO_OVERRIDE),
            limit_override: AtomicU32::new(NO_OVERRIDE),
            first_byte: Estimate::default(),
            condition: Mutex::new(condition),
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

    /// What checks say; where the backend has none, it does not count.
    pub fn state(&self) -> State {
        match self.flags() {
            flags if flags & flags::NOT_CHECKED != 0 => State::Unknown,
            flags if flags & flags::DOWN != 0 => State::Down,
            _ => State::Up,
        }
    }

    pub fn admin(&self) -> Admin {
        match self.flags() {
            flags if flags & flags::MAINT != 0 => Admin::Maint,
            flags if flags & flags::DRAIN != 0 => Admin::Drain,
            _ => Admin::Ready,
        }
    }

    /// Applies an operator's word; those who wait look again. Gives what held before.
    ///
    /// After maintenance the state is that of before, and the next check decides alone: what is known is old. `Ready`
    /// also ends what traffic brought: an open breaker, an ejection, a cooldown, a refused key.
    pub fn set_admin(&self, admin: Admin, now: Tick) -> (Admin, Option<Change>) {
        let mut before = admin;
        let why = match admin {
            Admin::Ready => "set to ready by an operator",
            Admin::Drain => "set to drain by an operator",
            Admin::Maint => "set to maint by an operator",
        };
        let change = self.mutate(now, |condition| {
            before = std::mem::replace(&mut condition.admin, admin);
            if before == Admin::Maint && admin != Admin::Maint {
                condition.health.doubt();
            }
            if admin == Admin::Ready {
                condition.is_well();
                if before == Admin::Maint {
                    condition.back = Some(now);
                }
            }
            Some(Cow::Borrowed(why))
        });
        (before, change)
    }

    pub fn lost(&self) -> bool {
        self.flags() & flags::LOST != 0
    }

    /// Says whether the server's name has an address.
    pub fn set_lost(&self, lost: bool, now: Tick) -> Option<Change> {
        if self.lost() == lost {
            return None;
        }
        self.mutate(now, |condition| {
            condition.lost = lost;
            let words = if lost { "its name has no address" } else { "its name has an address again" };
            Some(Cow::Borrowed(words))
        })
    }

    /// The weight an operator set at run time, if any.
    pub fn weight_override(&self) -> Option<u16> {
        u16::try_from(self.weight_override.load(Ordering::Relaxed)).ok()
    }

    /// Sets the weight over the configured one (at most 256); `None` returns to the configured one. A change of status
    /// by it is told by [`super::Pool::settle`].
    pub fn set_weight(&self, weight: Option<u16>) {
        let value = weight.map_or(NO_OVERRIDE, |weight| u32::from(weight.min(256)));
        self.weight_override.store(value, Ordering::SeqCst);
        self.queue.wake_all();
    }

    /// The `max_concurrent` that an operator set at run time, if any; within it, `None` is no limit.
    pub fn limit_override(&self) -> Option<Option<NonZeroU32>> {
        match self.limit_override.load(Ordering::Relaxed) {
            NO_OVERRIDE => None,
            limit => Some(NonZeroU32::new(limit)),
        }
    }

    /// Sets the limit over the configured one, 0 is none; `None` returns to the configured one. A lower limit waits for
    /// what is in flight, it ends nothing.
    pub fn set_limit(&self, limit: Option<u32>) {
        let value = limit.map_or(NO_OVERRIDE, |limit| limit.min(NO_OVERRIDE - 1));
        self.limit_override.store(value, Ordering::SeqCst);
        self.queue.wake_all();
    }

    /// What is thought of its time to first byte; told by whoever asks it, read by the balancer.
    pub fn first_byte(&self) -> &Estimate {
        &self.first_byte
    }

    /// Takes a check's result in. A change is for the caller to log, count and alert; those who wait are woken.
    pub fn report(&self, result: CheckResult, thresholds: Thresholds, now: Tick) -> Option<Change> {
        self.mutate(now, |condition| {
            let mut why = Some(result.reason.clone());
            if condition.placed.is_none() {
                condition.begin_checks(thresholds);
            }
            let before = condition.state;
            // At another address, or at the start, it is new: it did not come back.
            let known = condition.health.state() != State::Unknown;
            match condition.health.observe(result.passed(), thresholds) {
                Some(Transition::Up) => condition.state = State::Up,
                Some(Transition::Down) => condition.state = State::Down,
                None => {}
            }
            let recovered = known && before == State::Down && condition.state == State::Up;
            if recovered {
                condition.back = Some(now);
            }
            let no_connection = matches!(condition.trouble, Some(Trouble::Connect | Trouble::ConnectTimeout));
            if recovered || (result.passed() && no_connection) {
                condition.came_back(now);
            }
            if result.passed() && condition.slowness.observe(result.took, thresholds) {
                why = slow_why(result.took, thresholds, condition.slowness.is_slow());
            }
            condition.last_check = Some(LastCheck { at: now, result });
            why
        })
    }

    /// Counts it as up until checks say otherwise: for a reload that adds checks to a backend that serves already.
    pub fn assume_up(&self) {
        let mut condition = self.condition.lock();
        (condition.health, condition.last_check) = (Health::assumed_up(), None);
        condition.state = State::Up;
        condition.pending = Some("it counts as up until checks say otherwise");
        self.publish(&condition);
        drop(condition);
        self.queue.wake_all();
    }

    /// What the checks said was said of another address: the next result decides at once, like the first. Until then it
    /// counts as before.
    pub fn forget_checks(&self) {
        let mut condition = self.condition.lock();
        condition.health = Health::default();
        condition.slowness.doubt();
    }

    /// Another address or another key: breaker, ejection, cooldown, key and the estimate begin anew. A change of status
    /// by it is told by [`super::Pool::settle`].
    pub fn forget_traffic(&self, _now: Tick) {
        let mut condition = self.condition.lock();
        condition.forget_traffic();
        self.first_byte.forget();
        self.publish(&condition);
        drop(condition);
        self.queue.wake_all();
    }

    /// How long to wait before the next check: `fast_interval` while the state may change.
    pub fn next_interval(&self, interval: Duration, fast_interval: Duration) -> Duration {
        let condition = self.condition.lock();
        if condition.state == State::Up && condition.slowness.is_changing() {
            return fast_interval.min(interval);
        }
        condition.health.next_interval(interval, fast_interval)
    }

    /// When the status last changed; `None` before the first result.
    pub fn last_change(&self) -> Option<Tick> {
        self.condition.lock().last_change
    }

    pub fn last_check(&self) -> Option<LastCheck> {
        self.condition.lock().last_check.clone()
    }

    /// The one way to change it: flags, the change to tell and waiters follow. `how` says why.
    fn mutate(
        &self,
        now: Tick,
        how: impl FnOnce(&mut Condition) -> Option<Cow<'static, str>>,
    ) -> Option<Change> {
        let change = self.mutate_quietly(now, how);
        if change.is_some() {
            self.queue.wake_all();
        }
        change
    }

    /// Without waking those who wait.
    fn mutate_quietly(
        &self,
        now: Tick,
        how: impl FnOnce(&mut Condition) -> Option<Cow<'static, str>>,
    ) -> Option<Change> {
        let mut condition = self.condition.lock();
        condition.advance(now);
        let before = self.status_of(&condition, now);
        let why = how(&mut condition);
        self.tell_change(&mut condition, before, why, now)
    }

    fn status_of(&self, condition: &Condition, now: Tick) -> Status {
        condition.status(&condition.place_now(self.weight_override()), now)
    }

    /// `why` is told if it was not `before` already: else it was time, or a state that hid behind another.
    fn tell_change(
        &self,
        condition: &mut Condition,
        before: Status,
        why: Option<Cow<'static, str>>,
        now: Tick,
    ) -> Option<Change> {
        let place = condition.place_now(self.weight_override());
        let why = why.filter(|_| condition.status(&place, now) != before);
        let change = condition.change(&place, why, now);
        self.publish(condition);
        change
    }

    fn publish(&self, condition: &Condition) {
        // SeqCst: pairs with the queue's count of waiters, as `in_flight` does.
        self.flags.store(condition.flags(), Ordering::SeqCst);
    }
}

fn slow_why(took: Duration, thresholds: Thresholds, slow: bool) -> Option<Cow<'static, str>> {
    let limit = spoken(thresholds.slow_above?);
    let words = if slow { "slow_above is" } else { "not above slow_above," };
    Some(Cow::Owned(format!("its checks take {}, {words} {limit}", spoken(took))))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pool::Rules;
    use crate::pool::condition::Place;
    use crate::pool::health::Verdict;

    fn result(passed: bool) -> CheckResult {
        let verdict = if passed { Verdict::AnswerOk } else { Verdict::AnswerUnexpected };
        CheckResult { verdict, code: Some(200), reason: "".into(), took: Duration::from_millis(3) }
    }

    fn place(checks: Option<Thresholds>, weight: u16) -> Place {
        Place { checks, rules: Rules::default(), slow_start: None, weight }
    }

    fn report(server: &Server, passed: bool, now: u64) -> Option<(Status, Status)> {
        let change = server.report(result(passed), Thresholds::default(), Tick(now));
        change.map(|change| (change.from, change.to))
    }

    #[test]
    fn status_text_ranks_maint_before_drain_before_health() {
        let server = Server::new("a", Arc::default());
        let checks = Some(Thresholds::default());
        let text = |checks, weight| server.status_text(&place(checks, weight), Tick(20));
        assert_eq!(text(None, 1), "no check");
        assert_eq!(text(None, 0), "DRAIN");
        assert_eq!(text(checks, 1), "DOWN");
        assert_eq!(report(&server, true, 5), Some((Status::NotChecked, Status::Up)));
        assert_eq!(text(checks, 1), "UP");
        assert_eq!(report(&server, false, 7), None);
        assert_eq!(text(checks, 1), "UP 2/3");
        assert_eq!(server.last_change(), Some(Tick(5)));
        let (before, change) = server.set_admin(Admin::Drain, Tick(9));
        assert_eq!(
            (before, change.map(|change| change.lasted)),
            (Admin::Ready, Some(Duration::from_millis(4)))
        );
        assert_eq!(text(checks, 1), "DRAIN");
        server.set_admin(Admin::Maint, Tick(11));
        assert_eq!(text(checks, 1), "MAINT");
        assert_eq!(server.last_change(), Some(Tick(11)));
        assert_eq!(server.last_check().map(|check| check.at), Some(Tick(7)));
    }

    #[test]
    fn forgotten_checks_let_the_next_result_decide() {
        let server = Server::new("a", Arc::default());
        report(&server, true, 1);
        server.forget_checks();
        assert_eq!(server.state(), State::Up);
        assert_eq!(report(&server, false, 2), Some((Status::Up, Status::Down)));
        assert_eq!(server.state(), State::Down);
        server.forget_checks();
        assert_eq!(report(&server, true, 3), Some((Status::Down, Status::Up)));
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
    fn an_operators_limit_may_be_none_and_can_be_taken_back() {
        let server = Server::new("a", Arc::default());
        assert_eq!(server.limit_override(), None);
        server.set_limit(Some(0));
        assert_eq!(server.limit_override(), Some(None));
        server.set_limit(Some(u32::MAX));
        assert_eq!(server.limit_override(), Some(NonZeroU32::new(u32::MAX - 1)));
        server.set_limit(None);
        assert_eq!(server.limit_override(), None);
    }

    /// With the lock held by somebody else, a request goes through.
    #[test]
    fn while_all_is_well_a_request_takes_no_lock_of_its_server() {
        use crate::pool::{Ask, Member, Pick, Pool, Settings, Sign, Tried, balance, breaker, eject};
        let second = Duration::from_secs(1);
        let breaker = Some(breaker::Rules { failures: 5, open_for: second, trial_requests: 3 });
        let eject =
            Some(eject::Rules { error_rate: 0.3, over: 10, time: second, up_to: second, max_ejected: 0.5 });
        let server = Arc::new(Server::new("a", Arc::default()));
        report(&server, true, 0);
        let member = |tier| Member {
            server: Arc::clone(&server),
            tier,
            weight: 1,
            max_concurrent: std::num::NonZeroU32::new(9),
            slow_start: Some(second),
        };
        let pool = Pool::new(Settings {
            members: vec![member(1), member(2)],
            checks: Some(Thresholds { slow_above: Some(second), ..Thresholds::default() }),
            balance: balance::Kind::LeastConn,
            queue: Arc::clone(&server.queue),
            queue_max: 1,
            rules: Rules { breaker, eject, cooldown: None, help_below: Some(1.0) },
        });
        let request = move || {
            let (tried, draw, who) = (Tried::default(), balance::Draw::default(), Default::default());
            let Pick::Server(mut slot) = pool.pick(&Ask { tried: &tried, draw, who, only: None }) else {
                panic!()
            };
            pool.tell(&mut slot, Sign::Well, Tick(0))
        };
        request();
        let _held = server.condition.lock();
        let (done, wait) = std::sync::mpsc::channel();
        std::thread::spawn(move || done.send(request()));
        assert_eq!(wait.recv_timeout(Duration::from_secs(10)), Ok(None));
    }
}
