//! What answers, checks, operators and time make of servers, as the pool tells and uses it.

use super::*;

const RULES: Rules = Rules {
    breaker: Some(breaker::Rules { failures: 3, open_for: Duration::from_secs(60), trial_requests: 2 }),
    eject: None,
    cooldown: Some(cooldown::Rules { default: Duration::from_secs(5), up_to: Duration::from_secs(600) }),
    help_below: None,
};

const EJECT: eject::Rules = eject::Rules {
    error_rate: 0.3,
    over: 10,
    time: Duration::from_secs(30),
    up_to: Duration::from_secs(300),
    max_ejected: 0.5,
};

const FAILED: Sign = Sign::Failed(Trouble::Status(503));

/// (tier, max_concurrent) of each; no checks.
fn with_rules(servers: &[(u32, u32)], rules: Rules) -> Pool {
    Pool::new(Settings { checks: None, rules, ..settings(balance::Kind::RoundRobin, servers) })
}

/// The same servers after a reload.
fn reloaded(pool: &Pool, rules: Rules) -> Pool {
    Pool::new(Settings {
        members: pool.members().to_vec(),
        checks: pool.checks(),
        balance: pool.balance(),
        queue: Arc::clone(pool.queue()),
        queue_max: 1000,
        rules,
    })
}

fn pick_at(pool: &Pool, now: u64) -> Pick {
    pool.pick(&ask(&Tried::default(), Draw { now: Tick(now), ..Draw::default() }))
}

/// A request to this very server, whoever's turn it is.
fn slot_on(pool: &Pool, index: usize, now: u64) -> Slot {
    let bounds = slot::Bounds { max: None, step: 16, breaker: pool.rules().breaker.as_ref() };
    Slot::reserve(&pool.members()[index].server, index, bounds, Tick(now)).unwrap()
}

fn told(pool: &Pool, index: usize, sign: Sign, now: u64) -> Option<(Status, Status, String)> {
    let change = pool.tell(&mut slot_on(pool, index, now), sign, Tick(now));
    change.map(|change| (change.from, change.to, change.why.into_owned()))
}

fn settled(pool: &Pool, now: u64) -> Vec<(usize, Status, Status, String)> {
    let all = pool.settle(Tick(now)).into_iter();
    all.map(|(index, change)| (index, change.from, change.to, change.why.into_owned())).collect()
}

#[test]
fn a_row_of_failures_takes_a_server_out_and_trials_bring_it_back() {
    let pool = with_rules(&[(1, 0), (1, 0)], RULES);
    assert_eq!((told(&pool, 0, FAILED, 0), told(&pool, 0, FAILED, 0)), (None, None));
    let change = pool.tell(&mut slot_on(&pool, 0, 5000), FAILED, Tick(5000)).unwrap();
    assert_eq!((change.from, change.to), (Status::Up, Status::BreakerOpen));
    assert_eq!(change.why, "3 failures in a row, the last: status 503");
    assert_eq!(change.expected, Some(Duration::from_secs(60)));
    assert_eq!(
        (pool.status_text(0, Tick(6000)), pool.usable(0, Tick(6000))),
        ("DOWN (breaker open)".into(), false)
    );
    assert!((0..4).all(|_| slot(pick_at(&pool, 64_999)).index() == 1));
    let change = pool.settle(Tick(65_000)).pop().unwrap().1;
    assert_eq!(
        (change.to, &*change.why, change.lasted),
        (Status::HalfOpen, "60s are over", Duration::from_secs(60))
    );
    let mut trials = [slot_on(&pool, 0, 65_000), slot_on(&pool, 0, 65_000)];
    assert!(trials.iter().all(Slot::is_trial));
    assert!((0..4).all(|_| slot(pick_at(&pool, 65_000)).index() == 1), "no third trial");
    assert_eq!(pool.tell(&mut trials[0], Sign::Well, Tick(65_100)), None);
    assert_eq!(pool.tell(&mut trials[0], FAILED, Tick(65_100)), None, "told once");
    let change = pool.tell(&mut trials[1], Sign::Well, Tick(66_000)).unwrap();
    assert_eq!(
        (change.from, change.to, &*change.why),
        (Status::HalfOpen, Status::Up, "2 trial requests succeeded")
    );
    assert!(!slot_on(&pool, 0, 66_000).is_trial());
}

