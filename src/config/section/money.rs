//! Budgets beside each other, and beside the ledger: what is seen once everything is read.

use std::time::Duration;

use crate::config::checked::{Ai, Budget, Clients, Period, Plan};
use crate::config::context::Context;
use crate::config::diagnostic::{Code, Diagnostic, Span};
use crate::config::reader::Map;
use crate::config::tree::{Kind, Node};

/// The longest month, so long the totals must last that a budget for a month finds all of it after a restart.
const MONTH: Duration = Duration::from_secs(31 * 86_400);

/// Whether anything limits money.
pub(super) fn is_limited(ai: &Ai, plans: &[Option<Plan>], clients: &Clients) -> bool {
    budgets(ai, plans, clients).next().is_some()
}

fn budgets<'a>(
    ai: &'a Ai,
    plans: &'a [Option<Plan>],
    clients: &'a Clients,
) -> impl Iterator<Item = &'a Budget> {
    let of_plans = plans.iter().flatten().flat_map(|p| [p.budget.as_ref(), p.total_budget.as_ref()]);
    let of_keys = clients.keys.iter().map(|k| k.budget.as_ref());
    of_plans.chain(of_keys).chain([ai.budget.as_ref()]).flatten()
}

/// Only of a file without mistakes: a budget that could not be read would be missed.
pub(super) fn warn(root: &Map<'_>, ai: &Ai, plans: &[Option<Plan>], clients: &Clients) {
    if root.context.has_errors() {
        return;
    }
    warn_of_ledger(root, ai, plans, clients);
    // Without mistakes, what was read and what the file has are in the same order.
    let in_file = root.get("plans").map_or(&[][..], |v| v.node.entries());
    for (index, (plan, entry)) in plans.iter().flatten().zip(in_file).enumerate() {
        let at = Place { context: root.context, node: &entry.value, span: entry.key.span };
        of_plan(at, index, plan, ai, clients);
    }
    let keys = root.get("clients").and_then(|v| v.node.child("keys"));
    let in_file = match keys.map(|entry| &entry.value.kind) {
        Some(Kind::List(items)) => items.as_slice(),
        _ => &[],
    };
    for (client, node) in clients.keys.iter().zip(in_file) {
        let Some(own) = &client.budget else { continue };
        let at = Place { context: root.context, node, span: node.span };
        let what = format!("the budget of client key `{}`", client.name);
        let plan = client.plan.and_then(|plan| plans.get(plan)?.as_ref());
        let total = plan.and_then(|plan| Some(("`total_budget` of its plan", plan.total_budget.as_ref()?)));
        at.warn_of_wider("budget", &what, own, [total, all(ai)]);
    }
}

/// A place in the file of which something is to be said.
#[derive(Clone, Copy)]
struct Place<'a> {
    context: &'a Context<'a>,
    node: &'a Node,
    span: Span,
}

impl Place<'_> {
    fn warn(&self, key: &str, message: impl Into<String>, hint: &str) {
        let span = self.node.child(key).map_or(self.span, |entry| entry.key.span);
        self.context.report(Diagnostic::warning(Code::Conflict, span, message).hint(hint));
    }

    fn warn_of_wider(&self, key: &str, what: &str, budget: &Budget, wider: [Option<(&str, &Budget)>; 2]) {
        let mut wider = wider.into_iter().flatten();
        if let Some((name, _)) = wider.find(|(_, wider)| never_ends_before(budget, wider)) {
            let message = format!("{what} is never used up: {name} ends before it");
            self.warn(key, message, "make it smaller than that, or remove it");
        }
    }
}

fn all(ai: &Ai) -> Option<(&'static str, &Budget)> {
    ai.budget.as_ref().map(|budget| ("`ai.budget`", budget))
}

fn of_plan(at: Place<'_>, index: usize, plan: &Plan, ai: &Ai, clients: &Clients) {
    let name = &plan.name;
    let mut keys = clients.keys.iter().filter(|key| key.plan == Some(index));
    let money =
        plan.budget.or(plan.total_budget).or(ai.budget).is_some() || keys.any(|key| key.budget.is_some());
    if plan.in_stream && plan.tokens_per_minute.is_none() && !money {
        let message =
            format!("`enforce: in_stream` has no effect: plan `{name}` limits no tokens and no money");
        at.warn("enforce", message, "give it `tokens_per_minute` or `budget`, or remove it");
    }
    let total = plan.total_budget.as_ref();
    if let Some(budget) = &plan.budget {
        let wider = [total.map(|total| ("its `total_budget`", total)), all(ai)];
        at.warn_of_wider("budget", &format!("the budget of plan `{name}`"), budget, wider);
    }
    if let Some(total) = total {
        at.warn_of_wider(
            "total_budget",
            &format!("the total budget of plan `{name}`"),
            total,
            [None, all(ai)],
        );
    }
}

/// Whether `wider`, which pays for every call that `budget` pays for, has always ended when `budget` would.
fn never_ends_before(budget: &Budget, wider: &Budget) -> bool {
    let at_most = match (budget.per, wider.per) {
        (Period::Month, Period::Day) => wider.micro_dollars.saturating_mul(31),
        _ => wider.micro_dollars,
    };
    budget.micro_dollars > at_most
}

fn warn_of_ledger(root: &Map<'_>, ai: &Ai, plans: &[Option<Plan>], clients: &Clients) {
    let Some(section) = root.get("ai") else { return };
    let at = Place { context: root.context, node: section.node, span: section.at };
    let Some(keep) = &ai.ledger else {
        if is_limited(ai, plans, clients) {
            let message = "without the ledger every start forgets what was spent: the budgets begin anew";
            at.warn("ledger", message, "remove `ledger: off`, or the budgets");
        }
        return;
    };
    if keep.totals < MONTH && budgets(ai, plans, clients).any(|budget| budget.per == Period::Month) {
        let message =
            "`keep_totals` is shorter than a month: after a restart a budget for a month begins too low";
        let inner = section.node.child("ledger").map(|entry| &entry.value);
        let at = Place { node: inner.unwrap_or(section.node), ..at };
        at.warn("keep_totals", message, "at least `keep_totals: 31d`");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_is_within_its_month_and_a_month_is_31_days_at_most() {
        let budget = |micro_dollars, per| Budget { micro_dollars, per, alert_at: 0.8 };
        for (inner, outer, never) in [
            (budget(5, Period::Day), budget(5, Period::Day), false),
            (budget(6, Period::Day), budget(5, Period::Day), true),
            (budget(5, Period::Day), budget(5, Period::Month), false),
            (budget(6, Period::Day), budget(5, Period::Month), true),
            (budget(155, Period::Month), budget(5, Period::Day), false),
            (budget(156, Period::Month), budget(5, Period::Day), true),
            (budget(u64::MAX, Period::Month), budget(u64::MAX, Period::Day), false),
        ] {
            assert_eq!(never_ends_before(&inner, &outer), never, "{inner:?} {outer:?}");
        }
    }
}
