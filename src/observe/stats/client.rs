//! What one client asked for and took, under its name.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::base::clock::Tick;
use crate::observe::access_log::Tokens;
use crate::observe::cell::{Counter, Level, PerMinute, Session};
use crate::observe::stats::taken::Taken;

/// One client: a name in the file, or `key:HEX12` of one that is not there.
#[derive(Debug, Default)]
pub struct ClientStats {
    /// Requests that are in progress; all of them, those that were refused too.
    pub requests: Arc<Level>,
    /// Requests refused because of a limit of its plan, or a budget.
    pub refused: Counter,
    pub taken: Taken,
    /// Requests of the last minute.
    pub recent_requests: PerMinute,
    /// Tick (plus one) of the latest request; 0 is never.
    last: AtomicU64,
}

impl ClientStats {
    /// All that came after there were too many names to count each.
    pub const OTHER: &str = "other";

    /// A request begins, and is in progress until what comes back is dropped.
    pub fn request(&self, now: Tick) -> Session {
        self.recent_requests.tick(now);
        self.last.store(now.0.saturating_add(1), Ordering::Relaxed);
        self.requests.enter()
    }

    /// What a call took that has ended.
    pub fn took(&self, tokens: &Tokens, now: Tick) {
        self.taken.add(tokens, now);
    }

    /// Time since the latest request began. `None`: there was none.
    pub fn since_last(&self, now: Tick) -> Option<Duration> {
        let last = self.last.load(Ordering::Relaxed).checked_sub(1)?;
        Some(now.since(Tick(last)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_in_progress_until_it_is_dropped() {
        let stats = ClientStats::default();
        assert_eq!(stats.since_last(Tick(5)), None);
        let request = stats.request(Tick(0));
        stats.refused.one();
        assert_eq!((stats.requests.current(), stats.requests.total()), (1, 1));
        drop(request);
        stats.took(
            &Tokens { prompt: Some(7), completion: Some(3), cost: Some(12), ..Tokens::default() },
            Tick(100),
        );
        assert_eq!((stats.requests.current(), stats.refused.get(), stats.taken.cost.get()), (0, 1, 12));
        assert_eq!(stats.taken.recent_tokens.recent(Tick(100)), 10);
        assert_eq!(stats.since_last(Tick(5)), Some(Duration::from_millis(5)));
    }
}
