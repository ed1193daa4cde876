//! One tier helps another out.

use super::*;

fn helped(servers: &[(u32, u32)], help_below: f64) -> Pool {
    let rules = Rules { help_below: Some(help_below), ..Rules::default() };
    Pool::new(Settings { rules, ..settings(balance::Kind::RoundRobin, servers) })
}

fn draw(turn: u64) -> Draw {
    Draw { random: balance::mixed(turn), ..Draw::default() }
}

/// The share of first attempts that the second tier gets.
fn second(pool: &Pool) -> f64 {
    let number = |turn| pool.members()[slot(pool.pick(&ask(&Tried::default(), draw(turn)))).index()].tier;
    (0..4000).filter(|turn| number(*turn) == 2).count() as f64 / 4000.0
}

#[test]
fn the_next_tier_takes_what_the_active_one_lacks() {
    let pool = helped(&[(1, 0), (1, 0), (1, 0), (1, 0), (2, 0), (2, 0)], 0.8);
    let well = Shape { active: Some(1), helping: None };
    assert_eq!((pool.shape(Tick(0)), second(&pool)), (well, 0.0));
    for (down, share) in [(0, 1.0 - 0.75 / 0.8), (1, 1.0 - 0.5 / 0.8), (2, 1.0 - 0.25 / 0.8)] {
        report(&pool.members()[down].server, false);
        assert_eq!(pool.shape(Tick(0)), Shape { helping: Some(2), ..well });
        assert!((second(&pool) - share).abs() < 0.03, "{down}");
    }
    report(&pool.members()[3].server, false);
    assert_eq!(pool.shape(Tick(0)), Shape { active: Some(2), helping: None });
    assert_eq!(second(&pool), 1.0);
    (0..4).for_each(|index| report(&pool.members()[index].server, true));
    assert_eq!((pool.shape(Tick(0)), second(&pool)), (well, 0.0));
}

#[test]
fn a_drained_server_lowers_no_share_and_one_without_weight_neither() {
    let pool = helped(&[(1, 0), (1, 0), (2, 0)], 1.0);
    pool.members()[0].server.set_weight(Some(0));
    assert_eq!(pool.shape(Tick(0)).helping, None, "of those that have a weight");
    pool.members()[0].server.set_weight(None);
    report(&pool.members()[0].server, false);
    report(&pool.members()[2].server, false);
    assert_eq!(pool.shape(Tick(0)), Shape { active: Some(1), helping: None }, "nobody there to help");
}

#[test]
fn a_key_stays_in_its_tier() {
    let pool = helped(&[(1, 0), (1, 0), (2, 0)], 1.0);
    report(&pool.members()[0].server, false);
    for key in 0..200 {
        let keyed = |random| Draw { key: Some(balance::mixed(key)), random, ..Draw::default() };
        let tier = |random| slot(pool.pick(&ask(&Tried::default(), keyed(random)))).index();
        assert_eq!(tier(1), tier(u64::MAX / 3));
    }
}

#[test]
fn two_tiers_that_are_full_let_wait_and_either_serves() {
    let pool = helped(&[(1, 1), (1, 1), (2, 1)], 1.0);
    report(&pool.members()[0].server, false);
    let first = slot(pool.pick(&ask(&Tried::default(), draw(1))));
    let second = slot(pool.pick(&ask(&Tried::default(), draw(1))));
    assert_ne!(first.index(), second.index(), "the other one before waiting");
    let waits = ticket(pool.pick(&ask(&Tried::default(), draw(1))));
    drop(second);
    let waits = block_on(waits);
    assert!(matches!(pool.resume(&ask(&Tried::default(), draw(1)), waits), Pick::Server(_)));
}

#[test]
fn a_tier_on_trial_below_the_active_one_gets_its_trials() {
    let breaker = breaker::Rules { failures: 1, open_for: Duration::from_secs(1), trial_requests: 1 };
    let rules = Rules { help_below: Some(1.0), breaker: Some(breaker), ..Rules::default() };
    let servers = [(1, 1), (2, 0), (2, 0), (3, 0)];
    let pool = Pool::new(Settings { rules, ..settings(balance::Kind::RoundRobin, &servers) });
    report(&pool.members()[1].server, false);
    let mut slot_of_first = slot(pool.pick(&ask(&Tried::default(), draw(1))));
    pool.tell(&mut slot_of_first, Sign::Failed(Trouble::Cut), Tick(0));
    assert_eq!(pool.shape(Tick(1000)), Shape { active: Some(2), helping: Some(3) });
    let at = Draw { now: Tick(1000), ..draw(1) };
    let elsewhere = slot(pool.pick(&ask(&Tried::default(), at)));
    assert_ne!(elsewhere.index(), 0, "it is full: nobody waits for a trial");
    drop(slot_of_first);
    assert_eq!(slot(pool.pick(&ask(&Tried::default(), at))).index(), 0);
}
