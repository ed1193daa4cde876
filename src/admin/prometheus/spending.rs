//! What clients ask for, what money is left, and what is in flight.

use std::collections::HashMap;

use super::{Metric, Source, counter, gauge};
use crate::admin::collect::spending::name;
use crate::admin::report::{Budget, Ledger};
use crate::observe::exposition::{Family, Value};
use crate::observe::stats::dollars;

/// Whose budgets have samples.
const MOST_CLIENTS: usize = 10_000;

pub const SPENDING: &[Metric] = &[
    counter(
        "tidegate_client_requests_total",
        "Requests of a client, those that were refused included; plan is empty without one.",
        |source, family| {
            let plans = plans(source);
            for (name, stats) in source.view.state.all_client_stats() {
                let plan = plans.get(&*name).copied().unwrap_or_default();
                family.sample(&[("client", &name), ("plan", plan)], stats.requests.total());
            }
        },
    ),
    counter(
        "tidegate_client_refused_total",
        "Requests of a client that a limit of its plan, or a budget, refused.",
        |source, family| {
            for (name, stats) in source.view.state.all_client_stats() {
                family.sample(&[("client", &name)], stats.refused.get());
            }
        },
    ),
    counter(
        "tidegate_client_tokens_total",
        "Tokens of a client's calls that ended, by kind: prompt, completion, and of these cached and reasoning.",
        |source, family| {
            for (name, stats) in source.view.state.all_client_stats() {
                for (kind, tokens) in stats.taken.tokens() {
                    family.sample(&[("client", &name), ("kind", kind)], tokens);
                }
            }
        },
    ),
    counter(
        "tidegate_client_cost_usd_total",
        "What a client's calls cost by the prices in ai.models.",
        |source, family| {
            for (name, stats) in source.view.state.all_client_stats() {
                family.sample(&[("client", &name)], dollars(stats.taken.cost.get()));
            }
        },
    ),
    gauge("tidegate_budget_usd", "What a budget allows in its period: day or month.", |source, family| {
        budgets(source, family, |budget| budget.budget_usd);
    }),
    gauge(
        "tidegate_budget_spent_usd",
        "What is spent of a budget since its period began; it begins anew at midnight UTC.",
        |source, family| budgets(source, family, |budget| budget.spent_usd),
    ),
    gauge("tidegate_streams", "AI calls and event streams in flight.", |source, family| {
        family.sample(&[], source.view.state.streams.count() as u64);
    }),
    gauge(
        "tidegate_ledger_durable",
        "1 while the disk takes what calls cost; 0 while it waits in memory.",
        |source, family| ledger(source, family, |ledger| u64::from(ledger.durable)),
    ),
    gauge("tidegate_ledger_pending", "Calls that wait to be written to the ledger.", |source, family| {
        ledger(source, family, |ledger| ledger.pending);
    }),
    counter(
        "tidegate_ledger_lost_total",
        "Calls that are in no ledger: the disk took none, and memory held no more.",
        |source, family| ledger(source, family, |ledger| ledger.lost),
    ),
];

/// The plan of each client of the file.
fn plans<'a>(source: &Source<'a>) -> HashMap<&'a str, &'a str> {
    let plan = |client: &'a crate::runtime::snapshot::Client| {
        let plan = source.snapshot.plans.get(client.plan?)?;
        Some((name(&client.budget)?, &*plan.name))
    };
    source.snapshot.clients.iter().filter_map(plan).collect()
}

fn budgets(source: &Source<'_>, family: &mut Family<'_>, value: impl Fn(&Budget) -> f64) {
    for budget in source.view.budgets(source.snapshot, MOST_CLIENTS).list {
        let labels = [("scope", budget.scope), ("name", &*budget.name), ("period", budget.period)];
        family.sample(&labels, value(&budget));
    }
}

fn ledger(source: &Source<'_>, family: &mut Family<'_>, value: impl Fn(&Ledger) -> u64) {
    if let Some(ledger) = source.view.ledger() {
        family.sample(&[], Value::Whole(value(&ledger)));
    }
}
