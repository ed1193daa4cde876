//! Floor 0: what every other floor may use. Standard library only.

pub mod calendar;
pub mod clock;
pub mod log_format;
pub mod secret;
pub mod units;
