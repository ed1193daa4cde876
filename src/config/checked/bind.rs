//! The addresses of a frontend without mistakes, and their TLS.

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use ipnet::IpNet;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

use super::{Authorities, Cipher};

#[derive(Clone, Debug)]
pub struct Bind {
    pub address: BindAddress,
    /// Whose connections must begin with a PROXY header; nobody else may send one. `None`: nobody at all. Never empty;
    /// everyone is `0.0.0.0/0` and `::/0`.
    pub accept_proxy: Option<Vec<IpNet>>,
    pub tls: Option<BindTls>,
}

/// Where a frontend listens. Displayed as the file has it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum BindAddress {
    /// Port 0 takes a free one.
    Tcp(SocketAddr),
    /// A socket in the file system, its path at most 107 bytes.
    Unix(PathBuf),
    /// A listening socket that the process was started with; at least 3.
    Fd(i32),
}

impl fmt::Display for BindAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            BindAddress::Tcp(address) => address.fmt(f),
            BindAddress::Unix(path) => write!(f, "unix:{}", path.display()),
            BindAddress::Fd(number) => write!(f, "fd@{number}"),
        }
    }
}

#[derive(Clone, Debug)]
pub struct BindTls {
    /// At least one; the first is for clients without SNI or with an unknown name.
    pub certificates: Vec<Certificate>,
    pub min_version: TlsVersion,
    /// In order of preference, each once, at least one for `min_version` or above. `None`: the choice of rustls.
    pub ciphers: Option<Vec<Cipher>>,
    /// In order of preference, at least one.
    pub alpn: Vec<Alpn>,
    /// `None`: clients are not asked for a certificate.
    pub client_ca: Option<ClientAuthorities>,
}

/// Whose certificates clients may show.
#[derive(Clone, Debug)]
pub struct ClientAuthorities {
    pub authorities: Authorities,
    /// Clients without a certificate are welcome too.
    pub optional: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum TlsVersion {
    Tls12,
    Tls13,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Alpn {
    H2,
    Http11,
}

/// A bundle in PEM: the certificate, its chain, its private key. The key is known to belong to the certificate.
#[derive(Clone, Debug)]
pub struct Certificate {
    pub path: PathBuf,
    /// The leaf first; at least one.
    pub chain: Vec<CertificateDer<'static>>,
    pub key: Arc<PrivateKeyDer<'static>>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_reads_as_in_the_file() {
        assert_eq!(BindAddress::Tcp("[::1]:80".parse().unwrap()).to_string(), "[::1]:80");
        assert_eq!(BindAddress::Unix("/run/x".into()).to_string(), "unix:/run/x");
        assert_eq!(BindAddress::Fd(3).to_string(), "fd@3");
    }
}
