//! The server with the least in flight for its weight: HAProxy's `leastconn`. An idle server comes before all others; of
//! several alike, the next in a weighted turn, so that idle servers share what comes one by one. One small lock per tier
//! makes it exact over threads.

use parking_lot::Mutex;

use super::{Candidate, Choice, Servers};

/// What a turn costs a server of weight 1; weights go up to 256 times 16.
const TURN: u64 = 1 << 24;

#[derive(Debug)]
pub struct LeastConn {
    line: Mutex<Line>,
}

/// Turns among servers alike go by start time (start-time fair queueing): a turn takes its server time in inverse
/// proportion to its weight, and who was away begins now, without a claim to what it missed.
#[derive(Debug)]
struct Line {
    now: u64,
    picks: u64,
    servers: Vec<Place>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Place {
    /// When its latest turn is over.
    free_at: u64,
    /// The pick that took it; 0 before the first.
    last_pick: u64,
    /// A refusal in this choice.
    refused: bool,
}

impl LeastConn {
    pub fn new(servers: usize) -> LeastConn {
        LeastConn { line: Mutex::new(Line { now: 0, picks: 0, servers: vec![Place::default(); servers] }) }
    }

    pub fn choose<S: Servers>(&self, servers: &S) -> Choice<S::Taken> {
        let mut line = self.line.lock();
        line.servers.iter_mut().for_each(|place| place.refused = false);
        let (mut full, mut refused) = (false, false);
        while let Some(best) = line.best(servers, &mut full) {
            if let Some(taken) = servers.take(best.position) {
                line.settle(&best);
                return Choice::Taken(taken);
            }
            refused = true;
            if let Some(place) = line.servers.get_mut(best.position) {
                place.refused = true;
            }
        }
        if full || refused { Choice::Full } else { Choice::Empty }
    }
}

#[derive(Clone, Copy)]
struct Bid {
    position: usize,
    weight: u32,
    in_flight: u32,
    start: u64,
    last_pick: u64,
}

impl Bid {
    /// Whether it goes before the other; of two that are alike in everything, the first in the list.
    fn beats(&self, other: &Bid) -> bool {
        let load = |mine: &Bid, their: &Bid| match mine.in_flight {
            0 => 0,
            in_flight => (u64::from(in_flight) + 1) * u64::from(their.weight),
        };
        let (mine, theirs) = (load(self, other), load(other, self));
        (mine, self.start, self.last_pick) < (theirs, other.start, other.last_pick)
    }
}

impl Line {
    fn best<S: Servers>(&self, servers: &S, full: &mut bool) -> Option<Bid> {
        let mut best: Option<Bid> = None;
        for (position, place) in self.servers.iter().enumerate() {
            let weight = match servers.look(position) {
                Candidate::Weight(weight) if weight > 0 && !place.refused => weight,
                Candidate::Full => {
                    *full = true;
                    continue;
                }
                _ => continue,
            };
            // A turn paid for at another weight is not waited for longer than one at this.
            let start = place.free_at.clamp(self.now, self.now + TURN / u64::from(weight));
            let in_flight = servers.in_flight(position);
            let bid = Bid { position, weight, in_flight, start, last_pick: place.last_pick };
            if best.is_none_or(|best| bid.beats(&best)) {
                best = Some(bid);
            }
        }
        best
    }

