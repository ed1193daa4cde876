//! One part of a table, under one lock: entries in a slab, found through a chained index, and those that nothing
//! tracks in a list by their last touch. All steps are O(1) but for the growth of the slab.
//!
//! An entry costs 64 bytes, 16 for each rate, 24 for each rate of bytes, tokens or money, 8 for each total, 4 to 8 for its place in the index,
//! and up to a quarter more for room to grow: about 110 bytes for `[http_req_rate, conn_cur, http_err_rate, http_req_cnt]`,
//! 340 with every counter there is.

use std::time::Duration;

use crate::base::clock::Tick;

use super::counter::{RateCounter, WideRateCounter};
use super::key::Key;
use super::layout::Layout;

/// No entry: the end of a chain or of a list.
const NONE: u32 = u32::MAX;
/// The slab grows by at least this many entries, the index starts with as many places.
const SMALLEST: usize = 16;
/// An emptied shard that once held more than this gives its memory back.
const WORTH_FREEING: usize = 64;

struct Slot {
    /// None: free, and `chain` leads to the next free one.
    key: Option<Key>,
    hash: u32,
    chain: u32,
    older: u32,
    newer: u32,
    /// Guards alive. At 0 the entry is in the list by touch, else in no list.
    pins: u32,
    touched: Tick,
}

pub(super) struct Shard {
    slots: Vec<Slot>,
    rates: Vec<RateCounter>,
    wide_rates: Vec<WideRateCounter>,
    totals: Vec<u64>,
    rates_each: usize,
    wide_rates_each: usize,
    totals_each: usize,
    /// Heads of the chains; a power of two of them.
    buckets: Vec<u32>,
    free: u32,
    oldest: u32,
    newest: u32,
    live: usize,
    /// The latest time it was told: what a guard that ends stamps its entry with.
    latest: Tick,
}

impl Shard {
    pub(super) fn new(layout: &Layout) -> Shard {
        Shard {
            slots: Vec::new(),
            rates: Vec::new(),
            wide_rates: Vec::new(),
            totals: Vec::new(),
            rates_each: layout.rates,
            wide_rates_each: layout.wide_rates,
            totals_each: layout.totals,
            buckets: Vec::new(),
            free: NONE,
            oldest: NONE,
            newest: NONE,
            live: 0,
            latest: Tick(0),
        }
    }

    /// Moves the shard's time forward, never back, and gives it.
    pub(super) fn advance(&mut self, now: Tick) -> Tick {
        self.latest = self.latest.max(now);
        self.latest
    }

    pub(super) fn find(&self, hash: u32, key: &Key) -> Option<u32> {
        let mut index = *self.buckets.get(self.bucket(hash))?;
        while index != NONE {
            let slot = &self.slots[index as usize];
            if slot.hash == hash && slot.key.as_ref() == Some(key) {
                return Some(index);
            }
            index = slot.chain;
        }
        None
    }

    /// A new entry with empty counters, in no list yet: the caller pins it or calls [`Shard::rest`].
    pub(super) fn insert(&mut self, hash: u32, key: Key) -> u32 {
        if self.live >= self.buckets.len() {
            self.grow_index();
        }
        let bucket = self.bucket(hash);
        let chain = self.buckets[bucket];
        let slot =
            Slot { key: Some(key), hash, chain, older: NONE, newer: NONE, pins: 0, touched: self.latest };
        let index = if self.free == NONE { self.push(slot) } else { self.reuse(slot) };
        self.buckets[bucket] = index;
        self.live += 1;
        index
    }

    /// Takes an entry that nothing tracks out of the list by touch; one that had expired starts anew.
    pub(super) fn wake(&mut self, index: u32, expire: Duration) {
        if self.slots[index as usize].pins > 0 {
            return;
        }
        self.unlink(index);
        if self.expired(index, expire) {
            self.zero(index);
        }
    }

    /// Touches an entry that is in no list and pins it.
    pub(super) fn pin(&mut self, index: u32) {
        let slot = &mut self.slots[index as usize];
        slot.pins += 1;
        slot.touched = self.latest;
    }

    /// Touches an entry that is pinned, and so in no list. It keeps the time until it expires; pinned, it does not.
    pub(super) fn touch(&mut self, index: u32) {
        self.slots[index as usize].touched = self.latest;
    }

    /// Undoes one [`Shard::pin`]; the last one puts the entry, touched, back into the list.
    pub(super) fn unpin(&mut self, index: u32) {
        let slot = &mut self.slots[index as usize];
        slot.pins = slot.pins.saturating_sub(1);
        self.rest(index);
    }