#[test]
fn a_dropped_trial_gives_its_place_back_and_a_failed_one_opens_the_breaker_again() {
    let pool = with_rules(&[(1, 0), (2, 0)], RULES);
    (0..3).for_each(|_| _ = told(&pool, 0, FAILED, 0));
    assert_eq!(pool.active_tier(Tick(0)), Some(2));
    let trials = [slot(pick_at(&pool, 60_000)), slot(pick_at(&pool, 60_000))];
    assert_eq!((trials[0].index(), trials[1].index()), (0, 0));
    assert_eq!(slot(pick_at(&pool, 60_000)).index(), 1);
    assert_eq!(pool.active_tier(Tick(60_000)), Some(2), "trials are no failback");
    drop(trials);
    let mut trial = slot(pick_at(&pool, 61_000));
    assert_eq!(trial.index(), 0);
    assert_eq!(settled(&pool, 61_000).len(), 1);
    let change = pool.tell(&mut trial, FAILED, Tick(61_000)).unwrap();
    assert_eq!((change.from, change.to), (Status::HalfOpen, Status::BreakerOpen));
    assert_eq!(slot(pick_at(&pool, 120_999)).index(), 1);
    assert_eq!(slot(pick_at(&pool, 121_000)).index(), 0);
}

#[test]
fn who_finds_only_trials_taken_waits_for_one() {
    let pool = with_rules(&[(1, 0)], RULES);
    (0..3).for_each(|_| _ = told(&pool, 0, FAILED, 0));
    assert!(matches!(pick_at(&pool, 1), Pick::NoServer));
    assert_eq!(pool.back_in(Tick(1000)), Some(Duration::from_secs(59)));
    let mut trials = [slot(pick_at(&pool, 60_000)), slot(pick_at(&pool, 60_000))];
    let (first, second) = (ticket(pick_at(&pool, 60_000)), ticket(pick_at(&pool, 60_000)));
    // Limited is neither a success nor a failure: another may try.
    assert_eq!(
        pool.tell(&mut trials[0], Sign::Limited(Some(Duration::ZERO)), Tick(60_000)).map(|c| c.to),
        Some(Status::HalfOpen)
    );
    let first = block_on(first);
    let at = Draw { now: Tick(60_000), ..Draw::default() };
    let mut again = slot(pool.resume(&ask(&Tried::default(), at), first));
    assert!(pool.tell(&mut again, Sign::Well, Tick(60_000)).is_none());
    assert_eq!(pool.tell(&mut trials[1], Sign::Well, Tick(60_000)).unwrap().to, Status::Up);
    assert!(!slot(pool.resume(&ask(&Tried::default(), at), block_on(second))).is_trial());
}

#[test]
fn a_rate_limited_server_is_left_alone_and_that_is_no_failure() {
    let pool = with_rules(&[(1, 0), (2, 0)], RULES);
    (0..2).for_each(|_| _ = told(&pool, 0, FAILED, 0));
    let limited = Sign::Limited(Some(Duration::from_secs(20)));
    let why = "rate limited, it asks for 20s".to_owned();
    assert_eq!(told(&pool, 0, limited, 0), Some((Status::Up, Status::Cooldown, why)));
    assert_eq!(pool.shape(Tick(19_999)), Shape { active: Some(2), helping: None });
    let at = Tick(20_000);
    assert_eq!((slot(pick_at(&pool, at.0)).index(), pool.active_tier(at)), (0, Some(1)), "no slow start");
    let over = (0, Status::Cooldown, Status::Up, "its cooldown is over".to_owned());
    assert_eq!((settled(&pool, at.0), settled(&pool, at.0)), (vec![over], vec![]));
    assert_eq!(told(&pool, 0, FAILED, at.0).unwrap().1, Status::BreakerOpen, "the row went on");
}

