//! The snapshot in force, and one that is tried on a share of the clients. Replacing either is one atomic step; who holds an
//! old one goes on with it.

use std::sync::Arc;

use arc_swap::{ArcSwap, ArcSwapOption};

use crate::observe::cell::Counter;
use crate::observe::guard::Sums;
use crate::observe::histogram::Histogram;
use crate::runtime::snapshot::Snapshot;

pub struct Store {
    current: ArcSwap<Snapshot>,
    canary: ArcSwapOption<Canary>,
}

/// A snapshot that some clients get, and what comes of it beside the one in force in the same time.
pub struct Canary {
    pub snapshot: Arc<Snapshot>,
    /// Clients of 10,000 that get it.
    pub share: u64,
    tried: Figures,
    in_force: Figures,
}

#[derive(Default)]
struct Figures {
    answers: Counter,
    failed: Counter,
    first_byte: Histogram,
}

impl Figures {
    fn sums(&self) -> Sums {
        let mut sums = Sums::default();
        let answers = self.answers.get();
        sums.add(answers, self.failed.get().min(answers), &self.first_byte);
        sums
    }
}

/// All clients, in the unit of [`Canary::share`].
pub const ALL: u64 = 10_000;

impl Canary {
    pub fn new(snapshot: Arc<Snapshot>, share: u64) -> Canary {
        Canary { snapshot, share, tried: Figures::default(), in_force: Figures::default() }
    }

    /// Whether the client that this number stands for gets it: always the same answer for the same client.
    pub fn takes(&self, client: u64) -> bool {
        client % ALL < self.share
    }

    /// Counts an answer of whichever of the two it was.
    pub fn count(&self, of: &Arc<Snapshot>, failed: bool, first_byte: Option<std::time::Duration>) {
        let figures = if Arc::ptr_eq(of, &self.snapshot) { &self.tried } else { &self.in_force };
        figures.answers.one();
        if failed {
            figures.failed.one();
        }
        if let Some(time) = first_byte {
            figures.first_byte.observe(time);
        }
    }

    /// What came of the one in force, and of the one that is tried.
    pub fn sums(&self) -> (Sums, Sums) {
        (self.in_force.sums(), self.tried.sums())
    }
}

impl Store {
    pub fn new(snapshot: Snapshot) -> Store {
        Store { current: ArcSwap::from_pointee(snapshot), canary: ArcSwapOption::empty() }
    }

    pub fn load(&self) -> Arc<Snapshot> {
        self.current.load_full()
    }

    /// For a client; `number` stands for it, and is made only where it matters.
    pub fn load_for(&self, number: impl FnOnce() -> u64) -> Arc<Snapshot> {
        match &*self.canary.load() {
            Some(canary) if canary.takes(number()) => canary.snapshot.clone(),
            _ => self.load(),
        }
    }

    pub fn canary(&self) -> Option<Arc<Canary>> {
        self.canary.load_full()
    }

    /// Counts an answer, where one is tried.
    pub fn count(&self, of: &Arc<Snapshot>, failed: bool, first_byte: Option<std::time::Duration>) {
        if let Some(canary) = &*self.canary.load() {
            canary.count(of, failed, first_byte);
        }
    }

    /// Tries one on a share of the clients from now on; `None`: on nobody.
    pub fn attempt(&self, canary: Option<Arc<Canary>>) {
        self.canary.store(canary);
    }

    /// In force from now on; nothing is tried any more.
    pub fn replace(&self, snapshot: Arc<Snapshot>) {
        self.current.store(snapshot);
        self.canary.store(None);
    }
}
