//! Days, months, and a clock that is wrong for a while.

use super::*;

/// Midnight between 21 and 22 November 2026.
const MIDNIGHT: Duration = Duration::from_secs(20_779 * 86_400);

const DAY: Duration = Duration::from_secs(86_400);

const SECOND: Duration = Duration::from_secs(1);

/// 2026-12-01.
const DECEMBER: Duration = Duration::from_secs(20_788 * 86_400);

#[test]
fn a_day_and_a_month_begin_anew_at_midnight() {
    let purse = purse();
    let cap = daily(100);
    pay(account(&purse, cap), 100, MIDNIGHT - SECOND);
    let refusal = Wallet::reserve([account(&purse, cap)], 1, MIDNIGHT - SECOND).unwrap_err();
    assert_eq!(refusal.resets_at, MIDNIGHT);
    pay(account(&purse, cap), 7, refusal.resets_at);
    assert_eq!(purse.spent(MIDNIGHT), spent(7, 107, 0));
    let refusal = Wallet::reserve([account(&purse, monthly(100))], 1, MIDNIGHT).unwrap_err();
    assert_eq!(refusal.resets_at, DECEMBER);
    assert_eq!(purse.spent(DECEMBER - SECOND).month, 107);
    assert_eq!(purse.spent(DECEMBER), spent(0, 0, 0));
}

#[test]
fn months_end_where_the_calendar_says() {
    let day = |number: u64| Duration::from_secs(number * 86_400);
    let ends = |now: Duration, next: Duration| {
        assert_eq!(Period::Month.resets_at(now), next);
        assert_eq!(Period::Month.resets_at(next - Duration::from_nanos(1)), next);
        assert!(Period::Month.resets_at(next) > next);
    };
    ends(day(0), day(31));
    // February of 2000, 2024, 2026 and 2100; April; the end of 2026.
    ends(day(10_988), day(11_017));
    ends(day(19_754 + 28), day(19_783));
    ends(day(20_485), day(20_513));
    ends(day(47_513), day(47_541));
    ends(day(20_544), day(20_574));
    ends(day(20_818), day(20_819));
    assert_eq!(Period::Day.resets_at(day(20_818)), day(20_819));
    assert!(Period::Month.resets_at(Duration::MAX) > day(1_000_000));
}

#[test]
fn a_call_pays_in_the_period_in_which_it_ends() {
    let purse = purse();
    let cap = daily(100);
    let [settled, dropped, kept] =
        [10, 20, 30].map(|estimate| Wallet::reserve([account(&purse, cap)], estimate, NOON).unwrap());
    assert_eq!(purse.spent(MIDNIGHT), spent(0, 0, 60), "it will pay today");
    let rest = Wallet::reserve([account(&purse, cap)], 41, MIDNIGHT).unwrap();
    assert_eq!(purse.spent(MIDNIGHT).reserved, 100);
    drop(rest);
    settled.settle(15, MIDNIGHT);
    drop(dropped);
    kept.keep(MIDNIGHT);
    assert_eq!(purse.spent(MIDNIGHT), spent(45, 45, 0));
    assert_eq!(purse.spent(NOON), spent(0, 45, 0));
}

#[test]
fn a_clock_that_steps_back_over_midnight_gives_nothing_twice() {
    let purse = purse();
    let cap = daily(100);
    pay(account(&purse, cap), 100, MIDNIGHT - SECOND);
    for _ in 0..3 {
        assert_eq!(pay(account(&purse, cap), 10, MIDNIGHT).len(), 0);
        assert!(Wallet::reserve([account(&purse, cap)], 11, MIDNIGHT - SECOND).unwrap_err().used_up);
    }
    assert_eq!(purse.spent(MIDNIGHT - SECOND), spent(100, 130, 0));
    assert_eq!(purse.spent(MIDNIGHT), spent(30, 130, 0));
}

#[test]
fn a_clock_that_was_in_a_far_future_comes_back_to_what_was_spent() {
    let purse = purse();
    let future = NOON + 5000 * DAY;
    pay(account(&purse, monthly(100)), 70, NOON);
    pay(account(&purse, monthly(100)), 5, future);
    assert_eq!(purse.spent(NOON), spent(70, 70, 0));
    assert_eq!(purse.spent(future), spent(5, 5, 0));
    // And from there on as if nothing had been.
    assert_eq!(purse.spent(NOON), spent(70, 70, 0));
    assert_eq!(purse.spent(MIDNIGHT), spent(0, 70, 0));
    assert_eq!(purse.spent(DECEMBER), spent(0, 0, 0));
}

#[test]
fn a_clock_that_was_ahead_from_the_start_gives_no_fresh_budget_when_it_is_put_right() {
    let purse = purse();
    pay(account(&purse, daily(100)), 70, NOON + 5000 * DAY);
    assert_eq!(purse.spent(NOON), spent(70, 70, 0));
    pay(account(&purse, daily(100)), 10, NOON);
    assert_eq!(purse.spent(NOON), spent(80, 80, 0));
    assert_eq!(purse.spent(MIDNIGHT), spent(0, 80, 0));
    assert_eq!(purse.spent(DECEMBER), spent(0, 0, 0));
}

#[test]
fn a_clock_that_is_behind_for_a_while_gives_no_fresh_budget_then_or_after() {
    let purse = purse();
    pay(account(&purse, daily(100)), 90, NOON);
    let behind = NOON - 100 * DAY;
    assert_eq!(purse.spent(behind), spent(90, 90, 0));
    drop(Wallet::reserve([account(&purse, daily(100))], 11, behind).unwrap());
    assert!(Wallet::reserve([account(&purse, daily(90))], 11, behind).unwrap_err().used_up);
    assert_eq!(pay(account(&purse, daily(100)), 5, behind), [], "the alert was told");
    assert_eq!(purse.spent(NOON), spent(90, 90, 0));
    assert_eq!(purse.spent(behind), spent(95, 95, 0));
    assert_eq!(purse.spent(NOON), spent(90, 90, 0));
    assert_eq!(purse.spent(MIDNIGHT), spent(0, 90, 0));
}

#[test]
fn a_clock_that_begins_in_1970_goes_on_when_it_is_put_right() {
    let purse = purse();
    pay(account(&purse, daily(100)), 70, Duration::ZERO);
    assert_eq!(purse.spent(Duration::ZERO), spent(70, 70, 0));
    assert_eq!(purse.spent(NOON), spent(0, 0, 0));
    assert_eq!(purse.spent(Duration::MAX), spent(0, 0, 0));
}
