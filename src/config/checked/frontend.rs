//! A frontend without mistakes: its addresses, and its rules in order.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use http::{HeaderName, HeaderValue};
use ipnet::IpNet;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

use super::Timeouts;
use crate::config::expression::Expression;

#[derive(Debug)]
pub struct Frontend {
    pub name: String,
    /// At least one.
    pub binds: Vec<Bind>,
    /// The global figure where the frontend has none.
    pub max_connections: usize,
    /// `None`: `forwarded_for: off`.
    pub forwarded_for: Option<ForwardedFor>,
    /// The exact path that is answered with 200 and never logged.
    pub monitor: Option<String>,
    pub rules: Vec<Rule>,
    /// Index in [`super::Checked::backends`]. `None`: what no rule has routed gets 503.
    pub default_backend: Option<usize>,
    pub timeouts: Timeouts,
    /// Bytes; a backend's own figure comes before it.
    pub max_request_body: u64,
}

#[derive(Clone, Debug)]
pub struct Bind {
    /// Port 0 takes a free one.
    pub address: SocketAddr,
    pub tls: Option<BindTls>,
}

#[derive(Clone, Debug)]
pub struct BindTls {
    /// At least one; the first is for clients without SNI or with an unknown name.
    pub certificates: Vec<Certificate>,
    pub min_version: TlsVersion,
    /// In order of preference, at least one.
    pub alpn: Vec<Alpn>,
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

/// A bundle in PEM: the certificate, its chain, its private key. That the key fits is checked where rustls takes it.
#[derive(Clone, Debug)]
pub struct Certificate {
    pub path: PathBuf,
    /// The leaf first; at least one.
    pub chain: Vec<CertificateDer<'static>>,
    pub key: Arc<PrivateKeyDer<'static>>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ForwardedFor {
    /// Connections from here get no `x-forwarded-for`.
    pub except: Vec<IpNet>,
}

#[derive(Clone, Debug)]
pub struct Rule {
    pub action: Action,
    /// `None`: always.
    pub condition: Option<Expression>,
    /// Line in the file, for messages.
    pub line: usize,
}

#[derive(Clone, Debug)]
pub enum Action {
    /// 400..=599.
    Deny {
        status: u16,
    },
    Delay(Duration),
    Redirect(Redirect),
    /// Replaces what the request has under these names. Values are marked sensitive, they may hold a resolved secret.
    SetHeader(Vec<(HeaderName, HeaderValue)>),
    RemoveHeader(Vec<HeaderName>),
    /// Index in [`super::Checked::tables`].
    Track(usize),
    /// Index in [`super::Checked::backends`].
    UseBackend(usize),
    Return(Return),
}

impl Action {
    /// Whether no rule after this one is looked at.
    pub fn ends(&self) -> bool {
        matches!(self, Action::Deny { .. } | Action::Redirect(_) | Action::UseBackend(_) | Action::Return(_))
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Redirect {
    /// 301, 302, 303, 307 or 308.
    pub status: u16,
    pub target: RedirectTarget,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RedirectTarget {
    /// This very URL.
    Location(HeaderValue),
    /// The request's own URL, path and query kept, with these parts replaced. A scheme without a port means the
    /// scheme's usual port; a host without a port keeps the request's.
    Parts { scheme: Option<Scheme>, host: Option<String>, port: Option<u16> },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scheme {
    Http,
    Https,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Return {
    /// 200..=599.
    pub status: u16,
    pub content_type: HeaderValue,
    pub body: String,
}
