//! What the edges work with: the snapshot that a configuration compiles to, and the state that outlives it.

pub mod addresses;
pub mod cells;
pub mod compile;
pub mod events;
pub mod gate;
pub mod memory;
pub mod models;
pub mod orders;
pub mod snapshot;
pub mod state;
pub mod store;
pub mod streams;
pub mod target;