#[test]
fn the_limit_of_one_clients_key_only_puts_a_server_last_in_line() {
    let pool = with_rules(&[(1, 0), (2, 0)], RULES);
    let limited = Sign::ClientLimited(Some(Duration::from_secs(20)));
    assert_eq!(told(&pool, 0, limited, 0).unwrap().1, Status::Slow);
    assert_eq!(slot(pick_at(&pool, 1)).index(), 1);
    pool.members()[1].server.set_admin(Admin::Drain, Tick(1));
    assert_eq!(slot(pick_at(&pool, 1)).index(), 0, "it is not out");
    assert_eq!(settled(&pool, 20_000)[0].2, Status::Up);
    told(&pool, 0, limited, 20_000);
    let off = reloaded(&pool, Rules { cooldown: None, ..RULES });
    assert_eq!(off.status(0, Tick(20_001)), Status::Up);
}

#[test]
fn back_in_is_when_the_first_one_comes_back_by_itself() {
    let pool = with_rules(&[(1, 0), (1, 0)], RULES);
    assert_eq!(pool.back_in(Tick(0)), Some(Duration::ZERO));
    told(&pool, 0, Sign::Limited(Some(Duration::from_secs(30))), 0);
    pool.members()[1].server.set_admin(Admin::Maint, Tick(0));
    assert_eq!(pool.back_in(Tick(10_000)), Some(Duration::from_secs(20)));
    pool.members()[0].server.set_lost(true, Tick(0));
    assert_eq!(pool.back_in(Tick(10_000)), None, "nobody knows");
}

#[test]
fn a_server_that_refuses_our_key_is_last_in_line() {
    let pool = with_rules(&[(1, 0), (2, 0)], RULES);
    assert_eq!(told(&pool, 0, Sign::KeyForbidden, 0).unwrap().1, Status::Misconfigured);
    assert_eq!(told(&pool, 0, Sign::Well, 0).unwrap().1, Status::Up);
    assert_eq!(told(&pool, 0, Sign::KeyForbidden, 0), None, "it took the key before");
    assert_eq!(told(&pool, 0, Sign::KeyRefused, 0).unwrap().1, Status::Misconfigured);
    assert!(pool.usable(0, Tick(0)) && pool.usable_count(Tick(0)) == 2);
    assert_eq!((slot(pick_at(&pool, 1)).index(), pool.active_tier(Tick(1))), (1, Some(2)));
    assert!(
        !pool.has_other(&ask(&tried(&[1]), Draw { now: Tick(1), ..Draw::default() })),
        "an attempt there has nothing to win"
    );
    let again = pool.pick(&ask(&tried(&[1]), Draw { now: Tick(1), ..Draw::default() }));
    assert_eq!(slot(again).index(), 1);
    pool.members()[1].server.set_admin(Admin::Drain, Tick(1));
    assert_eq!((slot(pick_at(&pool, 1)).index(), pool.active_tier(Tick(1))), (0, Some(1)));
    assert_eq!((settled(&pool, 60_000), pool.status(0, Tick(60_000))), (vec![], Status::Misconfigured));
    assert_eq!(slot(pick_at(&pool, 60_000)).index(), 0, "one may look whether it takes the key by now");
    assert_eq!(told(&pool, 0, Sign::KeyRefused, 60_000), None, "that is no news");
    assert_eq!(told(&pool, 0, Sign::Well, 60_001).unwrap().1, Status::Up);
}

