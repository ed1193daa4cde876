//! A connection as Pingora sees it, with our own write path: what is written is gathered and goes out in one piece
//! when the other side has to be waited for, so that a head and its body cost one system call and one TLS record.
//!
//! HTTP/1 alternates between writing and waiting for a read, so for it `flush` may wait for the next read
//! ([`Flush::BeforeRead`]); HTTP/2 flushes when it means it ([`Flush::AtOnce`]).

use std::fmt;
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::AsRawFd;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;

use async_trait::async_trait;
use pingora::protocols::l4::socket::SocketAddr as PingoraAddress;
use pingora::protocols::raw_connect::ProxyDigest;
use pingora::protocols::tls::SslDigest;
use pingora::protocols::{
    ALPN, GetProxyDigest, GetSocketDigest, GetTimingDigest, Peek, Shutdown, SocketDigest, Ssl, TimingDigest,
    UniqueID, UniqueIDType,
};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::net::TcpStream;

/// What is gathered before it is written whatever happens; also the largest TLS record.
const GATHER: usize = 16 * 1024;
/// How much is kept of what came before it was asked for: an answer while we still write, a pipelined request.
const EARLY: usize = 16 * 1024;

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

/// The error inside an [`io::Error`] of a write that was given up because the answer is already here.
#[derive(Debug)]
pub struct EarlyAnswer;

impl fmt::Display for EarlyAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the server answered before it had read the whole request")
    }
}

impl std::error::Error for EarlyAnswer {}

/// What an [`Io`] is made of.
pub trait Wire: AsyncRead + AsyncWrite + Unpin {
    /// The socket at the bottom, if there is one.
    fn tcp(&self) -> Option<&TcpStream>;
}

impl Wire for TcpStream {
    fn tcp(&self) -> Option<&TcpStream> {
        Some(self)
    }
}

/// A TCP or TLS connection, `S` being [`TcpStream`] or a tokio-rustls stream over it.
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
    early: Vec<u8>,
    early_read: usize,
    /// What comes now belongs to the next request: readers see nothing of it, but they see the peer leave.
    held: AtomicBool,
    /// The connection ends with a reset.
    reset: AtomicBool,
    /// Runs while the end waits for the peer.
    patience: Option<Pin<Box<tokio::time::Sleep>>>,
    socket: Arc<SocketDigest>,
    tls: Option<(Arc<SslDigest>, ALPN)>,
}

impl<S: Wire> Io<S> {
    /// Wraps `stream`, whose TCP socket is `tcp`; `peer` is the address to report (RFC: none; PROXY protocol may
    /// replace the socket's own).
    pub fn new(
        stream: S,
        side: Side,
        flush: Flush,
        tcp: TcpFacts,
        tls: Option<(Arc<SslDigest>, ALPN)>,
    ) -> Io<S> {
        let socket = SocketDigest::from_raw_fd(tcp.fd);
        let _ = socket.peer_addr.set(tcp.peer.map(PingoraAddress::Inet));
        Io {
            stream,
            side,
            flush,
            gathered: Vec::new(),
            written: 0,
            unflushed: false,
            cut: false,
            early: Vec::new(),
            early_read: 0,
            held: AtomicBool::new(false),
            reset: AtomicBool::new(false),
            patience: None,
            socket: Arc::new(socket),
            tls,
        }
    }

    /// Gives `bytes` back, to be read again first.
    pub fn unread(&mut self, bytes: &[u8]) {
        self.early.drain(..self.early_read);
        self.early_read = 0;
        self.early.splice(..0, bytes.iter().copied());
    }

    /// While held, a read waits until the peer closes; what the peer sends is kept for later. A client that pipelines
    /// its next request is told apart from one that leaves.
    pub fn hold(&self, held: bool) {
        self.held.store(held, Ordering::Relaxed);
    }

    /// The connection is to end with a reset: where only its end tells the end of a message, an ordinary close would
    /// make a message that was cut look whole.
    pub fn reset_when_dropped(&self) {
        self.reset.store(true, Ordering::Relaxed);
    }

    /// Takes everything that is there without waiting, into the early bytes; ready when the peer has closed.
    fn poll_peer_leaving(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while self.early.len() < EARLY {
            if !ready!(self.poll_take(cx))? {
                return Poll::Ready(Ok(()));
            }
        }
        Poll::Pending
    }

