//! What the models took: the sums of their cells over all servers.

use std::collections::BTreeMap;

use super::of_snapshot;
use crate::admin::View;
use crate::admin::report::Model;
use crate::base::clock::Tick;
use crate::observe::histogram::Snapshot;
use crate::observe::stats::{CallStats, dollars};

/// One model, over all servers.
#[derive(Default)]
pub struct Sum {
    pub calls: u64,
    /// By kind: the label of `tidegate_tokens_total`.
    pub tokens: [(&'static str, u64); 4],
    recent_calls: u64,
    recent_tokens: u64,
    first_content: Snapshot,
    token_time: Snapshot,
}

impl Sum {
    fn add(&mut self, cell: &CallStats, now: Tick) {
        self.calls += cell.calls.get();
        for (sum, (kind, tokens)) in self.tokens.iter_mut().zip(cell.taken.tokens()) {
            *sum = (kind, sum.1 + tokens);
        }
        self.recent_calls += cell.recent_calls.recent(now);
        self.recent_tokens += cell.taken.recent_tokens.recent(now);
        self.first_content.add(&cell.first_content.snapshot());
        self.token_time.add(&cell.token_time.snapshot());
    }
}

impl View {
    /// Of every model that the file lists or listed, and of others once there were calls of them.
    pub fn sums_of_models(&self, now: Tick) -> BTreeMap<String, Sum> {
        let none = || Sum { tokens: CallStats::default().taken.tokens(), ..Sum::default() };
        let listed = self.state.all_costs().into_iter().map(|((model, _), _)| (model, none()));
        let mut sums: BTreeMap<String, Sum> = listed.collect();
        for ((model, _, _), cell) in self.state.all_call_stats() {
            // Event streams that are no AI calls have no model.
            if !model.is_empty() {
                sums.entry(model).or_insert_with(none).add(&cell, now);
            }
        }
        sums.retain(|name, sum| name != CallStats::OTHER || sum.calls > 0);
        sums
    }

    pub(super) fn models(&self, now: Tick) -> Vec<Model> {
        let costs = self.state.all_costs();
        let cost_of = |name: &str| {
            let own = costs.iter().filter(|((model, _), _)| model == name);
            own.map(|(_, cost)| cost.micro_dollars()).reduce(|sum, cost| sum + cost).map(dollars)
        };
        let model = |(name, sum): (String, Sum)| {
            let [prompt, completion, cached, reasoning] = sum.tokens.map(|(_, tokens)| tokens);
            Model {
                cost_usd: cost_of(&name),
                name,
                requests: sum.calls,
                requests_per_second: self.per_second(sum.recent_calls),
                tokens_per_second: self.per_second(sum.recent_tokens),
                prompt_tokens: prompt,
                completion_tokens: completion,
                cached_tokens: cached,
                reasoning_tokens: reasoning,
                first_content: of_snapshot(&sum.first_content),
                output_token: of_snapshot(&sum.token_time),
            }
        };
        self.sums_of_models(now).into_iter().map(model).collect()
    }

    /// Of what came in the last minute, or since the start where that is less.
    pub(super) fn per_second(&self, last_minute: u64) -> f64 {
        last_minute as f64 / self.uptime().as_secs_f64().clamp(1.0, 60.0)
    }
}
