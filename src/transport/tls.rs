//! TLS on both sides with tokio-rustls, wrapped so that Pingora sees a stream of ours.

use std::io;
use std::sync::Arc;

use pingora::protocols::ALPN;
use pingora::protocols::tls::SslDigest;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ServerConfig};
use tokio::net::TcpStream;
use tokio_rustls::{TlsAcceptor, TlsConnector};

use crate::transport::io::{Flush, Io, Side, TcpFacts, Wire};

impl Wire for tokio_rustls::server::TlsStream<TcpStream> {
    fn tcp(&self) -> Option<&TcpStream> {
        Some(self.get_ref().0)
    }
}

impl Wire for tokio_rustls::client::TlsStream<TcpStream> {
    fn tcp(&self) -> Option<&TcpStream> {
        Some(self.get_ref().0)
    }
}

pub type ClientTls = Io<tokio_rustls::server::TlsStream<TcpStream>>;
pub type ServerTls = Io<tokio_rustls::client::TlsStream<TcpStream>>;

/// Completes the handshake of a client. The caller bounds its time.
///
/// # Errors
/// Whatever the handshake fails with; rustls has sent its alert by then.
pub async fn accept(config: Arc<ServerConfig>, tcp: TcpStream, facts: TcpFacts) -> io::Result<ClientTls> {
    let stream = TlsAcceptor::from(config).accept(tcp).await?;
    let connection = stream.get_ref().1;
    let alpn = match connection.alpn_protocol() {
        Some(b"h2") => ALPN::H2,
        _ => ALPN::H1,
    };
    let digest = digest(connection.negotiated_cipher_suite(), connection.protocol_version());
    let flush = if alpn == ALPN::H2 { Flush::AtOnce } else { Flush::BeforeRead };
    Ok(Io::new(stream, Side::Client, flush, facts, Some((digest, alpn))))
}

/// Completes the handshake with a server. The caller bounds its time.
///
/// # Errors
/// Whatever the handshake fails with, a certificate that does not verify among them.
pub async fn connect(
    config: Arc<ClientConfig>,
    name: ServerName<'static>,
    tcp: TcpStream,
    facts: TcpFacts,
) -> io::Result<ServerTls> {
    let stream = TlsConnector::from(config).connect(name, tcp).await?;
    let connection = stream.get_ref().1;
    let digest = digest(connection.negotiated_cipher_suite(), connection.protocol_version());
    Ok(Io::new(stream, Side::Server, Flush::BeforeRead, facts, Some((digest, ALPN::H1))))
}

fn digest(
    suite: Option<rustls::SupportedCipherSuite>,
    version: Option<rustls::ProtocolVersion>,
) -> Arc<SslDigest> {
    let suite = suite.and_then(|s| s.suite().as_str()).unwrap_or("");
    let version = match version {
        Some(rustls::ProtocolVersion::TLSv1_2) => "TLSv1.2",
        Some(rustls::ProtocolVersion::TLSv1_3) => "TLSv1.3",
        _ => "",
    };
    Arc::new(SslDigest::new(suite, version, None, None, Vec::new()))
}
