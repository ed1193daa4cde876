//! A tier to balance over: weights, limits, what is in flight.

use std::cell::Cell;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use parking_lot::Mutex;

use super::*;

pub struct Bench {
    pub weights: Vec<u32>,
    limits: Vec<u32>,
    loads: Vec<AtomicU32>,
    /// Bits of the estimates; 0 is none.
    estimates: Vec<AtomicU64>,
    refusing: Mutex<Vec<usize>>,
}

impl Bench {
    /// Without limits.
    pub fn new(weights: &[u32]) -> Bench {
        Bench::limited(&weights.iter().map(|weight| (*weight, u32::MAX)).collect::<Vec<_>>())
    }

    /// (weight, max_concurrent) of each.
    pub fn limited(servers: &[(u32, u32)]) -> Bench {
        Bench {
            weights: servers.iter().map(|server| server.0).collect(),
            limits: servers.iter().map(|server| server.1).collect(),
            loads: servers.iter().map(|_| AtomicU32::new(0)).collect(),
            estimates: servers.iter().map(|_| AtomicU64::new(0)).collect(),
            refusing: Mutex::default(),
        }
    }

    /// It fills up between the look and the taking, from now on.
    pub fn refuse(&self, position: usize) {
        self.refusing.lock().push(position);
    }

    pub fn hold(&self, position: usize, requests: u32) {
        self.loads[position].fetch_add(requests, Ordering::Relaxed);
    }

    /// One request ends, if there is one.
    pub fn leave(&self, position: usize) {
        let _ = self.loads[position]
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |load| load.checked_sub(1));
    }

    pub fn answers_in(&self, position: usize, microseconds: f64) {
        self.estimates[position].store(microseconds.to_bits(), Ordering::Relaxed);
    }

    pub fn load(&self, position: usize) -> u32 {
        self.loads[position].load(Ordering::Relaxed)
    }

    pub fn loads(&self) -> Vec<u32> {
        (0..self.count()).map(|position| self.load(position)).collect()
    }
}

impl Servers for Bench {
    type Taken = usize;

    fn count(&self) -> usize {
        self.weights.len()
    }

    fn look(&self, position: usize) -> Candidate {
        match self.weights[position] {
            0 => Candidate::Out,
            _ if self.load(position) >= self.limits[position] => Candidate::Full,
            weight => Candidate::Weight(weight),
        }
    }

    fn in_flight(&self, position: usize) -> u32 {
        self.load(position)
    }

    fn first_byte(&self, position: usize) -> Option<f64> {
        Some(f64::from_bits(self.estimates[position].load(Ordering::Relaxed))).filter(|us| *us > 0.0)
    }

    fn take(&self, position: usize) -> Option<usize> {
        if self.refusing.lock().contains(&position) {
            return None;
        }
        self.loads[position].fetch_add(1, Ordering::Relaxed);
        Some(position)
    }
}

const KINDS: [Kind; 6] =
    [Kind::RoundRobin, Kind::LeastConn, Kind::Latency, Kind::Hash, Kind::First, Kind::Random];

fn balance(kind: Kind, servers: usize) -> Balance {
    let names: Vec<String> = (0..servers).map(|number| format!("s{number}")).collect();
    Balance::new(kind, names.iter().map(String::as_str))
}

/// A different draw each time.
fn draw(turn: &Cell<u64>) -> Draw {
    turn.set(turn.get() + 1);
    let bits = lottery::mix(turn.get());
    Draw { key: Some(bits), random: bits, now: Tick(turn.get()) }
}

#[test]
fn every_kind_leaves_out_who_has_weight_zero_and_fills_all_others() {
    for kind in KINDS {
        let (balance, turn) = (balance(kind, 4), Cell::new(0));
        let bench = Bench::limited(&[(1, 2), (0, 9), (256, 3), (7, 1)]);
        for _ in 0..6 {
            assert!(matches!(balance.choose(&bench, draw(&turn)), Choice::Taken(_)), "{kind:?}");
        }
        assert_eq!(bench.loads(), [2, 0, 3, 1], "{kind:?}");
        assert_eq!(balance.choose(&bench, draw(&turn)), Choice::Full, "{kind:?}");
    }
}

/// Full at the first look at each, free from then on.
struct JustFreed(Vec<Cell<bool>>);

impl Servers for JustFreed {
    type Taken = usize;

    fn count(&self) -> usize {
        self.0.len()
    }

    fn look(&self, position: usize) -> Candidate {
        if self.0[position].replace(true) { Candidate::Weight(1) } else { Candidate::Full }
    }

    fn in_flight(&self, _: usize) -> u32 {
        0
    }

    fn first_byte(&self, _: usize) -> Option<f64> {
        None
    }

    fn take(&self, position: usize) -> Option<usize> {
        Some(position)
    }
}

#[test]
fn a_place_that_is_freed_while_we_look_is_never_taken_for_no_server() {
    for kind in KINDS {
        for count in [1, 3] {
            let servers = JustFreed(vec![Cell::new(false); count]);
            let choice = balance(kind, count).choose(&servers, draw(&Cell::new(0)));
            assert_ne!(choice, Choice::Empty, "{kind:?}");
        }
    }
}

#[test]
fn every_kind_knows_one_server_and_none() {
    for kind in KINDS {
        let turn = Cell::new(0);
        for count in [1, 3] {
            let balance = balance(kind, count);
            let none = Bench::new(&vec![0; count]);
            assert_eq!(balance.choose(&none, draw(&turn)), Choice::Empty, "{kind:?}");
            let refusing = Bench::new(&vec![1; count]);
            (0..count).for_each(|position| refusing.refuse(position));
            assert_eq!(balance.choose(&refusing, draw(&turn)), Choice::Full, "{kind:?}");
            let good = Bench::new(&vec![1; count]);
            assert!(matches!(balance.choose(&good, draw(&turn)), Choice::Taken(_)), "{kind:?}");
        }
    }
}

#[test]
fn weights_count_by_their_ratio_alone() {
    for kind in KINDS {
        let weights = [3, 0, 1, 250, 7];
        let scaled = weights.map(|weight| weight * 16);
        let order = |weights: &[u32]| {
            let (balance, bench, turn) = (balance(kind, 5), Bench::new(weights), Cell::new(0));
            bench.answers_in(0, 900.0);
            bench.answers_in(3, 70_000.0);
            let mut next = |leaves: usize| {
                let choice = balance.choose(&bench, draw(&turn));
                bench.leave(leaves % 5);
                choice
            };
            (0..600).map(&mut next).collect::<Vec<_>>()
        };
        assert_eq!(order(&weights), order(&scaled), "{kind:?}");
    }
}
