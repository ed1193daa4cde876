//! Certificates and keys in PEM files, read when the configuration is: a missing one is found before anything starts.

use std::path::PathBuf;
use std::sync::Arc;

use rustls::sign::CertifiedKey;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

use super::checked::{Authorities, Certificate, Cipher};
use super::diagnostic::{Code, Diagnostic};
use super::validity;
use super::value::Value;

/// A bundle: the certificate, then its chain, and the private key anywhere.
pub(super) fn bundle(value: Value<'_>) -> Option<Certificate> {
    let (path, bytes) = read(value)?;
    let chain = certificates(value, &bytes)?;
    match PrivateKeyDer::from_pem_slice(&bytes) {
        Ok(key) => {
            fits(value, &chain, &key)?;
            validity::warn(value, &chain, "clients refuse it outside of its time");
            Some(Certificate { path, chain, key: Arc::new(key) })
        }
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
    let certificates = certificates(value, &bytes)?;
    validity::warn(value, &certificates, "some peers refuse what it vouches for");
    let mut roots = rustls::RootCertStore::empty();
    for (i, certificate) in certificates.iter().enumerate() {
        if let Err(e) = roots.add(certificate.clone()) {
            let message = format!("certificate {} in `{}` cannot be used: {e}", i + 1, value.shown());
            return value.reject(Code::Unreadable, message, "it must be the certificate of an authority");
        }
    }
    Some(Authorities { path, certificates })
}

/// Whether the key of a certificate can work with a cipher; with one of TLS 1.3 every key does.
pub(super) fn suits(certificate: &Certificate, cipher: Cipher) -> bool {
    let provider = rustls::crypto::aws_lc_rs::default_provider();
    let Ok(key) = provider.key_provider.load_private_key(certificate.key.clone_key()) else { return false };
    let rsa = key.algorithm() == rustls::SignatureAlgorithm::RSA;
    cipher.is_tls13() || cipher.iana().contains(if rsa { "_RSA_" } else { "_ECDSA_" })
}

/// Reports a key that does not belong to the certificate: no client could connect.
fn fits(value: Value<'_>, chain: &[CertificateDer<'static>], key: &PrivateKeyDer<'static>) -> Option<()> {
    let provider = rustls::crypto::aws_lc_rs::default_provider();
    let Ok(key) = provider.key_provider.load_private_key(key.clone_key()) else {
        let message = format!("the private key in `{}` cannot be used", value.shown());
        let hint = "an RSA key of at least 2048 bits, or an ECDSA key (P-256, P-384, P-521) or Ed25519 key";
        return value.reject(Code::Unreadable, message, hint);
    };
    for (i, certificate) in chain.iter().enumerate() {
        if webpki::EndEntityCert::try_from(certificate).is_err() {
            let message = format!("certificate {} in `{}` is not valid X.509", i + 1, value.shown());
            return value.reject(Code::Unreadable, message, BUNDLE);
        }
    }
    let belongs = |certificate: &CertificateDer<'static>| {
        let mismatch = rustls::Error::InconsistentKeys(rustls::InconsistentKeys::KeyMismatch);
        CertifiedKey::new(vec![certificate.clone()], key.clone()).keys_match() != Err(mismatch)
    };
    match chain.iter().position(belongs) {
        Some(0) => warn_order(value, chain),
        Some(place) => {
            let message = format!("the certificates in `{}` are in the wrong order", value.shown());
            let hint = format!(
                "the private key belongs to number {}: that one must be the first, its chain follows",
                place + 1
            );
            return value.reject(Code::Unreadable, message, hint);
        }
        None => {
            let message =
                format!("the private key in `{}` does not belong to its certificate", value.shown());
            return value.reject(
                Code::Unreadable,
                message,
                "the two were made apart: take the key that the certificate was asked for with",
            );
        }
    }
    Some(())
}

/// Some clients find their way through a shuffled chain, some do not.
fn warn_order(value: Value<'_>, chain: &[CertificateDer<'static>]) {
    for (i, pair) in chain.windows(2).enumerate() {
        let [below, above] = pair else { continue };
        let (Ok(below), Ok(above)) =
            (webpki::EndEntityCert::try_from(below), webpki::EndEntityCert::try_from(above))
        else {
            continue;
        };
        if below.issuer() != above.subject() {
            let message = format!(
                "certificate {} in `{}` is not the issuer of the one before it",
                i + 2,
                value.shown()
            );
            let warning = Diagnostic::warning(Code::Conflict, value.span(), message);
            value.context.report(warning.hint("the certificate comes first, then each one's issuer"));
            return;
        }
    }
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
