//! `plans`: what a client may use.

use std::collections::HashSet;

use super::ai::names::ModelNames;
use crate::config::checked::{Plan, Priority};
use crate::config::diagnostic::{Code, Diagnostic};
use crate::config::reader::{Keys, Map};
use crate::config::value::Value;

pub(super) const KEYS: &[&Keys] = &[&PLAN];

const PLAN: Keys = Keys {
    path: "plans.NAME",
    known: &["requests_per_minute", "tokens_per_minute", "enforce", "concurrent", "priority", "models"],
    not_yet: &["budget"],
    elsewhere: &[("rpm", "the key is `requests_per_minute`"), ("tpm", "the key is `tokens_per_minute`")],
};

const PRIORITIES: &[(&str, Priority)] =
    &[("low", Priority::Low), ("normal", Priority::Normal), ("high", Priority::High)];

/// Whether a stream is cut where the limit ends.
const ENFORCED: &[(&str, bool)] = &[("admission", false), ("in_stream", true)];

pub(super) fn read(name: &str, value: Value<'_>, models: &ModelNames) -> Option<Plan> {
    let map = Map::open(value, &PLAN, format!("plan `{name}`"))?;
    let tokens_per_minute = map.maybe("tokens_per_minute", |v| v.count(1..=1_000_000_000));
    let in_stream = map.or("enforce", false, |v| v.word(ENFORCED, &[]));
    if in_stream && map.is_clean() && !map.has("tokens_per_minute") {
        let message = format!("`enforce: in_stream` has no effect: plan `{name}` limits no tokens");
        let warning = Diagnostic::warning(Code::Conflict, map.key_span("enforce"), message);
        map.context.report(warning.hint("give it `tokens_per_minute`"));
    }
    let own_models = map.get("models").map(|v| allowed(v, models));
    Some(Plan {
        name: name.to_owned(),
        requests_per_minute: map.maybe("requests_per_minute", |v| v.count(1..=1_000_000_000)),
        tokens_per_minute,
        in_stream,
        concurrent: map.maybe("concurrent", |v| v.count_u32(1..=1_000_000)),
        budget: None,
        total_budget: None,
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
