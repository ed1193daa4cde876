//! A connection as Pingora sees it, with our own write path: what is written is gathered and goes out in one piece
//! when the other side has to be waited for, so that a head and its body cost one system call and one TLS record.
//!
//! HTTP/1 alternates between writing and waiting for a read, so for it `flush` may wait for the next read
//! ([`Flush::BeforeRead`]); HTTP/2 flushes when it means it ([`Flush::AtOnce`]).

mod early;
mod pingora;
mod watch;

use std::io;
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;

use ::pingora::protocols::raw_connect::ProxyDigest;
use futures::FutureExt;
use tokio::io::{AsyncRead, AsyncWrite, Interest, ReadBuf, Ready};
use tokio::net::TcpStream;

use crate::transport::client::Client;
use crate::transport::socket::forget_when_closed;

use early::Early;

pub use early::{EarlyAnswer, Nonsense};
pub use watch::{Conduct, Watch};

/// What is gathered before it is written whatever happens; also the largest TLS record.
const GATHER: usize = 16 * 1024;
/// How soon a peer is seen to have closed that has sent more ahead than we keep.
const LOOK: Duration = Duration::from_millis(250);

/// How long the last bytes and the end of a connection may take.
const SHUTDOWN: Duration = Duration::from_secs(2);

/// When gathered bytes go out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flush {
    AtOnce,
    BeforeRead,
}

/// Which end of the connection we are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// We accepted it.
    Client,
    /// We opened it: a server that answers before it has read the whole request makes the write fail with
    /// [`EarlyAnswer`] when it stops reading, so that its answer is read instead of waiting for ever.
    Server,
}

/// What an [`Io`] is made of.
pub trait Wire: AsyncRead + AsyncWrite + Unpin {
    /// The socket at the bottom, if there is one.
    fn tcp(&self) -> Option<&TcpStream>;

    /// Whether the kernel knows that the peer has closed, however much of what it sent before is unread.
    fn peer_has_closed(&self) -> bool {
        self.tcp().is_some_and(|tcp| is_read_closed(tcp.ready(Interest::READABLE)))
    }
}

/// What a socket's `ready` says of its peer now.
pub fn is_read_closed(ready: impl Future<Output = io::Result<Ready>>) -> bool {
    ready.now_or_never().is_some_and(|ready| ready.is_ok_and(Ready::is_read_closed))
}

impl Wire for TcpStream {
    fn tcp(&self) -> Option<&TcpStream> {
        Some(self)
    }
}

/// Which of the bytes that come a reader gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reading {
    /// Those of the message that is expected; what follows it is kept for later.
    Message = 0,
    /// None: they are kept for later, and only the leaving of the peer is seen.
    Nothing = 1,
    /// All, whatever was expected: the connection is a tunnel now.
    Everything = 2,
}

/// A TCP or TLS connection, `S` being [`TcpStream`], a [`crate::transport::socket::Socket`] or a tokio-rustls stream.
#[derive(Debug)]
pub struct Io<S: Wire> {
    stream: S,
    side: Side,
    flush: Flush,
    gathered: Vec<u8>,
    written: usize,
    /// The stream took bytes that it may still hold itself, as TLS does.
    unflushed: bool,
    /// Bytes were given up: what the peer has is not what we said, and nothing can be added to it.
    cut: bool,
    /// Read from the stream, not yet asked for.
    early: Early,
    /// A [`Reading`].
    reading: AtomicU8,
    /// What comes is followed byte for byte, and judged before anybody sees it.
    watch: Watch,
    /// Bytes written in all.
    sent: u64,
    /// The connection ends with a reset.
    reset: AtomicBool,
    /// Runs while the end waits for the peer.
    patience: Option<Pin<Box<tokio::time::Sleep>>>,
    /// Runs until the kernel is asked again whether the peer has closed.
    look: Option<Pin<Box<tokio::time::Sleep>>>,
    client: Option<(Arc<Client>, Option<Arc<ProxyDigest>>)>,
}

impl<S: Wire> Io<S> {
    /// Wraps `stream`; `client` is whose connection it is, where we accepted it.
    pub fn new(stream: S, side: Side, flush: Flush, client: Option<Arc<Client>>) -> Io<S> {
        Io {
            stream,
            side,
            flush,
            gathered: Vec::new(),
            written: 0,
            unflushed: false,
            cut: false,
            early: Early::default(),
            reading: AtomicU8::new(Reading::Message as u8),
            watch: Watch::Off,
            sent: 0,
            reset: AtomicBool::new(false),
            patience: None,
            look: None,
            client: client.map(|client| {
                let carried = client.carried();
                (client, carried)
            }),
        }
    }

    /// Follows what comes from here on.
    pub fn watch(&mut self, watch: Watch) {
        self.watch = watch;
        self.reading(Reading::Message);
    }

