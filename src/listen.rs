//! The accept path: sockets, TLS, request heads. What comes out is a request that Pingora and the proxy can trust.

pub mod accept;
pub mod bind;
pub mod connection;
pub mod head;
