//! What people are told, and that they are told once.

use super::*;

fn levels(crossings: &[Crossing]) -> Vec<(Level, u64)> {
    crossings.iter().map(|crossing| (crossing.level, crossing.spent)).collect()
}

#[test]
fn each_level_is_told_once_in_a_period() {
    let purse = purse();
    let pay = |truth, unix| levels(&pay(account(&purse, daily(100)), truth, unix));
    for unix in [NOON, NOON + 24 * HOUR] {
        assert_eq!(pay(79, unix), []);
        assert_eq!(pay(1, unix), [(Level::Alert, 80)]);
        assert_eq!(pay(19, unix), []);
        assert_eq!(pay(2, unix), [(Level::UsedUp, 101)]);
        assert_eq!(pay(100, unix), []);
    }
    assert_eq!(pay(500, NOON + 48 * HOUR), [(Level::Alert, 500), (Level::UsedUp, 500)]);
}

#[test]
fn crossings_come_by_account() {
    let [client, plan, all] = [purse(), purse(), purse()];
    let accounts = [account(&client, daily(10)), uncapped(&plan), account(&all, monthly(12))];
    let crossings = Wallet::reserve(accounts, 1, NOON).unwrap().settle(10, NOON);
    let told: Vec<_> = crossings.iter().map(|c| (c.account, c.level, c.cap.per)).collect();
    assert_eq!(
        told,
        [(0, Level::Alert, Period::Day), (0, Level::UsedUp, Period::Day), (2, Level::Alert, Period::Month)]
    );
}

#[test]
fn an_alert_at_the_whole_cap_is_the_word_that_it_is_used_up() {
    let purse = purse();
    let cap = Cap { alert_at: 1.0, ..daily(100) };
    assert_eq!(levels(&pay(account(&purse, cap), 99, NOON)), []);
    assert_eq!(levels(&pay(account(&purse, cap), 1, NOON)), [(Level::UsedUp, 100)]);
}

#[test]
fn marks_are_shares_to_the_micro_dollar() {
    let mark = |micro_dollars, alert_at| Cap { alert_at, ..daily(micro_dollars) }.mark(Level::Alert);
    assert_eq!(mark(500_000_000, 0.8), 400_000_000);
    assert_eq!(mark(20_000_000_000, 0.07), 1_400_000_000);
    assert_eq!(mark(1_000_000_000_000_000, 0.8), 800_000_000_000_000);
    assert_eq!(mark(10, 0.01), 1);
    assert_eq!(mark(0, 0.8), 1);
    assert_eq!(mark(u64::MAX, 1.0), u64::MAX);
    assert_eq!((mark(100, f64::NAN), mark(100, -1.0), mark(100, 7.0)), (1, 1, 100));
}

#[test]
fn no_refusal_says_that_it_is_used_up_while_something_is_left() {
    let purse = purse();
    pay(account(&purse, daily(100)), 95, NOON);
    let flight = Wallet::reserve([account(&purse, daily(100))], 500, NOON).unwrap();
    let refuse = |estimate| Wallet::reserve([account(&purse, daily(100))], estimate, NOON).unwrap_err();
    for estimate in [1, 5, 10, u64::MAX] {
        let refusal = refuse(estimate);
        assert_eq!((refusal.used_up, refusal.first, refusal.crossing()), (false, false, None));
    }
    assert_eq!(levels(&flight.settle(50, NOON).iter().copied().collect::<Vec<_>>()), [(Level::UsedUp, 145)]);
    assert!(refuse(1).used_up);
    assert_eq!(refuse(1).crossing(), None, "it was told");
}

