use std::sync::atomic::{AtomicU64, Ordering};

use proptest::prelude::*;

use super::*;

mod tokens;

fn plan(requests_per_minute: u64, concurrent: u32) -> Plan {
    Plan {
        requests_per_minute: (requests_per_minute > 0).then_some(requests_per_minute),
        concurrent: (concurrent > 0).then_some(concurrent),
        tokens_per_minute: None,
    }
}

fn client(n: u8) -> Key {
    Key::digest([n; 32])
}

impl Verdict {
    fn admitted(self) -> Admission {
        match self {
            Verdict::Admitted(admission) => admission,
            Verdict::Denied(denial) => panic!("{denial:?}"),
        }
    }

    fn denied(self) -> Denial {
        match self {
            Verdict::Denied(denial) => denial,
            Verdict::Admitted(admission) => panic!("admitted, {:?}", admission.figures),
        }
    }
}

#[test]
fn a_quiet_client_may_use_the_whole_at_once() {
    let limits = PlanLimits::default();
    for used in 1..=60 {
        let figures = limits.admit(client(1), &plan(60, 0), None, Tick(1000)).admitted().figures;
        let quota = figures.requests.unwrap();
        assert_eq!((quota.limit, quota.remaining), (60, 60 - used));
    }
    let denial = limits.admit(client(1), &plan(60, 0), None, Tick(1000)).denied();
    assert_eq!(denial.limit, Limit::Requests);
    assert_eq!(denial.retry_after, Duration::from_millis(60_001));
    assert_eq!(denial.retry_after_seconds(), 61);
    assert_eq!(denial.figures.requests.unwrap().remaining, 0);
    let _other = limits.admit(client(2), &plan(60, 0), None, Tick(1000)).admitted();
}

#[test]
fn a_client_that_hammers_is_let_in_at_the_time_it_was_told() {
    let limits = PlanLimits::default();
    for _ in 0..10 {
        limits.admit(client(1), &plan(10, 0), None, Tick(500)).admitted();
    }
    let promised = Tick(501) + limits.admit(client(1), &plan(10, 0), None, Tick(501)).denied().retry_after;
    for now in (502..promised.0).step_by(7) {
        let denial = limits.admit(client(1), &plan(10, 0), None, Tick(now)).denied();
        assert_eq!(Tick(now) + denial.retry_after, promised);
    }
    limits.admit(client(1), &plan(10, 0), None, promised).admitted();
    limits.admit(client(1), &plan(10, 0), None, promised).denied();
}

#[test]
fn reset_is_when_all_is_free_again() {
    let limits = PlanLimits::default();
    let quota = limits.admit(client(1), &plan(10, 0), None, Tick(0)).admitted().figures.requests.unwrap();
    let fresh = Tick(0) + quota.reset;
    assert_eq!(limits.table().peek(&client(1), REQUESTS, fresh), Some(0));
    assert_eq!(limits.table().peek(&client(1), REQUESTS, Tick(fresh.0 - 1)), Some(1));
}

#[test]
fn concurrency_is_freed_by_the_permit() {
    let limits = PlanLimits::default();
    let first = limits.admit(client(1), &plan(0, 2), None, Tick(0)).admitted();
    let _second = limits.admit(client(1), &plan(0, 2), None, Tick(0)).admitted();
    let denial = limits.admit(client(1), &plan(0, 2), None, Tick(0)).denied();
    assert_eq!((denial.limit, denial.retry_after_seconds()), (Limit::Concurrency, 1));
    assert_eq!(denial.figures, Figures::default());
    drop(first.permit);
    let _third = limits.admit(client(1), &plan(0, 2), None, Tick(0)).admitted();
}

#[test]
fn what_concurrency_denies_costs_no_request() {
    let limits = PlanLimits::default();
    let _held = limits.admit(client(1), &plan(10, 1), None, Tick(0)).admitted();
    for _ in 0..20 {
        let denial = limits.admit(client(1), &plan(10, 1), None, Tick(0)).denied();
        assert_eq!(denial.limit, Limit::Concurrency);
        assert_eq!(denial.figures.requests.unwrap().remaining, 9);
    }
}

#[test]
fn what_was_used_outlives_a_change_of_the_plan() {
    let limits = PlanLimits::default();
    let held: Vec<_> =
        (0..5).map(|_| limits.admit(client(1), &Plan::default(), None, Tick(0)).admitted()).collect();
    assert_eq!(held[4].figures, Figures::default());
    let denial = limits.admit(client(1), &plan(5, 5), None, Tick(0)).denied();
    assert_eq!(denial.limit, Limit::Requests);
    let denial = limits.admit(client(1), &plan(6, 5), None, Tick(0)).denied();
    assert_eq!(denial.limit, Limit::Concurrency);
    let _more = limits.admit(client(1), &plan(6, 6), None, Tick(0)).admitted();
}

