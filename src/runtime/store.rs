//! The snapshot in force. Replacing it is one atomic step; who holds the old one goes on with it.

use std::sync::Arc;

use arc_swap::ArcSwap;

use crate::runtime::snapshot::Snapshot;

pub struct Store {
    current: ArcSwap<Snapshot>,
}

impl Store {
    pub fn new(snapshot: Snapshot) -> Store {
        Store { current: ArcSwap::from_pointee(snapshot) }
    }

    pub fn load(&self) -> Arc<Snapshot> {
        self.current.load_full()
    }

    pub fn replace(&self, snapshot: Arc<Snapshot>) {
        self.current.store(snapshot);
    }
}
