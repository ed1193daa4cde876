//! A TLS client that keeps its sessions: it may show a certificate of its own, choose versions and cipher suites, and says
//! whether a handshake was a new one or resumed an old session.

use std::io;
use std::net::{SocketAddr, TcpStream};
use std::sync::{Arc, Mutex};

use rustls::client::ResolvesClientCert;
use rustls::crypto::CryptoProvider;
use rustls::crypto::aws_lc_rs::{ALL_CIPHER_SUITES, default_provider};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::sign::CertifiedKey;
use rustls::{
    CipherSuite, ClientConfig, ClientConnection, HandshakeKind, ProtocolVersion, RootCertStore,
    SignatureScheme, StreamOwned, SupportedProtocolVersion,
};

use super::certificates::{Authority, Identity};
use super::http::{Ask, Connection, Message};
use super::wait::DEADLINE;

/// What a client offers besides HTTP/1.1.
pub struct Wish<'a> {
    /// The certificate it shows when asked.
    pub identity: Option<&'a Identity>,
    pub versions: &'a [&'static SupportedProtocolVersion],
    /// The preferred one first.
    pub suites: &'a [CipherSuite],
}

impl Default for Wish<'_> {
    fn default() -> Self {
        Wish { identity: None, versions: rustls::ALL_VERSIONS, suites: &[] }
    }
}

pub struct Client {
    config: Arc<ClientConfig>,
    shown: Arc<Shown>,
}

/// A connection whose handshake is complete, as far as the client knows: with TLS 1.3 the server may still refuse it.
pub struct Session {
    pub connection: Connection,
    pub resumed: bool,
    pub version: ProtocolVersion,
    pub suite: CipherSuite,
    /// The DER of the certificate that the server showed.
    pub certificate: Vec<u8>,
}

impl Client {
    pub fn new(authority: &Authority, wish: &Wish) -> Client {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(authority.pem().as_bytes()).unwrap()).unwrap();
        let mut provider = default_provider();
        if !wish.suites.is_empty() {
            let of = |name: &CipherSuite| ALL_CIPHER_SUITES.iter().find(|suite| suite.suite() == *name);
            provider.cipher_suites = wish.suites.iter().map(|name| *of(name).unwrap()).collect();
        }
        let builder = ClientConfig::builder_with_provider(Arc::<CryptoProvider>::new(provider))
            .with_protocol_versions(wish.versions)
            .unwrap()
            .with_root_certificates(roots);
        let shown = Arc::new(Shown::default());
        let mut config = builder.with_client_cert_resolver(shown.clone());
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        let client = Client { config: Arc::new(config), shown };
        client.show(wish.identity);
        client
    }

    /// Keeps its sessions and shows another certificate, or none, when asked from now on.
    pub fn show(&self, identity: Option<&Identity>) {
        let key = identity.map(|identity| {
            let chain = vec![CertificateDer::from_pem_slice(identity.certificate.as_bytes()).unwrap()];
            let key = PrivateKeyDer::from_pem_slice(identity.key.as_bytes()).unwrap();
            let key = default_provider().key_provider.load_private_key(key).unwrap();
            Arc::new(CertifiedKey::new(chain, key))
        });
        *self.shown.0.lock().unwrap() = key;
    }

    /// # Errors
    /// The handshake failed.
    pub fn connect(&self, address: SocketAddr, name: &str) -> io::Result<Session> {
        let name = ServerName::try_from(name.to_owned()).unwrap();
        let mut session = ClientConnection::new(self.config.clone(), name).unwrap();
        let mut socket = TcpStream::connect_timeout(&address, DEADLINE)?;
        socket.set_nodelay(true)?;
        socket.set_read_timeout(Some(DEADLINE))?;
        while session.is_handshaking() {
            session.complete_io(&mut socket)?;
        }
        Ok(Session {
            resumed: session.handshake_kind() == Some(HandshakeKind::Resumed),
            version: session.protocol_version().unwrap(),
            suite: session.negotiated_cipher_suite().unwrap().suite(),
            certificate: session.peer_certificates().unwrap()[0].to_vec(),
            connection: Connection::over(StreamOwned::new(session, socket)),
        })
    }

    /// One request on a connection of its own; `None` when the server refused the client before it answered.
    pub fn ask(&self, address: SocketAddr, name: &str, ask: &Ask) -> Option<(Message, Session)> {
        let mut session = self.connect(address, name).ok()?;
        // A server that refuses may close before everything is written.
        let _ = session.connection.try_send(ask.bytes());
        let answer = session.connection.answer()?;
        Some((answer, session))
    }
}

/// rustls forgets sessions when it is given another resolver, which a hostile client would not.
#[derive(Debug, Default)]
struct Shown(Mutex<Option<Arc<CertifiedKey>>>);

impl ResolvesClientCert for Shown {
    fn resolve(&self, _: &[&[u8]], _: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        self.0.lock().unwrap().clone()
    }

    fn has_certs(&self) -> bool {
        true
    }
}