    /// Whether everything of the message that was watched has come, and nothing was wrong with it.
    pub fn is_between_messages(&self) -> bool {
        self.watch.has_request()
    }

    /// What was wrong with what came, if something was.
    pub fn fault(&self) -> Option<&'static str> {
        self.watch.fault()
    }

    /// Whose connection it is.
    pub fn client(&self) -> Option<&Arc<Client>> {
        self.client.as_ref().map(|(client, _)| client)
    }

    /// Gives `bytes` back, to be read again first.
    pub fn unread(&mut self, bytes: &[u8]) {
        self.early.unread(bytes);
    }

    /// Says which bytes are for the reader. A client that pipelines its next request is so told apart from one that leaves.
    pub fn reading(&self, reading: Reading) {
        self.reading.store(reading as u8, Ordering::Relaxed);
    }

    fn is_tunnel(&self) -> bool {
        self.reading.load(Ordering::Relaxed) == Reading::Everything as u8
    }

    /// Whether what comes is for later.
    fn keeps(&self) -> bool {
        match self.reading.load(Ordering::Relaxed) {
            mode if mode == Reading::Nothing as u8 => true,
            mode if mode == Reading::Everything as u8 => false,
            _ => self.watch.has_request(),
        }
    }

    /// Judges what was read behind `before`, and takes back what is not for this reader.
    fn judge(&mut self, buffer: &mut ReadBuf<'_>, before: usize) -> Poll<io::Result<()>> {
        if self.is_tunnel() {
            return Poll::Ready(Ok(()));
        }
        let new = &buffer.filled()[before..];
        if new.is_empty() {
            return Poll::Ready(Ok(()));
        }
        let passed = self.watch.feed(new, self.sent);
        if let Ok(n) = passed
            && n < new.len()
        {
            let rest = new[n..].to_vec();
            self.unread(&rest);
        }
        buffer.set_filled(before + passed.unwrap_or(0));
        match passed {
            Ok(0) if self.watch.is_stopped() => Poll::Pending,
            Ok(_) => Poll::Ready(Ok(())),
            Err(fault) => Poll::Ready(Err(io::Error::new(io::ErrorKind::InvalidData, Nonsense(fault)))),
        }
    }

    /// The connection is to end with a reset: where only its end tells the end of a message, an ordinary close would
    /// make a message that was cut look whole.
    pub fn reset_when_dropped(&self) {
        self.reset.store(true, Ordering::Relaxed);
    }

    /// Takes everything that is there without waiting, into the early bytes; ready when the peer has closed.
    fn poll_peer_leaving(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.early.is_full() {
            if !ready!(self.poll_take(cx))? {
                return Poll::Ready(Ok(()));
            }
        }
        self.poll_closed(cx)
    }

    /// Ready when the peer has closed, without reading what it sent before: the kernel knows, but wakes nobody for it, so it
    /// is asked now and then.
    fn poll_closed(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        loop {
            if self.stream.peer_has_closed() {
                return Poll::Ready(Ok(()));
            }
            let look = self.look.get_or_insert_with(|| Box::pin(tokio::time::sleep(LOOK)));
            ready!(look.as_mut().poll(cx));
            self.look = None;
        }
    }

    /// Reads once into the early bytes; false when the peer has closed.
    fn poll_take(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<bool>> {
        let mut space = [MaybeUninit::<u8>::uninit(); 4096];
        let mut buffer = ReadBuf::uninit(&mut space);
        ready!(Pin::new(&mut self.stream).poll_read(cx, &mut buffer))?;
        self.early.extend(buffer.filled());
        Poll::Ready(Ok(!buffer.filled().is_empty()))
    }

    /// Whether everything we said went out and nothing came that nobody has read: fit for another request.
    pub fn is_clean(&self) -> bool {
        !self.cut && !self.has_unsent() && self.early.is_empty() && self.watch.awaits_nothing()
    }

    fn has_unsent(&self) -> bool {
        !self.gathered.is_empty() || self.unflushed
    }

    /// Writes out what was gathered, and what the stream holds of it.
    fn poll_drain(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if !self.has_unsent() {
            return Poll::Ready(Ok(()));
        }
        while self.written < self.gathered.len() {
            let n = ready!(Pin::new(&mut self.stream).poll_write(cx, &self.gathered[self.written..]))?;
            if n == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.unflushed = true;
            self.written += n;
        }
        self.written = 0;
        // An idle connection holds no buffer.
        self.gathered = Vec::new();
        ready!(Pin::new(&mut self.stream).poll_flush(cx))?;
        self.unflushed = false;
        Poll::Ready(Ok(()))
    }

    /// A write cannot go on. A server that has answered already will not read the rest: that ends it. One that speaks
    /// while it reads on (1xx, an answer that runs beside the request) is heard, as far as there is room.
    fn poll_early(&mut self, cx: &mut Context<'_>) -> Poll<io::Error> {
        // What comes through a tunnel is no answer.
        if self.side == Side::Client || self.is_tunnel() {
            return Poll::Pending;
        }
        loop {
            if self.early.is_full() || self.early.begins_final_answer() {
                self.give_up();
                return Poll::Ready(io::Error::other(EarlyAnswer));
            }
            match ready!(self.poll_take(cx)) {
                Ok(true) => {}
                Ok(false) => return Poll::Ready(io::ErrorKind::ConnectionReset.into()),
                Err(e) => return Poll::Ready(e),
            }
        }
    }

    /// Notes what was taken over for the peer.
    fn took(&mut self, bytes: &[u8]) {
        self.sent += bytes.len() as u64;
        self.watch.written(bytes);
    }

    /// Drops what was not sent. The connection says so from here on.
    fn give_up(&mut self) {
        self.cut = true;
        self.gathered = Vec::new();
        self.written = 0;
    }
}

