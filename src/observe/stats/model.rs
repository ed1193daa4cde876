//! What models took.

use crate::observe::cell::Counter;
use crate::observe::histogram::Histogram;

/// One model. What it cost is counted by plan, see [`Cost`].
#[derive(Debug, Default)]
pub struct ModelStats {
    /// Calls that ended, however they did.
    pub calls: Counter,
    /// Those read from a cache included.
    pub prompt_tokens: Counter,
    /// Those of reasoning included.
    pub completion_tokens: Counter,
    /// Of the prompt.
    pub cached_tokens: Counter,
    /// Of the completion.
    pub reasoning_tokens: Counter,
    /// Of streams: from the first content to the end, for each token after the first.
    pub token_time: Histogram,
}

impl ModelStats {
    /// The name of all that the configuration does not list, together: clients may write anything.
    pub const OTHER: &str = "other";

    /// Tokens by kind: the label of `tidegate_tokens_total`.
    pub fn tokens(&self) -> [(&'static str, u64); 4] {
        [
            ("prompt", self.prompt_tokens.get()),
            ("completion", self.completion_tokens.get()),
            ("cached", self.cached_tokens.get()),
            ("reasoning", self.reasoning_tokens.get()),
        ]
    }
}

/// What the clients of one plan had to pay for one model, in micro-dollars.
#[derive(Debug, Default)]
pub struct Cost(Counter);

impl Cost {
    pub fn add(&self, micro_dollars: u64) {
        self.0.add(micro_dollars);
    }

    pub fn micro_dollars(&self) -> u64 {
        self.0.get()
    }
}

/// Dollars of micro-dollars, exact up to nine billion.
pub fn dollars(micro_dollars: u64) -> f64 {
    micro_dollars as f64 / 1e6
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cost_is_exact_in_dollars() {
        let cost = Cost::default();
        [1, 122, 30_000_000].into_iter().for_each(|micro_dollars| cost.add(micro_dollars));
        assert_eq!(dollars(cost.micro_dollars()).to_string(), "30.000123");
    }
}
