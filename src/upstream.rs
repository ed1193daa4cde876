//! Connections to servers: opening them, keeping those of a worker thread, and one exchange on one of them, HTTP/1.1 or
//! HTTP/2, which the code above does not tell apart.

pub mod connect;
pub mod connections;
mod dial;
mod http1;
mod http2;
pub mod session;
pub mod stream;

#[cfg(test)]
mod tests;
