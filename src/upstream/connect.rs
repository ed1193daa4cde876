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
use crate::transport::tls::{self, Agreed};
use crate::upstream::dial::dial;
use crate::upstream::http2::Link;
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
    #[error("HTTP/2 does not begin: {0}")]
    Http2(String),
    #[error("no connection within {0:?}")]
    Timeout(Duration),
}

impl ConnectError {
    /// The same for another who waited for this connection.
    pub(super) fn again(&self) -> ConnectError {
        let copy = |e: &io::Error| io::Error::new(e.kind(), e.to_string());
        match self {
            ConnectError::Unresolved(host) => ConnectError::Unresolved(host.clone()),
            ConnectError::Connect(e) => ConnectError::Connect(copy(e)),
            ConnectError::Tls(e) => ConnectError::Tls(copy(e)),
            ConnectError::NoHttp2 => ConnectError::NoHttp2,
            ConnectError::Http2(why) => ConnectError::Http2(why.clone()),
            ConnectError::Timeout(time) => ConnectError::Timeout(*time),
        }
    }
}

/// What a connection is for.
#[derive(Clone, Copy, Debug)]
pub struct Want<'a> {
    /// The request's, which says whether its answer has a body.
    pub method: &'a Method,
    /// The request asks for another protocol, which HTTP/1.1 alone can carry.
    pub upgrade: bool,
    /// Not a connection that was there before: such a one has just failed the request.
    pub fresh: bool,
    /// Whose request it is and the address that it was sent to, for a server that wants a PROXY header; `None`: our own.
    pub client: Option<(SocketAddr, SocketAddr)>,
}

/// A connection of its own, that nobody else gets to use: for checks.
///
/// # Errors
/// See [`ConnectError`]; of several addresses, the last one's.
pub async fn open(target: &Arc<Target>, want: &Want<'_>, timeout: Duration) -> Result<Session, ConnectError> {
    let pool = target.pool();
    match make(target, Some(want), timeout).await? {
        Made::Http1(line) => Ok(Session::http1(line, pool, target, want, false)),
        Made::Http2(link) => match link.reserve() {
            Some(place) => Ok(Session::http2(place, target, want, false)),
            None => Err(ConnectError::Http2("the server takes no streams".to_owned())),
        },
    }
}

/// Connects, with TLS where the url is https, and closes again.
///
/// # Errors
/// See [`ConnectError`]; of several addresses, the last one's.
pub async fn reach(target: &Target, timeout: Duration) -> Result<(), ConnectError> {
    within(timeout, connect(target, None, timeout)).await.map(drop)
}

/// A connection on which requests can begin.
pub(super) enum Made {
    Http1(Line),
    Http2(Link),
}

/// A new connection. `want`: for whom, where it is for one request alone.
pub(super) async fn make(
    target: &Target,
    want: Option<&Want<'_>>,
    timeout: Duration,
) -> Result<Made, ConnectError> {
    let made = async {
        match connect(target, want, timeout).await? {
            Connected::Http1(line) => Ok(Made::Http1(line)),
            Connected::Http2(stream) => Ok(Made::Http2(Link::begin(stream, target.idle_timeout).await?)),
        }
    };
    within(timeout, made).await
}

async fn within<T>(
    timeout: Duration,
    made: impl Future<Output = Result<T, ConnectError>>,
) -> Result<T, ConnectError> {
    match pingora_timeout::timeout(timeout, made).await {
        Ok(result) => result,
        Err(_) => Err(ConnectError::Timeout(timeout)),
    }
}

enum Connected {
    Http1(Line),
    Http2(Box<Agreed>),
}

async fn connect(
    target: &Target,
    want: Option<&Want<'_>>,
    timeout: Duration,
) -> Result<Connected, ConnectError> {
    let mut tcp = dial(target, timeout).await?;
    let _ = tcp.set_nodelay(true);
    if target.send_proxy {
        let written = match want.and_then(|want| want.client) {
            Some((from, to)) => tcp.write_all(proxy_protocol::write_v2(from, to).as_ref()).await,
            None => tcp.write_all(proxy_protocol::write_v2_local().as_ref()).await,
        };
        written.map_err(ConnectError::Connect)?;
    }
    let Some(to) = &target.tls else {
        let io = Io::new(tcp, Side::Server, Flush::BeforeRead, None);
        return Ok(Connected::Http1(Line::Plain(Box::new(io))));
    };
    let choice = target.offers_http2() && !want.is_some_and(|want| want.upgrade);
    let config = if choice { &to.config } else { &to.only_http1 };
    let stream = tls::connect(config.clone(), to.name.clone(), tcp).await.map_err(ConnectError::Tls)?;
    match tls::chose_http2(&stream) {
        Some(true) => Ok(Connected::Http2(Box::new(stream))),
        _ if choice && !to.http1 => Err(ConnectError::NoHttp2),
        _ => {
            let io = Io::new(stream, Side::Server, Flush::BeforeRead, None);
            Ok(Connected::Http1(Line::Tls(Box::new(io))))
        }
    }
}