#[test]
fn slow_servers_serve_when_nobody_else_does() {
    let thresholds = Thresholds { slow_above: Some(Duration::from_millis(100)), ..ONE };
    let pool = Pool::new(Settings {
        checks: Some(thresholds),
        ..settings(balance::Kind::RoundRobin, &[(1, 0), (1, 0), (2, 0)])
    });
    let check = |index: usize, took| {
        let result = CheckResult {
            verdict: Verdict::AnswerOk,
            code: Some(200),
            reason: "status 200".into(),
            took: Duration::from_millis(took),
        };
        pool.members()[index].server.report(result, thresholds, Tick(5)).map(|change| change.why.into_owned())
    };
    assert_eq!(check(0, 150).as_deref(), Some("its checks take 150ms, slow_above is 100ms"));
    assert_eq!((pool.status(0, Tick(5)), pool.status_text(0, Tick(5))), (Status::Slow, "UP (slow)".into()));
    assert_eq!(order(&pool, &Tried::default(), 3), [1, 1, 1]);
    check(1, 101);
    assert_eq!(order(&pool, &Tried::default(), 2), [2, 2], "a well one of the next tier comes first");
    assert_eq!(order(&pool, &tried(&[2]), 3), [0, 1, 0], "a retry goes to a slow one rather than back");
    check(2, 101);
    assert_eq!(order(&pool, &Tried::default(), 3), [1, 0, 1], "then tiers in order");
    check(0, 20);
    assert_eq!(order(&pool, &Tried::default(), 2), [0, 0]);
}

#[test]
fn no_more_than_a_share_of_a_tier_is_ejected() {
    let rules = Rules { eject: Some(EJECT), ..Rules::default() };
    let pool = with_rules(&[(1, 0), (1, 0), (1, 0), (1, 0), (2, 0)], rules);
    let fail = |index: usize, now| (0..4).filter_map(|_| told(&pool, index, FAILED, now)).next();
    let why = "4 of the last 10 failed, the last: status 503".to_owned();
    assert_eq!(fail(0, 0), Some((Status::Up, Status::Ejected, why)));
    assert_eq!(fail(1, 0).unwrap().1, Status::Ejected);
    assert_eq!((fail(2, 0), fail(4, 0)), (None, None), "two of four, none of one");
    assert_eq!(settled(&pool, 30_000).len(), 2);
    assert_eq!(told(&pool, 2, FAILED, 30_000).unwrap().1, Status::Ejected, "now there is room");
    pool.members()[0].server.set_weight(Some(0));
    pool.members()[1].server.set_weight(Some(0));
    pool.members()[3].server.set_weight(Some(0));
    let changes = settled(&pool, 30_001);
    assert!(changes.contains(&(0, Status::Up, Status::Drain, "weight 0".to_owned())), "{changes:?}");
    let back = "more servers were ejected than max_ejected allows".to_owned();
    assert!(changes.contains(&(2, Status::Ejected, Status::Up, back)), "{changes:?}");
}

#[test]
fn never_more_are_ejected_whatever_the_threads() {
    let rules = Rules { eject: Some(EJECT), ..Rules::default() };
    for _ in 0..50 {
        let pool = with_rules(&[(1, 0); 6], rules);
        let other = reloaded(&pool, rules);
        thread::scope(|scope| {
            for (thread, pool) in [&pool, &other, &pool, &other].into_iter().enumerate() {
                scope.spawn(move || {
                    for turn in 0..60 {
                        let index = (turn + thread) % 6;
                        if pool.usable(index, Tick(0)) {
                            let member = &pool.members()[index].server;
                            let bounds = slot::Bounds { max: None, step: 16, breaker: None };
                            let mut slot = Slot::reserve(member, index, bounds, Tick(0)).unwrap();
                            pool.tell(&mut slot, FAILED, Tick(0));
                        }
                        let out = (0..6).filter(|i| pool.status(*i, Tick(0)) == Status::Ejected).count();
                        assert!(out <= 3);
                    }
                });
            }
        });
        assert_eq!(pool.usable_count(Tick(0)), 3);
    }
}

