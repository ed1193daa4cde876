//! Two servers drawn by weight, the one that is expected to answer sooner taken: the estimate of its time to the first
//! byte, multiplied by what it would have in flight, for its weight (the power of two choices on a peak-sensitive moving
//! average, as in Finagle). Two are enough to keep away from a slow server, and few enough not to flood the fastest.
//!
//! Of a server without an estimate nothing is expected: it is taken when it is idle, and then avoided until it has
//! answered, so that it is tried by one request and not by all of them.

use super::random::{better_of_two, weight};
use super::{Choice, Servers};

/// Microseconds, for a server that has been asked and has not answered yet: more than any that has.
const NOT_ANSWERED: f64 = 1e12;

pub(super) fn latency<S: Servers>(servers: &S, random: u64) -> Choice<S::Taken> {
    better_of_two(servers, random, |position| {
        let in_flight = f64::from(servers.in_flight(position));
        let estimate = match servers.first_byte(position) {
            Some(estimate) => estimate,
            None if in_flight == 0.0 => 0.0,
            None => NOT_ANSWERED,
        };
        estimate * (in_flight + 1.0) / weight(servers, position)
    })
}

#[cfg(test)]
mod tests {
    use super::super::lottery::mix;
    use super::super::tests::Bench;
    use super::*;

    fn shares(bench: &Bench, turns: u64) -> Vec<u32> {
        let mut taken = vec![0; bench.count()];
        for turn in 0..turns {
            let Choice::Taken(position) = latency(bench, mix(turn)) else { panic!("nobody") };
            bench.leave(position);
            taken[position] += 1;
        }
        taken
    }

    #[test]
    fn the_slow_server_of_a_pair_is_left_alone() {
        let bench = Bench::new(&[1, 1, 1]);
        [100_000.0, 100_000.0, 900_000.0].into_iter().enumerate().for_each(|(i, us)| bench.answers_in(i, us));
        let taken = shares(&bench, 3000);
        assert_eq!(taken[2], 0, "{taken:?}");
        assert!(taken[0].abs_diff(1500) < 200, "{taken:?}");
    }

    #[test]
    fn a_fast_server_with_enough_in_flight_is_no_longer_the_better_one() {
        let bench = Bench::new(&[1, 1]);
        bench.answers_in(0, 100_000.0);
        bench.answers_in(1, 350_000.0);
        bench.hold(0, 2);
        assert_eq!(latency(&bench, 1), Choice::Taken(0), "300 ms against 350");
        assert_eq!(latency(&bench, 1), Choice::Taken(1), "400 ms against 350");
    }

    #[test]
    fn an_unknown_server_is_tried_by_one_request() {
        let bench = Bench::new(&[1, 1]);
        bench.answers_in(0, 1000.0);
        assert_eq!(latency(&bench, 1), Choice::Taken(1));
        assert!((0..20).all(|turn| latency(&bench, mix(turn)) == Choice::Taken(0)));
        bench.answers_in(1, 10.0);
        assert_eq!(latency(&bench, 1), Choice::Taken(1));
    }

    #[test]
    fn nothing_known_at_all_is_balance_by_in_flight() {
        let bench = Bench::new(&[1, 1, 1, 1]);
        (0..40).for_each(|turn| _ = latency(&bench, mix(turn)));
        assert!((0..4).all(|position| bench.load(position).abs_diff(10) <= 2), "{:?}", bench.loads());
    }

    #[test]
    fn a_heavier_server_may_be_slower() {
        let bench = Bench::new(&[4, 1]);
        bench.answers_in(0, 300.0);
        bench.answers_in(1, 100.0);
        assert_eq!(shares(&bench, 100), [100, 0]);
    }
}
