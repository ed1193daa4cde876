//! How many tokens a call will take, before the provider has said it, from what earlier calls of the same model took.
//! One `Ratios` for each model, shared by all threads.

use std::sync::atomic::{AtomicU64, Ordering};

use super::usage::Usage;

/// Bytes of a token of English, by the providers' own rule of thumb; and what no text leaves.
const PRIOR_BYTES: f64 = 4.0;
const LEAST_BYTES: f64 = 1.0;
const MOST_BYTES: f64 = 16.0;

/// Tokens of an answer nobody has seen the like of.
const PRIOR_COMPLETION: f64 = 300.0;

/// Longest answer that counts as such: no sample, be it ever so absurd, moves what is typical by more than 2,048 tokens.
const MOST_COMPLETION: u64 = 32_768;

/// Share of the newest call in what is learned.
const NEWEST: f64 = 1.0 / 16.0;

/// What the calls of one model taught, as moving averages.
#[derive(Debug)]
pub struct Ratios {
    /// Of the request's body, a prompt token.
    prompt_bytes: Average,
    /// Of the content of an answer, a completion token that is shown.
    content_bytes: Average,
    completion: Average,
}

impl Default for Ratios {
    fn default() -> Ratios {
        Ratios {
            prompt_bytes: Average::new(PRIOR_BYTES),
            content_bytes: Average::new(PRIOR_BYTES),
            completion: Average::new(PRIOR_COMPLETION),
        }
    }
}

impl Ratios {
    /// Prompt tokens of a body this long, rounded up.
    pub fn prompt_tokens(&self, body_bytes: u64) -> u64 {
        tokens(body_bytes, self.prompt_bytes.get())
    }

    /// Completion tokens of this much content (`Seen::content_bytes`), rounded up: for an answer that did not say.
    pub fn completion_tokens(&self, content_bytes: u64) -> u64 {
        tokens(content_bytes, self.content_bytes.get())
    }

    /// Completion tokens to reserve for a call that sets no limit of its own; at least 1.
    pub fn typical_completion(&self) -> u64 {
        whole(self.completion.get().max(1.0))
    }

    /// Learns from a call whose provider told its counts; what is unknown teaches nothing. Never hand it estimates.
    pub fn learn(&self, body_bytes: u64, usage: &Usage) {
        self.prompt_bytes.learn_ratio(body_bytes, usage.prompt);
        if let Some(completion) = usage.completion {
            self.completion.learn(number(completion.min(MOST_COMPLETION)));
        }
    }

    /// Learns how much content a completion token is, from a whole answer. Reasoning is not among the content of most
    /// providers, so it teaches only where there was none.
    pub fn learn_content(&self, content_bytes: u64, usage: &Usage) {
        if usage.reasoning.unwrap_or(0) == 0 {
            self.content_bytes.learn_ratio(content_bytes, usage.completion);
        }
    }
}

/// An exponential moving average.
#[derive(Debug)]
struct Average(AtomicU64);

impl Average {
    fn new(value: f64) -> Average {
        Average(AtomicU64::new(value.to_bits()))
    }

    fn get(&self) -> f64 {
        f64::from_bits(self.0.load(Ordering::Relaxed))
    }

    fn learn(&self, sample: f64) {
        let next = |old: u64| {
            let old = f64::from_bits(old);
            Some((old + (sample - old) * NEWEST).to_bits())
        };
        // The closure always gives a value, so there is no error.
        let _ = self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, next);
    }

    /// A sample out of bounds (an image in the body, a prompt kept by the provider) counts as the bound.
    fn learn_ratio(&self, bytes: u64, tokens: Option<u64>) {
        let Some(tokens) = tokens.filter(|tokens| *tokens > 0) else { return };
        if bytes > 0 {
            self.learn((number(bytes) / number(tokens)).clamp(LEAST_BYTES, MOST_BYTES));
        }
    }
}

fn tokens(bytes: u64, per_token: f64) -> u64 {
    whole((number(bytes) / per_token).ceil())
}

/// Exact up to 2^53, far beyond any body.
fn number(count: u64) -> f64 {
    count as f64
}

/// Saturates.
fn whole(number: f64) -> u64 {
    number.round() as u64
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn usage(prompt: u64, completion: u64) -> Usage {
        Usage { prompt: Some(prompt), completion: Some(completion), ..Usage::default() }
    }

    #[test]
    fn before_the_first_call_the_rule_of_thumb_holds() {
        let ratios = Ratios::default();
        assert_eq!(ratios.prompt_tokens(4000), 1000);
        assert_eq!(ratios.prompt_tokens(1), 1);
        assert_eq!(ratios.prompt_tokens(0), 0);
        assert_eq!(ratios.completion_tokens(9), 3);
        assert_eq!(ratios.typical_completion(), 300);
    }

    #[test]
    fn calls_move_it_towards_what_they_took() {
        let ratios = Ratios::default();
        ratios.learn(8000, &usage(1000, 620));
        assert_eq!(ratios.prompt_tokens(4250), 1000);
        assert_eq!(ratios.typical_completion(), 320);
        for _ in 0..200 {
            ratios.learn(2000, &usage(1000, 20));
            ratios.learn_content(300, &usage(1000, 100));
        }
        assert_eq!(ratios.prompt_tokens(2000), 1000);
        assert_eq!(ratios.typical_completion(), 20);
        assert_eq!(ratios.completion_tokens(300), 100);
    }

    #[test]
    fn one_absurd_answer_does_not_spoil_what_is_typical() {
        let ratios = Ratios::default();
        ratios.learn(4000, &usage(1000, 50_000_000));
        let spoilt = ratios.typical_completion();
        assert!(spoilt < 2400, "{spoilt}");
        for _ in 0..64 {
            ratios.learn(4000, &usage(1000, 300));
        }
        let recovered = ratios.typical_completion();
        assert!((300..350).contains(&recovered), "{recovered}");
    }

    #[test]
    fn what_is_unknown_teaches_nothing() {
        let ratios = Ratios::default();
        ratios.learn(1_000_000, &Usage::default());
        ratios.learn(0, &usage(1000, 300));
        ratios.learn(1_000_000, &usage(0, 300));
        ratios.learn_content(1_000_000, &Usage { reasoning: Some(5), ..usage(1, 10) });
        assert_eq!(ratios.prompt_tokens(4000), 1000);
        assert_eq!(ratios.completion_tokens(4000), 1000);
        assert_eq!(ratios.typical_completion(), 300);
    }

    proptest! {
        #[test]
        fn no_calls_take_it_out_of_its_bounds(calls in prop::collection::vec((any::<u64>(), any::<u64>(), any::<u64>()), 0..50)) {
            let ratios = Ratios::default();
            for (bytes, prompt, completion) in calls {
                ratios.learn(bytes, &usage(prompt, completion));
                ratios.learn_content(bytes, &usage(prompt, completion));
            }
            for tokens in [ratios.prompt_tokens(16_000), ratios.completion_tokens(16_000)] {
                prop_assert!((1000..=16_000).contains(&tokens));
            }
            prop_assert!((1..=MOST_COMPLETION).contains(&ratios.typical_completion()));
        }
    }
}