#[test]
fn a_reload_that_switches_rules_off_undoes_what_they_did() {
    let rules = Rules { eject: Some(EJECT), ..RULES };
    let pool = with_rules(&[(1, 0), (1, 0), (1, 0), (1, 0)], rules);
    (0..3).for_each(|_| _ = told(&pool, 0, FAILED, 0));
    told(&pool, 1, Sign::Limited(None), 0);
    (0..6).for_each(|turn| _ = told(&pool, 2, if turn % 3 == 2 { Sign::Well } else { FAILED }, 0));
    let before: Vec<Status> = (0..4).map(|index| pool.status(index, Tick(1))).collect();
    assert_eq!(before, [Status::BreakerOpen, Status::Cooldown, Status::Ejected, Status::Up]);
    let off = reloaded(&pool, Rules::default());
    assert_eq!(off.usable_count(Tick(1)), 4, "at once");
    assert_eq!(order(&off, &Tried::default(), 4), [0, 1, 2, 3]);
    assert_eq!(pool.usable_count(Tick(1)), 1, "what still runs with the old one keeps to it");
    let undone = |index, from, why: &str| (index, from, Status::Up, why.to_owned());
    assert_eq!(
        settled(&off, 2),
        [
            undone(0, Status::BreakerOpen, "the breaker is off now"),
            undone(1, Status::Cooldown, "cooldown is off now"),
            undone(2, Status::Ejected, "ejection is off now"),
        ]
    );
    assert_eq!(settled(&reloaded(&pool, rules), 3), []);
}

#[test]
fn an_operators_ready_ends_what_traffic_brought() {
    let pool = with_rules(&[(1, 0), (1, 0), (1, 0)], RULES);
    (0..3).for_each(|_| _ = told(&pool, 0, FAILED, 0));
    told(&pool, 1, Sign::Limited(None), 0);
    told(&pool, 2, Sign::KeyRefused, 0);
    for member in pool.members() {
        let (before, change) = member.server.set_admin(Admin::Ready, Tick(1));
        assert_eq!((before, change.unwrap().to), (Admin::Ready, Status::Up));
        assert_eq!(member.server.set_admin(Admin::Ready, Tick(2)).1, None);
    }
    (0..3).for_each(|_| _ = told(&pool, 0, FAILED, 0));
    pool.members()[0].server.forget_traffic(Tick(3));
    let why = "another address or api_key: nothing is known of it".to_owned();
    assert_eq!(settled(&pool, 3), [(0, Status::BreakerOpen, Status::Up, why)]);
}

#[test]
fn what_wins_when_several_things_hold() {
    let pool = with_rules(&[(1, 0), (1, 0)], RULES);
    let server = &pool.members()[0].server;
    let status = || pool.status(0, Tick(10));
    told(&pool, 0, Sign::KeyRefused, 0);
    told(&pool, 0, Sign::Limited(None), 0);
    assert_eq!(status(), Status::Cooldown);
    server.set_lost(true, Tick(1));
    assert_eq!((status(), pool.status_text(0, Tick(10))), (Status::Unresolved, "DOWN (resolution)".into()));
    server.set_weight(Some(0));
    assert_eq!(status(), Status::Drain);
    server.set_admin(Admin::Maint, Tick(2));
    assert_eq!(status(), Status::Maint);
    server.set_weight(None);
    server.set_admin(Admin::Drain, Tick(2));
    assert_eq!(status(), Status::Drain);
    let (_, change) = server.set_admin(Admin::Ready, Tick(3));
    assert_eq!(change.unwrap().to, Status::Unresolved);
    assert_eq!(server.set_lost(false, Tick(4)).unwrap().to, Status::Up, "ready ended the rest");
}

