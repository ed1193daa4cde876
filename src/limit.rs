//! Floor 2: what a client's plan allows, and what a client that asks for more is told.

pub mod budget;
pub mod concurrency;
pub mod go_duration;
pub mod plan;
mod reservation;
pub mod window;

pub use budget::{Account, Cap, Crossing, Crossings, Level, Period, Purse, Refusal, Spent, Wallet};
pub use go_duration::GoDuration;
pub use plan::{Admission, Denial, Figures, Limit, Permit, Plan, PlanLimits, Verdict};
pub use window::Quota;
