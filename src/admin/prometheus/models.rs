//! What models took, and how long they took for it.

use super::{Metric, Source, counter, histogram};
use crate::observe::histogram::{Reading, Scale};
use crate::observe::stats::{CallStats, dollars};

pub const MODELS: &[Metric] = &[
    counter(
        "tidegate_tokens_total",
        "Tokens of calls that ended, by kind: prompt, completion, and of these cached and reasoning.",
        |source, family| {
            let now = source.view.state.clock.now();
            for (name, sum) in source.view.sums_of_models(now) {
                for (kind, tokens) in sum.tokens {
                    family.sample(&[("model", &name), ("kind", kind)], tokens);
                }
            }
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
        "tidegate_first_content_seconds",
        "From the first byte of a request to the first content of its event stream, by the server that sent it; model is empty where the request is no AI call, or is not read.",
        |source, family| {
            cells(source, |labels, stats| with(family, labels, None, &stats.first_content.snapshot()));
        },
    ),
    histogram(
        "tidegate_output_token_seconds",
        "Of event streams: from the first content to the end, for each token after the first.",
        |source, family| {
            cells(source, |labels, stats| with(family, labels, None, &stats.token_time.snapshot()));
        },
    ),
    histogram(
        "tidegate_request_tokens",
        "Tokens of one call, by kind: prompt, completion.",
        |source, family| {
            cells(source, |labels, stats| {
                with(family, labels, Some("prompt"), &stats.prompt_sizes.snapshot());
                with(family, labels, Some("completion"), &stats.completion_sizes.snapshot());
            });
        },
    ),
    histogram(
        "tidegate_request_cost_usd",
        "What one call cost by the prices in ai.models.",
        |source, family| {
            cells(source, |labels, stats| with(family, labels, None, &stats.costs.snapshot()));
        },
    ),
];

/// Backend, server, model.
type Labels<'a> = [&'a str; 3];

fn cells(source: &Source<'_>, mut each: impl FnMut(Labels<'_>, &CallStats)) {
    for ((model, backend, server), stats) in source.view.state.all_call_stats() {
        each([&backend, &server, &model], &stats);
    }
}

/// Nothing, where nothing was measured: most models are on few servers, and a histogram is twenty lines.
fn with<S: Scale>(
    family: &mut super::Family<'_>,
    [backend, server, model]: Labels<'_>,
    kind: Option<&str>,
    reading: &Reading<S>,
) {
    if reading.count() == 0 {
        return;
    }
    let place = [("backend", backend), ("server", server), ("model", model)];
    match kind {
        None => family.histogram(&place, reading),
        Some(kind) => {
            let [backend, server, model] = place;
            family.histogram(&[backend, server, model, ("kind", kind)], reading);
        }
    }
}
