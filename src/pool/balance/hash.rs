//! The same server for the same key: HAProxy's `hash` with `hash-type consistent` and a balance factor. Every server
//! draws a time from the key and its own name ([`super::lottery`]), and the earliest has the key (weighted rendezvous
//! hashing): so a server that goes, or comes, or gets another weight moves the keys that it loses or wins and no others,
//! at once and without a ring to rebuild, and every tidegate with the same names and weights agrees.
//!
//! The load is bounded: a server takes no more than a quarter above its share of what is in flight; beyond that the next
//! one in the key's own order has it (Mirrokni, Thorup, Zadimoghaddam: consistent hashing with bounded loads).

use super::round_robin::RoundRobin;
use super::{Choice, Servers, lottery};

/// What a server may have in flight, as a multiple of its share: five quarters.
const BOUND: (u64, u64) = (5, 4);

#[derive(Debug)]
pub struct Hash {
    /// Of the servers' names.
    names: Vec<u64>,
    /// For requests without a key.
    keyless: RoundRobin,
}

/// The hash of a key: the same on every machine and in every version.
pub fn key(bytes: impl IntoIterator<Item = u8>) -> u64 {
    // FNV-1a; what it lacks in mixing, `mix` makes up for.
    let fnv = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    lottery::mix(bytes.into_iter().fold(0xcbf2_9ce4_8422_2325, fnv))
}

impl Hash {
    pub fn new<'a>(names: impl ExactSizeIterator<Item = &'a str>) -> Hash {
        let keyless = RoundRobin::new(names.len());
        Hash { names: names.map(|name| key(name.bytes())).collect(), keyless }
    }

    /// Without a key it is round robin, as in HAProxy.
    pub fn choose<S: Servers>(&self, servers: &S, key: Option<u64>) -> Choice<S::Taken> {
        let Some(key) = key else { return self.keyless.choose(servers) };
        let bound = Bound::of(servers);
        let mut refused = false;
        // First within the bound. It cannot hold everyone off, but what it was made of may change while we look.
        for bounded in [true, false] {
            let mut after = None;
            while let Some((time, position)) = self.next(servers, key, after, bounded.then_some(&bound)) {
                if let Some(taken) = servers.take(position) {
                    return Choice::Taken(taken);
                }
                refused = true;
                after = Some((time, position));
            }
        }
        servers.none_taken(refused)
    }

    /// The earliest after that one.
    fn next<S: Servers>(
        &self,
        servers: &S,
        key: u64,
        after: Option<(f64, usize)>,
        bound: Option<&Bound>,
    ) -> Option<(f64, usize)> {
        let mut earliest: Option<(f64, usize)> = None;
        for (position, weight) in servers.open() {
            let Some(name) = self.names.get(position) else { continue };
            let drawn = (lottery::time(lottery::mix(key ^ name), weight), position);
            let later = after.is_none_or(|after| drawn > after);
            if later
                && earliest.is_none_or(|earliest| drawn < earliest)
                && bound.is_none_or(|bound| bound.has_room(servers.in_flight(position), weight))
            {
                earliest = Some(drawn);
            }
        }
        earliest
    }
}

/// What the servers with room have in flight together, this request included, and their weight.
struct Bound {
    in_flight: u64,
    weight: u64,
}

impl Bound {
    fn of<S: Servers>(servers: &S) -> Bound {
        let zero = Bound { in_flight: 1, weight: 0 };
        servers.open().fold(zero, |sum, (position, weight)| Bound {
            in_flight: sum.in_flight + u64::from(servers.in_flight(position)),
            weight: sum.weight + u64::from(weight),
        })
    }

