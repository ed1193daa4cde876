//! How many client connections there are, and whether there may be more: one count for the process, one per frontend.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// A bounded count of open connections.
#[derive(Debug, Default)]
pub struct Gate {
    open: AtomicUsize,
}

impl Gate {
    pub fn open(&self) -> usize {
        self.open.load(Ordering::Relaxed)
    }

    /// Counts one more, unless there are `max` already.
    pub fn enter(self: &Arc<Gate>, max: usize) -> Option<Pass> {
        self.open
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |open| (open < max).then_some(open + 1))
            .ok()
            .map(|_| Pass(self.clone()))
    }
}

/// One counted connection; gives its place back when dropped.
#[derive(Debug)]
pub struct Pass(Arc<Gate>);

impl Drop for Pass {
    fn drop(&mut self) {
        self.0.open.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_gate_opens_again_when_someone_leaves() {
        let gate = Arc::new(Gate::default());
        let first = gate.enter(1);
        assert!(first.is_some() && gate.enter(1).is_none());
        drop(first);
        assert!(gate.enter(1).is_some());
        assert_eq!(gate.open(), 0);
    }
}