    /// Reads once into the early bytes; false when the peer has closed.
    fn poll_take(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<bool>> {
        let mut space = [MaybeUninit::<u8>::uninit(); 4096];
        let mut buffer = ReadBuf::uninit(&mut space);
        ready!(Pin::new(&mut self.stream).poll_read(cx, &mut buffer))?;
        self.early.extend_from_slice(buffer.filled());
        Poll::Ready(Ok(!buffer.filled().is_empty()))
    }

    /// Whether everything we said went out and nothing came that nobody has read: fit for another request.
    pub fn is_clean(&self) -> bool {
        !self.cut && !self.has_unsent() && self.early.is_empty()
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
        if self.side == Side::Client {
            return Poll::Pending;
        }
        loop {
            if self.early.len() >= EARLY || begins_final_answer(&self.early) {
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

    /// Drops what was not sent. The connection says so from here on.
    fn give_up(&mut self) {
        self.cut = true;
        self.gathered = Vec::new();
        self.written = 0;
    }

    fn take_early(&mut self, buffer: &mut ReadBuf<'_>) -> bool {
        if self.early.is_empty() {
            return false;
        }
        let rest = &self.early[self.early_read..];
        let n = rest.len().min(buffer.remaining());
        buffer.put_slice(&rest[..n]);
        self.early_read += n;
        if self.early_read == self.early.len() {
            self.early = Vec::new();
            self.early_read = 0;
        }
        true
    }
}

/// Whether `bytes`, the beginning of what a server says, hold the beginning of an answer that is not a 1xx.
fn begins_final_answer(mut bytes: &[u8]) -> bool {
    while let Some(class) = bytes.strip_prefix(b"HTTP/1.").and_then(|rest| rest.get(2)) {
        if *class != b'1' {
            return true;
        }
        match bytes.windows(4).position(|end| end == b"\r\n\r\n") {
            Some(end) => bytes = &bytes[end + 4..],
            None => return false,
        }
    }
    false
}

/// What is known of the TCP socket under a stream.
#[derive(Clone, Copy, Debug)]
pub struct TcpFacts {
    pub fd: std::os::fd::RawFd,
    pub peer: Option<std::net::SocketAddr>,
}

impl TcpFacts {
    pub fn of(tcp: &TcpStream, peer: std::net::SocketAddr) -> TcpFacts {
        TcpFacts { fd: tcp.as_raw_fd(), peer: Some(peer) }
    }
}

impl<S: Wire> AsyncRead for Io<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let held = this.held.load(Ordering::Relaxed);
        if !held && this.take_early(buffer) {
            return Poll::Ready(Ok(()));
        }
        // Who waits for the peer must have said everything first. A peer that does not read what we say may still be
        // read from: its answer, or its leaving, is what ends the wait.
        if let Poll::Ready(Err(e)) = this.poll_drain(cx) {
            this.give_up();
            this.unflushed = false;
            // What the peer sent before it stopped reading is still worth reading.
            return match Pin::new(&mut this.stream).poll_read(cx, buffer) {
                Poll::Ready(Ok(())) if !buffer.filled().is_empty() => Poll::Ready(Ok(())),
                _ => Poll::Ready(Err(e)),
            };
        }
        if held {
            return this.poll_peer_leaving(cx);
        }
        Pin::new(&mut this.stream).poll_read(cx, buffer)
    }
}

impl<S: Wire> Drop for Io<S> {
    /// What was said but not sent yet still goes out, as far as the socket takes it: an error answer, say, on a
    /// connection that is not used again.
    fn drop(&mut self) {
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
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        match this.flush {
            Flush::BeforeRead => Poll::Ready(Ok(())),
            Flush::AtOnce => {
                ready!(this.poll_drain(cx))?;
                Pin::new(&mut this.stream).poll_flush(cx)
            }
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
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

#[async_trait]
impl<S: Wire + Send> Shutdown for Io<S> {
    async fn shutdown(&mut self) {
        let _ = AsyncWriteExt::shutdown(self).await;
    }
}

impl<S: Wire> UniqueID for Io<S> {
    fn id(&self) -> UniqueIDType {
        0
    }
}

impl<S: Wire> Ssl for Io<S> {
    fn get_ssl_digest(&self) -> Option<Arc<SslDigest>> {
        self.tls.as_ref().map(|(digest, _)| digest.clone())
    }

    fn selected_alpn_proto(&self) -> Option<ALPN> {
        self.tls.as_ref().map(|(_, alpn)| alpn.clone())
    }
}

impl<S: Wire> GetTimingDigest for Io<S> {
    fn get_timing_digest(&self) -> Vec<Option<TimingDigest>> {
        Vec::new()
    }
}

impl<S: Wire> GetProxyDigest for Io<S> {
    fn get_proxy_digest(&self) -> Option<Arc<ProxyDigest>> {
        None
    }
}

impl<S: Wire> GetSocketDigest for Io<S> {
    fn get_socket_digest(&self) -> Option<Arc<SocketDigest>> {
        Some(self.socket.clone())
    }
}

impl<S: Wire> Peek for Io<S> {}

#[cfg(test)]
mod tests;