    fn settle(&mut self, taken: &Bid) {
        self.now = self.now.max(taken.start);
        self.picks += 1;
        if let Some(place) = self.servers.get_mut(taken.position) {
            place.free_at = taken.start + TURN / u64::from(taken.weight);
            place.last_pick = self.picks;
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::tests::Bench;
    use super::*;

    fn taken(least: &LeastConn, bench: &Bench) -> usize {
        match least.choose(bench) {
            Choice::Taken(position) => position,
            other => panic!("{other:?}"),
        }
    }

    /// Requests that each end before the next.
    fn one_by_one(least: &LeastConn, bench: &Bench, turns: usize) -> Vec<usize> {
        (0..turns)
            .map(|_| {
                let position = taken(least, bench);
                bench.leave(position);
                position
            })
            .collect()
    }

    #[test]
    fn five_requests_on_four_equal_servers_go_1_2_3_4_1() {
        let (least, bench) = (LeastConn::new(4), Bench::new(&[100; 4]));
        assert_eq!(one_by_one(&least, &bench, 5), [0, 1, 2, 3, 0]);
        let (least, bench) = (LeastConn::new(4), Bench::new(&[100; 4]));
        assert_eq!((0..9).map(|_| taken(&least, &bench)).collect::<Vec<_>>(), [0, 1, 2, 3, 0, 1, 2, 3, 0]);
    }

    #[test]
    fn a_server_with_a_stream_waits_until_the_others_have_as_much() {
        let (least, bench) = (LeastConn::new(3), Bench::new(&[1; 3]));
        assert_eq!(taken(&least, &bench), 0);
        assert_eq!(one_by_one(&least, &bench, 4), [1, 2, 1, 2]);
        bench.leave(0);
        assert_eq!(one_by_one(&least, &bench, 3), [0, 1, 2], "no burst for what it missed");
    }

    #[test]
    fn idle_servers_share_by_weight() {
        let (least, bench) = (LeastConn::new(3), Bench::new(&[5, 0, 1]));
        let got = one_by_one(&least, &bench, 60);
        assert_eq!([0, 1, 2].map(|i| got.iter().filter(|got| **got == i).count()), [50, 0, 10]);
    }

    #[test]
    fn a_raised_weight_counts_at_once() {
        let (least, mut bench) = (LeastConn::new(2), Bench::new(&[1, 1]));
        one_by_one(&least, &bench, 9);
        bench.weights = vec![256, 1];
        let got = one_by_one(&least, &bench, 100);
        assert!(got.iter().filter(|got| **got == 0).count() >= 98, "{got:?}");
    }

    #[test]
    fn a_refusal_goes_to_the_next_best() {
        let (least, bench) = (LeastConn::new(3), Bench::new(&[1; 3]));
        bench.hold(2, 5);
        bench.refuse(0);
        bench.refuse(1);
        assert_eq!(taken(&least, &bench), 2);
        bench.refuse(2);
        assert_eq!(least.choose(&bench), Choice::Full);
        assert_eq!(least.choose(&Bench::limited(&[(1, 0), (1, 0), (0, 9)])), Choice::Full);
        assert_eq!(least.choose(&Bench::new(&[0; 3])), Choice::Empty);
    }

    #[test]
    fn it_is_exact_over_threads() {
        let (least, bench) = (LeastConn::new(4), Bench::new(&[1; 4]));
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| (0..1000).for_each(|_| _ = taken(&least, &bench)));
            }
        });
        assert_eq!(bench.loads(), [1000; 4]);
    }

    proptest! {
        /// Whatever comes and goes: who gets a request was idle, or has no more for its weight with it than anyone
        /// else would have.
        #[test]
        fn nobody_is_loaded_beyond_the_least(
            weights in prop::collection::vec(1u32..=256, 2..7),
            steps in prop::collection::vec((any::<bool>(), 0usize..7), 1..300),
        ) {
            let (least, bench) = (LeastConn::new(weights.len()), Bench::new(&weights));
            for (arrives, which) in steps {
                if !arrives {
                    bench.leave(which % weights.len());
                    continue;
                }
                let before = bench.loads();
                let chosen = taken(&least, &bench);
                for (other, weight) in weights.iter().enumerate() {
                    let with = |position: usize| u64::from(before[position]) + 1;
                    prop_assert!(
                        before[chosen] == 0
                            || (before[other] > 0
                                && with(chosen) * u64::from(*weight) <= with(other) * u64::from(weights[chosen]))
                    );
                }
            }
        }

        /// Equal servers that nobody leaves never differ by more than one.
        #[test]
        fn equal_servers_stay_within_one(servers in 2usize..9, requests in 0usize..100) {
            let (least, bench) = (LeastConn::new(servers), Bench::new(&vec![7; servers]));
            (0..requests).for_each(|_| _ = taken(&least, &bench));
            let loads = bench.loads();
            prop_assert!(loads.iter().max().unwrap() - loads.iter().min().unwrap() <= 1, "{:?}", loads);
        }

        /// Idle servers that take turns get exactly their shares, to within a turn for each server.
        #[test]
        fn shares_follow_the_weights(weights in prop::collection::vec(1u32..=256, 2..7)) {
            let (least, bench) = (LeastConn::new(weights.len()), Bench::new(&weights));
            let total: u32 = weights.iter().sum();
            let got = one_by_one(&least, &bench, total as usize);
            for (position, weight) in weights.iter().enumerate() {
                let got = u32::try_from(got.iter().filter(|got| **got == position).count()).unwrap();
                prop_assert!(got.abs_diff(*weight) <= u32::try_from(weights.len()).unwrap() + 1, "{got} for {weight}");
            }
        }
    }
}
