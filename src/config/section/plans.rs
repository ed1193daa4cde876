//! `plans`: what a client may use.

use crate::config::checked::{Plan, Priority};
use crate::config::reader::{Keys, Map};
use crate::config::value::Value;

pub(super) const KEYS: &[&Keys] = &[&PLAN];

const PLAN: Keys = Keys {
    path: "plans.NAME",
    known: &["requests_per_minute", "concurrent", "priority"],
    not_yet: &["tokens_per_minute", "budget", "models"],
    elsewhere: &[],
};

const PRIORITIES: &[(&str, Priority)] =
    &[("low", Priority::Low), ("normal", Priority::Normal), ("high", Priority::High)];

pub(super) fn read(name: &str, value: Value<'_>) -> Option<Plan> {
    let map = Map::open(value, &PLAN, format!("plan `{name}`"))?;
    Some(Plan {
        name: name.to_owned(),
        requests_per_minute: map.maybe("requests_per_minute", |v| v.count(1..=1_000_000_000)),
        tokens_per_minute: None,
        concurrent: map.maybe("concurrent", |v| v.count_u32(1..=1_000_000)),
        models: None,
        budget: None,
        in_stream: false,
        priority: map.or("priority", Priority::Normal, |v| v.word(PRIORITIES, &[])),
    })
}
