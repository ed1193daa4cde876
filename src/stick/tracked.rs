//! The guard of a tracked entry: as long as it lives the entry neither expires nor is evicted, and counts in `conn_cur`.

use std::sync::Arc;
use std::time::Duration;

use crate::base::clock::Tick;

use super::table::Table;

/// A tracked entry. Dropping it is the only way to stop, and stops once.
pub struct Tracked {
    table: Arc<Table>,
    shard: usize,
    index: u32,
}

impl Tracked {
    pub(super) fn new(table: Arc<Table>, shard: usize, index: u32) -> Tracked {
        Tracked { table, shard, index }
    }

    /// Counts a request. HAProxy counts it before it tests, so `above: N` lets N pass, and goes on counting what is denied.
    pub fn request(&self, now: Tick) {
        self.table.with(self.shard, self.index, now, |entry| entry.request(now));
    }

    /// Counts an error.
    pub fn error(&self, now: Tick) {
        self.table.with(self.shard, self.index, now, |entry| entry.error(now));
    }

    /// The counter at this place of the table's list; 0 where there is none.
    pub fn read(&self, counter: usize, now: Tick) -> u64 {
        self.table.with(self.shard, self.index, now, |entry| entry.read(counter, now))
    }

    /// How long until the counter reads `threshold` or less if nothing more happens: see [`super::Entry::until_below`].
    pub fn until_below(&self, counter: usize, threshold: u64, now: Tick) -> Duration {
        self.table.with(self.shard, self.index, now, |entry| entry.until_below(counter, threshold, now))
    }

    /// Says what time it is, at the end of a request: the entry lives for `expire` after the latest time that its
    /// shard has heard of when the guard is dropped.
    pub fn touch(&self, now: Tick) {
        self.table.with(self.shard, self.index, now, |_| ());
    }

    pub fn table(&self) -> &Arc<Table> {
        &self.table
    }
}

impl Drop for Tracked {
    fn drop(&mut self) {
        self.table.release(self.shard, self.index);
    }
}
