//! What a call costs. Money is whole micro-dollars (a millionth of a US dollar), and it is rounded once, over the sum.

use super::usage::Usage;

/// Tokens that a price is told for.
const PER: u128 = 1_000_000;

/// Micro-dollars per million tokens: 2.50 dollars are 2,500,000.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Price {
    pub input: u64,
    pub output: u64,
    /// For prompt tokens that were read from a cache.
    pub cached_input: u64,
}

impl Price {
    /// Whether nothing has a price.
    pub fn is_free(&self) -> bool {
        (self.input, self.output, self.cached_input) == (0, 0, 0)
    }

    /// Micro-dollars, half up. `None` where the prompt or the completion is unknown; without a word on cached tokens none
    /// were. No token is paid twice: more cached tokens than the prompt has are as many as it has.
    pub fn cost(&self, usage: &Usage) -> Option<u64> {
        let (prompt, completion) = (usage.prompt?, usage.completion?);
        let cached = usage.cached.unwrap_or(0).min(prompt);
        let sum = price(prompt - cached, self.input)
            .saturating_add(price(cached, self.cached_input))
            .saturating_add(price(completion, self.output));
        let cost = sum.saturating_add(PER / 2) / PER;
        Some(u64::try_from(cost).unwrap_or(u64::MAX))
    }
}

fn price(tokens: u64, per_million: u64) -> u128 {
    u128::from(tokens) * u128::from(per_million)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Dollars 2.50, 10.00, and 1.25 from the cache.
    const PRICE: Price = Price { input: 2_500_000, output: 10_000_000, cached_input: 1_250_000 };

    fn usage(prompt: u64, completion: u64, cached: Option<u64>) -> Usage {
        Usage { prompt: Some(prompt), completion: Some(completion), cached, reasoning: None }
    }

    fn cost(prompt: u64, completion: u64, cached: Option<u64>) -> Option<u64> {
        PRICE.cost(&usage(prompt, completion, cached))
    }

    #[test]
    fn known_counts_cost_exact_micro_dollars() {
        assert_eq!(cost(1_000_000, 1_000_000, None), Some(12_500_000));
        assert_eq!(cost(1200, 340, None), Some(3000 + 3400));
        assert_eq!(cost(1200, 340, Some(1000)), Some(500 + 1250 + 3400));
        assert_eq!(cost(0, 0, None), Some(0));
    }

    #[test]
    fn it_is_rounded_half_up_and_once_over_the_sum() {
        assert_eq!(cost(1, 0, None), Some(3));
        assert_eq!(cost(1, 0, Some(1)), Some(1));
        // 2.5 and 1.25: each for itself would be 3 and 1 of which the sum, 3.75, is the same; 1.25 twice is 2.5.
        assert_eq!(cost(2, 0, Some(1)), Some(4));
        assert_eq!(cost(2, 0, Some(2)), Some(3));
        let tiny = Price { input: 499_999, output: 1, cached_input: 0 };
        assert_eq!(tiny.cost(&usage(1, 0, None)), Some(0));
        assert_eq!(tiny.cost(&usage(1, 1, None)), Some(1));
    }

    #[test]
    fn cached_tokens_are_paid_once() {
        assert_eq!(cost(100, 0, Some(100)), Some(125));
        assert_eq!(cost(100, 0, Some(5000)), Some(125));
    }

    #[test]
    fn an_unknown_side_has_no_cost() {
        let unknown = Usage { prompt: Some(1), ..Usage::default() };
        assert_eq!(PRICE.cost(&unknown), None);
        assert_eq!(PRICE.cost(&Usage { completion: Some(1), ..Usage::default() }), None);
    }

    #[test]
    fn what_is_too_much_for_a_number_is_the_largest() {
        let dear = Price { input: u64::MAX, output: u64::MAX, cached_input: u64::MAX };
        assert_eq!(dear.cost(&usage(u64::MAX, u64::MAX, Some(1))), Some(u64::MAX));
    }

    proptest! {
        #[test]
        fn the_cost_is_within_half_a_micro_dollar(
            (input, output, cached_input) in (0..100_000_000u64, 0..100_000_000u64, 0..100_000_000u64),
            (prompt, completion, cached) in (0..10_000_000u64, 0..1_000_000u64, 0..10_000_000u64),
        ) {
            let price = Price { input, output, cached_input };
            let cost = u128::from(price.cost(&usage(prompt, completion, Some(cached))).unwrap());
            let cached = cached.min(prompt);
            let exact = u128::from(prompt - cached) * u128::from(input)
                + u128::from(cached) * u128::from(cached_input)
                + u128::from(completion) * u128::from(output);
            prop_assert!(cost * 2_000_000 <= exact * 2 + 1_000_000);
            prop_assert!(cost * 2_000_000 + 1_000_000 > exact * 2);
        }
    }
}
