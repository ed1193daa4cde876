//! How many client connections there are, and whether there may be more: one count for the process, one per frontend.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// A bounded count of open connections.
#[derive(Debug)]
pub struct Gate {
    open: AtomicUsize,
    /// What an operator set at run time.
    ordered: AtomicUsize,
}

const NOT_ORDERED: usize = usize::MAX;

impl Default for Gate {
    fn default() -> Gate {
        Gate { open: AtomicUsize::new(0), ordered: AtomicUsize::new(NOT_ORDERED) }
    }
}

impl Gate {
    /// The operator's limit if one was set at run time, else the configured one.
    pub fn max(&self, configured: usize) -> usize {
        match self.ordered.load(Ordering::Relaxed) {
            NOT_ORDERED => configured,
            ordered => ordered,
        }
    }

    /// Sets the limit over the configured one; `None` returns to that. Ends no connection.
    pub fn order(&self, max: Option<usize>) {
        self.ordered.store(max.unwrap_or(NOT_ORDERED), Ordering::Relaxed);
    }

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
    fn an_operators_limit_goes_before_the_configured_one() {
        let gate = Gate::default();
        assert_eq!(gate.max(10), 10);
        gate.order(Some(3));
        assert_eq!(gate.max(10), 3);
        gate.order(None);
        assert_eq!(gate.max(10), 10);
    }

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
