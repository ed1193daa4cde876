//! rustls configurations: for binds, with a certificate for every name; for servers, with what may vouch for them.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, OnceLock};

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, aws_lc_rs, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::{ClientHello, ProducesTickets, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls::{
    ClientConfig, DigitallySignedStruct, RootCertStore, ServerConfig, SignatureScheme,
    SupportedProtocolVersion,
};

use crate::config::checked::{Alpn, BindTls, Certificate, ServerTls, TlsVersion};
use crate::runtime::compile::CompileError;

/// What every rustls configuration here is built from.
pub fn provider() -> Arc<CryptoProvider> {
    static PROVIDER: OnceLock<Arc<CryptoProvider>> = OnceLock::new();
    PROVIDER.get_or_init(|| Arc::new(aws_lc_rs::default_provider())).clone()
}

/// The configuration of a bind. `tickets` is one for all binds and threads, so that sessions resume everywhere.
///
/// # Errors
/// A private key that rustls cannot use, or that does not belong to its certificate.
pub fn bind(tls: &BindTls, tickets: Arc<dyn ProducesTickets>) -> Result<Arc<ServerConfig>, CompileError> {
    let versions: &[&SupportedProtocolVersion] = match tls.min_version {
        TlsVersion::Tls12 => &[&rustls::version::TLS13, &rustls::version::TLS12],
        TlsVersion::Tls13 => &[&rustls::version::TLS13],
    };
    let mut config = ServerConfig::builder_with_provider(provider())
        .with_protocol_versions(versions)?
        .with_no_client_auth()
        .with_cert_resolver(Arc::new(Names::new(&tls.certificates)?));
    config.alpn_protocols = tls
        .alpn
        .iter()
        .map(|protocol| match protocol {
            Alpn::H2 => b"h2".to_vec(),
            Alpn::Http11 => b"http/1.1".to_vec(),
        })
        .collect();
    config.ticketer = tickets;
    config.send_tls13_tickets = 1;
    Ok(Arc::new(config))
}

/// Chooses the certificate by the name that the client asks for; without one, or for an unknown name, the first.
#[derive(Debug)]
struct Names {
    first: Arc<CertifiedKey>,
    /// Lower case; `*.example.test` stands for one label.
    by_name: HashMap<String, Arc<CertifiedKey>>,
}

impl Names {
    fn new(certificates: &[Certificate]) -> Result<Names, CompileError> {
        let mut first = None;
        let mut by_name = HashMap::new();
        for certificate in certificates {
            let key = Arc::new(certified(certificate)?);
            for name in names(certificate) {
                by_name.entry(name).or_insert_with(|| key.clone());
            }
            first.get_or_insert(key);
        }
        let first = first.ok_or(CompileError::NoCertificate)?;
        Ok(Names { first, by_name })
    }

    fn find(&self, name: &str) -> Option<&Arc<CertifiedKey>> {
        let name = name.to_ascii_lowercase();
        self.by_name.get(&name).or_else(|| {
            let (_, parent) = name.split_once('.')?;
            self.by_name.get(&format!("*.{parent}"))
        })
    }
}

impl ResolvesServerCert for Names {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(hello.server_name().and_then(|name| self.find(name)).unwrap_or(&self.first).clone())
    }
}

fn certified(certificate: &Certificate) -> Result<CertifiedKey, CompileError> {
    let at = |error| CompileError::Certificate { path: certificate.path.clone(), error };
    let key = provider().key_provider.load_private_key(certificate.key.clone_key()).map_err(at)?;
    let certified = CertifiedKey::new(certificate.chain.clone(), key);
    match certified.keys_match() {
        Ok(()) | Err(rustls::Error::InconsistentKeys(rustls::InconsistentKeys::Unknown)) => Ok(certified),
        Err(error) => Err(at(error)),
    }
}

fn names(certificate: &Certificate) -> Vec<String> {
    let leaf = certificate.chain.first().and_then(|leaf| webpki::EndEntityCert::try_from(leaf).ok());
    leaf.map(|leaf| leaf.valid_dns_names().map(str::to_ascii_lowercase).collect()).unwrap_or_default()
}

/// The configuration towards a server. Equal settings share one, and with it the sessions to resume.
///
/// # Errors
/// A certificate of `ca_file` that rustls cannot use, or a system without any.
pub fn server(tls: &ServerTls) -> Result<Arc<ClientConfig>, CompileError> {
    let builder = ClientConfig::builder_with_provider(provider()).with_safe_default_protocol_versions()?;
    let mut config = if tls.verify {
        builder.with_root_certificates(roots(tls)?).with_no_client_auth()
    } else {
        builder.dangerous().with_custom_certificate_verifier(Arc::new(Anyone)).with_no_client_auth()
    };
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

fn roots(tls: &ServerTls) -> Result<Arc<RootCertStore>, CompileError> {
    let Some(ca) = &tls.ca else { return system_roots() };
    let mut roots = RootCertStore::empty();
    for certificate in &ca.certificates {
        roots
            .add(certificate.clone())
            .map_err(|error| CompileError::Certificate { path: ca.path.clone(), error })?;
    }
    Ok(Arc::new(roots))
}

/// The system's store, read once.
fn system_roots() -> Result<Arc<RootCertStore>, CompileError> {
    static SYSTEM: OnceLock<Arc<RootCertStore>> = OnceLock::new();
    let roots = SYSTEM.get_or_init(|| {
        let mut roots = RootCertStore::empty();
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        Arc::new(roots)
    });
    if roots.is_empty() { Err(CompileError::NoSystemRoots) } else { Ok(roots.clone()) }
}

/// `verify: false`: any certificate will do, but its key must still sign the handshake.
struct Anyone;

impl fmt::Debug for Anyone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Anyone")
    }
}

impl ServerCertVerifier for Anyone {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, cert, dss, &provider().signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, cert, dss, &provider().signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        provider().signature_verification_algorithms.supported_schemes()
    }
}
