//! Certificates and keys in PEM files, read when the configuration is: a missing one is found before anything starts.

use std::path::PathBuf;
use std::sync::Arc;

use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

use super::checked::{Authorities, Certificate};
use super::diagnostic::Code;
use super::value::Value;

/// A bundle: the certificate, then its chain, and the private key anywhere.
pub(super) fn bundle(value: Value<'_>) -> Option<Certificate> {
    let (path, bytes) = read(value)?;
    let chain = certificates(value, &bytes)?;
    match PrivateKeyDer::from_pem_slice(&bytes) {
        Ok(key) => Some(Certificate { path, chain, key: Arc::new(key) }),
        Err(rustls_pki_types::pem::Error::NoItemsFound) => {
            let message = format!("`{}` has no private key", value.shown());
            value.reject(Code::Unreadable, message, BUNDLE)
        }
        Err(e) => {
            let message = format!("the private key in `{}` is not valid PEM: {}", value.shown(), why(&e));
            value.reject(Code::Unreadable, message, BUNDLE)
        }
    }
}

/// Certificates of authorities.
pub(super) fn authorities(value: Value<'_>) -> Option<Authorities> {
    let (path, bytes) = read(value)?;
    certificates(value, &bytes).map(|certificates| Authorities { path, certificates })
}

const BUNDLE: &str = "one PEM file holds the certificate, its chain and the unencrypted private key";

fn read(value: Value<'_>) -> Option<(PathBuf, Vec<u8>)> {
    let path = value.path()?;
    match value.context.environment.file(&path) {
        Ok(bytes) => Some((path, bytes)),
        Err(e) => {
            let message = format!("cannot read `{}`: {e}", value.shown());
            let hint = "paths are relative to the working directory; the user that runs this must be able to read it";
            value.reject(Code::Unreadable, message, hint)
        }
    }
}

fn certificates(value: Value<'_>, bytes: &[u8]) -> Option<Vec<CertificateDer<'static>>> {
    let found: Result<Vec<CertificateDer<'static>>, _> = CertificateDer::pem_slice_iter(bytes).collect();
    match found {
        Ok(chain) if chain.is_empty() => {
            let message = format!("`{}` has no certificate", value.shown());
            value.reject(Code::Unreadable, message, "it must hold `-----BEGIN CERTIFICATE-----`")
        }
        Ok(chain) => Some(chain),
        Err(e) => {
            let message = format!("`{}` is not valid PEM: {}", value.shown(), why(&e));
            value.reject(Code::Unreadable, message, "it must hold `-----BEGIN CERTIFICATE-----`")
        }
    }
}

/// The crate's own words show bytes as numbers.
fn why(error: &rustls_pki_types::pem::Error) -> &'static str {
    use rustls_pki_types::pem::Error;
    match error {
        Error::MissingSectionEnd { .. } => "a `-----BEGIN` has no `-----END`",
        Error::IllegalSectionStart { .. } => "a `-----BEGIN` line is malformed",
        Error::Base64Decode(_) => "something between `-----BEGIN` and `-----END` is not base64",
        _ => "it cannot be read",
    }
}
