//! Opens a connection to a server: TCP, a PROXY header where it wants one, TLS, all within one timeout.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use http::Method;
use thiserror::Error;
use tokio::io::AsyncWriteExt;

use crate::runtime::target::Target;
use crate::transport::io::{Flush, Io, Side};
use crate::transport::tls;
use crate::upstream::dial::dial;
use crate::upstream::session::Session;
use crate::upstream::stream::Line;
use crate::wire::proxy_protocol;

#[derive(Debug, Error)]
pub enum ConnectError {
    #[error("the name `{0}` has no address")]
    Unresolved(String),
    #[error("cannot connect: {0}")]
    Connect(io::Error),
    #[error("TLS handshake failed: {0}")]
    Tls(io::Error),
    #[error("the server does not speak HTTP/2, and its `tls.alpn` allows nothing else: add http/1.1 to it")]
    NoHttp2,
    #[error("no connection within {0:?}")]
    Timeout(Duration),
}

/// What a connection is for.
#[derive(Clone, Copy, Debug)]
pub struct Want<'a> {
    /// The request's, which says whether its answer has a body.
    pub method: &'a Method,
    /// The request asks for another protocol, which HTTP/1.1 alone can carry.
    pub upgrade: bool,
    /// Whose request it is and the address that it was sent to, for a server that wants a PROXY header; `None`: our own.
    pub client: Option<(SocketAddr, SocketAddr)>,
}

/// A connection of its own, that nobody else gets to use: for checks.
///
/// # Errors
/// See [`ConnectError`]; of several addresses, the last one's.
pub async fn open(target: &Arc<Target>, want: &Want<'_>, timeout: Duration) -> Result<Session, ConnectError> {
    let line = within(target, want, timeout).await?;
    Ok(Session::http1(line, target, want, false))
}

/// A new connection.
pub(super) async fn within(
    target: &Target,
    want: &Want<'_>,
    timeout: Duration,
) -> Result<Line, ConnectError> {
    match pingora_timeout::timeout(timeout, connect(target, want, timeout)).await {
        Ok(result) => result,
        Err(_) => Err(ConnectError::Timeout(timeout)),
    }
}

async fn connect(target: &Target, want: &Want<'_>, timeout: Duration) -> Result<Line, ConnectError> {
    let mut tcp = dial(target, timeout).await?;
    let _ = tcp.set_nodelay(true);
    if target.send_proxy {
        let written = match want.client {
            Some((from, to)) => tcp.write_all(proxy_protocol::write_v2(from, to).as_ref()).await,
            None => tcp.write_all(proxy_protocol::write_v2_local().as_ref()).await,
        };
        written.map_err(ConnectError::Connect)?;
    }
    let Some(to) = &target.tls else {
        return Ok(Line::Plain(Box::new(Io::new(tcp, Side::Server, Flush::BeforeRead, None))));
    };
    let config = to.only_http1.clone();
    let stream = tls::connect(config, to.name.clone(), tcp).await.map_err(ConnectError::Tls)?;
    Ok(Line::Tls(Box::new(Io::new(stream, Side::Server, Flush::BeforeRead, None))))
}
