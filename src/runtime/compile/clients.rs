//! Who may send requests, under which plan, and from which budgets their calls are paid.

use std::sync::Arc;

use crate::auth::{self, Directory};
use crate::config::checked::{self, Checked, ClientMode};
use crate::limit::{Cap, Period, Plan};
use crate::runtime::snapshot::{Allowance, Client, NamedPlan};
use crate::runtime::state::{Payer, State};

pub fn directory(clients: &checked::Clients) -> Directory {
    let mode = match clients.mode {
        ClientMode::Required => auth::Mode::Required,
        ClientMode::Optional => auth::Mode::Optional,
        ClientMode::Passthrough => auth::Mode::Passthrough,
    };
    let known = clients.keys.iter().enumerate().map(|(place, key)| auth::Client {
        name: Arc::from(&*key.name),
        place,
        plan: key.plan,
        digest: key.digest,
    });
    Directory::new(mode, known)
}

/// In the order of the file.
pub fn clients(checked: &Checked, state: &State) -> Vec<Client> {
    let client = |key: &checked::ClientKey| {
        let of_plan = key.plan.and_then(|plan| checked.plans.get(plan)?.budget.as_ref());
        let payer = Payer::Client(key.name.clone());
        Client {
            budget: budget(state, payer, key.budget.as_ref().or(of_plan)),
            plan: key.plan,
            stats: state.client_stats(&key.name),
        }
    };
    checked.clients.keys.iter().map(client).collect()
}

/// In the order of the file.
pub fn plans(checked: &Checked, state: &State) -> Vec<NamedPlan> {
    checked.plans.iter().map(|of| plan(of, checked, state)).collect()
}

fn plan(plan: &checked::Plan, checked: &Checked, state: &State) -> NamedPlan {
    let limits = Plan {
        requests_per_minute: plan.requests_per_minute,
        concurrent: plan.concurrent,
        tokens_per_minute: plan.tokens_per_minute,
    };
    let models = plan.models.as_ref();
    let models = models.map(|models| (0..checked.ai.models.len()).map(|id| models.contains(&id)).collect());
    NamedPlan {
        name: Arc::from(&*plan.name),
        priority: plan.priority,
        in_stream: plan.in_stream,
        models,
        limits,
        budget: budget(state, Payer::Plan(plan.name.clone()), plan.total_budget.as_ref()),
    }
}

/// What `payer` has spent, and may spend.
pub fn budget(state: &State, payer: Payer, cap: Option<&checked::Budget>) -> Allowance {
    let cap = cap.map(|budget| Cap {
        micro_dollars: budget.micro_dollars,
        per: match budget.per {
            checked::Period::Day => Period::Day,
            checked::Period::Month => Period::Month,
        },
        alert_at: budget.alert_at,
    });
    Allowance { purse: state.purse(&payer), payer, cap }
}
