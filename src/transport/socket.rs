//! A client's socket: TCP, or a Unix socket of this machine. What was read ahead of its time (behind a PROXY header)
//! is kept in it and read first.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::os::fd::{AsRawFd, RawFd};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::{Buf, Bytes};
use tokio::io::{AsyncRead, AsyncWrite, Interest, ReadBuf};
use tokio::net::{TcpStream, UnixStream};

use crate::transport::io::{Wire, is_read_closed};

/// Where a connection comes from when nobody can tell: a Unix socket has no addresses.
pub const NOWHERE: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), 0);

#[derive(Debug)]
pub struct Socket {
    stream: Stream,
    early: Bytes,
    /// The client has sent something.
    spoken: bool,
}

#[derive(Debug)]
enum Stream {
    Tcp(TcpStream),
    Unix(UnixStream),
}

impl From<TcpStream> for Socket {
    fn from(tcp: TcpStream) -> Socket {
        // Small answers are written whole; waiting for more would only delay them.
        let _ = tcp.set_nodelay(true);
        Socket { stream: Stream::Tcp(tcp), early: Bytes::new(), spoken: false }
    }
}

impl From<UnixStream> for Socket {
    fn from(unix: UnixStream) -> Socket {
        Socket { stream: Stream::Unix(unix), early: Bytes::new(), spoken: false }
    }
}

impl Socket {
    /// The address it was accepted on.
    pub fn local_address(&self) -> SocketAddr {
        match &self.stream {
            Stream::Tcp(tcp) => tcp.local_addr().unwrap_or(NOWHERE),
            Stream::Unix(_) => NOWHERE,
        }
    }

    pub fn is_unix(&self) -> bool {
        matches!(self.stream, Stream::Unix(_))
    }

    /// Whether the client has sent anything.
    pub fn has_spoken(&self) -> bool {
        self.spoken
    }

    /// Gives bytes back that were read too far.
    pub fn unread(&mut self, bytes: Bytes) {
        self.early = bytes;
    }
}

impl AsRawFd for Socket {
    fn as_raw_fd(&self) -> RawFd {
        match &self.stream {
            Stream::Tcp(tcp) => tcp.as_raw_fd(),
            Stream::Unix(unix) => unix.as_raw_fd(),
        }
    }
}

impl Wire for Socket {
    fn tcp(&self) -> Option<&TcpStream> {
        match &self.stream {
            Stream::Tcp(tcp) => Some(tcp),
            Stream::Unix(_) => None,
        }
    }

    fn peer_has_closed(&self) -> bool {
        match &self.stream {
            Stream::Tcp(tcp) => tcp.peer_has_closed(),
            Stream::Unix(unix) => is_read_closed(unix.ready(Interest::READABLE)),
        }
    }
}

/// How long a connection is kept that is to be forgotten. An acknowledgement of what was said before, TLS session tickets
/// for one, would be answered with a reset by a kernel that knows the connection no more; clients put it off by up to 200 ms.
pub const LAST_ACKNOWLEDGEMENTS: Duration = Duration::from_millis(300);

/// Makes a connection end without a word when it is closed: its client waits for an answer that never comes (HAProxy's
/// `silent-drop`). With the right to administer the network the kernel forgets it; without, the reset that ends it dies
/// at the first router, and only a client nearer than that sees it.
pub fn forget_when_closed(tcp: &TcpStream) {
    if nix::sys::socket::setsockopt(tcp, nix::sys::socket::sockopt::TcpRepair, &1).is_ok() {
        return;
    }
    let socket = socket2::SockRef::from(tcp);
    let _ = socket.set_linger(Some(Duration::ZERO));
    let _ = match tcp.peer_addr() {
        Ok(SocketAddr::V6(_)) => socket.set_unicast_hops_v6(1),
        _ => socket.set_ttl_v4(1),
    };
}

impl AsyncRead for Socket {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.early.has_remaining() {
            let n = self.early.len().min(buffer.remaining());
            buffer.put_slice(&self.early.split_to(n));
            return Poll::Ready(Ok(()));
        }
        let before = buffer.filled().len();
        let read = match &mut self.stream {
            Stream::Tcp(tcp) => Pin::new(tcp).poll_read(cx, buffer),
            Stream::Unix(unix) => Pin::new(unix).poll_read(cx, buffer),
        };
        self.spoken |= buffer.filled().len() > before;
        read
    }
}

impl AsyncWrite for Socket {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match &mut self.stream {
            Stream::Tcp(tcp) => Pin::new(tcp).poll_write(cx, bytes),
            Stream::Unix(unix) => Pin::new(unix).poll_write(cx, bytes),
        }
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match &mut self.stream {
            Stream::Tcp(tcp) => Pin::new(tcp).poll_write_vectored(cx, parts),
            Stream::Unix(unix) => Pin::new(unix).poll_write_vectored(cx, parts),
        }
    }

    fn is_write_vectored(&self) -> bool {
        match &self.stream {
            Stream::Tcp(tcp) => tcp.is_write_vectored(),
            Stream::Unix(unix) => unix.is_write_vectored(),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.stream {
            Stream::Tcp(tcp) => Pin::new(tcp).poll_flush(cx),
            Stream::Unix(unix) => Pin::new(unix).poll_flush(cx),
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.stream {
            Stream::Tcp(tcp) => Pin::new(tcp).poll_shutdown(cx),
            Stream::Unix(unix) => Pin::new(unix).poll_shutdown(cx),
        }
    }
}
