//! Reads the PROXY header that a load balancer before us puts in front of a connection.

use std::net::SocketAddr;

use bytes::BytesMut;
use thiserror::Error;
use tokio::io::AsyncReadExt;

use crate::transport::socket::Socket;
use crate::wire::proxy_protocol::{self, ProxyFault};

#[derive(Debug, Error)]
pub enum NoHeader {
    #[error("{0}")]
    Fault(#[from] ProxyFault),
    #[error("the connection ended before its PROXY header did")]
    Cut,
    #[error("the connection ended without a byte")]
    Silent,
}

/// The client and the address that it meant to reach; `None` where the header says that the connection speaks for
/// itself (LOCAL, UNKNOWN). What came behind it is given back. The caller bounds the time.
///
/// # Errors
/// What came is no such header, or ended too soon.
pub async fn read(socket: &mut Socket) -> Result<Option<(SocketAddr, SocketAddr)>, NoHeader> {
    let mut bytes = BytesMut::with_capacity(512);
    loop {
        if let Some(header) = proxy_protocol::parse(&bytes)? {
            let rest = bytes.split_off(header.length);
            socket.unread(rest.freeze());
            return Ok(header.addresses.map(|told| (told.source, told.destination)));
        }
        match socket.read_buf(&mut bytes).await {
            Ok(n) if n > 0 => {}
            _ if bytes.is_empty() => return Err(NoHeader::Silent),
            _ => return Err(NoHeader::Cut),
        }
    }
}
