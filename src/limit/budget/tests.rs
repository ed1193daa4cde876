use std::sync::Arc;

use super::*;

mod clock;
mod property;
mod told;

/// 2026-11-21 12:00:00 UTC.
const NOON: Duration = Duration::from_secs(20_778 * 86_400 + 43_200);

const HOUR: Duration = Duration::from_secs(3600);

fn daily(micro_dollars: u64) -> Cap {
    Cap { micro_dollars, per: Period::Day, alert_at: 0.8 }
}

fn monthly(micro_dollars: u64) -> Cap {
    Cap { per: Period::Month, ..daily(micro_dollars) }
}

fn purse() -> Arc<Purse> {
    Arc::new(Purse::default())
}

fn account(purse: &Arc<Purse>, cap: Cap) -> Account {
    Account { purse: purse.clone(), cap: Some(cap) }
}

fn uncapped(purse: &Arc<Purse>) -> Account {
    Account { purse: purse.clone(), cap: None }
}

fn spent(day: u64, month: u64, reserved: u64) -> Spent {
    Spent { day, month, reserved }
}

/// A call that ends at once.
fn pay(account: Account, truth: u64, unix: Duration) -> Vec<Crossing> {
    Wallet::reserve([account], 0, unix).unwrap().settle(truth, unix).iter().copied().collect()
}

#[test]
fn a_call_reserves_its_estimate_and_settles_with_the_truth() {
    let purse = purse();
    let wallet = Wallet::reserve([account(&purse, daily(100))], 60, NOON).unwrap();
    assert_eq!(purse.spent(NOON), spent(0, 0, 60));
    assert_eq!(purse.spent(NOON).left(&daily(100)), 40);
    assert!(wallet.settle(20, NOON).is_empty());
    assert_eq!(purse.spent(NOON), spent(20, 20, 0));
    assert_eq!(purse.spent(NOON).left(&daily(100)), 80);
    assert_eq!(purse.spent(NOON).left(&daily(10)), 0);
}

#[test]
fn what_is_left_is_reserved_to_the_last_micro_dollar() {
    let purse = purse();
    pay(account(&purse, daily(100)), 30, NOON);
    let _flight = Wallet::reserve([account(&purse, daily(100))], 30, NOON).unwrap();
    let most = Wallet::reserve([account(&purse, daily(100))], 39, NOON).unwrap();
    assert_eq!(purse.spent(NOON).reserved, 69);
    let _last = Wallet::reserve([account(&purse, daily(100))], 39, NOON).unwrap();
    assert_eq!(purse.spent(NOON).reserved, 70, "cut to what was left");
    Wallet::reserve([account(&purse, daily(100))], 1, NOON).unwrap_err();
    drop(most);
    let _fits = Wallet::reserve([account(&purse, daily(100))], 39, NOON).unwrap();
    assert_eq!(purse.spent(NOON).reserved, 70);
}

#[test]
fn a_refusal_says_whether_waiting_for_other_calls_may_help() {
    let purse = purse();
    pay(account(&purse, daily(100)), 30, NOON);
    let flight = Wallet::reserve([account(&purse, daily(100))], 70, NOON).unwrap();
    let refuse = |estimate| Wallet::reserve([account(&purse, daily(100))], estimate, NOON).unwrap_err();
    for estimate in [1, 70, 71, 5000, u64::MAX] {
        let refusal = refuse(estimate);
        assert_eq!((refusal.used_up, refusal.spent, refusal.crossing()), (false, 30, None));
        assert_eq!(refusal.resets_at, NOON + 12 * HOUR);
    }
    pay(account(&purse, daily(100)), 69, NOON);
    assert!(!refuse(1).used_up, "a micro-dollar is not spent");
    pay(account(&purse, daily(100)), 1, NOON);
    assert!(refuse(1).used_up);
    drop(flight);
    assert!(refuse(1).used_up);
}

