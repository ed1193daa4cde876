//! TLS on both sides with tokio-rustls, and what a handshake tells.

use std::io;
use std::sync::Arc;

use rustls::pki_types::ServerName;
use rustls::{CipherSuite, ClientConfig, ServerConfig};
use tokio::net::TcpStream;
use tokio_rustls::{TlsAcceptor, TlsConnector, client, server};

use crate::transport::client::Tls;
use crate::transport::io::{Io, Wire};
use crate::transport::socket::Socket;
use crate::transport::subject;

impl Wire for server::TlsStream<Socket> {
    fn tcp(&self) -> Option<&TcpStream> {
        self.get_ref().0.tcp()
    }

    fn peer_has_closed(&self) -> bool {
        self.get_ref().0.peer_has_closed()
    }
}

impl Wire for client::TlsStream<TcpStream> {
    fn tcp(&self) -> Option<&TcpStream> {
        Some(self.get_ref().0)
    }
}

pub type ClientTls = Io<server::TlsStream<Socket>>;
/// What a handshake with a server gives, HTTP/1 or HTTP/2 to come.
pub type Agreed = client::TlsStream<TcpStream>;
pub type ServerTls = Io<Agreed>;

/// A client's handshake that succeeded.
pub struct Accepted {
    pub stream: server::TlsStream<Socket>,
    pub http2: bool,
    pub tls: Tls,
}

/// Completes the handshake of a client. The caller bounds its time. `None`: the client left without a word.
///
/// # Errors
/// Whatever the handshake fails with; rustls has sent its alert by then.
pub async fn accept(config: Arc<ServerConfig>, socket: Socket) -> io::Result<Option<Accepted>> {
    let stream = match TlsAcceptor::from(config).accept(socket).into_fallible().await {
        Ok(stream) => stream,
        Err((_, socket)) if !socket.has_spoken() => return Ok(None),
        Err((e, _)) => return Err(e),
    };
    let connection = stream.get_ref().1;
    let version = match connection.protocol_version() {
        Some(rustls::ProtocolVersion::TLSv1_2) => "TLSv1.2",
        _ => "TLSv1.3",
    };
    let cipher = connection.negotiated_cipher_suite().and_then(|suite| iana(suite.suite()));
    let subject = connection.peer_certificates().and_then(|chain| subject::of(chain.first()?));
    let tls = Tls { version, cipher: cipher.unwrap_or(""), subject };
    let http2 = connection.alpn_protocol() == Some(b"h2");
    Ok(Some(Accepted { stream, http2, tls }))
}

/// The name in IANA's registry; rustls has its own for those of TLS 1.3.
fn iana(suite: CipherSuite) -> Option<&'static str> {
    match suite {
        CipherSuite::TLS13_AES_256_GCM_SHA384 => Some("TLS_AES_256_GCM_SHA384"),
        CipherSuite::TLS13_AES_128_GCM_SHA256 => Some("TLS_AES_128_GCM_SHA256"),
        CipherSuite::TLS13_CHACHA20_POLY1305_SHA256 => Some("TLS_CHACHA20_POLY1305_SHA256"),
        other => other.as_str(),
    }
}

/// Completes the handshake with a server. The caller bounds its time.
///
/// # Errors
/// Whatever the handshake fails with, a certificate that does not verify among them.
pub async fn connect(
    config: Arc<ClientConfig>,
    name: ServerName<'static>,
    tcp: TcpStream,
) -> io::Result<Agreed> {
    TlsConnector::from(config).connect(name, tcp).await
}

/// Whether the server chose HTTP/2; `None`: it chose nothing.
pub fn chose_http2(stream: &Agreed) -> Option<bool> {
    stream.get_ref().1.alpn_protocol().map(|protocol| protocol == b"h2")
}
