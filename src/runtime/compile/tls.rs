//! rustls configurations: for binds, with a certificate for every name; for servers, with what may vouch for them.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, OnceLock};

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, aws_lc_rs, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::danger::ClientCertVerifier;
use rustls::server::{ClientHello, ProducesTickets, ResolvesServerCert, WebPkiClientVerifier};
use rustls::sign::CertifiedKey;
use rustls::{
    ClientConfig, DigitallySignedStruct, RootCertStore, ServerConfig, SignatureScheme, SupportedCipherSuite,
    SupportedProtocolVersion,
};
use sha2::{Digest, Sha256};

use crate::config::checked::{
    Alpn, Authorities, BindTls, Certificate, Cipher, ClientAuthorities, ServerTls, TlsVersion,
};
use crate::runtime::compile::CompileError;
use crate::runtime::state::TicketScope;

/// What every rustls configuration here is built from.
pub fn provider() -> Arc<CryptoProvider> {
    static PROVIDER: OnceLock<Arc<CryptoProvider>> = OnceLock::new();
    PROVIDER.get_or_init(|| Arc::new(aws_lc_rs::default_provider())).clone()
}

/// The configuration of a bind. `tickets` is one for all binds and threads of a scope, so that sessions resume everywhere.
///
/// # Errors
/// A private key that rustls cannot use, or that does not belong to its certificate.
pub fn bind(tls: &BindTls, tickets: Arc<dyn ProducesTickets>) -> Result<Arc<ServerConfig>, CompileError> {
    let versions: &[&SupportedProtocolVersion] = match tls.min_version {
        TlsVersion::Tls12 => &[&rustls::version::TLS13, &rustls::version::TLS12],
        TlsVersion::Tls13 => &[&rustls::version::TLS13],
    };
    let provider = match &tls.ciphers {
        None => provider(),
        Some(chosen) => Arc::new(CryptoProvider {
            cipher_suites: chosen.iter().map(|cipher| suite(*cipher)).collect(),
            ..(*provider()).clone()
        }),
    };
    // A version without a cipher suite cannot be spoken.
    let spoken = |version: &&&SupportedProtocolVersion| {
        provider.cipher_suites.iter().any(|suite| suite.version().version == version.version)
    };
    let versions: Vec<&SupportedProtocolVersion> = versions.iter().filter(spoken).copied().collect();
    let builder = ServerConfig::builder_with_provider(provider.clone()).with_protocol_versions(&versions)?;
    let builder = match &tls.client_ca {
        None => builder.with_no_client_auth(),
        Some(client_ca) => builder.with_client_cert_verifier(verifier(client_ca, &provider)?),
    };
    let mut config = builder.with_cert_resolver(Arc::new(Names::new(&tls.certificates)?));
    // The order of the suites is ours, strongest first, or the file's.
    config.ignore_client_order = true;
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

/// Clients must show, or may show, a certificate that comes from one of these authorities.
fn verifier(
    client_ca: &ClientAuthorities,
    provider: &Arc<CryptoProvider>,
) -> Result<Arc<dyn ClientCertVerifier>, CompileError> {
    let roots = store(&client_ca.authorities)?;
    let builder = WebPkiClientVerifier::builder_with_provider(roots, provider.clone());
    let builder = if client_ca.optional { builder.allow_unauthenticated() } else { builder };
    builder.build().map_err(|error| CompileError::ClientAuthorities {
        path: client_ca.authorities.path.clone(),
        error: error.to_string(),
    })
}

/// See [`TicketScope`].
pub fn ticket_scope(tls: &BindTls) -> TicketScope {
    let mut hash = Sha256::new();
    if let Some(client_ca) = &tls.client_ca {
        hash.update([1 + u8::from(client_ca.optional)]);
        for certificate in &client_ca.authorities.certificates {
            hash.update((certificate.len() as u64).to_be_bytes());
            hash.update(certificate);
        }
    }
    hash.finalize().into()
}

fn suite(cipher: Cipher) -> SupportedCipherSuite {
    use aws_lc_rs::cipher_suite as suites;
    match cipher {
        Cipher::Aes256GcmSha384 => suites::TLS13_AES_256_GCM_SHA384,
        Cipher::Aes128GcmSha256 => suites::TLS13_AES_128_GCM_SHA256,
        Cipher::ChaCha20Poly1305Sha256 => suites::TLS13_CHACHA20_POLY1305_SHA256,
        Cipher::EcdheEcdsaAes256GcmSha384 => suites::TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
        Cipher::EcdheEcdsaAes128GcmSha256 => suites::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
        Cipher::EcdheEcdsaChaCha20Poly1305Sha256 => suites::TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256,
        Cipher::EcdheRsaAes256GcmSha384 => suites::TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
        Cipher::EcdheRsaAes128GcmSha256 => suites::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
        Cipher::EcdheRsaChaCha20Poly1305Sha256 => suites::TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
    }
}

/// Chooses the certificate by the name that the client asks for; without one, or for an unknown name, the first. Of
/// several for one name (ECDSA and RSA, say) it is the first that the client can verify.
#[derive(Debug)]
struct Names {
    all: Vec<Arc<CertifiedKey>>,
    /// Lower case; `*.example.test` stands for one label.
    by_name: HashMap<String, Vec<Arc<CertifiedKey>>>,
}

impl Names {
    fn new(certificates: &[Certificate]) -> Result<Names, CompileError> {
        let mut all = Vec::new();
        let mut by_name: HashMap<String, Vec<_>> = HashMap::new();
        for certificate in certificates {
            let key = Arc::new(certified(certificate)?);
            for name in names(certificate) {
                by_name.entry(name).or_default().push(key.clone());
            }
            all.push(key);
        }
        if all.is_empty() { Err(CompileError::NoCertificate) } else { Ok(Names { all, by_name }) }
    }

    fn find(&self, name: &str) -> Option<&Vec<Arc<CertifiedKey>>> {
        let name = name.to_ascii_lowercase();
        self.by_name.get(&name).or_else(|| {
            let (_, parent) = name.split_once('.')?;
            self.by_name.get(&format!("*.{parent}"))
        })
    }
}

impl ResolvesServerCert for Names {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let named = hello.server_name().and_then(|name| self.find(name)).unwrap_or(&self.all);
        let usable = named.iter().find(|key| key.key.choose_scheme(hello.signature_schemes()).is_some());
        usable.or(named.first()).cloned()
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

/// The configuration towards a server, offering what the file allows, and the same offering HTTP/1.1 alone.
///
/// # Errors
/// A certificate of `ca_file` that rustls cannot use, or a system without any.
pub fn server(tls: &ServerTls) -> Result<(Arc<ClientConfig>, Arc<ClientConfig>), CompileError> {
    let builder = ClientConfig::builder_with_provider(provider()).with_safe_default_protocol_versions()?;
    let mut config = if tls.verify {
        builder.with_root_certificates(roots(tls)?).with_no_client_auth()
    } else {
        builder.dangerous().with_custom_certificate_verifier(Arc::new(Anyone)).with_no_client_auth()
    };
    let (http2, http1) = (b"h2".to_vec(), b"http/1.1".to_vec());
    config.alpn_protocols = vec![http1.clone()];
    let only_http1 = Arc::new(config.clone());
    config.alpn_protocols = [(tls.http2, http2), (tls.http1, http1)]
        .into_iter()
        .filter_map(|(offered, protocol)| offered.then_some(protocol))
        .collect();
    Ok((Arc::new(config), only_http1))
}

fn roots(tls: &ServerTls) -> Result<Arc<RootCertStore>, CompileError> {
    match &tls.ca {
        None => system_roots(),
        Some(ca) => store(ca),
    }
}

fn store(ca: &Authorities) -> Result<Arc<RootCertStore>, CompileError> {
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
