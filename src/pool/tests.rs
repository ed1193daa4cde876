use std::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};
use std::time::Duration;
use std::{future::Future, pin::Pin};

use super::balance::Draw;
use super::health::{CheckResult, Verdict};
use super::server::Admin;
use super::*;
use crate::base::clock::{self, Tick};

mod chaos;
mod help;
mod states;

const ONE: Thresholds = Thresholds { rise: 1, fall: 1, slow_above: None };

/// (tier, max_concurrent) of each server; 0 is unlimited. All are up.
fn pool(servers: &[(u32, u32)]) -> Pool {
    pool_of(balance::Kind::RoundRobin, servers)
}

fn pool_of(balance: balance::Kind, servers: &[(u32, u32)]) -> Pool {
    Pool::new(settings(balance, servers))
}

fn settings(balance: balance::Kind, servers: &[(u32, u32)]) -> Settings {
    let queue = Arc::new(Queue::default());
    let member = |(index, (tier, max)): (usize, &(u32, u32))| {
        let server = Arc::new(Server::new(format!("s{index}"), Arc::clone(&queue)));
        report(&server, true);
        Member { server, tier: *tier, weight: 100, max_concurrent: NonZeroU32::new(*max), slow_start: None }
    };
    let members = servers.iter().enumerate().map(member).collect();
    Settings { members, checks: Some(ONE), balance, queue, queue_max: 1000, rules: Rules::default() }
}

fn report(server: &Server, passed: bool) {
    let verdict = if passed { Verdict::AnswerOk } else { Verdict::ConnectFailed };
    let result = CheckResult { verdict, code: None, reason: "".into(), took: Duration::ZERO };
    server.report(result, ONE, Tick(0));
}

fn tried(indexes: &[usize]) -> Tried {
    let mut tried = Tried::default();
    indexes.iter().for_each(|index| tried.insert(*index));
    tried
}

fn ask(tried: &Tried, draw: Draw) -> Ask<'_> {
    Ask { tried, draw, who: Who::default(), only: None }
}

#[track_caller]
fn slot(pick: Pick) -> Slot {
    match pick {
        Pick::Server(slot) => slot,
        other => panic!("{other:?}"),
    }
}

#[track_caller]
fn ticket(pick: Pick) -> Ticket {
    match pick {
        Pick::Wait(ticket) => ticket,
        other => panic!("{other:?}"),
    }
}

/// Where `picks` requests go that each finish at once.
fn order(pool: &Pool, tried: &Tried, picks: usize) -> Vec<usize> {
    (0..picks).map(|_| slot(pool.pick(&ask(tried, Draw::default()))).index()).collect()
}

#[test]
fn requests_go_round_the_servers_of_the_lowest_tier() {
    let pool = pool(&[(2, 0), (1, 0), (1, 0), (1, 0)]);
    assert_eq!(order(&pool, &Tried::default(), 7), [1, 2, 3, 1, 2, 3, 1]);
    assert_eq!(pool.active_tier(Tick(1)), Some(1));
}

#[test]
fn the_next_tier_takes_over_when_the_first_has_nothing_usable() {
    let pool = pool(&[(1, 0), (1, 0), (2, 0), (3, 0)]);
    report(&pool.members()[0].server, false);
    assert_eq!(order(&pool, &Tried::default(), 2), [1, 1]);
    pool.members()[1].server.set_admin(Admin::Drain, Tick(1));
    assert_eq!(order(&pool, &Tried::default(), 2), [2, 2]);
    assert_eq!(pool.active_tier(Tick(1)), Some(2));
    pool.members()[2].server.set_weight(Some(0));
    assert_eq!((order(&pool, &Tried::default(), 1), pool.active_tier(Tick(1))), (vec![3], Some(3)));
    report(&pool.members()[3].server, false);
    assert!(matches!(pool.pick(&ask(&Tried::default(), Draw::default())), Pick::NoServer));
    assert_eq!((pool.active_tier(Tick(1)), pool.usable_count(Tick(1))), (None, 0));
    report(&pool.members()[0].server, true);
    assert_eq!(order(&pool, &Tried::default(), 1), [0]);
}

