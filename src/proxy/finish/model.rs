//! What a call took, for its model: counted, and told in the log.

use crate::observe::access_log::Tokens;
use crate::proxy::context::Context;
use crate::proxy::meter::Used;

/// Characters of a model's name in the log.
const LONGEST: usize = 256;

/// What a call took counts for its model.
pub fn count(context: &Context) {
    let Some(call) = &context.call else { return };
    let ai = &context.snapshot.ai;
    // Nothing is known of its tokens then, and 0 would be wrong.
    if !ai.counts {
        return;
    }
    let stats = ai.stats_of(call.id);
    stats.calls.one();
    let Some(used) = &context.usage else { return };
    for (cell, tokens) in [
        (&stats.prompt_tokens, used.usage.prompt),
        (&stats.completion_tokens, used.usage.completion),
        (&stats.cached_tokens, used.usage.cached),
        (&stats.reasoning_tokens, used.usage.reasoning),
    ] {
        cell.add(tokens.unwrap_or(0));
    }
    if let Some(time) = used.token_time {
        stats.token_time.observe(time);
    }
    let plan = context.identity.client().and_then(|client| client.plan);
    if let (Some(cell), Some(cost)) = (ai.cost_of(call.id, plan), used.cost) {
        cell.add(cost);
    }
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
