//! Byte streams under HTTP: one type that is a Pingora stream over plain TCP or TLS, for clients and for servers.

pub mod io;
pub mod tls;
