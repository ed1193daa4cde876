//! A backend without mistakes: its servers, and how requests are spread over them and tried again.

use std::fmt;
use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use http::HeaderName;
use rustls_pki_types::CertificateDer;

use super::{Breaker, Check, Cooldown, Eject, Hedge, Timeouts};
use crate::base::secret::Secret;

#[derive(Clone, Debug)]
pub struct Backend {
    pub name: String,
    pub balance: Balance,
    pub retry: Retry,
    /// `None`: servers are not checked and count as up.
    pub check: Option<Check>,
    /// Below this share of usable servers of a tier the next tier helps: above 0.0, up to 1.0. `None`: only when none
    /// is usable.
    pub help_below: Option<f64>,
    /// `None`: off. So for the next three.
    pub breaker: Option<Breaker>,
    pub eject: Option<Eject>,
    pub cooldown: Option<Cooldown>,
    pub hedge: Option<Hedge>,
    pub connections: Connections,
    /// Requests that may wait for a free slot; 0: none.
    pub queue_max: usize,
    pub timeouts: Timeouts,
    /// The backend's own `timeouts.total`; `None`: the frontend's holds.
    pub own_total: Option<Duration>,
    /// The backend's own `max_request_body`, in bytes; `None`: the frontend's holds.
    pub own_max_request_body: Option<u64>,
    /// At least one.
    pub servers: Vec<Server>,
}

/// How requests are spread over the servers of a tier.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Balance {
    RoundRobin,
    LeastConn,
    Latency,
    Hash(HashKey),
    First,
    Random,
}

/// What of a request decides where it goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HashKey {
    /// Where it comes from.
    Src,
    /// In its normal form, without the query.
    Path,
    /// Its first line.
    Header(HeaderName),
    /// The client's key.
    ApiKey,
    /// A parameter of the query: its first value.
    Query(String),
}

/// As the file has it.
impl fmt::Display for Balance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Balance::RoundRobin => f.write_str("round_robin"),
            Balance::LeastConn => f.write_str("least_conn"),
            Balance::Latency => f.write_str("latency"),
            Balance::Hash(HashKey::Src) => f.write_str("hash(src)"),
            Balance::Hash(HashKey::Path) => f.write_str("hash(path)"),
            Balance::Hash(HashKey::ApiKey) => f.write_str("hash(api_key)"),
            Balance::Hash(HashKey::Header(name)) => write!(f, "hash(header({name}))"),
            Balance::Hash(HashKey::Query(name)) => write!(f, "hash(query({name}))"),
            Balance::First => f.write_str("first"),
            Balance::Random => f.write_str("random"),
        }
    }
}

#[derive(Clone, Debug, PartialEq)]
pub struct Retry {
    /// All tries, the first included: 1..=10.
    pub attempts: u32,
    pub when: RetryWhen,
    pub backoff_min: Duration,
    /// Never below `backoff_min`.
    pub backoff_max: Duration,
    /// Retries as a share of requests, 0.0..=1.0.
    pub budget: f64,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RetryWhen {
    pub connect_failure: bool,
    pub empty_response: bool,
    pub timeout: bool,
    /// Ascending, 400..=599.
    pub statuses: Vec<u16>,
}

/// Idle connections to a server that are kept for the next request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Connections {
    /// Longer ones are closed. Never zero.
    pub idle_timeout: Duration,
    /// Per server and worker thread; 0: none is kept.
    pub max_idle: usize,
}

#[derive(Clone, Debug)]
pub struct Server {
    pub name: String,
    pub url: Url,
    /// Replaces the client's own key. It is a valid header value.
    pub api_key: Option<Secret>,
    /// Where it goes.
    pub key_header: KeyHeader,
    /// The models that this server knows, each once, and what they are called there. `None`: it may know any, and names
    /// pass unchanged.
    pub models: Option<Vec<(String, String)>>,
    /// Lower first.
    pub tier: u32,
    /// 0..=256; 0 takes no new traffic.
    pub weight: u32,
    /// `None`: no limit. Never 0.
    pub max_concurrent: Option<u32>,
    /// Connections begin with a PROXY header, version 2.
    pub send_proxy: bool,
    /// How long a recovered server takes to its full weight. `None`: it has it at once. Never zero.
    pub slow_start: Option<Duration>,
    pub tls: ServerTls,
}

/// The header that a server expects its key in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum KeyHeader {
    /// `authorization: Bearer KEY`.
    #[default]
    Authorization,
    /// `x-api-key: KEY`.
    XApiKey,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Url {
    /// https.
    pub tls: bool,
    pub host: Host,
    /// The scheme's usual port where the file has none.
    pub port: u16,
    /// Begins with `/` and does not end with one, like `/v1`. `None`: paths pass unchanged.
    pub base_path: Option<String>,
}

impl Url {
    /// The `Host` header: with the port unless it is the scheme's own, an IPv6 address in brackets.
    pub fn authority(&self) -> String {
        let host = match &self.host {
            Host::Name(name) => name.clone(),
            Host::Ip(IpAddr::V4(ip)) => ip.to_string(),
            Host::Ip(IpAddr::V6(ip)) => format!("[{ip}]"),
        };
        if self.port == if self.tls { 443 } else { 80 } { host } else { format!("{host}:{}", self.port) }
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Host {
    /// In lower case.
    Name(String),
    Ip(IpAddr),
}

#[derive(Clone, Debug)]
pub struct ServerTls {
    /// `None`: the system's store.
    pub ca: Option<Authorities>,
    /// False: any certificate is taken.
    pub verify: bool,
    /// The name to ask for and to verify; `None`: the host of the url.
    pub sni: Option<String>,
    /// HTTP/2 may be spoken. At least one of the two.
    pub http2: bool,
    pub http1: bool,
}

/// Certificates that a server's own must come from.
#[derive(Clone, Debug)]
pub struct Authorities {
    pub path: PathBuf,
    /// At least one.
    pub certificates: Vec<CertificateDer<'static>>,
}
