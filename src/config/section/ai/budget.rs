//! `budget` of a plan or of all together: money for a day or a month.

use super::names::ModelNames;
use crate::config::checked::{Budget, Period};
use crate::config::diagnostic::{Code, Diagnostic};
use crate::config::reader::{Keys, Map};
use crate::config::value::Value;

pub(in crate::config::section) const OF_PLAN: Keys = Keys {
    path: "plans.NAME.budget",
    known: &["usd", "per", "alert_at"],
    not_yet: &[],
    elsewhere: &[
        ("limit", "the key is `usd`"),
        ("period", "the key is `per`"),
        ("tokens", "tokens are limited by `tokens_per_minute` of a plan"),
    ],
};

pub(super) const OF_ALL: Keys = Keys { path: "ai.budget", ..OF_PLAN };

/// A billion dollars.
const LARGEST: u64 = 1_000_000_000_000_000;

const PERIODS: &[(&str, Period)] = &[("day", Period::Day), ("month", Period::Month)];

pub(in crate::config::section) fn read(
    value: Value<'_>,
    keys: &'static Keys,
    what: &str,
    models: &ModelNames,
) -> Option<Budget> {
    let map = Map::open(value, keys, what)?;
    let usd = map.required("usd", |v| v.dollars(1..=LARGEST));
    let per = map.or("per", Period::default(), |v| v.word(PERIODS, &[]));
    let alert_at = map.or("alert_at", 0.8, |v| v.share_within(0.01..=1.0));
    if !models.has_some() {
        let message = format!("{what} is never used up: no model has a price");
        let warning = Diagnostic::warning(Code::Conflict, value.at, message);
        value.context.report(warning.hint("give prices in `ai.models`, or remove it"));
    }
    Some(Budget { micro_dollars: usd?, per, alert_at })
}
