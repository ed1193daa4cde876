//! What models cost.

use crate::observe::cell::Counter;

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