#[test]
fn a_server_not_checked_yet_takes_no_traffic_unless_the_backend_has_no_checks() {
    let queue = Arc::new(Queue::default());
    let server = Arc::new(Server::new("s", Arc::clone(&queue)));
    let member =
        Member { server: Arc::clone(&server), tier: 1, weight: 1, max_concurrent: None, slow_start: None };
    let with = |checks| {
        let (members, queue) = (vec![member.clone()], Arc::clone(&queue));
        let (balance, rules) = (balance::Kind::RoundRobin, Rules::default());
        Pool::new(Settings { members, checks, balance, queue, queue_max: 1, rules })
    };
    assert!(matches!(
        with(Some(Thresholds::default())).pick(&ask(&Tried::default(), Draw::default())),
        Pick::NoServer
    ));
    assert!(matches!(with(None).pick(&ask(&Tried::default(), Draw::default())), Pick::Server(_)));
    server.assume_up();
    assert!(matches!(
        with(Some(Thresholds::default())).pick(&ask(&Tried::default(), Draw::default())),
        Pick::Server(_)
    ));
}

#[test]
fn a_retry_prefers_another_server_also_of_a_later_tier() {
    let pool = pool(&[(1, 0), (1, 0), (2, 0)]);
    assert_eq!(order(&pool, &tried(&[0]), 2), [1, 1]);
    assert_eq!(order(&pool, &tried(&[0, 1]), 2), [2, 2]);
    assert!(
        pool.has_other(&ask(&tried(&[0, 1]), Draw::default()))
            && !pool.has_other(&ask(&tried(&[0, 1, 2]), Draw::default()))
    );
    let again = order(&pool, &tried(&[0, 1, 2]), 4);
    assert_eq!(
        again.iter().filter(|index| **index == 2).count(),
        0,
        "all tried: the first tier again, {again:?}"
    );
    report(&pool.members()[2].server, false);
    assert!(order(&pool, &tried(&[0, 1]), 4).iter().all(|index| *index < 2));
}

#[test]
fn every_kind_keeps_to_tiers_states_and_untried_servers() {
    for kind in KINDS {
        let pool = pool_of(kind, &[(1, 0), (1, 0), (1, 0), (2, 0)]);
        let seen = |tried: &Tried| {
            let draw = |turn: u64| Draw { key: Some(turn << 40), random: turn << 40, now: Tick(turn) };
            let mut seen: Vec<usize> =
                (0..60).map(|turn| slot(pool.pick(&ask(tried, draw(turn)))).index()).collect();
            seen.sort_unstable();
            seen.dedup();
            seen
        };
        assert!(!seen(&Tried::default()).contains(&3), "{kind:?}");
        assert!(!seen(&tried(&[0])).contains(&0), "{kind:?}");
        pool.members()[0].server.set_admin(Admin::Drain, Tick(1));
        report(&pool.members()[1].server, false);
        assert_eq!(seen(&Tried::default()), [2], "{kind:?}");
        pool.members()[2].server.set_weight(Some(0));
        assert_eq!(seen(&Tried::default()), [3], "{kind:?}");
        pool.members()[3].server.set_admin(Admin::Maint, Tick(1));
        assert!(matches!(pool.pick(&ask(&Tried::default(), Draw::default())), Pick::NoServer), "{kind:?}");
        pool.members()[0].server.set_admin(Admin::Ready, Tick(2));
        assert_eq!(seen(&Tried::default()), [0], "{kind:?}");
    }
}

