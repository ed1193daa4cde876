//! Smooth weighted round robin (the algorithm of nginx): each turn every candidate gains its weight, the richest is
//! chosen and pays what all gained. Weights 5,1,1 give AABACAA. One small lock per tier makes the order exact over
//! threads. Who is no candidate neither gains nor pays, so a server that comes back goes on where it stood: no burst.

use parking_lot::Mutex;

use super::{Candidate, Choice, Servers};

#[derive(Debug)]
pub struct RoundRobin {
    turns: Mutex<Vec<Turn>>,
}

#[derive(Clone, Debug, Default)]
struct Turn {
    credit: i64,
    /// The weight that `credit` was earned with.
    weight: u32,
    /// What it may gain in this choice; 0 for no candidate.
    gain: u32,
}

impl RoundRobin {
    pub fn new(servers: usize) -> RoundRobin {
        RoundRobin { turns: Mutex::new(vec![Turn::default(); servers]) }
    }

    pub fn choose<S: Servers>(&self, servers: &S) -> Choice<S::Taken> {
        let mut turns = self.turns.lock();
        let full = prepare(&mut turns, |position| servers.look(position));
        let mut refused = full;
        while let Some(best) = richest(&turns) {
            if let Some(taken) = servers.take(best) {
                settle(&mut turns, best);
                return Choice::Taken(taken);
            }
            refused = true;
            if let Some(turn) = turns.get_mut(best) {
                turn.gain = 0;
            }
        }
        if refused { Choice::Full } else { Choice::Empty }
    }
}

/// Writes down who may gain what; says whether someone is out only for want of room.
fn prepare(turns: &mut [Turn], look: impl Fn(usize) -> Candidate) -> bool {
    let mut full = false;
    let mut reweighted = false;
    for (position, turn) in turns.iter_mut().enumerate() {
        turn.gain = match look(position) {
            Candidate::Out => 0,
            Candidate::Full => {
                full = true;
                0
            }
            Candidate::Weight(weight) => weight,
        };
        if turn.gain > 0 && turn.gain != turn.weight {
            reweighted |= turn.weight != 0;
            turn.weight = turn.gain;
        }
    }
    if reweighted {
        // A debt made with weight 256 would keep a server of weight 1 away for hundreds of turns: start over.
        turns.iter_mut().for_each(|turn| turn.credit = 0);
    }
    full
}

/// Ties go to the first in the list.
fn richest(turns: &[Turn]) -> Option<usize> {
    let mut best: Option<(usize, i64)> = None;
    for (position, turn) in turns.iter().enumerate().filter(|(_, turn)| turn.gain > 0) {
        let credit = turn.credit + i64::from(turn.gain);
        if best.is_none_or(|(_, most)| credit > most) {
            best = Some((position, credit));
        }
    }
    best.map(|(position, _)| position)
}