#[test]
fn a_refusal_tells_that_it_is_used_up_when_nobody_else_did() {
    let purse = purse();
    for unix in [NOON, NOON + 24 * HOUR] {
        // Without a cap nobody is told.
        pay(uncapped(&purse), 101, unix);
        let refuse = || Wallet::reserve([account(&purse, daily(100))], 10, unix).unwrap_err();
        let told = refuse().crossing().unwrap();
        assert_eq!((told.account, told.level, told.spent, told.cap), (0, Level::UsedUp, 101, daily(100)));
        assert_eq!(refuse().crossing(), None);
        assert_eq!(levels(&pay(account(&purse, daily(100)), 50, unix)), [(Level::Alert, 151)]);
    }
}

#[test]
fn what_was_told_before_a_restart_is_not_told_again() {
    let purse = purse();
    purse.restore(85, 120, NOON);
    assert_eq!(purse.spent(NOON), spent(85, 120, 0));
    assert_eq!(levels(&pay(account(&purse, daily(100)), 5, NOON)), []);
    assert_eq!(levels(&pay(account(&purse, daily(100)), 10, NOON)), [(Level::UsedUp, 100)]);
    assert_eq!(levels(&pay(account(&purse, monthly(120)), 5, NOON)), []);
    assert!(!Wallet::reserve([account(&purse, monthly(120))], 1, NOON).unwrap_err().first);
    assert_eq!(levels(&pay(account(&purse, daily(100)), 80, NOON + 24 * HOUR)), [(Level::Alert, 80)]);
}

#[test]
fn what_is_restored_is_added_to_what_was_spent_meanwhile() {
    let purse = purse();
    pay(account(&purse, daily(100)), 10, NOON);
    purse.restore(85, 120, NOON);
    assert_eq!(purse.spent(NOON), spent(95, 130, 0));
    purse.restore(u64::MAX, u64::MAX, NOON);
    assert_eq!(purse.spent(NOON), spent(u64::MAX, u64::MAX, 0));
}

#[test]
fn a_raised_cap_gives_room_and_is_told_at_its_own_marks() {
    let purse = purse();
    let settle = |cap, truth| levels(&pay(account(&purse, cap), truth, NOON));
    assert_eq!(settle(daily(100), 95), [(Level::Alert, 95)]);
    Wallet::reserve([account(&purse, daily(95))], 10, NOON).unwrap_err();
    // Its mark is 88: what was told stood above it.
    let wallet = Wallet::reserve([account(&purse, daily(110))], 10, NOON).unwrap();
    assert!(wallet.settle(1, NOON).is_empty());
    assert_eq!(settle(daily(1000), 703), []);
    assert_eq!(settle(daily(1000), 1), [(Level::Alert, 800)]);
    assert_eq!(settle(daily(1000), 200), [(Level::UsedUp, 1000)]);
}

#[test]
fn a_lowered_cap_refuses_at_once_and_says_that_it_is_used_up() {
    let purse = purse();
    let before = Wallet::reserve([account(&purse, daily(1000))], 10, NOON).unwrap();
    assert_eq!(levels(&pay(account(&purse, daily(100)), 85, NOON)), [(Level::Alert, 85)]);
    let refusal = Wallet::reserve([account(&purse, daily(50))], 1, NOON).unwrap_err();
    assert!(refusal.used_up && refusal.first);
    // A call in flight goes on under the cap that it began with.
    assert!(before.grow(900, NOON));
    assert!(before.settle(1, NOON).is_empty());
    assert_eq!(levels(&pay(account(&purse, daily(50)), 1, NOON)), []);
}

#[test]
fn another_period_goes_by_what_was_spent_in_it() {
    let purse = purse();
    pay(account(&purse, daily(100)), 90, NOON - 24 * HOUR);
    pay(account(&purse, daily(100)), 20, NOON);
    let refusal = Wallet::reserve([account(&purse, monthly(100))], 1, NOON).unwrap_err();
    assert_eq!((refusal.spent, refusal.first), (110, true));
    assert_eq!(levels(&pay(account(&purse, monthly(100)), 1, NOON)), [(Level::Alert, 111)]);
    assert_eq!(levels(&pay(account(&purse, daily(100)), 59, NOON)), [(Level::Alert, 80)]);
}
