//! What an HTTP/1.1 connection to a server knows of the exchange on it.

use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use http::Method;
use pingora::protocols::Stream;
use tokio::io::{AsyncRead, ReadBuf};
use tokio::net::TcpStream;

use crate::transport::io::{Io, Reading, Watch};
use crate::transport::tls::ServerTls;
use crate::wire::AnswerStream;

/// A connection between two exchanges.
pub(super) enum Line {
    Plain(Box<Io<TcpStream>>),
    Tls(Box<ServerTls>),
}

impl Line {
    /// `None`: not a connection of ours.
    pub fn of(stream: Stream) -> Option<Line> {
        match stream.into_any().downcast::<Io<TcpStream>>() {
            Ok(plain) => Some(Line::Plain(plain)),
            Err(other) => other.downcast::<ServerTls>().ok().map(Line::Tls),
        }
    }

    /// Prepares it for the answer to a request: nothing but that passes. `upgrade`: the request asks for another protocol.
    pub fn expect_answer(self, method: Method, upgrade: bool) -> Stream {
        let watch = Watch::Answer(Box::new(AnswerStream::new(method, upgrade)));
        match self {
            Line::Plain(mut plain) => {
                plain.watch(watch);
                plain
            }
            Line::Tls(mut tls) => {
                tls.watch(watch);
                tls
            }
        }
    }

    /// A server that says something, or closes, while nothing was asked has no usable connection. One poll; it costs a
    /// system call only when the socket is readable.
    pub fn is_silent(&mut self) -> bool {
        let mut space = [0u8; 1];
        let mut buffer = ReadBuf::new(&mut space);
        let mut cx = Context::from_waker(Waker::noop());
        let read = match self {
            Line::Plain(plain) => Pin::new(&mut **plain).poll_read(&mut cx, &mut buffer),
            Line::Tls(tls) => Pin::new(&mut **tls).poll_read(&mut cx, &mut buffer),
        };
        matches!(read, Poll::Pending)
    }
}

/// The server agreed to another protocol: from now on everything passes, both ways at once.
pub fn begin_tunnel(stream: &Stream) {
    on_stream(stream, |plain| plain.reading(Reading::Everything), |tls| tls.reading(Reading::Everything));
}

/// Whether nothing of the last exchange is left on a connection: all of the request went out, nothing came unasked.
pub(super) fn is_clean(stream: &Stream) -> bool {
    on_stream(stream, Io::is_clean, Io::is_clean).unwrap_or(false)
}

fn on_stream<R>(
    stream: &Stream,
    plain: impl FnOnce(&Io<TcpStream>) -> R,
    tls: impl FnOnce(&ServerTls) -> R,
) -> Option<R> {
    let stream = (**stream).as_any();
    match stream.downcast_ref::<Io<TcpStream>>() {
        Some(stream) => Some(plain(stream)),
        None => stream.downcast_ref::<ServerTls>().map(tls),
    }
}
