//! Clients, their limits and their money, and what is in flight.

use std::collections::HashMap;

use crate::admin::View;
use crate::admin::report::{Budget, Client, Ledger, Limits, Listed, Stream};
use crate::base::clock::{self, Tick};
use crate::ledger;
use crate::limit::{Level, Period};
use crate::observe::stats::{ClientStats, dollars};
use crate::runtime::snapshot::{self, Snapshot};
use crate::runtime::state::Payer;
use crate::runtime::streams;

impl View {
    /// Those of the file, and whoever else came with a key: who costs most first, then who asks most.
    pub(super) fn clients(&self, snapshot: &Snapshot, now: Tick) -> Vec<Client> {
        let known: HashMap<&str, &snapshot::Client> =
            snapshot.clients.iter().filter_map(|client| Some((name(&client.budget)?, client))).collect();
        let mut all: Vec<Client> = (self.state.all_client_stats().iter())
            .map(|(name, stats)| self.client(snapshot, name, known.get(&**name).copied(), stats, now))
            .collect();
        all.sort_by(|a, b| {
            let cost = |client: &Client| client.cost_month_usd.unwrap_or(client.cost_usd);
            let order = cost(b).total_cmp(&cost(a)).then(b.requests.cmp(&a.requests));
            order.then_with(|| a.name.cmp(&b.name))
        });
        all
    }

    fn client(
        &self,
        snapshot: &Snapshot,
        name: &str,
        known: Option<&snapshot::Client>,
        stats: &ClientStats,
        now: Tick,
    ) -> Client {
        let plan = known.and_then(|client| snapshot.plans.get(client.plan?));
        let spent = known.map(|client| client.budget.purse.spent(clock::unix_time()));
        let recent = stats.recent_requests.recent(now);
        Client {
            name: name.to_owned(),
            plan: plan.map(|plan| plan.name.to_string()),
            requests: stats.requests.total(),
            refused: stats.refused.get(),
            in_flight: stats.requests.current(),
            requests_per_second: self.per_second(recent),
            requests_last_minute: recent,
            tokens_last_minute: stats.taken.recent_tokens.recent(now),
            limits: plan.map_or(Limits::default(), |plan| Limits {
                concurrent: plan.limits.concurrent.map(u64::from),
                requests_per_minute: plan.limits.requests_per_minute,
                tokens_per_minute: plan.limits.tokens_per_minute,
            }),
            prompt_tokens: stats.taken.prompt_tokens.get(),
            completion_tokens: stats.taken.completion_tokens.get(),
            cost_usd: dollars(stats.taken.cost.get()),
            cost_today_usd: spent.map(|spent| dollars(spent.day)),
            cost_month_usd: spent.map(|spent| dollars(spent.month)),
            budget: known.and_then(|client| budget(&client.budget)),
            last_request_seconds_ago: stats.since_last(now).map(|time| time.as_secs()),
        }
    }

    /// All, then plans, then clients: of these at most so many, the most spent first.
    pub fn budgets(&self, snapshot: &Snapshot, most_clients: usize) -> Listed<Budget> {
        let plans = snapshot.plans.iter().map(|plan| &plan.budget);
        let shared: Vec<Budget> =
            std::iter::once(&snapshot.ai.budget).chain(plans).filter_map(budget).collect();
        let mut own: Vec<Budget> =
            snapshot.clients.iter().filter_map(|client| budget(&client.budget)).collect();
        own.sort_by(|a, b| b.share().total_cmp(&a.share()).then_with(|| a.name.cmp(&b.name)));
        let total = shared.len() + own.len();
        own.truncate(most_clients);
        Listed { total, list: shared.into_iter().chain(own).collect() }
    }

    /// Calls and event streams in flight, the oldest first; at most so many.
    pub fn streams(&self, most: usize) -> Listed<Stream> {
        let (now, all) = (self.state.clock.now(), self.state.streams.all());
        Listed { total: all.len(), list: all.iter().take(most).map(|of| stream(of, now)).collect() }
    }

    /// `None`: it is off.
    pub fn ledger(&self) -> Option<Ledger> {
        let (file, figures) = self.ledger.as_ref()?;
        let ledger::Figures { pending, lost, written, durable } = figures()?;
        Some(Ledger { file: file.clone(), durable, pending, written, lost })
    }
}

/// Whose it is; `None`: all clients'.
pub fn name(budget: &snapshot::Allowance) -> Option<&str> {
    match &budget.payer {
        Payer::Client(name) | Payer::Plan(name) => Some(name),
        Payer::All => None,
    }
}

/// `None`: there is no end to it.
pub fn budget(budget: &snapshot::Allowance) -> Option<Budget> {
    let (cap, unix) = (budget.cap?, clock::unix_time());
    let spent = budget.purse.spent(unix);
    let so_far = spent.of(cap.per);
    Some(Budget {
        scope: match &budget.payer {
            Payer::All => "all",
            Payer::Plan(_) => "plan",
            Payer::Client(_) => "client",
        },
        name: name(budget).unwrap_or_default().to_owned(),
        period: match cap.per {
            Period::Day => "day",
            Period::Month => "month",
        },
        budget_usd: dollars(cap.micro_dollars),
        spent_usd: dollars(so_far),
        reserved_usd: dollars(spent.reserved),
        left_usd: dollars(spent.left(&cap)),
        alert_at: cap.alert_at,
        state: if so_far >= cap.mark(Level::UsedUp) {
            "used_up"
        } else if so_far >= cap.mark(Level::Alert) {
            "nearly_used_up"
        } else {
            "in_budget"
        },
        begins_anew_at: cap.per.resets_at(unix).as_secs(),
    })
}

pub fn stream(of: &streams::Stream, now: Tick) -> Stream {
    let (beginning, way, used) = (&of.beginning, of.way(), of.used());
    let (backend, server) = way.place.unzip();
    Stream {
        number: of.number,
        request_id: beginning.request_id.clone(),
        age_seconds: now.since(beginning.at).as_secs_f64(),
        client: beginning.client.as_ref().map(ToString::to_string),
        plan: beginning.plan.as_ref().map(ToString::to_string),
        frontend: beginning.frontend.to_string(),
        src: beginning.src.to_string(),
        model: Some(way.model.to_string()).filter(|model| !model.is_empty()),
        backend: backend.map(|name| name.to_string()),
        server: server.map(|name| name.to_string()),
        attempts: way.attempts,
        streamed: way.streamed,
        prompt_tokens: used.prompt,
        completion_tokens: used.completion,
        cost_usd: of.cost().map(dollars),
    }
}
