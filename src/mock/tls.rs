//! The provider's side of TLS: one bundle, HTTP/1.1 only.

use std::path::Path;
use std::sync::Arc;

use rustls::ServerConfig;
use rustls::crypto::aws_lc_rs;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::TlsAcceptor;

use super::MockError;

/// Reads `path`: the chain, leaf first, and the leaf's private key, in any order of the two.
pub fn acceptor(path: &Path) -> Result<TlsAcceptor, MockError> {
    let wrong = |reason: String| MockError::Bundle { path: path.to_path_buf(), reason };
    let text = std::fs::read(path).map_err(|e| wrong(e.to_string()))?;
    let chain = CertificateDer::pem_slice_iter(&text)
        .collect::<Result<Vec<_>, _>>()
        .map_err(|e| wrong(format!("no readable certificate: {e}")))?;
    if chain.is_empty() {
        return Err(wrong("no certificate in it".to_owned()));
    }
    let key =
        PrivateKeyDer::from_pem_slice(&text).map_err(|e| wrong(format!("no readable private key: {e}")))?;
    let mut config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|e| wrong(e.to_string()))?
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .map_err(|e| wrong(e.to_string()))?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(TlsAcceptor::from(Arc::new(config)))
}
