//! What a call took: counted for its model, its server and its client, told in the log, kept in the ledger.

use std::sync::Arc;

use crate::base::clock;
use crate::ledger;
use crate::observe::access_log::Tokens;
use crate::observe::stats::Times;
use crate::outcome::Outcome;
use crate::proxy::asker;
use crate::proxy::context::Context;
use crate::proxy::finish::End;
use crate::proxy::meter::Used;

/// Characters of a model's name in the log.
const LONGEST: usize = 256;

pub fn count(context: &Context, end: &End) {
    if let Some(asker) = &context.asker
        && matches!(end.outcome, Outcome::Limited(_))
    {
        asker.stats.refused.one();
    }
    let (ai, now) = (&context.snapshot.ai, context.now());
    let times = Times {
        first_content: context.times.first_content,
        token: context.usage.as_ref().and_then(|used| used.token_time),
    };
    // Where tokens are not counted, nothing is known of them, and 0 would be wrong.
    let Some(call) = context.call.as_ref().filter(|_| ai.counts) else {
        if let (Some(_), Some(server)) = (times.first_content, context.server()) {
            server.calls.of_none(&context.worker.shared.state).timed(times);
        }
        return;
    };
    let tokens = context.usage.as_ref().map(tokens);
    let state = &context.worker.shared.state;
    match context.server() {
        Some(server) => {
            server.calls.of(call.id, ai, state).ended(tokens.as_ref(), times, now);
        }
        None => {
            let backend = context.backend().map_or("", |backend| &*backend.name);
            state.call_stats(ai.name_of(call.id), backend, "").ended(tokens.as_ref(), times, now);
        }
    }
    if let (Some(asker), Some(tokens)) = (&context.asker, &tokens) {
        asker.stats.took(tokens, now);
    }
    let plan = context.identity.client().and_then(|client| client.plan);
    if let (Some(cell), Some(cost)) =
        (ai.cost_of(call.id, plan), context.usage.as_ref().and_then(|used| used.cost))
    {
        cell.add(cost);
    }
    if context.attempts > 0 {
        keep(context, end, tokens.unwrap_or_default());
    }
}

/// A call that some server was asked for goes into the ledger.
fn keep(context: &Context, end: &End, tokens: Tokens) {
    let (Some(ledger), Some(call)) = (&*context.worker.shared.ledger.load(), &context.call) else { return };
    let name = |name: Option<&Arc<str>>| name.cloned().unwrap_or_default();
    let known = |tokens: &Tokens| call.id.is_some() || tokens.prompt.is_some();
    ledger.record(ledger::Call {
        at: clock::unix_time(),
        request_id: context.id.as_str().to_owned(),
        client: asker::name(&context.identity),
        plan: name(context.plan().map(|plan| &plan.name)),
        // Where the file lists none, a name is the client's word until a server has taken it.
        model: if known(&tokens) {
            self::name(&call.model).map(Arc::from).unwrap_or_default()
        } else {
            Arc::default()
        },
        backend: name(context.backend().map(|backend| &backend.name)),
        server: name(context.server().map(|server| &server.target.name)),
        status: end.status,
        prompt: tokens.prompt,
        completion: tokens.completion,
        cached: tokens.cached,
        reasoning: tokens.reasoning,
        cost: tokens.cost,
        estimated: tokens.estimated,
        stream: context.streamed,
        attempts: context.attempts,
        duration: end.duration,
        first_content: context.times.first_content,
    });
}

pub fn tokens(used: &Used) -> Tokens {
    let usage = &used.usage;
    Tokens {
        prompt: usage.prompt,
        completion: usage.completion,
        cached: usage.cached,
        reasoning: usage.reasoning,
        cost: used.cost,
        estimated: used.estimated,
    }
}

/// As the log has it: a client may write anything there. `None`: the call names none.
pub fn name(model: &str) -> Option<&str> {
    let end = model.char_indices().nth(LONGEST).map_or(model.len(), |(end, _)| end);
    model.get(..end).filter(|name| !name.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_in_the_log_is_cut_between_letters() {
        assert_eq!((name(""), name("gpt-4.1")), (None, Some("gpt-4.1")));
        let long = "é".repeat(LONGEST + 1);
        assert_eq!(name(&long).map(|cut| cut.chars().count()), Some(LONGEST));
    }
}
