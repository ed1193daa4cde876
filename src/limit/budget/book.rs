//! What was spent in the current day and month, and whether people were told of it.
//!
//! The clock may be wrong for a while. Of days as of months the last two that it showed are kept: when it steps back, over
//! midnight or from a far future, what is spent counts where it belongs, and coming back it is still there. A period
//! before them begins with the current figures: going back gives nobody a fresh budget.

use std::time::Duration;

use crate::base::calendar;

use super::{Cap, Level, Period};

#[derive(Debug, Default)]
pub(super) struct Book {
    day: Sums,
    month: Sums,
    /// By calls in flight, whenever they began: they will pay in the period in which they end.
    pub(super) reserved: u64,
}

/// The current period, and the one that was current before.
#[derive(Debug, Default)]
struct Sums {
    current: Sum,
    before: Sum,
}

#[derive(Clone, Copy, Debug, Default)]
struct Sum {
    /// Number of the day or month since 1970.
    period: u64,
    spent: u64,
    told: Told,
}

/// The highest figure that was told for each level, or passed without a word.
#[derive(Clone, Copy, Debug, Default)]
struct Told {
    alert: u64,
    used_up: u64,
}

impl Book {
    /// Goes to the periods of this time.
    pub(super) fn turn(&mut self, unix: Duration) {
        let today = calendar::day(unix);
        // Without a new day there is no new month.
        if today != self.day.current.period {
            self.day.turn(today);
            self.month.turn(calendar::month(today));
        }
    }

    pub(super) fn spent(&self, per: Period) -> u64 {
        match per {
            Period::Day => self.day.current.spent,
            Period::Month => self.month.current.spent,
        }
    }

    pub(super) fn spend(&mut self, amount: u64) {
        for sums in [&mut self.day, &mut self.month] {
            sums.current.spent = sums.current.spent.saturating_add(amount);
        }
    }

    /// What was spent by an earlier process, of which it told.
    pub(super) fn restore(&mut self, day: u64, month: u64) {
        for (sums, spent) in [(&mut self.day, day), (&mut self.month, month)] {
            let sum = &mut sums.current;
            sum.spent = sum.spent.saturating_add(spent);
            sum.told =
                Told { alert: sum.told.alert.max(sum.spent), used_up: sum.told.used_up.max(sum.spent) };
        }
    }

    /// Reserves so much more; what was really added, which is less only at the end of all numbers.
    pub(super) fn reserve(&mut self, amount: u64) -> u64 {
        let added = amount.min(u64::MAX - self.reserved);
        self.reserved += added;
        added
    }

    pub(super) fn release(&mut self, amount: u64) {
        self.reserved = self.reserved.saturating_sub(amount);
    }

    /// Micro-dollars that a call which already holds some of them may have: neither spent nor reserved by others.
    pub(super) fn left(&self, cap: &Cap, held: u64) -> u64 {
        let others = self.reserved.saturating_sub(held);
        cap.micro_dollars.saturating_sub(self.spent(cap.per)).saturating_sub(others)
    }

    /// Whether nothing is left whatever becomes of the calls in flight.
    pub(super) fn is_used_up(&self, cap: &Cap) -> bool {
        self.spent(cap.per) >= cap.micro_dollars
    }

    /// Whether what is spent has come to a level, and this is the time to tell it.
    pub(super) fn crosses(&mut self, cap: &Cap, level: Level) -> bool {
        let told_by_the_other = level == Level::Alert && cap.mark(level) == cap.mark(Level::UsedUp);
        let crossed = !told_by_the_other && self.spent(cap.per) >= cap.mark(level);
        crossed && self.tell(cap, level)
    }

    /// Notes that a level is told; whether it is news.
    pub(super) fn tell(&mut self, cap: &Cap, level: Level) -> bool {
        let sum = match cap.per {
            Period::Day => &mut self.day.current,
            Period::Month => &mut self.month.current,
        };
        let told = match level {
            Level::Alert => &mut sum.told.alert,
            Level::UsedUp => &mut sum.told.used_up,
        };
        let is_news = cap.mark(level) > *told;
        if is_news {
            *told = cap.mark(level).max(sum.spent);
        }
        is_news
    }
}

impl Sums {
    fn turn(&mut self, period: u64) {
        if period == self.before.period {
            std::mem::swap(&mut self.current, &mut self.before);
        } else if period != self.current.period {
            let so_far = if period < self.current.period { self.current } else { Sum::default() };
            self.before = std::mem::replace(&mut self.current, Sum { period, ..so_far });
        }
    }
}
