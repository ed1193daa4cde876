//! What one client, one plan or everybody has spent.

use std::time::Duration;

use parking_lot::{Mutex, MutexGuard};

use super::book::Book;
use super::{Cap, Period};

/// One for the life of the process, about 170 bytes. Both periods are kept, so that `per` may change in a reload.
#[derive(Debug, Default)]
pub struct Purse(Mutex<Book>);

/// What a purse tells, in micro-dollars.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Spent {
    /// In this UTC day.
    pub day: u64,
    /// In this UTC month.
    pub month: u64,
    /// By calls in flight: what they are estimated to cost, as far as there was room for it.
    pub reserved: u64,
}

impl Spent {
    pub fn of(&self, per: Period) -> u64 {
        match per {
            Period::Day => self.day,
            Period::Month => self.month,
        }
    }

    /// What new calls may still cost: neither spent nor reserved.
    pub fn left(&self, cap: &Cap) -> u64 {
        cap.micro_dollars.saturating_sub(self.of(cap.per)).saturating_sub(self.reserved)
    }
}

impl Purse {
    /// Adds what an earlier process spent in the day and the month of `unix`. What it passed thereby was told then, and
    /// is not told again.
    pub fn restore(&self, day_spent: u64, month_spent: u64, unix: Duration) {
        self.open(unix).restore(day_spent, month_spent);
    }

    pub fn spent(&self, unix: Duration) -> Spent {
        let book = self.open(unix);
        Spent { day: book.spent(Period::Day), month: book.spent(Period::Month), reserved: book.reserved }
    }

    /// The book, at the periods of this time.
    pub(super) fn open(&self, unix: Duration) -> MutexGuard<'_, Book> {
        let mut book = self.0.lock();
        book.turn(unix);
        book
    }

    /// Takes back what was reserved, whatever the time.
    pub(super) fn release(&self, amount: u64) {
        self.0.lock().release(amount);
    }
}
