//! Tokens and money that calls took: of a model on a server, of a client.

use crate::base::clock::Tick;
use crate::observe::access_log::Tokens;
use crate::observe::cell::{Counter, PerMinute};

#[derive(Debug, Default)]
pub struct Taken {
    /// Those read from a cache included.
    pub prompt_tokens: Counter,
    /// Those of reasoning included.
    pub completion_tokens: Counter,
    /// Of the prompt.
    pub cached_tokens: Counter,
    /// Of the completion.
    pub reasoning_tokens: Counter,
    /// Micro-dollars; of calls whose cost is known.
    pub cost: Counter,
    /// Tokens of prompt and completion of the last minute, by when their calls ended.
    pub recent_tokens: PerMinute,
}

impl Taken {
    /// A call ended. What is unknown of it adds nothing.
    pub fn add(&self, tokens: &Tokens, now: Tick) {
        for (cell, count) in [
            (&self.prompt_tokens, tokens.prompt),
            (&self.completion_tokens, tokens.completion),
            (&self.cached_tokens, tokens.cached),
            (&self.reasoning_tokens, tokens.reasoning),
            (&self.cost, tokens.cost),
        ] {
            if let Some(count) = count.filter(|count| *count > 0) {
                cell.add(count);
            }
        }
        let both = tokens.prompt.unwrap_or(0).saturating_add(tokens.completion.unwrap_or(0));
        if both > 0 {
            self.recent_tokens.add(both, now);
        }
    }

    /// Tokens by kind: the label of `tidegate_tokens_total` and its like.
    pub fn tokens(&self) -> [(&'static str, u64); 4] {
        [
            ("prompt", self.prompt_tokens.get()),
            ("completion", self.completion_tokens.get()),
            ("cached", self.cached_tokens.get()),
            ("reasoning", self.reasoning_tokens.get()),
        ]
    }
}
