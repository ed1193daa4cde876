//! Byte streams under HTTP: one type that is a Pingora stream over plain TCP, a Unix socket or TLS, for clients and for
//! servers; and what is known of a client's connection.

pub mod client;
pub mod io;
pub mod socket;
mod subject;
pub mod tls;