#[test]
fn an_absurd_estimate_is_cut_to_what_is_left_and_uses_nothing_up() {
    let purse = purse();
    for (before, truth) in [(0, 1), (1, 2), (3, 96)] {
        let wallet = Wallet::reserve([account(&purse, daily(100))], u64::MAX, NOON).unwrap();
        assert_eq!(purse.spent(NOON), spent(before, before, 100 - before));
        assert!(!Wallet::reserve([account(&purse, daily(100))], u64::MAX, NOON).unwrap_err().used_up);
        let told: Vec<_> = wallet.settle(truth, NOON).iter().map(|crossing| crossing.level).collect();
        assert!(!told.contains(&Level::UsedUp));
    }
    // The word that it is used up was not wasted.
    let crossings = Wallet::reserve([account(&purse, daily(100))], u64::MAX, NOON).unwrap().settle(1, NOON);
    let told: Vec<_> = crossings.iter().map(|crossing| (crossing.level, crossing.spent)).collect();
    assert_eq!(told, [(Level::UsedUp, 100)]);
    assert!(Wallet::reserve([account(&purse, daily(100))], u64::MAX, NOON).unwrap_err().used_up);
}

#[test]
fn the_last_call_may_go_over_and_is_alone() {
    let purse = purse();
    pay(account(&purse, daily(100)), 90, NOON);
    let last = Wallet::reserve([account(&purse, daily(100))], 60, NOON).unwrap();
    assert!(!Wallet::reserve([account(&purse, daily(100))], 1, NOON).unwrap_err().used_up);
    last.settle(60, NOON);
    assert_eq!(purse.spent(NOON), spent(150, 150, 0));
    assert!(Wallet::reserve([account(&purse, daily(100))], 1, NOON).unwrap_err().used_up);
}

#[test]
fn an_overshoot_counts() {
    let purse = purse();
    Wallet::reserve([account(&purse, daily(100))], 60, NOON).unwrap().settle(250, NOON);
    assert_eq!(purse.spent(NOON), spent(250, 250, 0));
    assert!(Wallet::reserve([account(&purse, daily(100))], 1, NOON).unwrap_err().used_up);
}

#[test]
fn all_accounts_or_none() {
    let [client, plan, all] = [purse(), purse(), purse()];
    pay(uncapped(&all), 95, NOON);
    let flight = Wallet::reserve([account(&all, monthly(100))], 5, NOON).unwrap();
    let accounts = || [account(&client, daily(100)), uncapped(&plan), account(&all, monthly(100))];
    let refusal = Wallet::reserve(accounts(), 10, NOON).unwrap_err();
    assert_eq!((refusal.account, refusal.cap, refusal.spent), (2, monthly(100), 95));
    assert_eq!(client.spent(NOON), spent(0, 0, 0));
    assert_eq!(plan.spent(NOON), spent(0, 0, 0));
    drop(flight);
    let wallet = Wallet::reserve(accounts(), 10, NOON).unwrap();
    let held = [&client, &plan, &all].map(|purse| purse.spent(NOON).reserved);
    assert_eq!(held, [10, 10, 5], "each is cut to what is left of its own cap");
    wallet.settle(7, NOON);
    assert_eq!((client.spent(NOON).day, plan.spent(NOON).day, all.spent(NOON).month), (7, 7, 102));
}

#[test]
fn of_several_refusals_the_one_that_holds_longest_is_told() {
    let [client, plan, all] = [purse(), purse(), purse()];
    for purse in [&client, &plan] {
        pay(uncapped(purse), 100, NOON);
    }
    let _flight = Wallet::reserve([uncapped(&all)], 100, NOON).unwrap();
    let refuse = |caps: [Cap; 3]| {
        let [of_client, of_plan, of_all] = caps;
        let accounts = [account(&client, of_client), account(&plan, of_plan), account(&all, of_all)];
        Wallet::reserve(accounts, 1, NOON).unwrap_err().account
    };
    assert_eq!(refuse([daily(100), monthly(100), monthly(100)]), 1);
    assert_eq!(refuse([daily(100), daily(100), monthly(100)]), 0);
    assert_eq!(refuse([daily(1000), daily(1000), monthly(100)]), 2);
}