impl<S: Wire> AsyncRead for Io<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if let Some(fault) = this.fault() {
            return Poll::Ready(Err(io::Error::new(io::ErrorKind::InvalidData, Nonsense(fault))));
        }
        if this.watch.is_stopped() {
            return Poll::Pending;
        }
        let (kept, before) = (this.keeps(), buffer.filled().len());
        if !kept && this.early.take(buffer) {
            return this.judge(buffer, before);
        }
        // Who waits for the peer must have said everything first. A peer that does not read what we say may still be
        // read from: its answer, or its leaving, is what ends the wait.
        if let Poll::Ready(Err(e)) = this.poll_drain(cx) {
            this.give_up();
            this.unflushed = false;
            // What the peer sent before it stopped reading is still worth reading.
            return match Pin::new(&mut this.stream).poll_read(cx, buffer) {
                Poll::Ready(Ok(())) if buffer.filled().len() > before => this.judge(buffer, before),
                _ => Poll::Ready(Err(e)),
            };
        }
        if kept {
            return this.poll_peer_leaving(cx);
        }
        ready!(Pin::new(&mut this.stream).poll_read(cx, buffer))?;
        this.judge(buffer, before)
    }
}

impl<S: Wire> Drop for Io<S> {
    /// What was said but not sent yet still goes out, as far as the socket takes it: an error answer, say, on a
    /// connection that is not used again.
    fn drop(&mut self) {
        if self.client().is_some_and(|client| client.is_forgotten()) {
            if let Some(tcp) = self.stream.tcp() {
                forget_when_closed(tcp);
            }
            return;
        }
        if self.reset.load(Ordering::Relaxed) {
            if let Some(tcp) = self.stream.tcp() {
                let _ = socket2::SockRef::from(tcp).set_linger(Some(Duration::ZERO));
            }
            return;
        }
        let _ = self.poll_drain(&mut Context::from_waker(Waker::noop()));
    }
}

impl<S: Wire> AsyncWrite for Io<S> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        if this.cut {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        if this.gathered.len() + bytes.len() > GATHER {
            match this.poll_drain(cx) {
                Poll::Ready(done) => done?,
                Poll::Pending => return this.poll_early(cx).map(Err),
            }
            if bytes.len() >= GATHER {
                return match Pin::new(&mut this.stream).poll_write(cx, bytes) {
                    Poll::Ready(done) => {
                        this.unflushed = true;
                        this.took(&bytes[..*done.as_ref().unwrap_or(&0)]);
                        Poll::Ready(done)
                    }
                    Poll::Pending => this.poll_early(cx).map(Err),
                };
            }
        }
        if this.gathered.capacity() == 0 {
            this.gathered.reserve(bytes.len().max(2048));
        }
        this.gathered.extend_from_slice(bytes);
        this.took(bytes);
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        match this.flush {
            Flush::BeforeRead if !this.is_tunnel() => Poll::Ready(Ok(())),
            Flush::BeforeRead | Flush::AtOnce => {
                ready!(this.poll_drain(cx))?;
                Pin::new(&mut this.stream).poll_flush(cx)
            }
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.client().is_some_and(|client| client.is_forgotten()) {
            return Poll::Ready(Ok(()));
        }
        let ended = match this.poll_drain(cx) {
            Poll::Ready(drained) => {
                drained?;
                Pin::new(&mut this.stream).poll_shutdown(cx)
            }
            Poll::Pending => Poll::Pending,
        };
        if ended.is_pending() {
            // A peer that does not read must not hold us: what it does not take by then it does not get.
            let patience = this.patience.get_or_insert_with(|| Box::pin(tokio::time::sleep(SHUTDOWN)));
            ready!(patience.as_mut().poll(cx));
            this.give_up();
            this.unflushed = false;
            return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
        }
        ended
    }
}

#[cfg(test)]
mod tests;
