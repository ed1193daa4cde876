//! One exchange with a server: a request out, its answer in, both at once where the server answers early.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use pingora::http::{RequestHeader, ResponseHeader};
use pingora::protocols::http::v1::client::HttpSession;

use crate::base::clock::Tick;
use crate::runtime::target::Target;
use crate::upstream::connect::Want;
use crate::upstream::connections::Connections;
use crate::upstream::http1::Http1;
use crate::upstream::http2::{Http2, Place};
use crate::upstream::stream::Line;

/// Why there is no answer, or no more of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The server said that it has not acted on the request (RFC 9113 8.7).
    Refused,
    /// The same, as it takes leave of the connection (RFC 9113 6.8): no failure where the connection was kept.
    Goodbye,
    /// The connection or the stream ended too early.
    Cut,
    /// The server gave up this exchange alone, before it answered: it had the request, and the connection is well.
    Reset,
    /// What came is not HTTP; the reason, a label.
    Broken(&'static str),
}

pub struct Session {
    exchange: Exchange,
    reused: bool,
}

/// In boxes: a session moves through futures, each of which would be as large.
enum Exchange {
    Http1(Box<Http1>),
    Http2(Box<Http2>),
}

impl Session {
    /// `pool`: [`Target::pool`] when the connection was begun.
    pub(super) fn http1(
        line: Line,
        pool: u64,
        target: &Arc<Target>,
        want: &Want<'_>,
        reused: bool,
    ) -> Session {
        Session { exchange: Exchange::Http1(Box::new(Http1::new(line, pool, target, want))), reused }
    }

    pub(super) fn http2(place: Place, target: &Arc<Target>, want: &Want<'_>, reused: bool) -> Session {
        let exchange = Http2::new(place, target, want.method);
        Session { exchange: Exchange::Http2(Box::new(exchange)), reused }
    }

    /// Sends the head, shaped as for HTTP/1.1. `end`: no body follows.
    ///
    /// # Errors
    /// The server is gone, or says that it does not take it.
    pub async fn send_head(&mut self, head: Box<RequestHeader>, end: bool) -> Result<(), Fault> {
        match &mut self.exchange {
            Exchange::Http1(http1) => http1.send_head(head, end).await,
            Exchange::Http2(http2) => http2.send_head(head, end),
        }
    }

    /// Sends a part of the body, which the server takes within `patience`. False: it takes no more of the request, now
    /// and later; it may have answered.
    pub async fn send_part(&mut self, part: &Bytes, patience: Duration) -> bool {
        match &mut self.exchange {
            Exchange::Http1(http1) => http1.send_part(part, patience).await,
            Exchange::Http2(http2) => http2.send_part(part, patience).await,
        }
    }

    /// Ends the request; the first call counts. False as for a part.
    pub async fn finish(&mut self, patience: Duration) -> bool {
        match &mut self.exchange {
            Exchange::Http1(http1) => http1.finish(patience).await,
            Exchange::Http2(http2) => http2.finish(),
        }
    }

    /// Reads the next head, which may be a 1xx.
    ///
    /// # Errors
    /// There will be none. Cancelled, it can be called again.
    pub async fn read_head(&mut self) -> Result<(), Fault> {
        match &mut self.exchange {
            Exchange::Http1(http1) => http1.read_head().await,
            Exchange::Http2(http2) => http2.read_head().await,
        }
    }

    /// The head that was read last.
    pub fn head(&self) -> Option<&ResponseHeader> {
        match &self.exchange {
            Exchange::Http1(http1) => http1.head(),
            Exchange::Http2(http2) => http2.head(),
        }
    }

    /// Reads on in the body. `None`: its end. Cancelled, it can be called again.
    ///
    /// # Errors
    /// The rest will not come.
    pub async fn read_body(&mut self) -> Result<Option<&[u8]>, Fault> {
        match &mut self.exchange {
            Exchange::Http1(http1) => http1.read_body().await,
            Exchange::Http2(http2) => http2.read_body().await,
        }
    }

    /// Whether the whole answer was read.
    pub fn body_done(&mut self) -> bool {
        match &mut self.exchange {
            Exchange::Http1(http1) => http1.body_done(),
            Exchange::Http2(http2) => http2.body_done(),
        }
    }

    pub fn is_http2(&self) -> bool {
        matches!(self.exchange, Exchange::Http2(_))
    }

    /// Whether its connection has served a request before.
    pub fn was_reused(&self) -> bool {
        self.reused
    }

    /// Whether the server agreed to another protocol.
    pub fn was_upgraded(&self) -> bool {
        matches!(&self.exchange, Exchange::Http1(http1) if http1.was_upgraded())
    }

    /// After a whole answer to a wholly sent request: leaves the connection to the next one, if it is fit for that.
    pub async fn give_back(self, connections: &Connections, now: Tick) {
        match self.exchange {
            Exchange::Http1(http1) => http1.give_back(connections, now).await,
            Exchange::Http2(http2) => http2.end(now),
        }
    }

    /// The connection itself, for a tunnel.
    pub fn into_http1(self) -> Option<HttpSession> {
        match self.exchange {
            Exchange::Http1(http1) => Some(http1.into_inner()),
            Exchange::Http2(_) => None,
        }
    }
}
