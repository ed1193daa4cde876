//! An authority and certificates, made anew for each test: nothing secret is stored, nothing expires.

use std::path::PathBuf;
use std::process::Command;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};

use super::scratch::Scratch;

/// A certificate authority of one test.
pub struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
}

/// A certificate with its key, in PEM.
pub struct Identity {
    pub certificate: String,
    pub key: String,
}

impl Authority {
    pub fn new(name: &str) -> Authority {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        Authority { issuer }
    }

    /// The authority's own certificate, in PEM.
    pub fn pem(&self) -> String {
        self.issuer.pem()
    }

    /// Writes the authority's certificate where `curl --cacert` and `ca_file` find it.
    pub fn write(&self, directory: &Scratch, name: &str) -> PathBuf {
        directory.write(name, &self.pem())
    }

    /// A certificate for these DNS names and addresses.
    pub fn issue(&self, names: &[&str]) -> Identity {
        self.sign(params(names), &KeyPair::generate().unwrap())
    }

    /// The same with an RSA key of 2048 bits.
    pub fn issue_rsa(&self, names: &[&str]) -> Identity {
        let bits = "rsa_keygen_bits:2048";
        let made = Command::new("openssl").args(["genpkey", "-algorithm", "RSA", "-pkeyopt", bits]).output();
        let pem = String::from_utf8(made.unwrap().stdout).unwrap();
        self.sign(params(names), &KeyPair::from_pem(&pem).unwrap())
    }

    /// A certificate as the test has made it up.
    pub fn sign(&self, params: CertificateParams, key: &KeyPair) -> Identity {
        let certificate = params.signed_by(key, &self.issuer).unwrap();
        Identity { certificate: certificate.pem(), key: key.serialize_pem() }
    }

    /// The authority's private key, in PEM, for tools that sign by themselves.
    pub fn key(&self) -> String {
        self.issuer.key().serialize_pem()
    }
}

/// What [`Authority::issue`] signs.
pub fn params(names: &[&str]) -> CertificateParams {
    let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    let mut params = CertificateParams::new(names.clone()).unwrap();
    params.distinguished_name.push(DnType::CommonName, names[0].as_str());
    params
}

impl Identity {
    /// One file with certificate and key, as `bind.tls.certificates` takes it.
    pub fn write(&self, directory: &Scratch, name: &str) -> PathBuf {
        directory.write(name, &format!("{}{}", self.certificate, self.key))
    }
}
