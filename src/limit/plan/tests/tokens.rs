//! Tokens: one at a time, against a plain reference, and by 200 clients that share a key.

use std::collections::HashMap;
use std::sync::Barrier;

use super::*;
use crate::base::clock::Clock;

const MINUTE: u64 = 60_000;

fn tokens(limit: u64) -> Plan {
    Plan { tokens_per_minute: Some(limit), ..Plan::default() }
}

fn ask(limits: &PlanLimits, limit: u64, estimate: u64, now: u64) -> Verdict {
    limits.admit(client(1), &tokens(limit), Some(estimate), Tick(now))
}

fn used(limits: &PlanLimits, now: u64) -> u64 {
    limits.table().peek(&client(1), TOKENS, Tick(now)).unwrap_or(0)
}

#[test]
fn a_quiet_client_may_reserve_the_whole_at_once() {
    let limits = PlanLimits::default();
    let first = ask(&limits, 1000, 600, 0).admitted();
    let quota = first.figures.tokens.unwrap();
    assert_eq!((quota.limit, quota.remaining), (1000, 400));
    assert_eq!(first.figures.requests, None);
    assert_eq!(used(&limits, quota.reset.as_millis() as u64), 0);
    let second = ask(&limits, 1000, 400, 0).admitted();
    assert_eq!(second.figures.tokens.unwrap().remaining, 0);
    let denial = ask(&limits, 1000, 1, 0).denied();
    assert_eq!(denial.limit, Limit::Tokens);
    assert_eq!(denial.figures.tokens.unwrap().remaining, 0);
    let _other = limits.admit(client(2), &tokens(1000), Some(1000), Tick(0)).admitted();
}

#[test]
fn a_denied_client_is_let_in_at_the_time_it_was_told() {
    let limits = PlanLimits::default();
    let held = ask(&limits, 1000, 1000, 0).admitted();
    held.permit.settle(1000, Tick(10));
    for (estimate, wait) in [(1, 60_001), (100, 65_941), (500, 89_941), (1000, 119_941), (9000, 119_941)] {
        let denial = ask(&limits, 1000, estimate, 10).denied();
        let promised = 10 + denial.retry_after.as_millis() as u64;
        assert!(promised.abs_diff(wait) < 70, "{estimate}: {promised}");
        let need = estimate.min(1000);
        assert!(used(&limits, promised) + need <= 1000 && used(&limits, promised - 1) + need > 1000);
    }
}

#[test]
fn an_estimate_above_the_limit_passes_alone() {
    let limits = PlanLimits::default();
    let other = ask(&limits, 1000, 1, 0).admitted();
    assert_eq!(ask(&limits, 1000, u64::MAX, 0).denied().limit, Limit::Tokens);
    drop(other);
    let huge = ask(&limits, 1000, u64::MAX, 0).admitted();
    ask(&limits, 1000, 1, 0).denied();
    huge.permit.settle(5000, Tick(5));
    assert_eq!(used(&limits, 5), 5000, "what it used is owed, not cut");
}

#[test]
fn the_truth_takes_the_place_of_the_estimate() {
    let limits = PlanLimits::default();
    let first = ask(&limits, 1000, 900, 0).admitted();
    ask(&limits, 1000, 200, 1).denied();
    first.permit.settle(100, Tick(2));
    assert_eq!(used(&limits, 2), 100);
    first.permit.settle(5000, Tick(3));
    assert!(first.permit.grow(5000, Tick(3)), "what is over does not grow");
    assert_eq!(used(&limits, 3), 100, "only the first settlement counts");
    drop(first);
    assert_eq!(used(&limits, 4), 100, "what is settled is not refunded");
    let second = ask(&limits, 1000, 200, 4).admitted();
    second.permit.settle(3000, Tick(5));
    assert_eq!(used(&limits, 5), 3100);
    let denial = ask(&limits, 1000, 1, 5).denied();
    assert!(denial.retry_after > Duration::from_secs(90), "{denial:?}");
}

