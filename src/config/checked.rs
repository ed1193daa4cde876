//! The configuration as everyone else reads it: plain Rust types, every default filled in, every name resolved to an
//! index, nothing left that could still be wrong. Only [`crate::config::load`] makes one; nobody changes it afterwards.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use http::{HeaderName, HeaderValue, Method};
use ipnet::IpNet;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

use crate::base::secret::Secret;
use crate::config::diagnostic::Diagnostics;
use crate::config::expression::Expression;

/// A whole file without mistakes. Indices are positions in the lists of this struct.
pub struct Checked {
    /// The file as it was named on the command line.
    pub file: PathBuf,
    /// The text as it was read: `${...}` unresolved, so that it may be kept in the history.
    pub source_text: String,
    /// What is worth a word to the operator and stops nothing.
    pub warnings: Diagnostics,
    pub global: Global,
    pub admin: Admin,
    pub log: Log,
    /// Timeouts of `defaults`, for whatever belongs to no frontend and no backend.
    pub timeouts: Timeouts,
    pub tables: Vec<Table>,
    pub acls: Vec<Acl>,
    pub frontends: Vec<Frontend>,
    pub clients: Clients,
    pub plans: Vec<Plan>,
    pub backends: Vec<Backend>,
}

/// Not the text and what came of it: either may hold a secret.
impl fmt::Debug for Checked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Checked").field("file", &self.file).finish_non_exhaustive()
    }
}

impl Checked {
    /// Every bind with the index of its frontend, in the order of the file.
    pub fn listeners(&self) -> impl Iterator<Item = (usize, &Bind)> {
        self.frontends.iter().enumerate().flat_map(|(i, f)| f.binds.iter().map(move |b| (i, b)))
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Global {
    pub threads: Threads,
    /// Client connections, all frontends together.
    pub max_connections: usize,
    pub shutdown_grace: Duration,
    /// Not created by the check; relative to the working directory.
    pub state_dir: PathBuf,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Threads {
    /// As many as the machine has cores.
    Auto,
    /// 1..=256.
    Count(usize),
}

#[derive(Clone, Debug)]
pub struct Admin {
    /// `None`: `listen: off`.
    pub listen: Option<SocketAddr>,
    /// `None`: `socket: off`.
    pub socket: Option<PathBuf>,
    pub token: Option<Secret>,
}

#[derive(Clone, Debug)]
pub struct Log {
    pub level: log::LevelFilter,
    pub access: AccessLog,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccessLog {
    pub to: AccessLogTarget,
    pub format: AccessLogFormat,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AccessLogTarget {
    Stdout,
    Off,
    File(PathBuf),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AccessLogFormat {
    Json,
    HttpLog,
}

/// None of them is zero. In a frontend the server's side holds the defaults, in a backend the client's side does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Timeouts {
    pub request_head: Duration,
    pub client: Duration,
    pub keep_alive: Duration,
    pub connect: Duration,
    pub queue: Duration,
    pub first_byte: Duration,
    pub server: Duration,
    pub total: Duration,
    pub tunnel: Duration,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Table {
    pub name: String,
    pub key: TableKey,
    /// Entries, at least 1.
    pub size: usize,
    pub expire: Duration,
    pub counters: Vec<Counter>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TableKey {
    Src,
    ApiKey,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Counter {
    /// Requests in the last period.
    HttpReqRate(Duration),
    /// Requests since the entry was made.
    HttpReqCnt,
    /// Requests in the last period that were the client's fault.
    HttpErrRate(Duration),
    /// Connections open now.
    ConnCur,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Acl {
    pub name: String,
    pub test: Test,
}

/// What an ACL asks. Lists are never empty; one value that matches is enough.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Test {
    Always,
    /// The path of the request, without its query.
    Path(Text),
    Method(Vec<Method>),
    /// Host names in lower case without a port, to compare with the request's in lower case.
    Host(Vec<String>),
    /// `values: None` asks only whether the header is there.
    Header {
        name: HeaderName,
        values: Option<Text>,
    },
    /// A parameter of the query string; `values: None` asks only whether it is there.
    Query {
        name: String,
        values: Option<Text>,
    },
    Src(Vec<IpNet>),
    /// Indices in [`Clients::keys`].
    ApiKey(Vec<usize>),
    /// Indices in [`Checked::plans`].
    Plan(Vec<usize>),
    /// The connection is encrypted.
    Tls,
    /// True while the counter of the request's entry is above `above`; false when the request is not tracked there.
    Above {
        table: usize,
        counter: usize,
        above: u64,
    },
}

/// Patterns for a text. With `ignore_case`, values other than regular expressions are already in lower case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Text {
    pub how: How,
    pub values: Vec<String>,
    pub ignore_case: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum How {
    Equals,
    BeginsWith,
    EndsWith,
    /// The values are regular expressions of the `regex` crate, known to compile (also with `ignore_case`).
    Matches,
}

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
    /// Index in [`Checked::backends`]. `None`: what no rule has routed gets 503.
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
    /// Index in [`Checked::tables`].
    Track(usize),
    /// Index in [`Checked::backends`].
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

#[derive(Clone, Debug)]
pub struct Clients {
    pub mode: ClientMode,
    pub keys: Vec<ClientKey>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClientMode {
    Required,
    Optional,
    Passthrough,
}

#[derive(Clone)]
pub struct ClientKey {
    pub name: String,
    /// SHA-256 of the whole key.
    pub digest: [u8; 32],
    /// Index in [`Checked::plans`].
    pub plan: Option<usize>,
}

impl fmt::Debug for ClientKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientKey")
            .field("name", &self.name)
            .field("plan", &self.plan)
            .finish_non_exhaustive()
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    pub name: String,
    /// `None`: no limit. Never 0.
    pub requests_per_minute: Option<u64>,
    /// Requests in flight per client; `None`: no limit. Never 0.
    pub concurrent: Option<u32>,
}

#[derive(Clone, Debug)]
pub struct Backend {
    pub name: String,
    pub retry: Retry,
    /// `None`: servers are not checked and count as up.
    pub check: Option<Check>,
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

#[derive(Clone, Debug)]
pub struct Check {
    pub method: Method,
    /// Begins with `/`, may have a query; appended to the server's base path.
    pub path: String,
    /// Values are marked sensitive: they usually hold a key.
    pub headers: Vec<(HeaderName, HeaderValue)>,
    /// Ascending, at least one.
    pub expect: Vec<u16>,
    pub interval: Duration,
    /// While the state of a server is changing.
    pub fast_interval: Duration,
    pub timeout: Duration,
    /// Successes in a row that bring a server up, at least 1.
    pub rise: u32,
    /// Failures in a row that take it down, at least 1.
    pub fall: u32,
}

#[derive(Clone, Debug)]
pub struct Server {
    pub name: String,
    pub url: Url,
    /// Replaces the client's own key. It is a valid header value.
    pub api_key: Option<Secret>,
    /// Lower first.
    pub tier: u32,
    /// 0..=256; 0 takes no new traffic.
    pub weight: u32,
    /// `None`: no limit. Never 0.
    pub max_concurrent: Option<u32>,
    pub tls: ServerTls,
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
}

/// Certificates that a server's own must come from.
#[derive(Clone, Debug)]
pub struct Authorities {
    pub path: PathBuf,
    /// At least one.
    pub certificates: Vec<CertificateDer<'static>>,
}
