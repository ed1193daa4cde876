//! Money, and how long its books are kept.

use std::time::Duration;

const DAY: Duration = Duration::from_secs(86_400);

/// Money for a day or a month of UTC.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Budget {
    /// Never 0.
    pub micro_dollars: u64,
    pub per: Period,
    /// The share that is worth an alert: 0.01..=1.0.
    pub alert_at: f64,
}

/// Both begin at midnight UTC, months on their first day.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Period {
    Day,
    #[default]
    Month,
}

/// How long the ledger keeps what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Keep {
    /// Each call.
    pub calls: Duration,
    /// Sums of an hour.
    pub totals: Duration,
}

impl Default for Keep {
    fn default() -> Keep {
        Keep { calls: DAY * 31, totals: DAY * 800 }
    }
}
