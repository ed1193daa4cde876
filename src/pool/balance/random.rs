//! Two servers drawn by weight, the one with less in flight for its weight taken: HAProxy's `random(2)`. It needs no
//! lock, and several tidegates in front of the same servers do not move in step.

use super::{Choice, Servers, lottery};

/// Draws after this many refusals are not worth it: the tier is nearly full, and any place is good.
const DRAWS: u64 = 3;

pub(super) fn random<S: Servers>(servers: &S, random: u64) -> Choice<S::Taken> {
    let load = |position: usize| f64::from(servers.in_flight(position)) / weight(servers, position);
    better_of_two(servers, random, load)
}

/// Draws two and takes the one with the lower cost; of two alike the one drawn first, so that idle servers are taken by
/// weight.
pub(super) fn better_of_two<S: Servers>(
    servers: &S,
    random: u64,
    cost: impl Fn(usize) -> f64,
) -> Choice<S::Taken> {
    let mut refused = false;
    for draw in 0..DRAWS {
        let Some((one, other)) = lottery::two(servers.open(), random.wrapping_add(draw)) else { break };
        let (better, worse) = match other {
            Some(other) if cost(other) < cost(one) => (other, Some(one)),
            other => (one, other),
        };
        for position in [Some(better), worse].into_iter().flatten() {
            if let Some(taken) = servers.take(position) {
                return Choice::Taken(taken);
            }
            refused = true;
        }
    }
    let left = servers.open().find_map(|(position, _)| servers.take(position));
    left.map_or_else(|| servers.none_taken(refused), Choice::Taken)
}

/// Of a candidate; 1 for one that has just ceased to be one.
pub(super) fn weight<S: Servers>(servers: &S, position: usize) -> f64 {
    match servers.look(position) {
        super::Candidate::Weight(weight) => f64::from(weight.max(1)),
        _ => 1.0,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::lottery::mix;
    use super::super::tests::Bench;
    use super::*;

    #[test]
    fn idle_servers_are_taken_by_weight() {
        let bench = Bench::new(&[6, 0, 3, 1]);
        let mut taken = [0u32; 4];
        for turn in 0..10_000 {
            let Choice::Taken(position) = random(&bench, mix(turn)) else { panic!("nobody") };
            bench.leave(position);
            taken[position] += 1;
        }
        assert_eq!(taken[1], 0);
        for (position, expected) in [(0, 6000u32), (2, 3000), (3, 1000)] {
            assert!(taken[position].abs_diff(expected) < 300, "{taken:?}");
        }
    }

    #[test]
    fn of_two_the_one_with_less_in_flight_is_taken() {
        let bench = Bench::new(&[1, 1]);
        bench.hold(0, 3);
        assert!((0..100).all(|turn| {
            let taken = random(&bench, mix(turn));
            bench.leave(1);
            taken == Choice::Taken(1)
        }));
        let bench = Bench::new(&[10, 1]);
        bench.hold(0, 3);
        bench.hold(1, 1);
        assert_eq!(random(&bench, 1), Choice::Taken(0), "3 of 10 is less than 1 of 1");
    }

    #[test]
    fn refusals_end_with_any_server_that_has_room() {
        let bench = Bench::new(&[1; 5]);
        (0..4).for_each(|position| bench.refuse(position));
        assert!((0..50).all(|turn| random(&bench, mix(turn)) == Choice::Taken(4)));
        bench.refuse(4);
        assert_eq!(random(&bench, 1), Choice::Full);
        assert_eq!(random(&Bench::limited(&[(1, 0), (1, 0)]), 1), Choice::Full);
        assert_eq!(random(&Bench::new(&[0, 0]), 1), Choice::Empty);
    }

    proptest! {
        /// Under load that does not end the choice of the better of two keeps servers close together.
        #[test]
        fn load_follows_the_weights(weights in prop::collection::vec(1u32..=8, 2..6), seed: u64) {
            let bench = Bench::new(&weights);
            let total: u32 = weights.iter().sum();
            for turn in 0..u64::from(total) * 40 {
                random(&bench, mix(seed.wrapping_add(turn)));
            }
            for (position, weight) in weights.iter().enumerate() {
                let (has, fair) = (bench.load(position), weight * 40);
                prop_assert!(has.abs_diff(fair) <= 20 + fair / 4, "{has}, fair is {fair}");
            }
        }
    }
}
