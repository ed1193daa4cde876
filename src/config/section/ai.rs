//! `ai`: the models that clients may ask for, what they cost, and which one they get.

mod aliases;
mod fallback;
mod models;
pub(super) mod names;
pub(super) mod served;
mod tasks;

use super::{budget, ledger};
use crate::config::checked::Ai;
use crate::config::diagnostic::{Code, Diagnostic};
use crate::config::names::Names;
use crate::config::reader::{Keys, Map};
use names::ModelNames;

pub(super) const KEYS: &[&Keys] = &[&AI, &models::MODEL, &tasks::TASK, &ledger::LEDGER];

const AI: Keys = Keys {
    path: "ai",
    known: &["default_model", "models", "aliases", "tasks", "budget", "cost_header", "ledger"],
    not_yet: &[],
    elsewhere: &[
        ("prices", "they stand in each model: `models: {gpt-4.1: {input: 2.00, output: 8.00}}`"),
        ("fallback", "it stands in each model or task"),
        ("keywords", "they stand in each task"),
        ("default", "the key is `default_model`"),
        ("tokens_per_minute", "limits stand in a plan"),
        ("total_budget", "here the key is `budget`: it is of all calls together"),
        ("usd", "it stands in `budget`: `budget: {usd: 20000, per: month}`"),
        ("keep_calls", "it stands in `ledger`: `ledger: {keep_calls: 31d}`"),
        ("keep_totals", "it stands in `ledger`: `ledger: {keep_totals: 800d}`"),
    ],
};

/// What was read, and the names that others refer to.
pub(super) struct Read {
    /// `None` after a mistake, which is reported.
    pub ai: Option<Ai>,
    pub models: ModelNames,
    pub tasks: Names,
}

pub(super) fn read(root: &Map<'_>) -> Read {
    let Some(value) = root.get("ai") else {
        return nothing(Some(Ai::default()), ModelNames::none(root.misspelt("ai")));
    };
    let Some(map) = Map::open(value, &AI, "`ai`") else { return nothing(None, ModelNames::none(true)) };
    let (aliases, names) = aliases::read(&map);
    let models = map.get("models").map_or(Some(Vec::new()), |v| models::read(v, &names));
    let (tasks, task_names) = tasks::read(&map, &names);
    let default_model = map.get("default_model").map(|v| names.resolve(v));
    let names = names.with_prices(models.as_deref());
    let budget = budget::read(&map, "budget", &budget::OF_ALL, "the budget of `ai`", names.why_free(None));
    let cost_header = map.or("cost_header", false, |v| v.boolean());
    if let (true, Some(why)) = (cost_header, names.why_free(None)) {
        let message = format!("`cost_header` has no effect: {why}");
        let warning = Diagnostic::warning(Code::Conflict, map.key_span("cost_header"), message);
        map.context.report(warning.hint("give prices in `ai.models`, or remove it"));
    }
    let ledger = ledger::read(&map);
    warn_of_auto(&map, tasks.as_ref().is_some_and(|tasks| !tasks.is_empty()));
    let all = || {
        Some(Ai {
            default_model: default_model.map_or(Some(None), |model| model.map(Some))?,
            models: models?,
            aliases: aliases?,
            tasks: tasks?,
            budget: budget?,
            cost_header,
            ledger,
        })
    };
    Read { ai: all(), models: names, tasks: task_names }
}

fn nothing(ai: Option<Ai>, models: ModelNames) -> Read {
    Read { ai, models, tasks: Names::new("task", Vec::new()) }
}

/// Nobody sees in a test what `auto` does with a call that no keyword fits.
fn warn_of_auto(map: &Map<'_>, tasks: bool) {
    if !tasks || map.has("default_model") || map.misspelt("default_model") {
        return;
    }
    let message = "`auto` gets 404 where no task fits: there is no `default_model`";
    let warning = Diagnostic::warning(Code::MissingKey, map.key_span("tasks"), message);
    map.context.report(warning.hint("add `default_model` to `ai`"));
}
