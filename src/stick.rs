//! Floor 2: stick tables. What is remembered about a client (an address, the digest of a key): how many requests in
//! the last period, how many errors, bytes, tokens and dollars, how many in flight. HAProxy's arithmetic, in sharded tables without a global lock.

pub mod counter;
pub mod entry;
pub mod key;
mod layout;
mod shard;
pub mod spec;
pub mod table;
pub mod tracked;

pub use counter::{Period, RateCounter, WideRateCounter};
pub use entry::{Entry, Row};
pub use key::Key;
pub use spec::{CounterKind, Gpc, Raised, TableSpec};
pub use table::Table;
pub use tracked::Tracked;