    fn has_room(&self, in_flight: u32, weight: u32) -> bool {
        let share = (BOUND.0 * self.in_flight * u64::from(weight)).div_ceil(BOUND.1 * self.weight.max(1));
        u64::from(in_flight) < share
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::tests::Bench;
    use super::*;

    const NAMES: [&str; 6] = ["alpha", "beta", "gamma", "delta", "epsilon", "zeta"];

    fn hash(servers: usize) -> Hash {
        Hash::new(NAMES[..servers].iter().copied())
    }

    fn keys(count: u32) -> impl Iterator<Item = u64> {
        (0..count).map(|number| key(format!("client-{number}").bytes()))
    }

    /// Where a key goes while nothing is in flight.
    fn owner(hash: &Hash, bench: &Bench, key: u64) -> usize {
        match hash.choose(bench, Some(key)) {
            Choice::Taken(position) => {
                bench.leave(position);
                position
            }
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_key_stays_where_it_is_and_keys_spread_by_weight() {
        let (hash, bench) = (hash(3), Bench::new(&[100, 200, 100]));
        let mut shares = [0u32; 3];
        for key in keys(8000) {
            let position = owner(&hash, &bench, key);
            assert_eq!(owner(&hash, &bench, key), position);
            shares[position] += 1;
        }
        for (share, expected) in shares.into_iter().zip([2000, 4000, 2000]) {
            assert!(share.abs_diff(expected) < 200, "{shares:?}");
        }
    }

    #[test]
    fn a_request_without_a_key_takes_its_turn() {
        let (hash, bench) = (hash(3), Bench::new(&[1; 3]));
        let got: Vec<_> = (0..4).map(|_| hash.choose(&bench, None)).collect();
        assert_eq!(got, [0, 1, 2, 0].map(Choice::Taken));
    }

    #[test]
    fn where_a_key_goes_depends_on_the_names_and_not_on_their_order() {
        let (one, bench) = (hash(6), Bench::new(&[100; 6]));
        let other = Hash::new(NAMES.iter().copied().rev());
        assert!(keys(500).all(|key| owner(&one, &bench, key) == 5 - owner(&other, &bench, key)));
        assert_eq!(key(*b"client-1"), 0x38b3_fd24_3825_1cb2, "it is the same in every version");
    }

    #[test]
    fn one_hot_key_fills_no_server_beyond_five_quarters_of_its_share() {
        let (hash, bench) = (hash(4), Bench::new(&[100; 4]));
        for request in 1..=400u32 {
            hash.choose(&bench, Some(7));
            let most = bench.loads().into_iter().max().unwrap();
            assert!(most <= (request * 5).div_ceil(16), "{:?}", bench.loads());
        }
        let first = owner(&hash, &Bench::new(&[100; 4]), 7);
        assert!(bench.load(first) > 110, "its own server has the most: {:?}", bench.loads());
    }

    #[test]
    fn who_fills_up_meanwhile_gives_the_key_to_the_next() {
        let (hash, bench) = (hash(4), Bench::new(&[1; 4]));
        let first = owner(&hash, &bench, 7);
        bench.refuse(first);
        let second = owner(&hash, &bench, 7);
        assert_ne!(first, second);
        (0..4).for_each(|position| bench.refuse(position));
        assert_eq!(hash.choose(&bench, Some(7)), Choice::Full);
        assert_eq!(hash.choose(&Bench::limited(&[(1, 0); 4]), Some(7)), Choice::Full);
        assert_eq!(hash.choose(&Bench::new(&[0; 4]), Some(7)), Choice::Empty);
    }

    proptest! {
        /// A server that goes gives away its own keys; all others stay where they are.
        #[test]
        fn removing_a_server_moves_only_its_keys(
            weights in prop::collection::vec(1u32..=256, 2..7),
            gone in 0usize..6,
            seed: u64,
        ) {
            let gone = gone % weights.len();
            let hash = hash(weights.len());
            let mut left = weights.clone();
            left[gone] = 0;
            let (before, after) = (Bench::new(&weights), Bench::new(&left));
            for number in 0..200u64 {
                let key = lottery::mix(seed.wrapping_add(number));
                let (was, is) = (owner(&hash, &before, key), owner(&hash, &after, key));
                prop_assert!(was == gone || was == is);
                prop_assert!(is != gone);
            }
        }

        /// A server that gets more weight only wins keys.
        #[test]
        fn raising_a_weight_moves_keys_only_to_that_server(
            weights in prop::collection::vec(1u32..=255, 2..7),
            raised in 0usize..6,
            seed: u64,
        ) {
            let raised = raised % weights.len();
            let hash = hash(weights.len());
            let mut more = weights.clone();
            more[raised] += 1;
            let (before, after) = (Bench::new(&weights), Bench::new(&more));
            for number in 0..200u64 {
                let key = lottery::mix(seed.wrapping_add(number));
                let (was, is) = (owner(&hash, &before, key), owner(&hash, &after, key));
                prop_assert!(was == is || is == raised);
            }
        }

        /// However keys are spread, someone within the bound is found, and nobody beyond it gets more.
        #[test]
        fn the_bound_holds_and_never_refuses_everyone(
            weights in prop::collection::vec(1u32..=256, 2..7),
            picks in prop::collection::vec((0u64..4, any::<bool>(), 0usize..6), 1..200),
        ) {
            let (hash, bench) = (hash(weights.len()), Bench::new(&weights));
            let total: u64 = weights.iter().map(|weight| u64::from(*weight)).sum();
            for (key, leaves, which) in picks {
                if leaves {
                    bench.leave(which % weights.len());
                }
                let Choice::Taken(position) = hash.choose(&bench, Some(key)) else { panic!("nobody") };
                let all: u64 = bench.loads().into_iter().map(u64::from).sum();
                let share = (5 * all * u64::from(weights[position])).div_ceil(4 * total);
                prop_assert!(u64::from(bench.load(position)) <= share);
            }
        }
    }
}
