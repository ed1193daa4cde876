//! Connections to servers: opening one, and keeping the idle ones of a worker thread.

pub mod connect;
pub mod idle;
pub mod stream;
