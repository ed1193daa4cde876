//! Floor 2: which events a person is told of, when, how often, and in which words of which receiver.
//!
//! A [`Fact`] says what happened. The [`Engine`] knows what of it is a problem that stands until something ends it, and for
//! each receiver what was told last: nothing is told twice within a rule's `every`, what stands then is told late rather
//! than never, and the end of what was told is told, too. [`watch`] makes facts of figures. No I/O, no clock of its own.

pub mod engine;
mod excess;
pub mod fact;
pub mod format;
pub mod message;
mod problem;
mod receiver;
pub mod rule;
pub mod watch;

pub use engine::{Engine, Outgoing, Suppressed};
pub use fact::{Fact, Measure, Stand, What};
pub use message::{Message, Severity};
pub use rule::Rule;