#[test]
fn a_server_that_comes_back_starts_slowly() {
    let slow = |checks| {
        let mut settings = settings(balance::Kind::RoundRobin, &[(1, 0), (1, 16)]);
        settings.members[1].slow_start = Some(Duration::from_secs(16));
        Pool::new(Settings { checks, rules: RULES, ..settings })
    };
    let share = |pool: &Pool, now: u64| {
        let held: Vec<Slot> = (0..17).map(|_| slot(pick_at(pool, now))).collect();
        held.iter().filter(|slot| slot.index() == 1).count()
    };
    let pool = slow(Some(ONE));
    assert_eq!(share(&pool, 0), 8, "not at a cold start");
    report(&pool.members()[1].server, false);
    report(&pool.members()[1].server, true);
    assert_eq!([0, 8_000, 16_000].map(|now| share(&pool, now)), [1, 6, 8]);
    pool.settle(Tick(16_000));
    pool.members()[1].server.set_admin(Admin::Maint, Tick(20_000));
    pool.members()[1].server.set_admin(Admin::Ready, Tick(20_000));
    assert_eq!([20_000, 36_000].map(|now| share(&pool, now)), [1, 8]);
    pool.settle(Tick(40_000));
    (0..3).for_each(|_| _ = told(&pool, 1, FAILED, 40_000));
    (0..2).for_each(|_| _ = told(&pool, 1, Sign::Well, 100_000));
    assert_eq!([100_000, 116_000].map(|now| share(&pool, now)), [1, 8]);
    pool.settle(Tick(120_000));
    told(&pool, 1, Sign::Limited(None), 120_000);
    assert!(share(&pool, 125_000) >= 8, "a cooldown is no recovery");
}

#[test]
fn the_limit_grows_too_and_who_waits_learns_of_it() {
    let mut settings = settings(balance::Kind::RoundRobin, &[(1, 16)]);
    settings.members[0].slow_start = Some(Duration::from_secs(16));
    let pool = Pool::new(settings);
    report(&pool.members()[0].server, false);
    report(&pool.members()[0].server, true);
    pool.settle(Tick(0));
    let _held = slot(pick_at(&pool, 1000));
    let waits = ticket(pick_at(&pool, 1000));
    pool.settle(Tick(2000));
    let at = Draw { now: Tick(2000), ..Draw::default() };
    let _second = slot(pool.resume(&ask(&Tried::default(), at), block_on(waits)));
    assert!(matches!(pick_at(&pool, 2000), Pick::Wait(_)));
}

#[test]
fn what_an_old_request_brings_after_a_reload_does_not_stay() {
    let pool = with_rules(&[(1, 0)], RULES);
    told(&pool, 0, Sign::Well, 0);
    let off = reloaded(&pool, Rules::default());
    off.settle(Tick(1));
    (0..3).for_each(|_| _ = told(&pool, 0, FAILED, 2));
    assert_eq!((off.status(0, Tick(3)), settled(&off, 3)), (Status::Up, vec![]));
    assert_eq!(pool.members()[0].server.flags(), 0, "a success costs nothing again");
}

#[test]
fn a_reload_tells_what_it_changes_and_a_failed_one_changes_nothing() {
    let pool = with_rules(&[(1, 0), (1, 0)], RULES);
    let mut members = pool.members().to_vec();
    members[1].weight = 0;
    let other = Pool::new(Settings { members, ..settings(balance::Kind::RoundRobin, &[]) });
    assert_eq!(settled(&pool, 1), [], "it is not in force");
    drop(other);
    (0..3).for_each(|_| _ = told(&pool, 0, FAILED, 1));
    assert_eq!(settled(&pool, 60_001).len(), 1);
    let mut members = pool.members().to_vec();
    members[1].weight = 0;
    let other = Pool::new(Settings { members, checks: None, ..settings(balance::Kind::RoundRobin, &[]) });
    let off = (0, Status::HalfOpen, Status::Up, "the breaker is off now".to_owned());
    let drained = (1, Status::Up, Status::Drain, "weight 0".to_owned());
    assert_eq!(settled(&other, 60_002), [off, drained]);
    assert_eq!(settled(&other, 60_003), []);
}