#[test]
fn a_plan_of_nothing_admits_nothing() {
    let limits = PlanLimits::default();
    let nothing = Plan { requests_per_minute: Some(0), ..Plan::default() };
    let denial = limits.admit(client(1), &nothing, None, Tick(0)).denied();
    assert_eq!((denial.limit, denial.retry_after_seconds()), (Limit::Requests, 60));
    let nothing = Plan { concurrent: Some(0), ..Plan::default() };
    assert_eq!(limits.admit(client(1), &nothing, None, Tick(0)).denied().limit, Limit::Concurrency);
}

#[test]
fn clients_are_bounded_and_idle_ones_go_first() {
    let limits = PlanLimits::with_room(2);
    let held = limits.admit(client(0), &plan(1, 0), None, Tick(0)).admitted();
    for n in 1..100 {
        limits.admit(client(n), &plan(1, 0), None, Tick(u64::from(n))).admitted();
    }
    assert_eq!(limits.table().entries(), 2);
    limits.admit(client(0), &plan(1, 0), None, Tick(100)).denied();
    let _more = limits.admit(client(1), &plan(1, 0), None, Tick(100)).admitted();
    let denial = limits.admit(client(2), &plan(1, 0), None, Tick(100)).denied();
    assert_eq!((denial.limit, limits.table().full()), (Limit::Concurrency, 1));
    drop(held);
    limits.admit(client(2), &plan(1, 0), None, Tick(100)).admitted();
    while limits.table().purge(Tick(121_000)) > 0 {}
    assert_eq!(limits.table().entries(), 1, "only what is in flight is remembered");
}

#[test]
fn threads_together_are_admitted_exactly_the_limit() {
    const LIMIT: u64 = 500;
    let limits = PlanLimits::default();
    let admitted = AtomicU64::new(0);
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                for now in 0..1000 {
                    if let Verdict::Admitted(_) = limits.admit(client(1), &plan(LIMIT, 0), None, Tick(now)) {
                        admitted.fetch_add(1, Ordering::Relaxed);
                    }
                }
            });
        }
    });
    assert_eq!(admitted.into_inner(), LIMIT);
}

#[test]
fn threads_together_never_exceed_concurrency() {
    const LIMIT: u64 = 3;
    let limits = PlanLimits::default();
    let in_flight = AtomicU64::new(0);
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                for _ in 0..2000 {
                    if let Verdict::Admitted(admission) =
                        limits.admit(client(1), &plan(0, LIMIT as u32), None, Tick(0))
                    {
                        assert!(in_flight.fetch_add(1, Ordering::SeqCst) < LIMIT);
                        std::thread::yield_now();
                        in_flight.fetch_sub(1, Ordering::SeqCst);
                        drop(admission.permit);
                    }
                }
            });
        }
    });
    for _ in 0..LIMIT {
        std::mem::forget(limits.admit(client(1), &plan(0, LIMIT as u32), None, Tick(0)).admitted());
    }
    limits.admit(client(1), &plan(0, LIMIT as u32), None, Tick(0)).denied();
}

proptest! {
    #[test]
    fn admitted_and_in_flight_never_exceed_the_plan(
        limit in 1u64..30,
        concurrent in 1u32..6,
        steps in prop::collection::vec((0u64..9000, 0usize..4, any::<bool>()), 1..200),
    ) {
        let limits = PlanLimits::default();
        let plan = plan(limit, concurrent);
        let (mut now, mut held, mut admissions) = (Tick(0), Vec::new(), Vec::new());
        for (wait, releases, keep) in steps {
            now = Tick(now.0 + wait);
            held.drain(..releases.min(held.len()));
            match limits.admit(client(1), &plan, None, now) {
                Verdict::Admitted(admission) => {
                    admissions.push(now.0);
                    let quota = admission.figures.requests.unwrap();
                    prop_assert!(quota.remaining < limit);
                    if keep {
                        held.push(admission);
                    }
                }
                Verdict::Denied(denial) => {
                    prop_assert!(denial.retry_after > Duration::ZERO && denial.retry_after_seconds() <= 61);
                    if denial.limit == Limit::Requests {
                        let before = now + (denial.retry_after - Duration::from_millis(1));
                        prop_assert!(limits.table().peek(&client(1), REQUESTS, before).unwrap() >= limit);
                        let after = now + denial.retry_after;
                        prop_assert!(limits.table().peek(&client(1), REQUESTS, after).is_none_or(|rate| rate < limit));
                    } else {
                        prop_assert_eq!(held.len(), concurrent as usize);
                    }
                }
            }
            prop_assert!(held.len() <= concurrent as usize);
            prop_assert!(limits.table().peek(&client(1), REQUESTS, now).unwrap() <= limit);
        }
        // The first minute begins with the first request, and is a minute of the counter.
        let first = admissions.iter().filter(|at| **at < admissions[0] + 60_000).count();
        prop_assert!(first as u64 <= limit);
    }
}