#[test]
fn a_call_that_costs_nothing_passes_where_all_is_used_up() {
    let purse = purse();
    pay(account(&purse, daily(100)), 100, NOON);
    let wallet = Wallet::reserve([account(&purse, daily(100))], 0, NOON).unwrap();
    assert_eq!(purse.spent(NOON).reserved, 0);
    assert!(wallet.grow(0, NOON));
    assert!(!wallet.grow(1, NOON));
    wallet.settle(3, NOON);
    assert_eq!(purse.spent(NOON).day, 103);
}

#[test]
fn with_a_cap_of_nothing_only_what_costs_nothing_passes() {
    let purse = purse();
    assert!(Wallet::reserve([account(&purse, daily(0))], 1, NOON).unwrap_err().used_up);
    Wallet::reserve([account(&purse, daily(0))], 0, NOON).unwrap();
}

#[test]
fn without_a_cap_or_without_accounts_nothing_is_refused() {
    let purse = purse();
    pay(uncapped(&purse), 1_000_000, NOON);
    let wallet = Wallet::reserve([uncapped(&purse)], 500, NOON).unwrap();
    assert!(wallet.grow(700, NOON));
    assert_eq!(purse.spent(NOON).reserved, 700);
    let nobody = Wallet::reserve([], 500, NOON).unwrap();
    assert!(nobody.grow(700, NOON) && nobody.settle(900, NOON).is_empty());
}

#[test]
fn only_the_first_end_counts() {
    let purse = purse();
    let wallet = Wallet::reserve([account(&purse, daily(100))], 50, NOON).unwrap();
    wallet.settle(90, NOON);
    assert!(wallet.settle(90, NOON).is_empty() && wallet.keep(NOON).is_empty());
    assert!(wallet.grow(1000, NOON));
    drop(wallet);
    assert_eq!(purse.spent(NOON), spent(90, 90, 0));
    let wallet = Wallet::reserve([account(&purse, daily(100))], 10, NOON).unwrap();
    wallet.keep(NOON);
    wallet.settle(0, NOON);
    assert_eq!(purse.spent(NOON), spent(100, 100, 0));
}

#[test]
fn a_call_that_is_dropped_costs_nothing() {
    let purse = purse();
    drop(Wallet::reserve([account(&purse, daily(100))], 50, NOON).unwrap());
    assert_eq!(purse.spent(NOON), spent(0, 0, 0));
}

#[test]
fn a_stream_grows_as_far_as_every_cap_has_room() {
    let [client, plan, all] = [purse(), purse(), purse()];
    let accounts = [account(&client, daily(100)), account(&plan, daily(60)), account(&all, daily(80))];
    let wallet = Wallet::reserve(accounts, 10, NOON).unwrap();
    let other = Wallet::reserve([account(&all, daily(80))], 30, NOON).unwrap();
    assert!(wallet.grow(9, NOON) && wallet.grow(50, NOON));
    assert!(!wallet.grow(51, NOON), "all together have no room");
    assert_eq!([&client, &plan, &all].map(|purse| purse.spent(NOON).reserved), [50, 50, 80]);
    drop(other);
    assert!(wallet.grow(60, NOON));
    assert!(!wallet.grow(61, NOON), "the plan has no room");
    assert!(wallet.grow(60, NOON), "what is reserved stays reserved");
    wallet.settle(61, NOON);
    assert_eq!(plan.spent(NOON), spent(61, 61, 0));
}