#[test]
fn a_full_tier_makes_first_attempts_wait_and_retries_move_on() {
    let pool = pool(&[(1, 1), (1, 1), (2, 0)]);
    let held = [
        slot(pool.pick(&ask(&Tried::default(), Draw::default()))),
        slot(pool.pick(&ask(&Tried::default(), Draw::default()))),
    ];
    assert!(matches!(pool.pick(&ask(&Tried::default(), Draw::default())), Pick::Wait(_)));
    assert_eq!(slot(pool.pick(&ask(&tried(&[0]), Draw::default()))).index(), 2);
    drop(held);
    assert!(matches!(pool.pick(&ask(&Tried::default(), Draw::default())), Pick::Server(_)));
}

#[test]
fn a_retry_waits_for_a_full_server_rather_than_go_back_to_the_failed_one() {
    let pool = pool(&[(1, 0), (1, 1)]);
    let held = slot(pool.pick(&ask(&tried(&[0]), Draw::default())));
    assert_eq!(held.index(), 1);
    let ticket = ticket(pool.pick(&ask(&tried(&[0]), Draw::default())));
    assert_eq!(
        slot(pool.pick(&ask(&Tried::default(), Draw::default()))).index(),
        0,
        "others are not held up by it"
    );
    drop(held);
    assert_eq!(slot(pool.resume(&ask(&tried(&[0]), Draw::default()), ticket)).index(), 1);
}

#[test]
fn a_newcomer_does_not_overtake_those_who_wait() {
    let pool = pool(&[(1, 1)]);
    let held = slot(pool.pick(&ask(&Tried::default(), Draw::default())));
    let first = ticket(pool.pick(&ask(&Tried::default(), Draw::default())));
    drop(held);
    let second = ticket(pool.pick(&ask(&Tried::default(), Draw::default())));
    let taken = slot(pool.resume(&ask(&Tried::default(), Draw::default()), first));
    let second = ticket(pool.resume(&ask(&Tried::default(), Draw::default()), second));
    drop(taken);
    block_on(second);
    assert!(
        matches!(pool.pick(&ask(&Tried::default(), Draw::default())), Pick::Server(_)),
        "nobody waits: no gate"
    );
}

#[test]
fn a_full_queue_says_so() {
    let mut pool = pool(&[(1, 1)]);
    pool.queue_max = 1;
    let _held = slot(pool.pick(&ask(&Tried::default(), Draw::default())));
    let _waits = ticket(pool.pick(&ask(&Tried::default(), Draw::default())));
    assert!(matches!(pool.pick(&ask(&Tried::default(), Draw::default())), Pick::QueueFull));
}

#[test]
fn those_who_wait_learn_that_the_last_server_went_down() {
    let pool = pool(&[(1, 1)]);
    let _held = slot(pool.pick(&ask(&Tried::default(), Draw::default())));
    let waits = ticket(pool.pick(&ask(&Tried::default(), Draw::default())));
    report(&pool.members()[0].server, false);
    let waits = block_on(waits);
    assert!(matches!(pool.resume(&ask(&Tried::default(), Draw::default()), waits), Pick::NoServer));
}

#[test]
fn turns_are_exact_over_threads() {
    let pool = pool(&[(1, 0), (1, 0), (1, 0), (1, 0)]);
    let counts = [const { AtomicU32::new(0) }; 4];
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for index in order(&pool, &Tried::default(), 1000) {
                    counts[index].fetch_add(1, Ordering::Relaxed);
                }
            });
        }
    });
    assert_eq!(counts.map(AtomicU32::into_inner), [1000; 4]);
}

/// Many threads, few places: the limit is never passed, everyone is served, nobody sleeps for ever. A lost wake-up is
/// healed by the next request that ends, so it shows only when a round runs out: many short rounds.
#[test]
fn limits_hold_and_no_wake_up_is_lost_under_contention() {
    for kind in KINDS {
        contention(kind);
    }
}

const KINDS: [balance::Kind; 6] = [
    balance::Kind::RoundRobin,
    balance::Kind::LeastConn,
    balance::Kind::Latency,
    balance::Kind::Hash,
    balance::Kind::First,
    balance::Kind::Random,
];