    /// Touches an entry that is in no list and, unless it is pinned, puts it at the young end of the list.
    pub(super) fn rest(&mut self, index: u32) {
        let newest = self.newest;
        let slot = &mut self.slots[index as usize];
        slot.touched = self.latest;
        if slot.pins > 0 {
            return;
        }
        slot.older = newest;
        slot.newer = NONE;
        if newest == NONE {
            self.oldest = index;
        } else {
            self.slots[newest as usize].newer = index;
        }
        self.newest = index;
    }

    /// Removes the entry that was touched longest ago, if any is not tracked; says whether it had expired.
    pub(super) fn evict_oldest(&mut self, expire: Duration) -> Option<bool> {
        if self.oldest == NONE {
            return None;
        }
        let expired = self.expired(self.oldest, expire);
        self.remove(self.oldest);
        Some(expired)
    }

    /// Removes expired entries, at most `most`, oldest first; gives how many.
    pub(super) fn purge(&mut self, expire: Duration, most: usize) -> usize {
        let mut removed = 0;
        while removed < most && self.oldest != NONE && self.expired(self.oldest, expire) {
            self.remove(self.oldest);
            removed += 1;
        }
        if self.live == 0 && self.slots.len() > WORTH_FREEING {
            self.free_memory();
        }
        removed
    }

    /// Removes an entry that nothing tracks (true) or empties the counters of one that is tracked.
    pub(super) fn clear(&mut self, index: u32) -> bool {
        if self.slots[index as usize].pins > 0 {
            self.zero(index);
            return false;
        }
        self.remove(index);
        true
    }

    /// Whether a lookup must not see the entry any more: nothing tracks it and its time is over.
    pub(super) fn gone(&self, index: u32, expire: Duration) -> bool {
        self.slots[index as usize].pins == 0 && self.expired(index, expire)
    }

    /// Slots, used and free: indices run below this.
    pub(super) fn slots(&self) -> u32 {
        self.slots.len() as u32
    }

    pub(super) fn key(&self, index: u32) -> Option<Key> {
        self.slots.get(index as usize).and_then(|slot| slot.key)
    }

    pub(super) fn pins(&self, index: u32) -> u32 {
        self.slots[index as usize].pins
    }

    pub(super) fn touched(&self, index: u32) -> Tick {
        self.slots[index as usize].touched
    }

    pub(super) fn rate(&self, index: u32, slot: usize) -> &RateCounter {
        &self.rates[index as usize * self.rates_each + slot]
    }

    pub(super) fn rate_mut(&mut self, index: u32, slot: usize) -> &mut RateCounter {
        &mut self.rates[index as usize * self.rates_each + slot]
    }

    pub(super) fn wide_rate(&self, index: u32, slot: usize) -> &WideRateCounter {
        &self.wide_rates[index as usize * self.wide_rates_each + slot]
    }

    pub(super) fn wide_rate_mut(&mut self, index: u32, slot: usize) -> &mut WideRateCounter {
        &mut self.wide_rates[index as usize * self.wide_rates_each + slot]
    }

    pub(super) fn total(&self, index: u32, slot: usize) -> u64 {
        self.totals[index as usize * self.totals_each + slot]
    }

    pub(super) fn total_mut(&mut self, index: u32, slot: usize) -> &mut u64 {
        &mut self.totals[index as usize * self.totals_each + slot]
    }

    fn bucket(&self, hash: u32) -> usize {
        hash as usize & self.buckets.len().wrapping_sub(1)
    }

    fn expired(&self, index: u32, expire: Duration) -> bool {
        self.latest.since(self.slots[index as usize].touched) >= expire
    }

    fn zero(&mut self, index: u32) {
        let index = index as usize;
        self.rates[index * self.rates_each..][..self.rates_each].fill(RateCounter::default());
        self.wide_rates[index * self.wide_rates_each..][..self.wide_rates_each]
            .fill(WideRateCounter::default());
        self.totals[index * self.totals_each..][..self.totals_each].fill(0);
    }

    fn push(&mut self, slot: Slot) -> u32 {
        if self.slots.len() == self.slots.capacity() {
            let more = (self.slots.len() / 4).max(SMALLEST);
            self.slots.reserve_exact(more);
            self.rates.reserve_exact(more * self.rates_each);
            self.wide_rates.reserve_exact(more * self.wide_rates_each);
            self.totals.reserve_exact(more * self.totals_each);
        }
        self.slots.push(slot);
        self.rates.resize(self.slots.len() * self.rates_each, RateCounter::default());
        self.wide_rates.resize(self.slots.len() * self.wide_rates_each, WideRateCounter::default());
        self.totals.resize(self.slots.len() * self.totals_each, 0);
        self.slots.len() as u32 - 1
    }

