//! What models took.

use super::{Metric, Source, counter, histogram};
use crate::observe::stats::{ModelStats, dollars};

pub const MODELS: &[Metric] = &[
    counter(
        "tidegate_tokens_total",
        "Tokens of calls that ended, by kind: prompt, completion, and of these cached and reasoning.",
        |source, family| {
            models(source, |name, stats| {
                for (kind, tokens) in stats.tokens() {
                    family.sample(&[("model", name), ("kind", kind)], tokens);
                }
            });
        },
    ),
    counter(
        "tidegate_cost_usd_total",
        "What calls cost by the prices in ai.models; plan is empty for clients without one.",
        |source, family| {
            for ((model, plan), cost) in source.view.state.all_costs() {
                family.sample(&[("model", &model), ("plan", &plan)], dollars(cost.micro_dollars()));
            }
        },
    ),
    histogram(
        "tidegate_output_token_seconds",
        "Of event streams: from the first content to the end, for each token after the first.",
        |source, family| {
            models(source, |name, stats| {
                family.histogram(&[("model", name)], &stats.token_time.snapshot());
            });
        },
    ),
];

fn models(source: &Source<'_>, mut each: impl FnMut(&str, &ModelStats)) {
    for (name, stats) in source.view.state.all_model_stats() {
        each(&name, &stats);
    }
}