fn contention(kind: balance::Kind) {
    let pool = pool_of(kind, &[(1, 1), (1, 1), (2, 1)]);
    let rounds = AtomicUsize::new(0);
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| watch(&rounds, &done));
        for round in 0..200 {
            thread::scope(|scope| {
                for worker in 0..8 {
                    let pool = &pool;
                    scope.spawn(move || (0..6).for_each(|turn| request(pool, round + worker * 7 + turn * 3)));
                }
            });
            assert!(pool.queue().is_empty());
            assert!(pool.members().iter().all(|member| member.server.in_flight() == 0));
            rounds.fetch_add(1, Ordering::SeqCst);
        }
        done.store(true, Ordering::SeqCst);
    });
    assert!(pool.queue().peak() > 1, "somebody had to wait");
}

/// Some retry, some give up, at once or when they were just told of a place: what loses wake-ups if anything does.
fn request(pool: &Pool, kind: usize) {
    let draw = Draw { key: Some(kind as u64 * 0x9e37_79b9), random: kind as u64, now: Tick(0) };
    let tried = if kind.is_multiple_of(5) { tried(&[0]) } else { Tried::default() };
    let mut pick = pool.pick(&ask(&tried, draw));
    if kind.is_multiple_of(11) && matches!(pick, Pick::Wait(_)) {
        return;
    }
    while let Pick::Wait(ticket) = pick {
        let ticket = block_on(ticket);
        if kind.is_multiple_of(4) {
            return;
        }
        pick = pool.resume(&ask(&tried, draw), ticket);
    }
    let slot = slot(pick);
    assert_eq!(slot.server().in_flight(), 1);
    (0..kind % 4).for_each(|_| thread::yield_now());
}

/// A thread that sleeps for ever cannot be failed from outside: end the process, and say why.
fn watch(rounds: &AtomicUsize, done: &AtomicBool) {
    let mut last = (0, clock::instant());
    while !done.load(Ordering::SeqCst) {
        thread::sleep(Duration::from_millis(5));
        let now = rounds.load(Ordering::SeqCst);
        if now != last.0 {
            last = (now, clock::instant());
        }
        if last.1.elapsed() > Duration::from_secs(20) {
            eprintln!("round {now} does not end: a wake-up was lost");
            std::process::abort();
        }
    }
}

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

/// Waits for the ticket and gives it back.
fn block_on(mut ticket: Ticket) -> Ticket {
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    loop {
        match Pin::new(&mut ticket).poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(()) => return ticket,
            Poll::Pending => thread::park(),
        }
    }
}

#[test]
fn a_request_uses_only_servers_that_it_may_use() {
    let pool = pool(&[(1, 1), (1, 1), (2, 1)]);
    let tried = Tried::default();
    let of = |servers: &[usize]| servers.iter().copied().collect::<Allowed>();
    let (last, middle, none) = (of(&[2]), of(&[1]), of(&[]));
    let only = |allowed, wants| {
        let who = Who { wants, ..Who::default() };
        Ask { only: Some(allowed), who, ..ask(&tried, Draw::default()) }
    };
    let held = slot(pool.pick(&only(&last, 2)));
    assert_eq!(held.index(), 2, "tiers of servers that it may not use do not count");
    let Pick::Wait(_waiting) = pool.pick(&only(&last, 2)) else { panic!("it waits for its own") };
    assert_eq!(
        slot(pool.pick(&only(&middle, 1))).index(),
        1,
        "who waits for another server is not before it"
    );
    assert!(matches!(pool.pick(&only(&none, 9)), Pick::NoServer));
    assert!(!pool.has_usable(&only(&none, 9)) && pool.has_usable(&only(&middle, 1)));
    assert_eq!(pool.back_in_for(Some(&none), Tick(0)), None);
}