#[test]
fn what_turns_out_dearer_holds_as_much_more_as_there_is() {
    let [client, plan, all] = [purse(), purse(), purse()];
    let wallet =
        Wallet::reserve([account(&client, daily(100)), uncapped(&plan), account(&all, daily(40))], 10, NOON);
    let wallet = wallet.unwrap();
    let other = Wallet::reserve([account(&all, daily(40))], 25, NOON).unwrap();
    let held = || [&client, &plan, &all].map(|purse| purse.spent(NOON).reserved);
    assert!(wallet.stretch(9, NOON));
    assert_eq!(held(), [10, 10, 35], "it never shrinks");
    assert!(wallet.stretch(12, NOON));
    assert_eq!(held(), [12, 12, 37]);
    assert!(wallet.stretch(500, NOON));
    assert_eq!(held(), [100, 500, 40]);
    assert!(wallet.stretch(600, NOON), "what it holds is left for it");
    assert_eq!(held(), [100, 600, 40]);
    // The other one took all, which leaves nothing that could be had now.
    other.settle(40, NOON);
    assert!(!wallet.stretch(700, NOON));
    assert!(wallet.stretch(15, NOON), "what was promised stands");
    assert_eq!(held(), [100, 600, 15]);
    wallet.settle(1, NOON);
    assert!(wallet.stretch(u64::MAX, NOON));
    assert_eq!(held(), [0, 0, 0]);
}

#[test]
fn what_was_free_and_turns_out_dear_finds_something_left_or_not() {
    let purse = purse();
    let gratis = || Wallet::reserve([account(&purse, daily(100))], 0, NOON).unwrap();
    let (first, second) = (gratis(), gratis());
    assert!(first.stretch(500, NOON));
    assert!(!second.stretch(1, NOON), "the first holds it all");
    drop(first);
    assert!(second.stretch(1, NOON) && second.stretch(0, NOON));
    assert_eq!(purse.spent(NOON).reserved, 1);
}

#[test]
fn one_purse_pays_once() {
    let purse = purse();
    let accounts = || [account(&purse, daily(100)), account(&purse, daily(1)), account(&purse, daily(100))];
    let wallet = Wallet::reserve(accounts(), 60, NOON).unwrap();
    assert_eq!(purse.spent(NOON).reserved, 60);
    let rest = Wallet::reserve(accounts(), 60, NOON).unwrap();
    assert_eq!(purse.spent(NOON).reserved, 100);
    assert_eq!(Wallet::reserve(accounts(), 60, NOON).unwrap_err().account, 0);
    drop(rest);
    wallet.settle(50, NOON);
    assert_eq!(purse.spent(NOON), spent(50, 50, 0));
}

#[test]
fn what_is_too_much_for_a_number_is_the_largest() {
    let purse = purse();
    let first = Wallet::reserve([uncapped(&purse)], u64::MAX - 1, NOON).unwrap();
    let second = Wallet::reserve([uncapped(&purse)], u64::MAX, NOON).unwrap();
    assert!(second.grow(u64::MAX, NOON));
    assert_eq!(purse.spent(NOON).reserved, u64::MAX);
    drop(first);
    assert_eq!(purse.spent(NOON).reserved, 1);
    second.settle(u64::MAX, NOON);
    pay(uncapped(&purse), u64::MAX, NOON);
    assert_eq!(purse.spent(NOON), spent(u64::MAX, u64::MAX, 0));
    let refusal = Wallet::reserve([account(&purse, daily(u64::MAX))], 1, NOON).unwrap_err();
    assert_eq!((refusal.used_up, refusal.spent), (true, u64::MAX));
}

#[test]
fn it_goes_with_a_request_from_thread_to_thread_and_is_small() {
    fn shared<T: Send + Sync>() {}
    shared::<Wallet>();
    shared::<Purse>();
    assert!(size_of::<Purse>() <= 184, "{}", size_of::<Purse>());
    assert!(size_of::<Wallet>() <= 200, "{}", size_of::<Wallet>());
}
