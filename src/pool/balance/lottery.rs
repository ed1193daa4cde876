//! A weighted lottery without memory: each server draws a time that is exponential with its weight as the rate, and the
//! earliest wins. The chance to be first is the share of the weight; among those that are left it is again the share of
//! theirs, so the order is a weighted draw without replacement, found in one pass and without a table. When a server
//! goes, the times of the others stay: only what it had won changes hands.

/// The time that a draw of 64 bits stands for. Never below 0; `weight` is not 0.
pub(super) fn time(bits: u64, weight: u32) -> f64 {
    // 53 bits make a number in (0, 1], whose logarithm is finite.
    let uniform = ((bits >> 11) as f64 + 1.0) / (1u64 << 53) as f64;
    -uniform.ln() / f64::from(weight)
}

/// Makes every bit depend on every bit (the finaliser of SplitMix64).
pub(super) fn mix(bits: u64) -> u64 {
    let bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^ (bits >> 31)
}

/// The two winners among the candidates, the first first. `random` makes the draw.
pub(super) fn two(open: impl Iterator<Item = (usize, u32)>, random: u64) -> Option<(usize, Option<usize>)> {
    let (mut first, mut second) = (None, None);
    for (position, weight) in open {
        let drawn = Some((time(mix(random ^ mix(position as u64 + 1)), weight), position));
        if earlier(drawn, first) {
            (first, second) = (drawn, first);
        } else if earlier(drawn, second) {
            second = drawn;
        }
    }
    first.map(|(_, position)| (position, second.map(|(_, position)| position)))
}

fn earlier(a: Option<(f64, usize)>, b: Option<(f64, usize)>) -> bool {
    match (a, b) {
        (Some((a, _)), Some((b, _))) => a < b,
        (a, _) => a.is_some(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_chance_to_win_is_the_share_of_the_weight() {
        let weights = [1u32, 2, 5, 2];
        let mut won = [0u32; 4];
        for random in 0..100_000u64 {
            let (first, second) = two(weights.iter().copied().enumerate(), mix(random)).unwrap();
            assert_ne!(Some(first), second);
            won[first] += 1;
        }
        for (won, weight) in won.iter().zip(weights) {
            assert!(won.abs_diff(weight * 10_000) < 600, "{won} of {weight}");
        }
    }

    #[test]
    fn times_are_finite_whatever_the_bits() {
        for bits in [0, 1, u64::MAX] {
            assert!(time(bits, 1).is_finite() && time(bits, 256) >= 0.0);
        }
        assert_eq!(two(std::iter::empty(), 7), None);
        assert_eq!(two([(3, 1)].into_iter(), 7), Some((3, None)));
    }
}
