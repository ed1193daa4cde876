//! How much memory request bodies hold, all requests together: they are kept until an answer is committed, so that they
//! can be sent again, and a bound keeps many large ones from taking the machine down.

use std::sync::atomic::{AtomicU64, Ordering};

/// Bytes held now.
#[derive(Debug, Default)]
pub struct Memory(AtomicU64);

impl Memory {
    pub fn held(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    /// Nothing yet, of at most `max` bytes for everybody.
    pub fn hold(&self, max: u64) -> Held<'_> {
        Held { memory: self, bytes: 0, max }
    }
}

/// What one request holds; given back when dropped.
#[derive(Debug)]
pub struct Held<'a> {
    memory: &'a Memory,
    bytes: u64,
    max: u64,
}

impl Held<'_> {
    /// Takes so many bytes more; false when there are not so many.
    #[must_use]
    pub fn grow(&mut self, bytes: u64) -> bool {
        if bytes == 0 {
            return true;
        }
        let more = |held: u64| held.checked_add(bytes).filter(|held| *held <= self.max);
        let taken = self.memory.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more).is_ok();
        if taken {
            self.bytes += bytes;
        }
        taken
    }

    pub fn release(&mut self) {
        // Most requests hold nothing, and all threads share the figure.
        if self.bytes > 0 {
            self.memory.0.fetch_sub(std::mem::take(&mut self.bytes), Ordering::Relaxed);
        }
    }
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        self.release();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_given_back_can_be_taken_again() {
        let memory = Memory::default();
        let (mut first, mut second) = (memory.hold(10), memory.hold(10));
        assert!(first.grow(6) && second.grow(4));
        assert!(!second.grow(1) && !first.grow(u64::MAX));
        drop(second);
        assert!(first.grow(4));
        first.release();
        assert_eq!(memory.held(), 0);
    }
}
