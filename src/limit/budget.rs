//! Money: what clients, plans and all together may spend in a day or a month, in micro-dollars (a millionth of a US
//! dollar). A [`Purse`] remembers what one of them has spent, for the life of the process; the [`Cap`] comes with each
//! call, from the snapshot. A call passes where anything is left: it reserves its estimate, cut to what is left, in every
//! purse it pays from, or in none, and settles with the truth: what it cost above what it reserved counts too. So the truth
//! of what was admitted is at most the cap and what single calls went over their reservations. One whose estimate was cut
//! holds all that was left, so while it is in flight nobody passes but into what others give back.
//!
//! A call pays in the period in which it settles, whenever it began. A call that costs nothing always passes.

mod book;
mod purse;
mod wallet;

use std::time::Duration;

use crate::base::calendar;

pub use purse::{Purse, Spent};
pub use wallet::{Account, MOST_ACCOUNTS, Wallet};

/// How long a budget lasts; then it begins anew. In UTC.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Period {
    Day,
    #[default]
    Month,
}

impl Period {
    /// When the period that `unix` is in ends and the next one begins, both since 1970-01-01 UTC.
    pub fn resets_at(self, unix: Duration) -> Duration {
        let today = calendar::day(unix);
        calendar::start_of_day(match self {
            Period::Day => today.saturating_add(1),
            Period::Month => calendar::first_day(calendar::month(today).saturating_add(1)),
        })
    }
}

/// What may be spent.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Cap {
    /// With 0 only what costs nothing passes.
    pub micro_dollars: u64,
    pub per: Period,
    /// The share of it, 0 to 1, at which people are told. At 1 they are told once, that it is used up.
    pub alert_at: f64,
}

impl Cap {
    /// Micro-dollars at which a level is reached, at least 1.
    pub fn mark(&self, level: Level) -> u64 {
        let share = match level {
            Level::UsedUp => return self.micro_dollars.max(1),
            Level::Alert => self.alert_at.clamp(0.0, 1.0),
        };
        // Exact below 2^53 micro-dollars, nine billion dollars.
        let mark = (self.micro_dollars as f64 * share).round() as u64;
        mark.clamp(1, self.micro_dollars.max(1))
    }
}

/// How far a budget is spent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// `alert_at` of the cap.
    Alert,
    /// The whole cap.
    UsedUp,
}

/// A budget has come to a level that people want to hear of. Each is told once in a period; again in the same one only
/// when its cap was raised meanwhile and what is spent has come to the new figure.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Crossing {
    /// Which of the accounts, in the order in which the wallet was given them.
    pub account: usize,
    pub level: Level,
    /// Micro-dollars in the period of the cap.
    pub spent: u64,
    pub cap: Cap,
}

/// Why a call may not be made.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Refusal {
    /// Which of the accounts, in the order in which they were given. Of several that have nothing left one that is used up
    /// rather than one that is reserved, then the one that begins anew last.
    pub account: usize,
    pub cap: Cap,
    /// Micro-dollars in the period of the cap.
    pub spent: u64,
    /// The whole cap is spent, until `resets_at`. False: calls in flight have reserved what is left of it, so a call may
    /// pass soon.
    pub used_up: bool,
    /// The first call of the period that is refused because its budget is used up, and nobody was told that it is.
    pub first: bool,
    /// When the next period begins, since 1970-01-01 UTC.
    pub resets_at: Duration,
}

impl Refusal {
    /// What to tell people, if this is the first time.
    pub fn crossing(&self) -> Option<Crossing> {
        let &Refusal { account, cap, spent, first, .. } = self;
        first.then_some(Crossing { account, level: Level::UsedUp, spent, cap })
    }
}

/// The crossings of one call: of each account at most both levels. By account, then by level.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Crossings([[Option<Crossing>; 2]; MOST_ACCOUNTS]);

impl Crossings {
    pub fn is_empty(&self) -> bool {
        self.0.iter().flatten().flatten().next().is_none()
    }

    pub fn iter(&self) -> impl Iterator<Item = &Crossing> {
        self.0.iter().flatten().flatten()
    }
}

#[cfg(test)]
mod tests;
