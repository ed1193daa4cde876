//! What happened, as far as alerts ask for it.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;

/// One thing that happened.
#[derive(Clone, Debug, PartialEq)]
pub struct Fact {
    /// When, since 1970 UTC.
    pub at: Duration,
    pub what: What,
    /// What it happened to, in words: `ai/primary`, `client mobile`.
    pub subject: String,
    /// `None` where no backend is meant.
    pub backend: Option<Arc<str>>,
    /// A whole sentence for people: what, where, why. No secrets.
    pub text: String,
    /// For programs.
    pub details: Vec<(&'static str, Value)>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum What {
    Server(Stand),
    /// The active tier of a backend changed; `None`: no server is usable.
    Tiers {
        from: Option<u32>,
        to: Option<u32>,
    },
    /// A budget came to its `alert_at`, or to its end. It begins anew after this time, where that is known.
    Budget {
        used_up: bool,
        anew: Option<Duration>,
    },
    /// Calls cannot be kept on disk.
    LedgerDegraded,
    CallsLost,
    LedgerBack,
    ReloadRefused,
    ReloadApplied,
    /// A certificate is soon of no use; `ended`: it is already.
    Certificate {
        ended: bool,
    },
    CertificateRenewed,
    RolledBack,
    /// A figure went above what a rule allows, or came back.
    Figure {
        measure: Measure,
        over: bool,
    },
}

/// What a server's state is to an alert.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stand {
    Up,
    /// Out, or not asked as it should be, until something changes: down, without an address, its key refused.
    Down,
    BreakerOpen,
    /// Out for a while by itself, or on trial: nobody need be told.
    Passing,
    /// By an operator, or by a new configuration: whatever was wrong is not this server's trouble now.
    TakenOut,
}

/// A figure of a backend with the limit that a rule sets.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Measure {
    /// The 95th percentile of the time to the first byte.
    Latency(Duration),
    /// Failed requests as a share of all.
    Errors(f64),
}

/// The limit: `2s`, `5%`.
impl fmt::Display for Measure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Measure::Latency(time) => write!(f, "{time:?}"),
            Measure::Errors(share) => write!(f, "{}%", (share * 100_000.0).round() / 1000.0),
        }
    }
}
