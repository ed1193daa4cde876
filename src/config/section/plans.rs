//! `plans`: what a client may use.

use std::collections::HashSet;

use super::ai::names::ModelNames;
use super::budget;
use crate::config::checked::{Plan, Priority};
use crate::config::reader::{Keys, Map};
use crate::config::value::Value;

pub(super) const KEYS: &[&Keys] = &[&PLAN];

const PLAN: Keys = Keys {
    path: "plans.NAME",
    known: &[
        "requests_per_minute",
        "tokens_per_minute",
        "budget",
        "total_budget",
        "enforce",
        "concurrent",
        "priority",
        "models",
    ],
    not_yet: &[],
    elsewhere: &[
        ("rpm", "the key is `requests_per_minute`"),
        ("tpm", "the key is `tokens_per_minute`"),
        ("usd", "it stands in `budget`: `budget: {usd: 500, per: month}`"),
        ("alert_at", "it stands in `budget`: `budget: {usd: 500, alert_at: 80%}`"),
    ],
};

const PRIORITIES: &[(&str, Priority)] =
    &[("low", Priority::Low), ("normal", Priority::Normal), ("high", Priority::High)];

/// Whether a stream is cut where the limit ends.
const ENFORCED: &[(&str, bool)] = &[("admission", false), ("in_stream", true)];

pub(super) fn read(name: &str, value: Value<'_>, models: &ModelNames) -> Option<Plan> {
    let map = Map::open(value, &PLAN, format!("plan `{name}`"))?;
    let tokens_per_minute = map.maybe("tokens_per_minute", |v| v.count(1..=1_000_000_000));
    let in_stream = map.or("enforce", false, |v| v.word(ENFORCED, &[]));
    let own_models = map.get("models").map(|v| allowed(v, models));
    let free = models.why_free(own_models.as_ref().and_then(Option::as_deref));
    let what = format!("the budget of plan `{name}`");
    let budget = budget::read(&map, "budget", &budget::OF_PLAN, &what, free);
    let what = format!("the total budget of plan `{name}`");
    let total_budget = budget::read(&map, "total_budget", &budget::TOTAL_OF_PLAN, &what, free);
    Some(Plan {
        name: name.to_owned(),
        requests_per_minute: map.maybe("requests_per_minute", |v| v.count(1..=1_000_000_000)),
        tokens_per_minute,
        in_stream,
        concurrent: map.maybe("concurrent", |v| v.count_u32(1..=1_000_000)),
        budget: budget?,
        total_budget: total_budget?,
        models: own_models.map_or(Some(None), |own| own.map(Some))?,
        priority: map.or("priority", Priority::Normal, |v| v.word(PRIORITIES, &[])),
    })
}

/// What a client of the plan may ask for: a model and its alias are the same.
fn allowed(value: Value<'_>, models: &ModelNames) -> Option<Vec<usize>> {
    let named = Value::each(value.one_or_more()?, |item| models.resolve(item))?;
    let mut seen = HashSet::new();
    Some(named.into_iter().filter(|model| seen.insert(*model)).collect())
}
