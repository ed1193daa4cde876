//! What the requests of one thread share, and what all threads share.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arc_swap::ArcSwapOption;
use tokio::sync::Notify;

use crate::base::clock::{Clock, Tick};
use crate::ledger::Ledger;
use crate::log_writer::LogWriter;
use crate::runtime::snapshot::Snapshot;
use crate::runtime::state::State;
use crate::runtime::store::Store;
use crate::upstream::connections::Connections;

/// One for the process.
pub struct Shared {
    pub store: Arc<Store>,
    pub state: Arc<State>,
    pub log: LogWriter,
    /// Where calls are kept; none: nowhere.
    pub ledger: Arc<ArcSwapOption<Ledger>>,
}

/// One for each worker thread.
pub struct Worker {
    pub shared: Arc<Shared>,
    pub connections: Connections,
    /// What is still in flight is to end now: the grace of a stop is over.
    pub cut: Notify,
    random: AtomicU64,
}

impl Worker {
    pub fn new(shared: Arc<Shared>) -> Worker {
        use std::hash::BuildHasher;
        let seed = std::hash::RandomState::new().hash_one(0u8);
        Worker {
            shared,
            connections: Connections::default(),
            cut: Notify::new(),
            random: AtomicU64::new(seed),
        }
    }

    pub fn snapshot(&self) -> Arc<Snapshot> {
        self.shared.store.load()
    }

    pub fn clock(&self) -> &Clock {
        &self.shared.state.clock
    }

    pub fn now(&self) -> Tick {
        self.clock().now()
    }

    /// 0.0..1.0, for jitter.
    pub fn random(&self) -> f64 {
        f64::from(u32::try_from(self.random_bits() >> 32).unwrap_or(0)) / (f64::from(u32::MAX) + 1.0)
    }

    /// SplitMix64.
    pub fn random_bits(&self) -> u64 {
        let mut z = self.random.fetch_add(0x9e37_79b9_7f4a_7c15, Ordering::Relaxed);
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z
    }
}
