//! A table of entries by key: bounded in size, expiring, in shards with a lock each. It holds what survives a reload.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use ahash::RandomState;
use parking_lot::{Mutex, MutexGuard};

use crate::base::clock::Tick;

use super::entry::{Entry, Row};
use super::key::Key;
use super::layout::{Event, Layout};
use super::shard::Shard;
use super::spec::TableSpec;
use super::tracked::Tracked;

/// A table this small is one shard, and so evicts exactly its oldest entry.
const SMALL: usize = 1024;
const MOST_SHARDS: usize = 64;
/// Expired entries removed by each use of a shard: more than the one it may add, so that they cannot pile up.
const PURGED_PER_USE: usize = 2;
/// Expired entries removed from each shard by one [`Table::purge`].
const PURGED_PER_CALL: usize = 128;
/// Slots that a walk looks at before it lets go of the shard's lock.
const WALKED_PER_LOCK: u32 = 128;

/// Shards are apart by a cache line, so that the lock of one does not slow its neighbour.
#[repr(align(64))]
struct Padded(Mutex<Shard>);

pub struct Table {
    spec: TableSpec,
    size: usize,
    layout: Layout,
    shards: Box<[Padded]>,
    /// Seeded at random for each table: nobody outside can aim keys at one shard or one chain.
    hasher: RandomState,
    /// Entries in all shards, and those about to be put there: never above the size.
    entries: AtomicUsize,
    evicted: AtomicU64,
    full: AtomicU64,
}

impl Table {
    pub fn new(spec: TableSpec) -> Table {
        let size = spec.size.clamp(1, u32::MAX as usize - 1);
        let layout = Layout::of(&spec.counters);
        let shards = if size < SMALL { 1 } else { (1 << (size / 256).ilog2()).min(MOST_SHARDS) };
        Table {
            shards: (0..shards).map(|_| Padded(Mutex::new(Shard::new(&layout)))).collect(),
            layout,
            size,
            spec,
            hasher: RandomState::new(),
            entries: AtomicUsize::new(0),
            evicted: AtomicU64::new(0),
            full: AtomicU64::new(0),
        }
    }

    /// Finds or makes the entry, touches it, counts it in `conn_cnt` and `conn_rate`, and holds it in `conn_cur` until the
    /// guard is dropped. Counts no request.
    /// None, and one more in [`Table::full`], when the table is full of entries that are all tracked.
    pub fn track(self: &Arc<Self>, key: Key, now: Tick) -> Option<Tracked> {
        match self.track_if(key, now, |_| Ok::<(), std::convert::Infallible>(()))? {
            Ok((tracked, ())) => Some(tracked),
            Err(never) => match never {},
        }
    }

