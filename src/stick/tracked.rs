//! The guard of a tracked entry: as long as it lives the entry neither expires nor is evicted, and counts in `conn_cur`.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::base::clock::Tick;

use super::entry::Entry;
use super::layout::Event;
use super::spec::Gpc;
use super::table::Table;

/// A tracked entry. Dropping it is the only way to stop, and stops once.
///
/// A connection that tracks hands one guard to all of its requests, in an `Arc`: they count in it, and it stays one
/// connection. What is counted also touches the entry, as in HAProxy. What the table does not store takes no lock.
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
        self.update_if(self.table.counts(Event::Request), now, |entry| entry.request(now));
    }

    /// Counts an error, which is the client's: a bad request, a denied one, failed authentication, an answer of 4xx.
    pub fn error(&self, now: Tick) {
        self.update_if(self.table.counts(Event::Error), now, |entry| entry.error(now));
    }

    /// Counts a failure, which is the server's: a bad answer, one of 5xx except 501 and 505.
    pub fn failure(&self, now: Tick) {
        self.update_if(self.table.counts(Event::Failure), now, |entry| entry.failure(now));
    }

    /// Counts bytes `received` from the client and `sent` to it, heads included. HAProxy counts them while they pass;
    /// whoever waits for the end of a request hides a long one from its limit.
    pub fn bytes(&self, received: u64, sent: u64, now: Tick) {
        let counted = (received > 0 && self.table.counts(Event::BytesIn))
            || (sent > 0 && self.table.counts(Event::BytesOut));
        self.update_if(counted, now, |entry| entry.bytes(received, sent, now));
    }

    /// Counts tokens of prompts and answers, when they are known.
    pub fn tokens(&self, tokens: u64, now: Tick) {
        let counted = tokens > 0 && self.table.counts(Event::Tokens);
        self.update_if(counted, now, |entry| entry.tokens(tokens, now));
    }

    /// Counts what was spent, in micro-dollars, when it is known.
    pub fn cost(&self, micro_dollars: u64, now: Tick) {
        let counted = micro_dollars > 0 && self.table.counts(Event::Cost);
        self.update_if(counted, now, |entry| entry.cost(micro_dollars, now));
    }

    /// Looks and counts in one step, under the entry's lock, and touches it.
    pub fn change<R>(&self, now: Tick, change: impl FnOnce(&mut Entry<'_>) -> R) -> R {
        self.table.update(self.shard, self.index, now, change)
    }

    /// Changes what was counted at a time that only the entry knows, without touching it.
    pub fn correct(&self, change: impl FnOnce(&mut Entry<'_>)) {
        self.table.correct(self.shard, self.index, change);
    }

    /// Raises `gpc0` or `gpc1` by one, and its rate.
    pub fn raise_gpc(&self, which: Gpc, now: Tick) {
        self.update_if(self.table.counts(Event::Gpc(which)), now, |entry| entry.raise_gpc(which, now));
    }

    /// Sets the tag of the entry.
    pub fn set_gpt0(&self, value: u32, now: Tick) {
        self.update_if(self.table.tagged(), now, |entry| entry.set_gpt0(value));
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
        self.update_if(true, now, |_| ());
    }

    pub fn table(&self) -> &Arc<Table> {
        &self.table
    }

    /// Whether the entry is one of this table. A guard that outlives a reload may be of a table that was replaced.
    pub fn is_of(&self, table: &Arc<Table>) -> bool {
        Arc::ptr_eq(&self.table, table)
    }

    fn update_if(&self, stored: bool, now: Tick, change: impl FnOnce(&mut Entry<'_>)) {
        if stored {
            self.table.update(self.shard, self.index, now, change);
        }
    }
}

/// The table only: a key may tell who the client is.
impl fmt::Debug for Tracked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tracked").field("table", &self.table.name()).finish_non_exhaustive()
    }
}

impl Drop for Tracked {
    fn drop(&mut self) {
        self.table.release(self.shard, self.index);
    }
}
