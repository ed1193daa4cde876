//! Budgets and the ledger.

use super::*;

const PRICED: &str = "models: {gpt: {input: 2.00, output: 8.00}}";
const DAY: Duration = Duration::from_secs(86_400);

fn ai(keys: &str) -> Ai {
    load(&small("", &format!("ai: {{{PRICED}, {keys}}}\n"))).ai
}

/// With priced models, and the text behind them.
fn with(rest: &str) -> String {
    small("", &format!("ai: {{{PRICED}}}\n{rest}"))
}

#[test]
fn a_budget_is_for_a_month_and_tells_at_four_fifths() {
    let budget = ai("budget: {usd: 20000}").budget.unwrap();
    assert_eq!(budget, Budget { micro_dollars: 20_000_000_000, per: Period::Month, alert_at: 0.8 });
    let budget = ai("budget: {usd: 0.000001, per: day, alert_at: 100%}").budget.unwrap();
    assert_eq!(budget, Budget { micro_dollars: 1, per: Period::Day, alert_at: 1.0 });
}

#[test]
fn plans_and_keys_have_their_own() {
    let c = load(&with(
        "clients: {keys: [{name: a, key: x, plan: p, budget: {usd: 2, per: day}}, {name: b, key: y, plan: p}]}\n\
         plans: {p: {budget: {usd: 1}, total_budget: {usd: 5, per: month}}}\n",
    ));
    let micro = |budget: Option<Budget>| budget.map(|b| b.micro_dollars);
    assert_eq!(micro(c.clients.keys[0].budget), Some(2_000_000));
    assert_eq!(micro(c.clients.keys[1].budget), None);
    assert_eq!(
        (micro(c.plans[0].budget), micro(c.plans[0].total_budget)),
        (Some(1_000_000), Some(5_000_000))
    );
    assert_eq!(c.warnings.to_string(), "");
}

#[test]
fn nothing_of_a_mistaken_budget_is_lost_on_the_way() {
    for bad in [
        "usd: 0",
        "usd: 0.00",
        "usd: -1",
        "usd: .5",
        "usd: 1e3",
        "usd: ''",
        "usd: [5]",
        "per: day",
        "usd: 1, per: week",
        "usd: 1, alert_at: 80",
        "usd: 1, alert_at: 0%",
        "usd: 1, limit: 5",
        "usd: 1,000",
        "usd: 1000000000.01",
    ] {
        for place in
            ["clients: {keys: [{name: a, key: x, budget: {BAD}}]}", "plans: {p: {total_budget: {BAD}}}"]
        {
            let message = wrong(&with(&(place.replace("BAD", bad) + "\n")));
            assert!(message.contains("1 error in") && message.contains("hint: "), "{bad}: {message}");
        }
    }
}

#[test]
fn the_ledger_is_kept_unless_it_is_off() {
    let keep = |calls, totals| Some(Keep { calls: DAY * calls, totals: DAY * totals });
    for (text, kept) in [
        ("", keep(31, 800)),
        ("ledger: true", keep(31, 800)),
        ("ledger: ", keep(31, 800)),
        ("ledger: {}", keep(31, 800)),
        ("ledger: {keep_calls: 7d}", keep(7, 800)),
        ("ledger: {keep_totals: 3650d}", keep(31, 3650)),
        ("ledger: off", None),
        ("ledger: false", None),
    ] {
        assert_eq!(ai(text).ledger, kept, "{text}");
    }
    for bad in
        ["keep_calls: 0", "keep_calls: 59m", "keep_totals: 23h", "keep_totals: 3651d", "keep_calls: 31"]
    {
        let message = wrong(&small("", &format!("ai: {{ledger: {{{bad}}}}}\n")));
        assert!(message.contains("1 error in") && message.contains("hint: "), "{bad}: {message}");
    }
}

#[test]
fn in_stream_needs_tokens_or_any_money_that_a_client_of_the_plan_spends() {
    let told = |ai: &str, plan: &str, key: &str| {
        let text = format!(
            "ai: {{{PRICED}, {ai}}}\nplans: {{p: {{enforce: in_stream, {plan}}}, q: {{}}}}\n\
             clients: {{keys: [{{name: a, key: x, plan: p, {key}}}, {{name: b, key: y, plan: q, budget: {{usd: 1}}}}]}}\n"
        );
        load(&small("", &text)).warnings.to_string().contains("`enforce: in_stream` has no effect")
    };
    assert!(told("", "", ""));
    assert!(!told("budget: {usd: 9}", "", ""));
    assert!(!told("", "budget: {usd: 9}", ""));
    assert!(!told("", "total_budget: {usd: 9}", ""));
    assert!(!told("", "tokens_per_minute: 9", ""));
    assert!(!told("", "", "budget: {usd: 9}"));
}
