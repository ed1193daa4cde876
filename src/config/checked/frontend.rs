//! A frontend without mistakes: where it listens, and what happens to its connections, requests and answers.

use http::HeaderValue;
use ipnet::IpNet;

use super::{Bind, ConnectionRule, ResponseRule, Rule, Timeouts};

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
    /// Bodies of our own errors, each status once.
    pub error_bodies: Vec<ErrorBody>,
    /// Run when a connection comes, before TLS and after its PROXY header.
    pub connection_rules: Vec<ConnectionRule>,
    pub rules: Vec<Rule>,
    /// Run on every answer to the client, our own errors too.
    pub response_rules: Vec<ResponseRule>,
    /// Index in [`super::Checked::backends`]. `None`: what no rule has routed gets 503.
    pub default_backend: Option<usize>,
    pub timeouts: Timeouts,
    /// Bytes; a backend's own figure comes before it.
    pub max_request_body: u64,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ForwardedFor {
    /// Connections from here get no `x-forwarded-for`.
    pub except: Vec<IpNet>,
    /// Connections from here may tell in `x-forwarded-for` for whom they come.
    pub trust: Vec<IpNet>,
}

/// What a client gets in place of our own JSON, wherever we answer with this status ourselves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ErrorBody {
    /// 400..=599.
    pub status: u16,
    pub content_type: HeaderValue,
    pub body: Vec<u8>,
}
