//! A connection as Pingora sees it, with our own write path: what is written is gathered and goes out in one piece
//! when the other side has to be waited for, so that a head and its body cost one system call and one TLS record.
//!
//! HTTP/1 alternates between writing and waiting for a read, so for it `flush` may wait for the next read
//! ([`Flush::BeforeRead`]); HTTP/2 flushes when it means it ([`Flush::AtOnce`]).

use std::fmt;
use std::io;
use std::os::fd::AsRawFd;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Waker, ready};

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

/// A TCP or TLS connection, `S` being [`TcpStream`] or a tokio-rustls stream over it.
#[derive(Debug)]
pub struct Io<S: AsyncRead + AsyncWrite + Unpin> {
    stream: S,
    side: Side,
    flush: Flush,
    gathered: Vec<u8>,
    written: usize,
    /// Read from the stream, not yet asked for.
    early: Vec<u8>,
    early_read: usize,
    /// What comes now belongs to the next request: readers see nothing of it, but they see the peer leave.
    held: AtomicBool,
    socket: Arc<SocketDigest>,
    tls: Option<(Arc<SslDigest>, ALPN)>,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Io<S> {
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
            early: Vec::new(),
            early_read: 0,
            held: AtomicBool::new(false),
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

    /// Takes everything that is there without waiting, into the early bytes; ready when the peer has closed.
    fn poll_peer_leaving(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while self.early.len() < EARLY {
            let mut space = [0u8; 4096];
            let mut buffer = ReadBuf::new(&mut space);
            ready!(Pin::new(&mut self.stream).poll_read(cx, &mut buffer))?;
            if buffer.filled().is_empty() {
                return Poll::Ready(Ok(()));
            }
            self.early.extend_from_slice(buffer.filled());
        }
        Poll::Pending
    }

    /// Writes out what was gathered.
    fn poll_drain(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.gathered.is_empty() {
            return Poll::Ready(Ok(()));
        }
        while self.written < self.gathered.len() {
            match Pin::new(&mut self.stream).poll_write(cx, &self.gathered[self.written..]) {
                Poll::Ready(Ok(0)) => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                Poll::Ready(Ok(n)) => self.written += n,
                Poll::Ready(Err(e)) => return Poll::Ready(Err(e)),
                Poll::Pending => return self.poll_early(cx),
            }
        }
        self.written = 0;
        // An idle connection holds no buffer.
        self.gathered = Vec::new();
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    /// The peer does not take more. A server that already answers will not: find out.
    fn poll_early(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.side == Side::Client || self.early.len() >= EARLY {
            return Poll::Pending;
        }
        let mut space = [0u8; 4096];
        let mut buffer = ReadBuf::new(&mut space);
        match Pin::new(&mut self.stream).poll_read(cx, &mut buffer) {
            Poll::Ready(Ok(())) if !buffer.filled().is_empty() => {
                self.early.extend_from_slice(buffer.filled());
                self.forget_gathered();
                Poll::Ready(Err(io::Error::other(EarlyAnswer)))
            }
            Poll::Ready(Ok(())) => Poll::Ready(Err(io::ErrorKind::ConnectionReset.into())),
            Poll::Ready(Err(e)) => Poll::Ready(Err(e)),
            Poll::Pending => Poll::Pending,
        }
    }

    fn forget_gathered(&mut self) {
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

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncRead for Io<S> {
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
        if !this.gathered.is_empty() {
            // Who waits for the peer must have said everything first. A peer that does not read what we say may
            // still be read from: its answer, or its leaving, is what ends the wait.
            match this.poll_drain(cx) {
                Poll::Ready(Ok(())) | Poll::Pending => {}
                Poll::Ready(Err(e)) => {
                    this.forget_gathered();
                    if this.take_early(buffer) {
                        return Poll::Ready(Ok(()));
                    }
                    // What the peer sent before it stopped reading is still worth reading.
                    return match Pin::new(&mut this.stream).poll_read(cx, buffer) {
                        Poll::Ready(Ok(())) if !buffer.filled().is_empty() => Poll::Ready(Ok(())),
                        _ => Poll::Ready(Err(e)),
                    };
                }
            }
        }
        if held {
            return this.poll_peer_leaving(cx);
        }
        Pin::new(&mut this.stream).poll_read(cx, buffer)
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Drop for Io<S> {
    /// What was said but not sent yet still goes out, as far as the socket takes it: an error answer, say, on a
    /// connection that is not used again.
    fn drop(&mut self) {
        if !self.gathered.is_empty() {
            let _ = self.poll_drain(&mut Context::from_waker(Waker::noop()));
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Io<S> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        if this.gathered.len() + bytes.len() > GATHER {
            ready!(this.poll_drain(cx))?;
            if bytes.len() >= GATHER {
                return match Pin::new(&mut this.stream).poll_write(cx, bytes) {
                    Poll::Pending => match ready!(this.poll_early(cx)) {
                        Ok(()) => Poll::Pending,
                        Err(e) => Poll::Ready(Err(e)),
                    },
                    done => done,
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
        ready!(this.poll_drain(cx))?;
        Pin::new(&mut this.stream).poll_shutdown(cx)
    }
}

#[async_trait]
impl<S: AsyncRead + AsyncWrite + Unpin + Send> Shutdown for Io<S> {
    async fn shutdown(&mut self) {
        let _ = AsyncWriteExt::shutdown(self).await;
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> UniqueID for Io<S> {
    fn id(&self) -> UniqueIDType {
        0
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Ssl for Io<S> {
    fn get_ssl_digest(&self) -> Option<Arc<SslDigest>> {
        self.tls.as_ref().map(|(digest, _)| digest.clone())
    }

    fn selected_alpn_proto(&self) -> Option<ALPN> {
        self.tls.as_ref().map(|(_, alpn)| alpn.clone())
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> GetTimingDigest for Io<S> {
    fn get_timing_digest(&self) -> Vec<Option<TimingDigest>> {
        Vec::new()
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> GetProxyDigest for Io<S> {
    fn get_proxy_digest(&self) -> Option<Arc<ProxyDigest>> {
        None
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> GetSocketDigest for Io<S> {
    fn get_socket_digest(&self) -> Option<Arc<SocketDigest>> {
        Some(self.socket.clone())
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Peek for Io<S> {}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, DuplexStream};

    use super::*;

    fn io(size: usize, side: Side, flush: Flush) -> (Io<DuplexStream>, DuplexStream) {
        let (ours, theirs) = tokio::io::duplex(size);
        (Io::new(ours, side, flush, TcpFacts { fd: -1, peer: None }, None), theirs)
    }

    fn run<F: Future>(f: F) -> F::Output {
        tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(f)
    }

    #[test]
    fn writes_go_out_together_when_the_peer_is_waited_for() {
        run(async {
            let (mut io, mut peer) = io(65536, Side::Server, Flush::BeforeRead);
            io.write_all(b"head ").await.unwrap();
            io.flush().await.unwrap();
            io.write_all(b"body").await.unwrap();
            let mut got = [0u8; 32];
            assert!(futures::FutureExt::now_or_never(peer.read(&mut got)).is_none(), "nothing is out yet");
            let mut answer = [0u8; 2];
            let (read, _) = tokio::join!(io.read(&mut answer), async {
                let n = peer.read(&mut got).await.unwrap();
                assert_eq!(&got[..n], b"head body");
                peer.write_all(b"ok").await.unwrap();
            });
            assert_eq!(read.unwrap(), 2);
        });
    }

    #[test]
    fn a_server_that_answers_early_is_read_instead_of_waited_for() {
        run(async {
            let (mut io, mut peer) = io(1024, Side::Server, Flush::BeforeRead);
            peer.write_all(b"413").await.unwrap();
            let e = io.write_all(&vec![b'x'; 200_000]).await.unwrap_err();
            assert!(e.get_ref().is_some_and(|e| e.is::<EarlyAnswer>()), "{e}");
            let mut answer = [0u8; 8];
            assert_eq!(io.read(&mut answer).await.unwrap(), 3);
            assert_eq!(&answer[..3], b"413");
        });
    }

    #[test]
    fn a_held_stream_keeps_a_pipelined_request_and_sees_the_client_leave() {
        run(async {
            let (mut io, mut peer) = io(1024, Side::Client, Flush::BeforeRead);
            io.unread(b"body");
            let mut got = [0u8; 4];
            io.read_exact(&mut got).await.unwrap();
            assert_eq!(&got, b"body");
            io.hold(true);
            peer.write_all(b"next").await.unwrap();
            assert!(futures::FutureExt::now_or_never(io.read(&mut got)).is_none(), "not for this request");
            io.hold(false);
            io.read_exact(&mut got).await.unwrap();
            assert_eq!(&got, b"next");
            io.hold(true);
            drop(peer);
            assert_eq!(io.read(&mut got).await.unwrap(), 0);
        });
    }

    #[test]
    fn bytes_survive_any_size_of_write() {
        run(async {
            let (mut io, mut peer) = io(333, Side::Client, Flush::AtOnce);
            let sent: Vec<u8> = (0..100_000u32).map(|i| u8::try_from(i % 251).unwrap()).collect();
            let mut got = Vec::new();
            let (w, _) = tokio::join!(
                async {
                    for (i, part) in sent.chunks(7919).enumerate() {
                        io.write_all(part).await?;
                        if i % 3 == 0 {
                            io.flush().await?;
                        }
                    }
                    AsyncWriteExt::shutdown(&mut io).await
                },
                peer.read_to_end(&mut got)
            );
            w.unwrap();
            assert_eq!(got, sent);
        });
    }
}
