//! The accept path: sockets, PROXY headers, TLS, request heads. What comes out is a request that Pingora and the proxy
//! can trust.

pub mod accept;
pub mod bind;
pub mod connection;
pub mod head;
mod http2;
mod proxy_header;
