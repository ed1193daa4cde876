//! What AI calls took: how many tokens, how much money, and how long it was to the first and to each further token.

use std::time::Duration;

use crate::base::clock::Tick;
use crate::observe::access_log::Tokens;
use crate::observe::cell::{Counter, PerMinute};
use crate::observe::histogram::{Costs, Histogram, Sizes};
use crate::observe::stats::taken::Taken;

/// The calls of one model on one server of one backend. A call that reached no server counts where it ended: with an
/// empty server, or an empty backend too.
#[derive(Debug, Default)]
pub struct CallStats {
    /// Calls that ended, however they did.
    pub calls: Counter,
    pub taken: Taken,
    /// From the first byte of a request to the first content of its event stream.
    pub first_content: Histogram,
    /// Of streams: from the first content to the end, for each token after the first.
    pub token_time: Histogram,
    /// Tokens of one call's prompt, where they are known.
    pub prompt_sizes: Sizes,
    /// Tokens of one call's completion, where they are known.
    pub completion_sizes: Sizes,
    /// What one call cost, where that is known.
    pub costs: Costs,
    /// Calls that ended in the last minute.
    pub recent_calls: PerMinute,
}

impl CallStats {
    /// The name of all models that the configuration does not list, together: clients may write anything.
    pub const OTHER: &str = "other";

    /// A call ended. `tokens` is `None` where nothing is known of them; times are those of event streams.
    pub fn ended(&self, tokens: Option<&Tokens>, times: Times, now: Tick) {
        self.calls.one();
        self.recent_calls.tick(now);
        self.timed(times);
        let Some(tokens) = tokens else { return };
        self.taken.add(tokens, now);
        if let Some(prompt) = tokens.prompt {
            self.prompt_sizes.observe(prompt);
        }
        if let Some(completion) = tokens.completion {
            self.completion_sizes.observe(completion);
        }
        if let Some(cost) = tokens.cost {
            self.costs.observe(cost);
        }
    }

    /// An event stream that is no AI call ended: it counts under the empty model.
    pub fn timed(&self, times: Times) {
        if let Some(time) = times.first_content {
            self.first_content.observe(time);
        }
        if let Some(time) = times.token {
            self.token_time.observe(time);
        }
    }
}

/// What is measured of an event stream.
#[derive(Clone, Copy, Debug, Default)]
pub struct Times {
    /// From the first byte of the request to the first content.
    pub first_content: Option<Duration>,
    /// From the first content to the end, for each token after the first.
    pub token: Option<Duration>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_unknown_is_in_no_histogram() {
        let stats = CallStats::default();
        let now = Tick(1000);
        stats.ended(None, Times::default(), now);
        let known = Tokens { prompt: Some(100), completion: Some(0), cost: Some(1_250), ..Tokens::default() };
        let first_content = Some(Duration::from_millis(300));
        stats.ended(Some(&known), Times { first_content, token: None }, now);
        assert_eq!(
            (stats.calls.get(), stats.recent_calls.recent(now), stats.taken.recent_tokens.recent(now)),
            (2, 2, 100)
        );
        assert_eq!(stats.taken.tokens().map(|(_, count)| count), [100, 0, 0, 0]);
        assert_eq!(
            (stats.prompt_sizes.snapshot().count(), stats.completion_sizes.snapshot().count()),
            (1, 1)
        );
        assert_eq!((stats.costs.snapshot().sum(), stats.taken.cost.get()), (1_250, 1_250));
        assert_eq!((stats.first_content.snapshot().count(), stats.token_time.snapshot().count()), (1, 0));
    }
}
