//! Whatever happens in whatever order: places come back, nobody goes where nothing goes, limits hold.

use proptest::prelude::*;

use super::*;
use crate::pool::balance::mixed;

fn rules() -> Rules {
    let second = Duration::from_secs(1);
    Rules {
        breaker: Some(breaker::Rules { failures: 2, open_for: second, trial_requests: 2 }),
        eject: Some(eject::Rules {
            error_rate: 0.3,
            over: 5,
            time: second,
            up_to: 4 * second,
            max_ejected: 0.5,
        }),
        cooldown: Some(cooldown::Rules { default: second, up_to: 5 * second }),
        help_below: Some(0.7),
    }
}

/// Two tiers, some limits, one slow start.
fn chaotic(kind: balance::Kind) -> Pool {
    let mut settings = settings(kind, &[(1, 3), (1, 0), (1, 2), (2, 2), (2, 0)]);
    settings.members[0].slow_start = Some(Duration::from_secs(3));
    Pool::new(Settings { rules: rules(), ..settings })
}

fn sign(code: usize) -> Sign {
    match code % 9 {
        0..=2 => Sign::Failed(Trouble::Status(500)),
        3 => Sign::Failed(Trouble::Connect),
        4 => Sign::Limited(None),
        5 => Sign::Limited(Some(Duration::from_secs(2))),
        6 => Sign::KeyRefused,
        7 => Sign::KeyForbidden,
        _ => Sign::Well,
    }
}

