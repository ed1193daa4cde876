//! TLS for both ends, by rustls: a client that trusts one authority and offers what a test wants, and the server side
//! of an upstream.

use std::io::{self, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;

use rustls::crypto::aws_lc_rs::default_provider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{
    ClientConfig, ClientConnection, ProtocolVersion, RootCertStore, ServerConfig, ServerConnection,
};
use rustls::{StreamOwned, SupportedProtocolVersion};

use super::certificates::{Authority, Identity};
use super::http::{Connection, Wire};
use super::wait::DEADLINE;

/// What a client offers.
pub struct Offer<'a> {
    pub server_name: &'a str,
    pub alpn: &'a [&'a str],
    pub versions: &'a [&'static SupportedProtocolVersion],
}

/// What came of a handshake.
pub struct Agreed {
    pub connection: Connection,
    pub version: ProtocolVersion,
    pub alpn: Option<String>,
    /// The DER of the certificate that the server showed.
    pub certificate: Vec<u8>,
}

impl<'a> Offer<'a> {
    /// HTTP/1.1 by any version that rustls has.
    pub fn http1(server_name: &'a str) -> Offer<'a> {
        Offer { server_name, alpn: &["http/1.1"], versions: rustls::ALL_VERSIONS }
    }
}

/// Connects and completes the handshake.
pub fn connect(address: SocketAddr, authority: &Authority, offer: &Offer) -> io::Result<Agreed> {
    connect_behind(b"", address, authority, offer)
}

/// The same with bytes before the handshake, in one write with its first message.
pub fn connect_behind(
    before: &[u8],
    address: SocketAddr,
    authority: &Authority,
    offer: &Offer,
) -> io::Result<Agreed> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(authority.pem().as_bytes()).unwrap()).unwrap();
    let mut config = ClientConfig::builder_with_provider(Arc::new(default_provider()))
        .with_protocol_versions(offer.versions)
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = offer.alpn.iter().map(|name| name.as_bytes().to_vec()).collect();
    let name = ServerName::try_from(offer.server_name.to_owned()).unwrap();
    let mut session = ClientConnection::new(Arc::new(config), name).unwrap();
    let mut socket = TcpStream::connect_timeout(&address, DEADLINE)?;
    socket.set_read_timeout(Some(DEADLINE))?;
    let mut hello = before.to_vec();
    while session.wants_write() {
        session.write_tls(&mut hello)?;
    }
    socket.write_all(&hello)?;
    while session.is_handshaking() {
        session.complete_io(&mut socket)?;
    }
    Ok(Agreed {
        version: session.protocol_version().unwrap(),
        alpn: session.alpn_protocol().map(|name| String::from_utf8_lossy(name).into_owned()),
        certificate: session.peer_certificates().unwrap()[0].to_vec(),
        connection: Connection::over(StreamOwned::new(session, socket)),
    })
}

/// The server side of a connection that was just accepted.
pub fn accept(mut socket: TcpStream, config: Arc<ServerConfig>) -> io::Result<Connection> {
    let mut session = ServerConnection::new(config).map_err(io::Error::other)?;
    socket.set_read_timeout(Some(DEADLINE))?;
    while session.is_handshaking() {
        session.complete_io(&mut socket)?;
    }
    Ok(Connection::over(StreamOwned::new(session, socket)))
}

/// What an upstream with that certificate serves.
pub fn server_config(identity: &Identity) -> Arc<ServerConfig> {
    let certificate = der(identity);
    let key = PrivateKeyDer::from_pem_slice(identity.key.as_bytes()).unwrap();
    let config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key)
        .unwrap();
    Arc::new(config)
}

/// The certificate in DER, to compare with [`Agreed::certificate`].
pub fn der(identity: &Identity) -> CertificateDer<'static> {
    CertificateDer::from_pem_slice(identity.certificate.as_bytes()).unwrap()
}

impl Wire for StreamOwned<ClientConnection, TcpStream> {
    fn socket(&self) -> &TcpStream {
        &self.sock
    }
}

impl Wire for StreamOwned<ServerConnection, TcpStream> {
    fn socket(&self) -> &TcpStream {
        &self.sock
    }
}