#[test]
fn a_request_that_failed_is_refunded_whole() {
    let limits = PlanLimits::default();
    let first = ask(&limits, 1000, 700, 0).admitted();
    let second = ask(&limits, 1000, 200, 0).admitted();
    drop(first);
    assert_eq!(used(&limits, 0), 200);
    let _in_the_next_minute = ask(&limits, 1000, 100, MINUTE).admitted();
    drop(second);
    assert_eq!(used(&limits, MINUTE), 100, "from the minute before");
}

#[test]
fn what_has_faded_is_not_taken_from_others() {
    let limits = PlanLimits::default();
    let slow = ask(&limits, 1000, 1000, 0).admitted();
    let slower = ask(&limits, 2000, 1000, 0).admitted();
    let now = 3 * MINUTE;
    let other = ask(&limits, 1000, 800, now).admitted();
    drop(slow);
    slower.permit.settle(10, Tick(now));
    assert_eq!(used(&limits, now), 800);
    drop(slower);
    drop(other);
    assert_eq!(used(&limits, now), 0);
}

#[test]
fn a_debt_counts_when_it_is_known() {
    let limits = PlanLimits::default();
    let slow = ask(&limits, 1000, 100, 0).admitted();
    slow.permit.settle(2100, Tick(10 * MINUTE));
    assert_eq!(used(&limits, 10 * MINUTE), 2000);
    ask(&limits, 1000, 1, 11 * MINUTE).denied();
}

#[test]
fn all_limits_are_taken_in_one_step_or_none() {
    let limits = PlanLimits::default();
    let plan = Plan { requests_per_minute: Some(2), concurrent: Some(1), tokens_per_minute: Some(1000) };
    let ask = |estimate, now| limits.admit(client(1), &plan, Some(estimate), Tick(now));
    let held = ask(400, 0).admitted();
    let denial = ask(400, 0).denied();
    assert_eq!(denial.limit, Limit::Concurrency);
    assert_eq!(denial.figures.tokens.unwrap().remaining, 600);
    let denial = ask(700, 0).denied();
    assert_eq!(denial.limit, Limit::Tokens);
    assert_eq!(denial.figures.requests.unwrap().remaining, 1);
    held.permit.settle(400, Tick(0));
    drop(held);
    let _second = ask(300, 0).admitted();
    assert_eq!(ask(1, 0).denied().limit, Limit::Requests);
    let denial = ask(1000, 0).denied();
    assert_eq!(denial.limit, Limit::Tokens, "the longer wait is told");
    assert_eq!(denial.figures.tokens.unwrap().remaining, 300);
}

#[test]
fn what_needs_no_tokens_passes_in_debt() {
    let limits = PlanLimits::default();
    ask(&limits, 1000, 1000, 0).admitted().permit.settle(2000, Tick(0));
    let unknown = limits.admit(client(1), &tokens(1000), None, Tick(0)).admitted();
    unknown.permit.settle(7, Tick(0));
    assert_eq!(used(&limits, 0), 2007);
}

#[test]
fn a_plan_of_no_tokens_admits_only_what_needs_none() {
    let limits = PlanLimits::default();
    for estimate in [0, 1, u64::MAX] {
        let denial = ask(&limits, 0, estimate, 0).denied();
        assert_eq!((denial.limit, denial.retry_after_seconds()), (Limit::Tokens, 60));
    }
    limits.admit(client(1), &tokens(0), None, Tick(0)).admitted();
}

#[test]
fn tokens_are_counted_without_a_limit_too() {
    let limits = PlanLimits::default();
    let free = limits.admit(client(1), &Plan::default(), Some(5000), Tick(0)).admitted();
    assert!(free.permit.grow(6000, Tick(0)));
    assert_eq!(used(&limits, 0), 6000);
    ask(&limits, 1000, 1, 0).denied();
    free.permit.settle(900, Tick(1));
    ask(&limits, 1000, 100, 1).admitted();
}

#[test]
fn an_answer_grows_until_the_limit() {
    let limits = PlanLimits::default();
    let answer = ask(&limits, 1000, 100, 0).admitted();
    let _other = ask(&limits, 1000, 700, 0).admitted();
    assert!(answer.permit.grow(50, Tick(1)), "it has reserved more than that");
    assert!(answer.permit.grow(300, Tick(1)));
    assert_eq!(used(&limits, 1), 1000);
    assert!(!answer.permit.grow(301, Tick(2)));
    assert_eq!(used(&limits, 2), 1000);
    assert!(answer.permit.grow(500, Tick(MINUTE + 30_000)), "when the minute fades there is room");
    assert_eq!(used(&limits, MINUTE + 30_000), 700);
    drop(answer);
    assert_eq!(used(&limits, MINUTE + 30_000), 350, "all that still counts is refunded");
}