/// Nothing is left behind: counts are at zero, and with good answers everything is well after a while.
fn recovers(pool: &Pool, from: Tick) {
    assert!(pool.queue().is_empty());
    assert!(pool.members().iter().all(|member| member.server.in_flight() == 0));
    let mut now = from;
    for member in pool.members() {
        member.server.set_admin(Admin::Maint, now);
        member.server.set_weight(None);
        member.server.set_lost(false, now);
        report(&member.server, true);
    }
    for index in 0..pool.members().len() {
        pool.members()[index].server.set_admin(Admin::Drain, now);
        now = now + Duration::from_secs(70);
        let server = &pool.members()[index].server;
        // Not by `Ready`, which would close the breaker: by trials.
        let status = |now| pool.status(index, now);
        assert_eq!(status(now), Status::Drain);
        let bounds = |max| slot::Bounds { max, step: 16, breaker: pool.rules().breaker.as_ref() };
        for _ in 0..2 {
            let mut trial = Slot::reserve(server, index, bounds(None), now).expect("a place for a trial");
            pool.tell(&mut trial, Sign::Well, now);
        }
        server.set_admin(Admin::Ready, now);
        assert_eq!(status(now), Status::Up);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    /// Picks, signs, drops, checks, operators and time in any order.
    #[test]
    fn permits_and_trials_come_back_and_nobody_goes_where_nothing_goes(
        kind in 0usize..6,
        steps in prop::collection::vec((0u8..20, any::<u16>()), 0..300),
    ) {
        let pool = chaotic(KINDS[kind]);
        let (mut now, mut slots, mut tickets) = (Tick(0), Vec::<Slot>::new(), Vec::<Ticket>::new());
        for (step, value) in steps {
            let value = usize::from(value);
            let member = &pool.members()[value % 5].server;
            let tried = if value % 3 == 0 { tried(&[value / 3 % 5]) } else { Tried::default() };
            let draw = Draw { key: Some(mixed(value as u64)), random: mixed(value as u64), now };
            let well = |index: usize| pool.look(&pool.members()[index], now).standing == condition::Standing::Well;
            let any_well = (0..5).any(well);
            let picked = match step {
                0..=6 => Some(pool.pick(&ask(&tried, draw))),
                7 if !tickets.is_empty() => {
                    let ticket = tickets.swap_remove(value % tickets.len());
                    Some(pool.resume(&ask(&tried, draw), ticket))
                }
                _ => None,
            };
            match picked {
                Some(Pick::Server(slot)) => {
                    // Nobody is usable: it looks whether one answers again that could not be reached.
                    let knocks = slot.knocks() && pool.usable_count(now) == 0;
                    prop_assert!(knocks || pool.usable(slot.index(), now));
                    if tried.is_empty() && any_well && pool.rules().breaker.is_some() {
                        let all_on_trial = (0..5).filter(|index| well(*index))
                            .all(|index| pool.look(&pool.members()[index], now).half_open);
                        prop_assert!(well(slot.index()) || all_on_trial);
                    }
                    slots.push(slot);
                }
                Some(Pick::Wait(ticket)) => tickets.push(ticket),
                Some(Pick::NoServer) => prop_assert_eq!(pool.usable_count(now), 0),
                Some(Pick::QueueFull) | None => {}
            }
            match step {
                8..=11 if !slots.is_empty() => {
                    let mut slot = slots.swap_remove(value % slots.len());
                    let change = pool.tell(&mut slot, sign(value / 7), now);
                    prop_assert!(change.is_none_or(|change| change.from != change.to));
                    if value % 5 == 0 {
                        slots.push(slot);
                    }
                }
                12 if !slots.is_empty() => drop(slots.swap_remove(value % slots.len())),
                13 if !tickets.is_empty() => drop(tickets.swap_remove(value % tickets.len())),
                14 => now = now + Duration::from_millis(value as u64 % 3000),
                15 => {
                    pool.settle(now);
                    prop_assert!(pool.settle(now).is_empty(), "once is enough");
                }
                16 => report(member, value / 5 % 3 != 0),
                17 => _ = member.set_admin([Admin::Ready, Admin::Drain, Admin::Maint][value / 5 % 3], now),
                18 => member.set_weight([None, Some(0), Some(7)][value / 5 % 3]),
                19 => _ = member.set_lost(value / 5 % 2 == 0, now),
                _ => {}
            }
            for (index, max) in [(0, 3), (2, 2), (3, 2)] {
                prop_assert!(pool.members()[index].server.in_flight() <= max);
            }
            let out = |from: usize, to: usize| (from..to).filter(|index| pool.members()[*index].server.is_ejected(now));
            prop_assert!(out(0, 3).count() <= 1 && out(3, 5).count() <= 1);
        }
        slots.clear();
        tickets.clear();
        recovers(&pool, now);
    }
}

/// Threads that ask, wait, fail, give up and tell, while another lets time go on.
#[test]
fn everything_comes_back_over_threads() {
    for (round, kind) in KINDS.into_iter().enumerate() {
        let pool = chaotic(kind);
        let (time, running) = (AtomicUsize::new(0), AtomicUsize::new(4));
        thread::scope(|scope| {
            for worker in 0..4usize {
                let (pool, time, running) = (&pool, &time, &running);
                scope.spawn(move || {
                    for turn in 0..1500usize {
                        let dice = mixed((round * 10 + worker) as u64 * 1_000_003 + turn as u64) as usize;
                        chaotic_request(pool, dice, time);
                    }
                    running.fetch_sub(1, Ordering::SeqCst);
                });
            }
            scope.spawn(|| {
                while running.load(Ordering::SeqCst) > 0 {
                    let now = Tick(time.fetch_add(100, Ordering::SeqCst) as u64);
                    pool.settle(now);
                    pool.shape(now);
                    thread::yield_now();
                }
            });
        });
        recovers(&pool, Tick(time.load(Ordering::SeqCst) as u64));
    }
}

fn chaotic_request(pool: &Pool, dice: usize, time: &AtomicUsize) {
    let now = || Tick(time.load(Ordering::SeqCst) as u64);
    let tried = if dice.is_multiple_of(4) { tried(&[dice / 4 % 5]) } else { Tried::default() };
    let draw = |now| Draw { key: Some(dice as u64), random: dice as u64, now };
    let mut pick = pool.pick(&ask(&tried, draw(now())));
    while let Pick::Wait(ticket) = pick {
        let ticket = block_on(ticket);
        if dice.is_multiple_of(7) {
            return;
        }
        pick = pool.resume(&ask(&tried, draw(now())), ticket);
    }
    let Pick::Server(mut slot) = pick else { return };
    let max = pool.members()[slot.index()].max_concurrent.map_or(u32::MAX, NonZeroU32::get);
    assert!(slot.server().in_flight() <= max);
    (0..dice % 3).for_each(|_| thread::yield_now());
    if !dice.is_multiple_of(5) {
        let sign = if dice.is_multiple_of(3) { sign(dice / 15) } else { Sign::Well };
        pool.tell(&mut slot, sign, now());
    }
}

/// A breaker that half-opens under many threads lets exactly its trials through.
#[test]
fn threads_share_the_trials_of_a_server() {
    for _ in 0..200 {
        let rules = Rules { eject: None, help_below: None, ..rules() };
        let pool = Pool::new(Settings { rules, ..settings(balance::Kind::First, &[(1, 0), (2, 0)]) });
        let failed = Sign::Failed(Trouble::Cut);
        (0..2).for_each(|_| {
            _ = pool.tell(&mut slot(pool.pick(&ask(&Tried::default(), Draw::default()))), failed, Tick(0))
        });
        let draw = Draw { now: Tick(1000), ..Draw::default() };
        let one = || (0..3).map(|_| slot(pool.pick(&ask(&Tried::default(), draw)))).collect::<Vec<_>>();
        let slots: Vec<Slot> = thread::scope(|scope| {
            let threads: Vec<_> = (0..4).map(|_| scope.spawn(one)).collect();
            threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
        });
        let trials: Vec<Slot> = slots.into_iter().filter(|slot| slot.index() == 0).collect();
        assert_eq!((trials.len(), trials.iter().all(Slot::is_trial)), (2, true));
        let changes: Vec<Change> = thread::scope(|scope| {
            let tell = |mut slot: Slot| pool.tell(&mut slot, Sign::Well, Tick(1001));
            let threads: Vec<_> = trials.into_iter().map(|slot| scope.spawn(move || tell(slot))).collect();
            threads.into_iter().filter_map(|thread| thread.join().unwrap()).collect()
        });
        let told = |status| changes.iter().filter(|change| change.to == status).count();
        assert_eq!((told(Status::Up), changes.len() <= 2), (1, true), "each is told once: {changes:?}");
    }
}

#[test]
fn round_robin_stays_exact_with_every_rule_on() {
    let pool = Pool::new(Settings { rules: rules(), ..settings(balance::Kind::RoundRobin, &[(1, 0); 4]) });
    let next = || {
        let mut slot = slot(pool.pick(&ask(&Tried::default(), Draw::default())));
        pool.tell(&mut slot, Sign::Well, Tick(0));
        slot.index() + 1
    };
    assert_eq!([(); 5].map(|()| next()), [1, 2, 3, 4, 1]);
}
