//! Models: what they cost, which one a call gets, and what has to be known of a call.

use crate::ai::catalogue::{self, Catalogue};
use crate::ai::price::Price;
use crate::config::checked::{Checked, Counter, TableKey, Test};
use crate::runtime::compile::clients;
use crate::runtime::snapshot::Ai;
use crate::runtime::state::{Payer, State};

/// `backends_decide`: some server knows only some models.
pub fn compile(checked: &Checked, state: &State, backends_decide: bool) -> Ai {
    let ai = &checked.ai;
    let models: Vec<catalogue::Model> = (ai.models.iter())
        .map(|model| catalogue::Model { name: model.name.clone(), fallback: model.fallback.clone() })
        .collect();
    let tasks: Vec<catalogue::Task> = (ai.tasks.iter())
        .map(|task| catalogue::Task {
            name: task.name.clone(),
            model: task.model,
            keywords: task.keywords.clone(),
            fallback: task.fallback.clone(),
        })
        .collect();
    let price = |model: &crate::config::checked::Model| Price {
        input: model.input,
        output: model.output,
        cached_input: model.cached_input,
    };
    let plans = || checked.plans.iter().map(|plan| plan.name.as_str()).chain([""]);
    let costs = |model: &str| plans().map(|plan| state.cost(model, plan)).collect();
    let rules_ask = checked.tables.iter().any(|table| table.key == TableKey::Model)
        || checked.acls.iter().any(|acl| matches!(acl.test, Test::Model(_) | Test::Task(_)));
    let counters = checked.tables.iter().flat_map(|table| &table.counters);
    let tables_count = counters
        .into_iter()
        .any(|counter| matches!(counter, Counter::TokensRate(_) | Counter::TokensCnt | Counter::CostRate(_)));
    let plans_count = checked.plans.iter().any(|plan| plan.tokens_per_minute.is_some());
    let counts = !models.is_empty() || tables_count || plans_count;
    Ai {
        catalogue: Catalogue::new(&models, &ai.aliases, &tasks, ai.default_model),
        prices: ai.models.iter().map(price).collect(),
        ratios: ai.models.iter().map(|model| state.ratios(&model.name)).collect(),
        other_ratios: state.ratios(""),
        costs: ai.models.iter().map(|model| costs(&model.name)).collect(),
        reads_calls: counts || backends_decide || rules_ask,
        rules_ask,
        counts,
        budget: clients::budget(state, Payer::All, ai.budget.as_ref()),
        cost_header: ai.cost_header,
    }
}