/// What was counted, by the minute of the counter that it was counted in.
#[derive(Default)]
struct Plain {
    minute: u64,
    counted: HashMap<u64, i128>,
    /// Went over their reservations since the last admission in that minute.
    over: HashMap<u64, i128>,
}

impl Plain {
    fn of(&self, minute: Option<u64>) -> i128 {
        minute.and_then(|minute| self.counted.get(&minute)).copied().unwrap_or(0)
    }

    fn minute_at(&self, now: u64) -> u64 {
        let elapsed = now - self.minute;
        let empty = self.of(Some(self.minute)) == 0 && self.of(self.minute.checked_sub(MINUTE)) == 0;
        match elapsed {
            _ if empty || elapsed >= 2 * MINUTE => now,
            _ if elapsed >= MINUTE => self.minute + MINUTE,
            _ => self.minute,
        }
    }

    fn add(&mut self, amount: u64, now: u64) -> u64 {
        self.minute = self.minute_at(now);
        *self.counted.entry(self.minute).or_default() += i128::from(amount);
        self.minute
    }

    fn read(&self, now: u64) -> i128 {
        let minute = self.minute_at(now);
        let left = i128::from(minute + MINUTE - now);
        self.of(Some(minute)) + self.of(minute.checked_sub(MINUTE)) * left / i128::from(MINUTE)
    }
}

proptest! {
    #[test]
    fn admitted_never_exceeds_the_limit_but_by_what_estimates_missed(
        limit in 1u64..2000,
        steps in prop::collection::vec((0u64..25_000, 0usize..4, 1u64..2500, 0u64..3000), 1..150),
    ) {
        let limits = PlanLimits::default();
        let (mut now, mut plain, mut held) = (1, Plain::default(), Vec::new());
        for (wait, what, amount, place) in steps {
            now += wait;
            if what < 2 || held.is_empty() {
                match ask(&limits, limit, amount, now) {
                    Verdict::Admitted(admission) => {
                        let reserved = amount.min(limit);
                        let minute = plain.add(reserved, now);
                        plain.over.insert(minute, 0);
                        held.push((admission.permit, reserved, minute));
                        prop_assert!(used(&limits, now) <= limit);
                    }
                    Verdict::Denied(denial) => {
                        let fits = |at| plain.read(at) + i128::from(amount.min(limit)) <= i128::from(limit);
                        let promised = now + denial.retry_after.as_millis() as u64;
                        prop_assert!(fits(promised) && !fits(promised - 1), "{} at {}", promised, now);
                    }
                }
            } else {
                let (permit, reserved, minute) = held.swap_remove(place as usize % held.len());
                let truth = if what == 2 { amount } else { 0 };
                if what == 2 {
                    permit.settle(truth, Tick(now));
                }
                drop(permit);
                if truth > reserved {
                    let known_in = plain.add(truth - reserved, now);
                    *plain.over.entry(known_in).or_default() += i128::from(truth - reserved);
                } else if let Some(counted) = plain.counted.get_mut(&minute) {
                    *counted -= i128::from(reserved - truth);
                }
            }
            prop_assert_eq!(i128::from(used(&limits, now)), plain.read(now));
            for (minute, counted) in &plain.counted {
                let over = plain.over.get(minute).copied().unwrap_or(0);
                prop_assert!(*counted <= i128::from(limit) + over, "{} in the minute from {}", counted, minute);
            }
        }
    }
}

/// Small numbers without end, the same in every run.
struct Dice(u64);

impl Dice {
    fn below(&mut self, most: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % most
    }
}

const CLIENTS: u64 = 200;

