//! The calls that are not on disk yet, oldest first, with a bound. It grows by blocks, so that no call waits until
//! thousands of others have been moved to a larger place.

use std::collections::VecDeque;

use super::BATCH;
use super::call::Call;

/// A call and its number, which rises by one with each call of this process.
#[derive(Debug)]
pub struct Numbered {
    pub number: i64,
    pub call: Call,
}

pub type Block = VecDeque<Numbered>;

#[derive(Debug)]
pub struct Backlog {
    /// None is empty; all but the last are what one transaction takes.
    blocks: VecDeque<Block>,
    len: usize,
    most: usize,
    last: i64,
    /// An empty block to go on with, so that a usual day allocates none.
    spare: Option<Block>,
}

impl Backlog {
    pub fn new(most: usize) -> Backlog {
        Backlog { blocks: VecDeque::with_capacity(most / BATCH + 2), len: 0, most, last: 0, spare: None }
    }

    pub fn len(&self) -> usize {
        self.len
    }

    /// Adds a call; how many old ones had to go.
    pub fn push(&mut self, call: Call) -> u64 {
        self.last += 1;
        let entry = Numbered { number: self.last, call };
        match self.blocks.back_mut() {
            Some(block) if block.len() < BATCH => block.push_back(entry),
            _ => {
                let mut block = self.spare.take().unwrap_or_else(|| VecDeque::with_capacity(BATCH));
                block.push_back(entry);
                self.blocks.push_back(block);
            }
        }
        self.len += 1;
        self.shrink()
    }

    /// The oldest, at most [`BATCH`] of them.
    pub fn take(&mut self) -> Option<Block> {
        let block = self.blocks.pop_front()?;
        self.len -= block.len();
        Some(block)
    }

    /// Puts back what was taken; how many of the oldest had to go.
    pub fn put_back(&mut self, block: Block) -> u64 {
        if block.is_empty() {
            return 0;
        }
        self.len += block.len();
        self.blocks.push_front(block);
        self.shrink()
    }

    /// Gives all of them up; how many.
    pub fn clear(&mut self) -> u64 {
        self.blocks.clear();
        u64::try_from(std::mem::take(&mut self.len)).unwrap_or(u64::MAX)
    }

    /// Takes an empty block back for later.
    pub fn recycle(&mut self, empty: Block) {
        debug_assert!(empty.is_empty());
        self.spare = Some(empty);
    }

    fn shrink(&mut self) -> u64 {
        let mut gone = 0;
        while self.len > self.most {
            let Some(oldest) = self.blocks.front_mut() else { break };
            oldest.pop_front();
            if oldest.is_empty() {
                self.blocks.pop_front();
            }
            self.len -= 1;
            gone += 1;
        }
        gone
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbers(backlog: &mut Backlog) -> Vec<i64> {
        std::iter::from_fn(|| backlog.take()).flatten().map(|entry| entry.number).collect()
    }

    #[test]
    fn calls_leave_in_the_order_in_which_they_came() {
        let mut backlog = Backlog::new(10_000);
        for _ in 0..2500 {
            assert_eq!(backlog.push(Call::default()), 0);
        }
        assert_eq!(backlog.take().map(|block| block.len()), Some(BATCH));
        assert_eq!(numbers(&mut backlog), (1001..=2500).collect::<Vec<i64>>());
        assert_eq!(backlog.len(), 0);
        assert!(backlog.take().is_none());
    }

    #[test]
    fn what_is_put_back_is_first_again() {
        let mut backlog = Backlog::new(10_000);
        let _: u64 = (0..1500).map(|_| backlog.push(Call::default())).sum();
        let taken = backlog.take().unwrap();
        backlog.push(Call::default());
        assert_eq!(backlog.put_back(taken), 0);
        assert_eq!(backlog.len(), 1501);
        assert_eq!(numbers(&mut backlog), (1..=1501).collect::<Vec<i64>>());
    }

    #[test]
    fn the_oldest_go_first_when_there_are_too_many() {
        let mut backlog = Backlog::new(1200);
        let gone: u64 = (0..3000).map(|_| backlog.push(Call::default())).sum();
        assert_eq!((gone, backlog.len()), (1800, 1200));
        let taken = backlog.take().unwrap();
        let there = i64::try_from(taken.len()).unwrap();
        let gone: u64 = (0..1200).map(|_| backlog.push(Call::default())).sum();
        assert_eq!(gone, 1200 - u64::try_from(there).unwrap());
        assert_eq!(backlog.put_back(taken), u64::try_from(there).unwrap());
        assert_eq!(numbers(&mut backlog), (3001..=4200).collect::<Vec<i64>>());
    }
}
