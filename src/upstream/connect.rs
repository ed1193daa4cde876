//! Opens a connection to a server: every address of its name in turn, then TLS, all within one timeout.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use pingora::protocols::Stream;
use thiserror::Error;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use crate::runtime::target::Target;
use crate::transport::io::{Flush, Io, Side};
use crate::transport::tls;
use crate::wire::proxy_protocol;

#[derive(Debug, Error)]
pub enum ConnectError {
    #[error("the name `{0}` has no address")]
    Unresolved(String),
    #[error("cannot connect: {0}")]
    Connect(io::Error),
    #[error("TLS handshake failed: {0}")]
    Tls(io::Error),
    #[error("no connection within {0:?}")]
    Timeout(Duration),
}

/// A new connection, ready for a request. `client`: whose request, and the address that it was sent to, for a server that
/// wants a PROXY header; `None`: our own.
///
/// # Errors
/// See [`ConnectError`]; of several addresses, the last one's.
pub async fn connect(
    target: &Target,
    client: Option<(SocketAddr, SocketAddr)>,
    timeout: Duration,
) -> Result<Stream, ConnectError> {
    match pingora_timeout::timeout(timeout, open(target, client, timeout)).await {
        Ok(result) => result,
        Err(_) => Err(ConnectError::Timeout(timeout)),
    }
}

async fn open(
    target: &Target,
    client: Option<(SocketAddr, SocketAddr)>,
    timeout: Duration,
) -> Result<Stream, ConnectError> {
    let mut tcp = tcp(target, timeout).await?;
    let _ = tcp.set_nodelay(true);
    if target.send_proxy {
        let written = match client {
            Some((from, to)) => tcp.write_all(proxy_protocol::write_v2(from, to).as_ref()).await,
            None => tcp.write_all(proxy_protocol::write_v2_local().as_ref()).await,
        };
        written.map_err(ConnectError::Connect)?;
    }
    match &target.tls {
        None => Ok(Box::new(Io::new(tcp, Side::Server, Flush::BeforeRead, None))),
        Some(to) => match tls::connect(to.config.clone(), to.name.clone(), tcp).await {
            Ok(stream) => Ok(Box::new(stream)),
            Err(e) => Err(ConnectError::Tls(e)),
        },
    }
}

/// Each address gets an even share of the time: one that swallows packets must not keep the next from being tried.
async fn tcp(target: &Target, timeout: Duration) -> Result<TcpStream, ConnectError> {
    let addresses = target.addresses.load();
    let first = target.addresses.preferred();
    let mut last = None;
    for i in 0..addresses.len() {
        let index = (first + i) % addresses.len();
        let share = timeout / u32::try_from(addresses.len()).unwrap_or(1);
        match pingora_timeout::timeout(share, TcpStream::connect(addresses[index])).await {
            Ok(Ok(tcp)) => {
                if i > 0 {
                    target.addresses.prefer(index);
                }
                return Ok(tcp);
            }
            Ok(Err(e)) => last = Some(ConnectError::Connect(e)),
            Err(_) => last = Some(ConnectError::Timeout(timeout)),
        }
    }
    Err(match last {
        Some(e) => e,
        None => ConnectError::Unresolved(target.addresses.host.clone()),
    })
}