#[test]
fn two_hundred_clients_of_one_key_never_hold_more_than_the_limit() {
    const LIMIT: u64 = 50_000;
    let limits = PlanLimits::default();
    // At most what the engine counts: raised after it, lowered before it.
    let counted = AtomicU64::new(0);
    std::thread::scope(|scope| {
        for n in 0..CLIENTS {
            let (limits, counted) = (&limits, &counted);
            scope.spawn(move || {
                let mut dice = Dice(n);
                for _ in 0..200 {
                    let estimate = 1 + dice.below(2000);
                    let Verdict::Admitted(admission) = ask(limits, LIMIT, estimate, 7) else { continue };
                    assert!(counted.fetch_add(estimate, Ordering::SeqCst) + estimate <= LIMIT);
                    std::thread::yield_now();
                    let truth = dice.below(estimate / 8 + 1);
                    counted.fetch_sub(estimate - truth, Ordering::SeqCst);
                    if truth > 0 {
                        admission.permit.settle(truth, Tick(7));
                    }
                }
            });
        }
    });
    assert_eq!(used(&limits, 7), counted.into_inner());
}

#[test]
fn in_every_minute_two_hundred_clients_stay_below_the_limit_and_one_error() {
    const LIMIT: u64 = 100_000;
    const ERROR: u64 = 3000;
    let (limits, clock, round_over) = (PlanLimits::default(), Clock::fake(), Barrier::new(CLIENTS as usize));
    // One estimate at a time is wrong, until an admission shows that the debt fits: 3n none, 3n+1 about to be settled,
    // 3n+2 owed.
    let wrong = AtomicU64::new(0);
    let [denied, minute, highest] = [0, 0, 0].map(AtomicU64::new);
    std::thread::scope(|scope| {
        for n in 0..CLIENTS {
            let (limits, clock, round_over) = (&limits, &clock, &round_over);
            let (wrong, denied, minute, highest) = (&wrong, &denied, &minute, &highest);
            let step =
                |from| wrong.compare_exchange(from, from + 1, Ordering::SeqCst, Ordering::SeqCst).is_ok();
            scope.spawn(move || {
                let (mut dice, mut in_flight) = (Dice(n), Vec::new());
                for round in 0..60 {
                    let now = clock.now();
                    let in_first_minute = |at: Tick, tokens| if at.0 < MINUTE { tokens } else { 0 };
                    let estimate = 1 + dice.below(2000);
                    let state = wrong.load(Ordering::SeqCst);
                    match ask(limits, LIMIT, estimate, now.0) {
                        Verdict::Admitted(admission) => {
                            if state % 3 == 2 {
                                step(state);
                            }
                            minute.fetch_add(in_first_minute(now, estimate), Ordering::SeqCst);
                            in_flight.push((admission.permit, estimate, round + dice.below(20), now));
                        }
                        Verdict::Denied(_) => {
                            denied.fetch_add(1, Ordering::Relaxed);
                        }
                    }
                    for (permit, reserved, _, from) in
                        in_flight.extract_if(.., |(_, _, until, _)| *until <= round)
                    {
                        let state = wrong.load(Ordering::SeqCst);
                        if state % 3 == 0 && step(state) {
                            permit.settle(reserved + ERROR, now);
                            minute.fetch_add(in_first_minute(now, ERROR), Ordering::SeqCst);
                            step(state + 1);
                            continue;
                        }
                        // A truth of 0 is a request that failed.
                        let truth = dice.below(4).min(1) * dice.below(reserved + 1);
                        if truth > 0 {
                            permit.settle(truth, now);
                        }
                        drop(permit);
                        minute.fetch_sub(in_first_minute(from, reserved - truth), Ordering::SeqCst);
                    }
                    highest.fetch_max(used(limits, now.0), Ordering::SeqCst);
                    if round_over.wait().is_leader() {
                        clock.advance(Duration::from_millis(4999));
                    }
                    round_over.wait();
                }
            });
        }
    });
    let (errors, denied) = (wrong.into_inner() / 3, denied.into_inner());
    assert!(errors > 10 && denied > 100, "{errors} wrong, {denied} denied");
    let [minute, highest] = [minute, highest].map(AtomicU64::into_inner);
    assert!(
        minute <= LIMIT + ERROR && highest <= LIMIT + ERROR,
        "{minute} in the first minute, at most {highest}"
    );
    assert!(highest > LIMIT, "no estimate that was wrong reached the limit");
}
