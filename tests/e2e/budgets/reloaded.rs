//! Budgets over reloads and restarts: what was spent stays spent.

use super::is_used_up;
use crate::support::till::{Terms, Till, provider};
use crate::support::usage_db::UsageDb;

fn each(plan: &str) -> Terms<'_> {
    Terms { app: "", plan, ai: "" }
}

const DAY: &str = ", budget: {usd: 0.001, per: day}";

#[test]
fn raising_it_lets_calls_pass_again() {
    let till = Till::new(&each(DAY));
    till.spends("sk-app", 1000);
    till.comes_to("client", "app", 1000);
    is_used_up(&till.spends("sk-app", 1));
    till.reload(&each(", budget: {usd: 0.0015, per: day}"));
    assert_eq!(till.spends("sk-app", 500).status(), 200, "what was spent before counts");
    till.comes_to("client", "app", 1500);
    is_used_up(&till.spends("sk-app", 1));
    till.reload(&each(", budget: {usd: 0.0001, per: day}"));
    is_used_up(&till.spends("sk-app", 1));
    assert_eq!(till.spends("sk-other", 100).status(), 200);
}

#[test]
fn a_day_that_becomes_a_month_knows_what_was_spent() {
    let till = Till::new(&each(DAY));
    till.spends("sk-app", 900);
    till.comes_to("client", "app", 900);
    till.reload(&each(", budget: {usd: 0.0009, per: month}"));
    assert_eq!(till.spent("client", "app"), 900);
    is_used_up(&till.spends("sk-app", 1));
    till.reload(&each(", budget: {usd: 0.0009, per: day}"));
    is_used_up(&till.spends("sk-app", 1));
    till.reload(&each(DAY));
    assert_eq!(till.spends("sk-app", 100).status(), 200);
    till.comes_to("client", "app", 1000);
    is_used_up(&till.spends("sk-app", 1));
}

#[test]
fn what_is_spent_while_there_is_no_budget_counts_when_there_is_one() {
    let till = Till::new(&each(""));
    till.spends("sk-app", 5000);
    till.spends("sk-other", 400);
    till.edge.logged("the call", |line| line["client_name"] == "other" && line["cost_usd"].is_number());
    till.reload(&each(", budget: {usd: 0.001}, total_budget: {usd: 0.0056}"));
    is_used_up(&till.spends("sk-app", 1));
    assert_eq!(till.spends("sk-other", 200).status(), 200);
    till.comes_to("plan", "p", 5600);
    is_used_up(&till.spends("sk-other", 1));
}

#[test]
fn a_restart_forgives_nothing() {
    let all = Terms {
        app: ", budget: {usd: 0.002, per: day}",
        plan: ", budget: {usd: 0.001}, total_budget: {usd: 0.003}",
        ai: "\n  budget: {usd: 0.0035}",
    };
    let till = Till::new(&all);
    for (key, tokens) in [("sk-app", 1900), ("sk-other", 900), ("sk-free", 100)] {
        assert_eq!(till.spends(key, tokens).status(), 200);
    }
    till.comes_to("all", "", 2900);
    let marks = till.awaits_marks(4);
    let till = Till::within(till.stop(), &all, provider());
    let spent = ["app", "other"].map(|name| till.spent("client", name));
    assert_eq!((spent, till.spent("plan", "p"), till.spent("all", "")), ([1900, 900], 2800, 2900));
    assert_eq!(till.spends("sk-other", 100).status(), 200);
    till.comes_to("plan", "p", 2900);
    is_used_up(&till.spends("sk-other", 1));
    assert_eq!(till.spends("sk-app", 100).status(), 200);
    till.comes_to("plan", "p", 3000);
    is_used_up(&till.spends("sk-app", 1));
    let again: Vec<_> = till.marks().into_iter().filter(|mark| marks.contains(mark)).collect();
    assert_eq!(again, [], "told before the restart");
}

#[test]
fn a_kill_forgives_no_more_than_the_last_second() {
    let mut till = Till::new(&each(DAY));
    till.spends("sk-app", 700);
    UsageDb::of(&till.edge).comes_to(1);
    till.spends("sk-app", 100);
    till.edge.process.kill();
    let till = Till::within(till.edge.into_directory(), &each(DAY), provider());
    let spent = till.spent("client", "app");
    assert!([700, 800].contains(&spent), "{spent}");
    assert_eq!(till.spends("sk-app", 300).status(), 200);
    till.comes_to("client", "app", spent + 300);
    is_used_up(&till.spends("sk-app", 1));
}

#[test]
fn without_a_ledger_every_start_begins_anew() {
    let terms = Terms { ai: "\n  ledger: off", ..each(DAY) };
    let till = Till::new(&terms);
    till.spends("sk-app", 1000);
    till.comes_to("client", "app", 1000);
    let till = Till::within(till.stop(), &terms, provider());
    assert_eq!(till.spent("client", "app"), 0);
    assert_eq!(till.spends("sk-app", 1000).status(), 200);
}

#[test]
fn whichever_budget_ends_first_decides() {
    let till = Till::new(&each(", budget: {usd: 0.001}, total_budget: {usd: 0.002}"));
    till.spends("sk-app", 1000);
    till.comes_to("plan", "p", 1000);
    till.reload(&each(", budget: {usd: 0.0012}, total_budget: {usd: 0.0011}"));
    assert_eq!(till.spends("sk-other", 100).status(), 200);
    till.comes_to("plan", "p", 1100);
    // Of their own both have something left.
    for key in ["sk-app", "sk-other"] {
        is_used_up(&till.spends(key, 1));
    }
}