    fn reuse(&mut self, slot: Slot) -> u32 {
        let index = self.free;
        self.free = self.slots[index as usize].chain;
        self.slots[index as usize] = slot;
        self.zero(index);
        index
    }

    fn grow_index(&mut self) {
        let size = (self.buckets.len() * 2).max(SMALLEST);
        self.buckets.clear();
        self.buckets.resize(size, NONE);
        for (index, slot) in self.slots.iter_mut().enumerate().filter(|(_, slot)| slot.key.is_some()) {
            let head = &mut self.buckets[slot.hash as usize & (size - 1)];
            slot.chain = *head;
            *head = index as u32;
        }
    }

    fn unlink(&mut self, index: u32) {
        let Slot { older, newer, .. } = self.slots[index as usize];
        match older {
            NONE => self.oldest = newer,
            older => self.slots[older as usize].newer = newer,
        }
        match newer {
            NONE => self.newest = older,
            newer => self.slots[newer as usize].older = older,
        }
    }

    /// Removes an entry of the list by touch.
    fn remove(&mut self, index: u32) {
        self.unlink(index);
        let Slot { hash, chain, .. } = self.slots[index as usize];
        let bucket = self.bucket(hash);
        if self.buckets[bucket] == index {
            self.buckets[bucket] = chain;
        } else {
            let mut at = self.buckets[bucket] as usize;
            while self.slots[at].chain != index {
                at = self.slots[at].chain as usize;
            }
            self.slots[at].chain = chain;
        }
        let slot = &mut self.slots[index as usize];
        slot.key = None;
        slot.chain = self.free;
        self.free = index;
        self.live -= 1;
    }

    fn free_memory(&mut self) {
        self.slots = Vec::new();
        self.rates = Vec::new();
        self.wide_rates = Vec::new();
        self.totals = Vec::new();
        self.buckets = Vec::new();
        self.free = NONE;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stick::counter::Period;
    use crate::stick::spec::CounterKind;

    #[test]
    fn an_entry_costs_64_bytes_before_its_counters() {
        assert_eq!(size_of::<Slot>(), 64);
        assert_eq!(size_of::<RateCounter>(), 16);
        assert_eq!(size_of::<WideRateCounter>(), 24);
    }

    /// Memory of a shard with so many entries, for each of them, before the room that its parts keep to grow.
    fn bytes_each(counters: &[CounterKind]) -> usize {
        let layout = Layout::of(counters);
        let mut shard = Shard::new(&layout);
        for n in 0..4096u32 {
            let index = shard.insert(n, Key::text(&n.to_be_bytes()));
            shard.rest(index);
        }
        let bytes = size_of_val(&shard.slots[..])
            + size_of_val(&shard.rates[..])
            + size_of_val(&shard.wide_rates[..])
            + size_of_val(&shard.totals[..])
            + size_of_val(&shard.buckets[..]);
        bytes / 4096
    }

    #[test]
    fn who_stores_four_counters_pays_for_four() {
        use CounterKind::*;
        let minute = Period::MINUTE;
        let usual = [HttpReqRate(minute), ConnCur, HttpErrRate(minute), HttpReqCnt];
        assert_eq!(bytes_each(&usual), 108);
        assert_eq!(bytes_each(&[usual.as_slice(), &[BytesOutRate(minute), Gpc0]].concat()), 140);
        assert_eq!(bytes_each(&CounterKind::all(minute)), 340);
    }

    #[test]
    fn an_emptied_shard_gives_its_memory_back() {
        let mut shard = Shard::new(&Layout::of(&[]));
        for n in 0..1000u32 {
            let index = shard.insert(n, Key::text(&n.to_be_bytes()));
            shard.rest(index);
        }
        shard.advance(Tick(10));
        assert_eq!(shard.purge(Duration::from_millis(10), 999), 999);
        assert_eq!(shard.slots(), 1000);
        assert_eq!(shard.purge(Duration::from_millis(10), 999), 1);
        assert_eq!((shard.slots(), shard.buckets.capacity()), (0, 0));
        assert_eq!(shard.find(1, &Key::text(&1u32.to_be_bytes())), None);
    }
}
