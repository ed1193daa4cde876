//! One client connection: TLS, HTTP/1.1 by hyper, and the endings that HTTP has no word for (bytes that are not HTTP, a
//! reset), which are played on the bare connection after hyper has let go of it.

use std::cell::RefCell;
use std::future::poll_fn;
use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;

use super::Provider;
use super::route;

/// How long a peer may take for its TLS handshake.
const HANDSHAKE: Duration = Duration::from_secs(10);

/// What a connection is known by, and how it is to end when hyper gives it back.
pub struct Peer {
    pub number: u64,
    pub tls: bool,
    pub server_name: Option<String>,
    pub farewell: RefCell<Option<Bytes>>,
}

/// Serves one connection to its end. Nobody asks for errors here: the journal tells which requests ended badly.
pub async fn run(stream: TcpStream, tls: Option<TlsAcceptor>, provider: Rc<Provider>, number: u64) {
    // Each event of a stream is its own segment, as from a real provider.
    let _ = stream.set_nodelay(true);
    let Some(acceptor) = tls else {
        let peer = Peer { number, tls: false, server_name: None, farewell: RefCell::new(None) };
        return talk(stream, peer, provider).await;
    };
    if let Ok(Ok(stream)) = tokio::time::timeout(HANDSHAKE, acceptor.accept(stream)).await {
        let server_name = stream.get_ref().1.server_name().map(str::to_owned);
        let peer = Peer { number, tls: true, server_name, farewell: RefCell::new(None) };
        talk(stream, peer, provider).await;
    }
}

async fn talk<S>(stream: S, peer: Peer, provider: Rc<Provider>)
where
    S: AsyncRead + AsyncWrite + Unpin + 'static,
{
    let peer = Rc::new(peer);
    let service = {
        let peer = peer.clone();
        service_fn(move |request| Box::pin(route::answer(provider.clone(), peer.clone(), request)))
    };
    let mut served = http1::Builder::new().serve_connection(TokioIo::new(stream), service);
    let ended = poll_fn(|context| served.poll_without_shutdown(context)).await;
    let mut stream = served.into_parts().io.into_inner();
    let farewell = peer.farewell.take();
    if let Some(bytes) = farewell {
        let _ = stream.write_all(&bytes).await;
    } else if ended.is_err() {
        // A cut is a cut: over TLS too the connection just drops, without a close_notify.
        return;
    }
    let _ = stream.shutdown().await;
}
