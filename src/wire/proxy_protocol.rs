//! The PROXY protocol, by which a balancer in front of a server says whose connection it passes on: HAProxy's
//! doc/proxy-protocol.txt, versions 1 (a line) and 2 (binary). Read in both versions, written in version 2. Whether a
//! peer may send one is decided elsewhere.

mod checksum;
mod text;
mod version2;
mod write;

use std::net::SocketAddr;

use thiserror::Error;

pub use write::{Written, write_v2, write_v2_local};

/// A whole PROXY header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// Bytes of it; what follows belongs to the client.
    pub length: usize,
    /// `None`: the connection's own addresses hold (LOCAL, UNKNOWN, UNSPEC, unix sockets).
    pub addresses: Option<Addresses>,
}

/// Both ends of the connection that is passed on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Addresses {
    /// The client.
    pub source: SocketAddr,
    /// What the client connected to.
    pub destination: SocketAddr,
}

/// What is wrong with a PROXY header.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq, Hash)]
pub enum ProxyFault {
    #[error("the connection does not begin with a PROXY header (does the balancer in front send one?)")]
    Missing,
    #[error(
        "the PROXY header (version 1) is not `PROXY TCP4|TCP6 source destination port port` in at most 107 bytes"
    )]
    InvalidLine,
    #[error("the PROXY header is of a version other than 1 and 2, or its command is neither PROXY nor LOCAL")]
    UnknownVersion,
    #[error("the PROXY header (version 2) is of a family or a protocol that no TCP connection has")]
    InvalidFamily,
    #[error(
        "the PROXY header (version 2) is over 4096 bytes, too short for its addresses, or its fields do not fill it"
    )]
    InvalidLength,
    #[error("the PROXY header (version 2) does not match its CRC32c checksum")]
    WrongChecksum,
}

impl ProxyFault {
    /// A stable label for metrics and logs.
    pub fn reason(self) -> &'static str {
        "bad_proxy_header"
    }
}

/// Whether the bytes begin as a header does, of either version, whatever comes then.
pub fn looks_like(bytes: &[u8]) -> bool {
    bytes.starts_with(b"PROXY ") || bytes.starts_with(version2::SIGNATURE)
}

/// Looks for a header at the start of the connection's bytes, all of which are given again each time. `None`: read on.
/// Nothing behind the header is looked at.
///
/// # Errors
/// As soon as the bytes cannot become a header any more.
pub fn parse(bytes: &[u8]) -> Result<Option<Header>, ProxyFault> {
    match bytes.first() {
        None => Ok(None),
        Some(b'P') => text::parse(bytes),
        Some(_) => version2::parse(bytes),
    }
}

/// Whether `bytes`, as far as they are there, begin as `expected` does.
fn begins(bytes: &[u8], expected: &[u8]) -> bool {
    bytes.iter().zip(expected).all(|(byte, expected)| byte == expected)
}

#[cfg(test)]
mod tests;
