//! Money: what a call may cost is reserved from every budget that it is paid from before it goes on, and settled with what
//! it did cost.

use crate::ai::usage::Usage;
use crate::base::clock;
use crate::limit::{Account, Crossing, Level, Period, Wallet};
use crate::outcome::{Limit, Outcome};
use crate::proxy::call;
use crate::proxy::context::Context;
use crate::runtime::events::{self, Spending};
use crate::runtime::snapshot::Allowance;

/// Reserves what the call may cost as far as there is money, or says that nothing is left. What has no price costs nothing.
pub fn reserve(context: &mut Context) -> Option<Outcome> {
    let estimate = estimate(context, context.call.as_ref()?.id?)?;
    let accounts = payers(context).map(|budget| Account { purse: budget.purse.clone(), cap: budget.cap });
    match Wallet::reserve(accounts, estimate, clock::unix_time()) {
        Ok(wallet) => {
            context.wallet = Some(wallet);
            None
        }
        Err(refusal) if refusal.used_up => {
            if let Some(crossing) = refusal.crossing() {
                tell(context, &crossing);
            }
            context.budget_anew = Some(refusal.resets_at);
            Some(Outcome::Limited(Limit::Budget))
        }
        Err(_) => Some(Outcome::Limited(Limit::BudgetInFlight)),
    }
}

/// What the call may cost with a model, by its index. `None`: it has no price.
fn estimate(context: &Context, model: usize) -> Option<u64> {
    let price = context.snapshot.ai.prices.get(model)?;
    // Only what costs nothing whatever it takes passes where nothing is left.
    Some(price.cost(&call::expected(context, Some(model))?)?.max(u64::from(!price.is_free())))
}

/// Whether there is any money for the call with a model that is to stand in for its own, and may be dearer.
pub fn affords(context: &Context, model: usize) -> bool {
    match (&context.wallet, estimate(context, model)) {
        (Some(wallet), Some(estimate)) => wallet.stretch(estimate, clock::unix_time()),
        _ => true,
    }
}

/// Whether there is money for what a stream took so far.
pub fn grow(context: &Context, used: &Usage) -> bool {
    let (Some(wallet), Some(cost)) = (&context.wallet, cost(context, used)) else { return true };
    wallet.grow(cost, clock::unix_time())
}

/// The call is over and did cost this; `None`: nobody can tell, so what was reserved stands.
pub fn settle(context: &Context, cost: Option<u64>) {
    let (Some(wallet), Some(cost)) = (&context.wallet, cost) else { return keep(context) };
    wallet.settle(cost, clock::unix_time()).iter().for_each(|crossing| tell(context, crossing));
}

/// What was reserved stands for what the call did cost.
fn keep(context: &Context) {
    let Some(wallet) = &context.wallet else { return };
    wallet.keep(clock::unix_time()).iter().for_each(|crossing| tell(context, crossing));
}

fn cost(context: &Context, used: &Usage) -> Option<u64> {
    context.snapshot.ai.prices.get(context.call.as_ref()?.id?)?.cost(used)
}

/// From one to all.
fn payers(context: &Context) -> impl Iterator<Item = &Allowance> {
    let client = context.client_key().map(|client| &client.budget);
    let plan = context.plan().map(|plan| &plan.budget);
    client.into_iter().chain(plan).chain([&context.snapshot.ai.budget])
}

fn tell(context: &Context, crossing: &Crossing) {
    let Some(budget) = payers(context).nth(crossing.account) else { return };
    let &Crossing { level, spent, cap, .. } = crossing;
    let near = cap.mark(Level::Alert);
    let spending = Spending {
        subject: &budget.payer.to_string(),
        used_up: level == Level::UsedUp,
        was_near: near < cap.mark(Level::UsedUp) && spent >= near,
        spent,
        cap: cap.micro_dollars,
        period: match cap.per {
            Period::Day => "day",
            Period::Month => "month",
        },
        anew: cap.per.resets_at(clock::unix_time()),
    };
    events::budget(&context.worker.shared.state, &spending);
}