fn settle(turns: &mut [Turn], chosen: usize) {
    let mut total = 0;
    for turn in turns.iter_mut() {
        turn.credit += i64::from(turn.gain);
        total += i64::from(turn.gain);
    }
    if let Some(turn) = turns.get_mut(chosen) {
        turn.credit -= total;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::tests::Bench;
    use super::*;

    fn next(robin: &RoundRobin, weights: &[u32]) -> Choice<usize> {
        robin.choose(&Bench::new(weights))
    }

    fn letters(robin: &RoundRobin, weights: &[u32], turns: usize) -> String {
        (0..turns)
            .map(|_| match next(robin, weights) {
                Choice::Taken(i) => char::from(b'A' + u8::try_from(i).unwrap()),
                Choice::Full => '!',
                Choice::Empty => '-',
            })
            .collect()
    }

    #[test]
    fn equal_weights_go_round_in_order() {
        assert_eq!(letters(&RoundRobin::new(4), &[1; 4], 9), "ABCDABCDA");
        assert_eq!(letters(&RoundRobin::new(3), &[100; 3], 6), "ABCABC");
    }

    #[test]
    fn a_heavy_server_is_interleaved() {
        assert_eq!(letters(&RoundRobin::new(3), &[5, 1, 1], 14), "AABACAAAABACAA");
    }

    #[test]
    fn weight_zero_is_never_chosen() {
        assert_eq!(letters(&RoundRobin::new(3), &[1, 0, 1], 4), "ACAC");
        assert_eq!(letters(&RoundRobin::new(2), &[0, 0], 2), "--");
    }

    #[test]
    fn a_server_that_returns_gets_no_burst() {
        let robin = RoundRobin::new(3);
        assert_eq!(letters(&robin, &[1, 1, 1], 1), "A");
        letters(&robin, &[0, 1, 1], 101);
        let back = letters(&robin, &[1, 1, 1], 9);
        for window in back.as_bytes().windows(2) {
            assert_ne!(window[0], window[1], "{back}");
        }
        assert!((2..=4).contains(&back.matches('A').count()), "{back}");
    }

    #[test]
    fn flapping_does_not_build_up_credit() {
        let robin = RoundRobin::new(3);
        for turn in 0..1000 {
            letters(&robin, if turn % 3 == 0 { &[0, 1, 1] } else { &[1, 1, 1] }, 1);
        }
        let after = letters(&robin, &[1, 1, 1], 30);
        for server in ['A', 'B', 'C'] {
            assert!((9..=11).contains(&after.matches(server).count()), "{after}");
        }
    }

    #[test]
    fn a_lowered_weight_does_not_leave_a_debt() {
        let robin = RoundRobin::new(2);
        letters(&robin, &[256, 256], 1);
        assert_eq!(letters(&robin, &[1, 1], 4).matches('A').count(), 2);
    }

    #[test]
    fn a_refused_server_is_skipped_and_pays_nothing() {
        let robin = RoundRobin::new(3);
        let bench = Bench::new(&[1; 3]);
        bench.refuse(0);
        let got: Vec<_> = (0..4).map(|_| robin.choose(&bench)).collect();
        assert_eq!(got, [1, 2, 1, 2].map(Choice::Taken));
        bench.refuse(1);
        bench.refuse(2);
        assert_eq!(robin.choose(&bench), Choice::Full);
        assert_eq!(robin.choose(&Bench::limited(&[(1, 0); 3])), Choice::Full);
    }

    proptest! {
        /// After any number of turns every server is within one turn (two servers) or a few of its fair share.
        #[test]
        fn shares_follow_the_weights(weights in prop::collection::vec(0u32..=256, 2..8), rounds in 1usize..4) {
            let total: u32 = weights.iter().sum();
            prop_assume!(total > 0);
            let robin = RoundRobin::new(weights.len());
            let mut counts = vec![0u32; weights.len()];
            for _ in 0..(total as usize * rounds) {
                if let Choice::Taken(i) = next(&robin, &weights) {
                    counts[i] += 1;
                }
            }
            let expected: Vec<u32> = weights.iter().map(|w| w * rounds as u32).collect();
            prop_assert_eq!(counts, expected, "whole rounds are exact");
        }

        /// Whoever comes and goes, nobody's credit leaves a bound that depends on the weights alone.
        #[test]
        fn credits_stay_bounded(masks in prop::collection::vec(0u8..32, 1..400)) {
            let weights = [5u32, 1, 3, 1, 2];
            let robin = RoundRobin::new(5);
            for mask in masks {
                let now: Vec<u32> = (0..5).map(|i| if mask >> i & 1 == 1 { weights[i] } else { 0 }).collect();
                next(&robin, &now);
                let turns = robin.turns.lock();
                prop_assert_eq!(turns.iter().map(|t| t.credit).sum::<i64>(), 0);
                prop_assert!(turns.iter().all(|t| t.credit.abs() <= 5 * 12), "{:?}", turns);
            }
        }
    }
}
