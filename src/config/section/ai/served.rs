//! Models that no server knows, and plans that have only such: seen once all backends are read.

use std::collections::HashSet;

use crate::config::checked::{Ai, Backend, Plan};
use crate::config::diagnostic::{Code, Diagnostic};
use crate::config::reader::Map;

/// Only of a file without mistakes: a misspelt name would also make its model look unserved.
pub(in crate::config::section) fn warn(
    root: &Map<'_>,
    ai: &Ai,
    plans: &[Option<Plan>],
    backends: &[Option<Backend>],
) {
    if root.context.has_errors() {
        return;
    }
    let servers = || backends.iter().flatten().flat_map(|backend| &backend.servers);
    if servers().any(|server| server.models.is_none()) {
        return;
    }
    let known: HashSet<&str> = servers()
        .filter_map(|server| server.models.as_ref())
        .flatten()
        .map(|(ours, _)| ours.as_str())
        .collect();
    let served: Vec<bool> = ai.models.iter().map(|model| known.contains(model.name.as_str())).collect();
    let reached = reached(ai, &served);
    let is = |list: &[bool], model: usize| list.get(model).copied().unwrap_or(true);
    // Without mistakes, what was read and what the file has are in the same order.
    let ai_node = root.get("ai").map(|v| v.node);
    let in_file =
        ai_node.and_then(|node| node.child("models")).map_or(&[][..], |entry| entry.value.entries());
    for (at, (model, entry)) in ai.models.iter().zip(in_file).enumerate() {
        if is(&served, at) {
            continue;
        }
        let message = format!("no server knows model `{}`", model.name);
        let hint = if is(&reached, at) {
            "all its calls go to its `fallback`; name it in the `models` of a server"
        } else {
            "its calls get 404 `model_not_found`; name it in the `models` of a server, or remove it"
        };
        root.context.report(Diagnostic::warning(Code::Unused, entry.key.span, message).hint(hint));
    }
    let in_file = root.get("plans").map_or(&[][..], |v| v.node.entries());
    for (plan, entry) in plans.iter().flatten().zip(in_file) {
        let Some(models) = &plan.models else { continue };
        if models.iter().any(|model| is(&reached, *model)) {
            continue;
        }
        let span = entry.value.child("models").map_or(entry.key.span, |models| models.key.span);
        let message = format!("no server knows any model of plan `{}`", plan.name);
        let hint = "its clients get 404 `model_not_found`; name one in the `models` of a server";
        root.context.report(Diagnostic::warning(Code::Unused, span, message).hint(hint));
    }
}

/// The models that a server knows, or one of those that stand in for them.
fn reached(ai: &Ai, served: &[bool]) -> Vec<bool> {
    let mut asked_by = vec![Vec::new(); ai.models.len()];
    for (at, model) in ai.models.iter().enumerate() {
        for stand_in in &model.fallback {
            if let Some(list) = asked_by.get_mut(*stand_in) {
                list.push(at);
            }
        }
    }
    let mut reached = served.to_vec();
    let mut waiting: Vec<usize> = (0..served.len()).filter(|at| served.get(*at) == Some(&true)).collect();
    while let Some(next) = waiting.pop() {
        for at in asked_by.get(next).into_iter().flatten() {
            if let Some(flag @ false) = reached.get_mut(*at) {
                *flag = true;
                waiting.push(*at);
            }
        }
    }
    reached
}