#[test]
fn a_check_that_passes_or_fails_says_why() {
    let pool = pool(&[(1, 0)]);
    let check = |passed: bool, reason: &'static str, now| {
        let verdict = if passed { Verdict::AnswerOk } else { Verdict::ConnectFailed };
        let result = CheckResult { verdict, code: None, reason: reason.into(), took: Duration::ZERO };
        pool.members()[0].server.report(result, ONE, Tick(now))
    };
    let change = check(false, "connection refused", 2000).unwrap();
    assert_eq!((change.from, change.to, &*change.why), (Status::Up, Status::Down, "connection refused"));
    assert_eq!(check(false, "connection refused", 3000), None);
    let change = check(true, "status 200", 9000).unwrap();
    assert_eq!((change.to, change.lasted, change.expected), (Status::Up, Duration::from_secs(7), None));
}

#[test]
fn servers_that_could_not_be_reached_are_looked_for_while_nobody_is_usable() {
    let pool = with_rules(&[(1, 0), (2, 0)], RULES);
    let unreachable = Sign::Failed(Trouble::Connect);
    for index in [0, 1] {
        (0..3).for_each(|_| _ = told(&pool, index, unreachable, 0));
        assert_eq!(pool.status(index, Tick(0)), Status::BreakerOpen);
    }
    assert!(matches!(pick_at(&pool, 999), Pick::NoServer));
    assert_eq!(pool.knock_in(None, Tick(400)), Some(Duration::from_millis(600)));
    let first = slot(pick_at(&pool, 1000));
    assert_eq!(first.index(), 0);
    assert_eq!(slot(pick_at(&pool, 1000)).index(), 1, "each of them once a second");
    assert!(matches!(pick_at(&pool, 1000), Pick::NoServer));
    drop(first);
    let mut again = slot(pick_at(&pool, 2000));
    let change = pool.tell(&mut again, Sign::Well, Tick(2000)).unwrap();
    assert_eq!((change.to, &*change.why), (Status::Up, "it answers again"));
    assert_eq!(slot(pick_at(&pool, 2000)).index(), 0);
    assert_eq!(pool.status(1, Tick(2000)), Status::BreakerOpen);
}

#[test]
fn a_server_that_answers_with_errors_is_left_alone_to_the_end() {
    let pool = with_rules(&[(1, 0)], RULES);
    (0..3).for_each(|_| _ = told(&pool, 0, FAILED, 0));
    assert!(matches!(pick_at(&pool, 59_999), Pick::NoServer));
    assert_eq!(pool.knock_in(None, Tick(0)), None);
}

#[test]
fn checks_that_tell_of_a_recovery_let_trials_begin_at_once() {
    let settings = settings(balance::Kind::RoundRobin, &[(1, 0), (2, 0)]);
    let pool = Pool::new(Settings { rules: RULES, ..settings });
    let server = &pool.members()[0].server;
    let fails = |trouble| (0..3).for_each(|_| _ = told(&pool, 0, Sign::Failed(trouble), 10));
    fails(Trouble::Status(500));
    report(server, true);
    assert_eq!(pool.status(0, Tick(10)), Status::BreakerOpen, "its checks were never the reason");
    report(server, false);
    report(server, true);
    assert_eq!(pool.status(0, Tick(10)), Status::HalfOpen, "it was down, and is back");
    server.set_admin(Admin::Ready, Tick(10));
    fails(Trouble::Connect);
    assert_eq!(pool.status(0, Tick(10)), Status::BreakerOpen);
    report(server, true);
    assert_eq!(pool.status(0, Tick(10)), Status::HalfOpen, "nobody could connect, and now one can");
}
