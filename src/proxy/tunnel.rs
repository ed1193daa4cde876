//! After a protocol upgrade (RFC 9110 7.8): bytes both ways until one side closes or both are silent for too long.
//!
//! Neither direction waits for the other: a server that writes before it reads, and a client that does, would otherwise
//! wait for each other through us.

use std::future::poll_fn;
use std::io;
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::task::{Context as TaskContext, Poll};
use std::time::Duration;

use bytes::{Buf, Bytes, BytesMut};
use futures::FutureExt;
use pingora::protocols::Stream;
use pingora::protocols::http::ServerSession;
use pingora::protocols::http::v1::client::HttpSession;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::outcome::Outcome;
use crate::proxy::context::Context;
use crate::proxy::{finish, reading};
use crate::transport::io::Reading;
use crate::upstream::stream::begin_tunnel;

/// How long a server may go on when its client has closed.
const LAST_WORDS: Duration = Duration::from_secs(2);
/// Bytes held for a side that does not take them; more are left where they are.
const HELD: usize = 64 * 1024;

pub async fn run(context: &mut Context, session: &mut ServerSession, server: HttpSession) -> Outcome {
    reading(session, Reading::Everything);
    let mut silence = context.backend().map_or_else(Default::default, |backend| backend.tunnel);
    let mut server = Server::new(server);
    let mut client_ended = false;
    loop {
        let listens = !client_ended && server.up.len() < HELD;
        let moved = async {
            tokio::select! {
                () = poll_fn(|cx| server.poll_move(cx)) => Ok(Some(Bytes::new())),
                part = session.read_request_body(), if listens => part,
            }
        };
        match pingora_timeout::timeout(silence, moved).await {
            Ok(Ok(Some(part))) => server.send(&part),
            Ok(Ok(None)) => {
                // The client has said all; the server may still have something to say to that.
                client_ended = true;
                silence = silence.min(LAST_WORDS);
            }
            Ok(Err(_)) => return Outcome::ClientLeftInAnswer,
            Err(_) if client_ended => return Outcome::Tunnelled,
            Err(_) => return Outcome::TunnelSilent,
        }
        if !server.down.is_empty() {
            let part = server.down.split().freeze();
            let written = tokio::select! {
                biased;
                written = session.write_response_body(part, false) => written,
                never = poll_fn(|cx| server.poll_move_on(cx)) => match never {},
            };
            if written.is_err() {
                return Outcome::ClientLeftInAnswer;
            }
        }
        finish::report_bytes(context, session);
        if let Some(outcome) = server.end() {
            return outcome;
        }
    }
}

/// The server's end of the tunnel.
struct Server {
    stream: Stream,
    /// For the server.
    up: BytesMut,
    /// For the client.
    down: BytesMut,
    /// It takes no more.
    deaf: bool,
    /// It says no more.
    ended: Option<Outcome>,
}

enum Never {}

impl Server {
    fn new(mut session: HttpSession) -> Server {
        begin_tunnel(session.stream());
        // What came together with the head is in the session.
        let (mut down, mut ended) = (BytesMut::new(), None);
        match session.read_body_bytes().now_or_never() {
            Some(Ok(Some(first))) => down.extend_from_slice(&first),
            Some(Ok(None)) => ended = Some(Outcome::Tunnelled),
            Some(Err(_)) => ended = Some(Outcome::AnswerCut),
            None => {}
        }
        Server { stream: session.into_inner(), up: BytesMut::new(), down, deaf: false, ended }
    }

    fn send(&mut self, part: &[u8]) {
        if !self.deaf {
            self.up.extend_from_slice(part);
        }
    }

    /// How it ended, once everything was passed on.
    fn end(&self) -> Option<Outcome> {
        self.ended.filter(|_| self.down.is_empty())
    }

    /// Ready as soon as something went out or came in.
    fn poll_move(&mut self, cx: &mut TaskContext<'_>) -> Poll<()> {
        let (sent, came) = (self.poll_send(cx), self.poll_receive(cx));
        let early = !self.down.is_empty() || self.ended.is_some();
        if sent || came || early { Poll::Ready(()) } else { Poll::Pending }
    }

    /// Moves what can be moved while something else is waited for.
    fn poll_move_on(&mut self, cx: &mut TaskContext<'_>) -> Poll<Never> {
        while self.poll_send(cx) {}
        while self.poll_receive(cx) {}
        Poll::Pending
    }

    fn poll_send(&mut self, cx: &mut TaskContext<'_>) -> bool {
        let mut sent = false;
        while !self.up.is_empty() {
            match Pin::new(&mut self.stream).poll_write(cx, &self.up) {
                Poll::Ready(Ok(count)) if count > 0 => {
                    self.up.advance(count);
                    sent = true;
                }
                Poll::Ready(_) => {
                    // It may still have something to say.
                    self.deaf = true;
                    self.up = BytesMut::new();
                }
                Poll::Pending => break,
            }
        }
        if self.up.is_empty() {
            // Holds no memory while it is silent.
            self.up = BytesMut::new();
        }
        let flushed: Poll<io::Result<()>> = Pin::new(&mut self.stream).poll_flush(cx);
        self.deaf |= matches!(flushed, Poll::Ready(Err(_)));
        sent
    }

    fn poll_receive(&mut self, cx: &mut TaskContext<'_>) -> bool {
        if self.ended.is_some() || self.down.len() >= HELD {
            return false;
        }
        let mut space = [MaybeUninit::<u8>::uninit(); 16 * 1024];
        let mut buffer = ReadBuf::uninit(&mut space);
        match Pin::new(&mut self.stream).poll_read(cx, &mut buffer) {
            Poll::Ready(Ok(())) if buffer.filled().is_empty() => self.ended = Some(Outcome::Tunnelled),
            Poll::Ready(Ok(())) => self.down.extend_from_slice(buffer.filled()),
            Poll::Ready(Err(_)) => self.ended = Some(Outcome::AnswerCut),
            Poll::Pending => return false,
        }
        true
    }
}
