use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};

use super::*;

fn io(size: usize, side: Side, flush: Flush) -> (Io<DuplexStream>, DuplexStream) {
    let (ours, theirs) = tokio::io::duplex(size);
    (Io::new(ours, side, flush, None), theirs)
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
        peer.write_all(b"HTTP/1.1 413 Too Large\r\n").await.unwrap();
        let e = io.write_all(&vec![b'x'; 200_000]).await.unwrap_err();
        assert!(e.get_ref().is_some_and(|e| e.is::<EarlyAnswer>()), "{e}");
        let mut answer = [0u8; 12];
        io.read_exact(&mut answer).await.unwrap();
        assert_eq!(&answer, b"HTTP/1.1 413");
        assert!(!io.is_clean() && io.write_all(b"more").await.is_err(), "the request has a hole");
    });
}

#[test]
fn a_server_that_speaks_while_it_reads_gets_everything() {
    run(async {
        let (mut io, mut peer) = io(1024, Side::Server, Flush::BeforeRead);
        let interim = b"HTTP/1.1 102 Processing\r\n\r\n";
        peer.write_all(interim).await.unwrap();
        let body = vec![b'x'; 200_000];
        let mut got = Vec::new();
        let (sent, _) = tokio::join!(
            async {
                io.write_all(&body).await?;
                let mut answer = [0u8; 27];
                io.read_exact(&mut answer).await?;
                assert_eq!(&answer, interim);
                AsyncWriteExt::shutdown(&mut io).await?;
                io::Result::Ok(io)
            },
            async {
                let mut part = [0u8; 500];
                while got.len() < 200_000 {
                    let n = peer.read(&mut part).await.unwrap();
                    got.extend_from_slice(&part[..n]);
                }
            }
        );
        assert!(sent.unwrap().is_clean());
        assert_eq!(got, body);
    });
}

/// Takes everything, and gives it on only when flushed: as TLS does when the socket below is full.
struct Lazy {
    inner: DuplexStream,
    held: Vec<u8>,
}

impl Wire for DuplexStream {
    fn tcp(&self) -> Option<&TcpStream> {
        None
    }
}

impl Wire for Lazy {
    fn tcp(&self) -> Option<&TcpStream> {
        None
    }
}

impl AsyncRead for Lazy {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        b: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_read(cx, b)
    }
}

impl AsyncWrite for Lazy {
    fn poll_write(mut self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.held.extend_from_slice(bytes);
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        while !this.held.is_empty() {
            let n = ready!(Pin::new(&mut this.inner).poll_write(cx, &this.held))?;
            this.held.drain(..n);
        }
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_flush(cx)
    }
}

#[test]
fn what_tls_holds_back_goes_out_while_the_peer_is_waited_for() {
    run(async {
        let (ours, mut peer) = tokio::io::duplex(100);
        let lazy = Lazy { inner: ours, held: Vec::new() };
        let mut io = Io::new(lazy, Side::Client, Flush::BeforeRead, None);
        io.write_all(&[b'x'; 40_000]).await.unwrap();
        io.write_all(b"end").await.unwrap();
        let mut got = vec![0u8; 40_003];
        let mut next = [0u8; 1];
        tokio::select! {
            _ = io.read(&mut next) => panic!("nothing was said"),
            read = peer.read_exact(&mut got) => read.unwrap(),
        };
        assert!(got.ends_with(b"xend"));
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
        io.reading(Reading::Nothing);
        peer.write_all(b"next").await.unwrap();
        assert!(futures::FutureExt::now_or_never(io.read(&mut got)).is_none(), "not for this request");
        io.reading(Reading::Message);
        io.read_exact(&mut got).await.unwrap();
        assert_eq!(&got, b"next");
        io.reading(Reading::Nothing);
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