    /// [`Table::track`] on a condition: `decide` sees and counts under the lock that also pins, so that nothing comes
    /// between. When it refuses, the entry is touched, but not held nor counted as tracked.
    pub fn track_if<T, E>(
        self: &Arc<Self>,
        key: Key,
        now: Tick,
        decide: impl FnOnce(&mut Entry<'_>) -> Result<T, E>,
    ) -> Option<Result<(Tracked, T), E>> {
        let (home, hash) = self.place(&key);
        let (mut shard, index) = self.awake(home, hash, key, now)?;
        let mut entry = self.entry(&mut shard, index);
        let verdict = decide(&mut entry);
        match &verdict {
            Ok(_) => {
                entry.connection(now);
                shard.pin(index);
            }
            Err(_) => shard.rest(index),
        }
        // The guard locks the shard when it is dropped, so it must not be made before the lock is let go.
        drop(shard);
        Some(verdict.map(|value| (Tracked::new(self.clone(), home, index), value)))
    }

    /// A reading without touching; None when there is no such entry.
    pub fn peek(&self, key: &Key, counter: usize, now: Tick) -> Option<u64> {
        self.look(key, now, |entry| entry.read(counter, now))
    }

    /// One entry as `show table` prints it, without touching it.
    pub fn row(&self, key: &Key, now: Tick) -> Option<Row> {
        self.look(key, now, |entry| entry.row(*key, now))
    }

    /// Shows every entry, in no order. The visitor runs without a lock, may take its time and may stop; what comes and
    /// goes meanwhile may be missed.
    pub fn for_each(&self, now: Tick, mut visit: impl FnMut(&Row) -> ControlFlow<()>) {
        let mut rows = Vec::new();
        for shard in &self.shards {
            let mut from = 0;
            loop {
                let more = self.walk(shard, &mut from, |shard, index, key| {
                    shard.advance(now);
                    if !shard.gone(index, self.spec.expire) {
                        rows.push(self.entry(shard, index).row(key, now));
                    }
                });
                for row in rows.drain(..) {
                    if visit(&row).is_break() {
                        return;
                    }
                }
                if !more {
                    break;
                }
            }
        }
    }

    /// Removes one entry or all. One that is tracked stays, with its counters at 0. Gives how many it concerned.
    pub fn clear(&self, key: Option<&Key>) -> usize {
        let (mut concerned, mut removed) = (0, 0);
        let mut clear = |shard: &mut Shard, index| {
            concerned += 1;
            removed += usize::from(shard.clear(index));
        };
        if let Some(key) = key {
            let (home, hash) = self.place(key);
            let mut shard = self.shards[home].0.lock();
            if let Some(index) = shard.find(hash, key) {
                clear(&mut shard, index);
            }
        } else {
            for shard in &self.shards {
                let mut from = 0;
                while self.walk(shard, &mut from, |shard, index, _| clear(shard, index)) {}
            }
        }
        self.entries.fetch_sub(removed, Ordering::Relaxed);
        concerned
    }

    /// [`Table::clear`] of the entries that `which` picks. What comes meanwhile may stay.
    pub fn clear_where(&self, now: Tick, mut which: impl FnMut(&Row) -> bool) -> usize {
        let (mut concerned, mut removed) = (0, 0);
        for shard in &self.shards {
            let mut from = 0;
            while self.walk(shard, &mut from, |shard, index, key| {
                shard.advance(now);
                let goes =
                    !shard.gone(index, self.spec.expire) && which(&self.entry(shard, index).row(key, now));
                if goes {
                    concerned += 1;
                    removed += usize::from(shard.clear(index));
                }
            }) {}
        }
        self.entries.fetch_sub(removed, Ordering::Relaxed);
        concerned
    }

    /// Finds or makes the entry, touches it, and makes counters read what is given, by their place in the table's list.
    /// What is in flight cannot be set and stays. False when the table is full of entries that are all tracked.
    pub fn set(&self, key: Key, values: &[(usize, u64)], now: Tick) -> bool {
        let (home, hash) = self.place(&key);
        let Some((mut shard, index)) = self.awake(home, hash, key, now) else { return false };
        let mut entry = self.entry(&mut shard, index);
        for (counter, value) in values {
            entry.set(*counter, *value, now);
        }
        shard.rest(index);
        true
    }

    /// Removes expired entries, a bounded number of each shard, and gives how many it removed. A timer calls it each
    /// second, so that an idle table shrinks.
    pub fn purge(&self, now: Tick) -> usize {
        let purge = |shard: &Padded| {
            let mut shard = shard.0.lock();
            shard.advance(now);
            let removed = shard.purge(self.spec.expire, PURGED_PER_CALL);
            self.entries.fetch_sub(removed, Ordering::Relaxed);
            removed
        };
        self.shards.iter().map(purge).sum()
    }

    /// Whether a table of this description may go on with the entries of this one.
    pub fn compatible(&self, spec: &TableSpec) -> bool {
        self.spec == *spec
    }

    pub fn spec(&self) -> &TableSpec {
        &self.spec
    }

    pub fn name(&self) -> &str {
        &self.spec.name
    }

    /// Entries now; at most [`Table::size`]. Those that expired and wait to be removed are among them.
    pub fn entries(&self) -> usize {
        self.entries.load(Ordering::Relaxed)
    }

    pub fn size(&self) -> usize {
        self.size
    }

    /// Entries that had to go before their time, for want of room.
    pub fn evicted(&self) -> u64 {
        self.evicted.load(Ordering::Relaxed)
    }

    /// Connections and requests that could not be tracked because every entry of the full table was in use.
    pub fn full(&self) -> u64 {
        self.full.load(Ordering::Relaxed)
    }

    /// Looks at a tracked entry.
    pub(super) fn with<R>(
        &self,
        shard: usize,
        index: u32,
        now: Tick,
        read: impl FnOnce(&Entry<'_>) -> R,
    ) -> R {
        let mut shard = self.shards[shard].0.lock();
        shard.advance(now);
        read(&self.entry(&mut shard, index))
    }

    /// Changes a tracked entry and touches it.
    pub(super) fn update<R>(
        &self,
        shard: usize,
        index: u32,
        now: Tick,
        change: impl FnOnce(&mut Entry<'_>) -> R,
    ) -> R {
        let mut shard = self.shards[shard].0.lock();
        shard.advance(now);
        shard.touch(index);
        change(&mut self.entry(&mut shard, index))
    }

    /// Changes a tracked entry without touching it.
    pub(super) fn correct(&self, shard: usize, index: u32, change: impl FnOnce(&mut Entry<'_>)) {
        let mut shard = self.shards[shard].0.lock();
        change(&mut self.entry(&mut shard, index));
    }

    pub(super) fn counts(&self, event: Event) -> bool {
        self.layout.counts(event)
    }

    pub(super) fn tagged(&self) -> bool {
        self.layout.tagged()
    }

    pub(super) fn release(&self, shard: usize, index: u32) {
        self.shards[shard].0.lock().unpin(index);
    }

    fn place(&self, key: &Key) -> (usize, u32) {
        let hash = self.hasher.hash_one(key);
        ((hash >> 32) as usize & (self.shards.len() - 1), hash as u32)
    }

    fn entry<'a>(&'a self, shard: &'a mut Shard, index: u32) -> Entry<'a> {
        Entry { shard, index, layout: &self.layout, expire: self.spec.expire }
    }

    fn look<R>(&self, key: &Key, now: Tick, read: impl FnOnce(&Entry<'_>) -> R) -> Option<R> {
        let (home, hash) = self.place(key);
        let mut shard = self.shards[home].0.lock();
        shard.advance(now);
        let index = shard.find(hash, key).filter(|index| !shard.gone(*index, self.spec.expire))?;
        Some(read(&self.entry(&mut shard, index)))
    }

    /// The entry of this key, found or made, in no list, under its lock; None when the table is full.
    fn awake(&self, home: usize, hash: u32, key: Key, now: Tick) -> Option<(MutexGuard<'_, Shard>, u32)> {
        let mut shard = self.shards[home].0.lock();
        shard.advance(now);
        let mut has_room = false;
        loop {
            if let Some(index) = shard.find(hash, &key) {
                if has_room {
                    self.entries.fetch_sub(1, Ordering::Relaxed);
                }
                shard.wake(index, self.spec.expire);
                return Some((shard, index));
            }
            let purged = shard.purge(self.spec.expire, PURGED_PER_USE);
            self.entries.fetch_sub(purged, Ordering::Relaxed);
            if has_room || self.take_room() || self.evict(&mut shard) {
                let index = shard.insert(hash, key);
                return Some((shard, index));
            }
            // Nothing to evict here; somewhere else perhaps. Two shards are never locked at once, so look again after.
            drop(shard);
            if !self.evict_elsewhere(home) {
                self.full.fetch_add(1, Ordering::Relaxed);
                return None;
            }
            has_room = true;
            shard = self.shards[home].0.lock();
        }
    }

    fn take_room(&self) -> bool {
        let more = |entries| (entries < self.size).then_some(entries + 1);
        self.entries.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more).is_ok()
    }

    /// Evicts the oldest of a shard. Its room goes to the caller, so the number of entries stays.
    fn evict(&self, shard: &mut Shard) -> bool {
        let evicted = shard.evict_oldest(self.spec.expire);
        if evicted == Some(false) {
            self.evicted.fetch_add(1, Ordering::Relaxed);
        }
        evicted.is_some()
    }

    fn evict_elsewhere(&self, home: usize) -> bool {
        let shards = self.shards.len();
        (1..shards).any(|step| self.evict(&mut self.shards[(home + step) & (shards - 1)].0.lock()))
    }

    /// One stretch of a walk over a shard, under its lock; false after the last.
    fn walk(&self, shard: &Padded, from: &mut u32, mut each: impl FnMut(&mut Shard, u32, Key)) -> bool {
        let mut shard = shard.0.lock();
        let to = from.saturating_add(WALKED_PER_LOCK).min(shard.slots());
        for index in *from..to {
            if let Some(key) = shard.key(index) {
                each(&mut shard, index, key);
            }
        }
        *from = to;
        to < shard.slots()
    }
}

#[cfg(test)]
mod tests;
