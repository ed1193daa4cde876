//! A configuration ready to serve: immutable, everything resolved and precomputed. A request holds one from its first
//! byte to its last, so that a change never happens in the middle of it.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use http::HeaderValue;
use rustls::ServerConfig;

use crate::acl::{Acl, Expression, IpSet};
use crate::auth::Directory;
use crate::base::secret::Secret;
use crate::config::checked;
use crate::limit::Plan;
use crate::observe::stats::{BackendStats, FrontendStats, RequestCells, ServerStats};
use crate::pool::{Budget, Policy, Pool};
use crate::rewrite::header::HeaderChange;
use crate::rewrite::redirect::Redirect;
use crate::runtime::target::Target;
use crate::stick::Table;

pub struct Snapshot {
    pub frontends: Vec<Frontend>,
    /// Every bind of every frontend, in the order of the file.
    pub binds: Vec<Bind>,
    pub backends: Vec<Backend>,
    pub tables: Vec<StickTable>,
    pub acls: Vec<Acl>,
    pub directory: Directory,
    /// Whether anything asks who a client is: keys, a mode that wants one, a table by key.
    pub needs_identity: bool,
    pub plans: Vec<NamedPlan>,
    pub admin: Admin,
    pub max_connections: usize,
    pub shutdown_grace: Duration,
    /// `None`: no access log.
    pub access_log: Option<checked::AccessLogFormat>,
}

pub struct Admin {
    pub token: Option<Secret>,
}

pub struct NamedPlan {
    pub name: Arc<str>,
    pub limits: Plan,
}

pub struct StickTable {
    pub key: checked::TableKey,
    pub table: Arc<Table>,
}

pub struct Bind {
    pub frontend: usize,
    pub address: SocketAddr,
    pub tls: Option<Arc<ServerConfig>>,
}

pub struct Frontend {
    pub name: Arc<str>,
    pub max_connections: usize,
    pub request_head: Duration,
    pub client: Duration,
    pub keep_alive: Duration,
    pub total: Duration,
    pub max_request_body: u64,
    /// Connections from here get no `x-forwarded-for`; `None`: nobody does.
    pub forwarded_for_except: Option<IpSet>,
    pub monitor: Option<String>,
    pub rules: Vec<Rule>,
    pub default_backend: Option<usize>,
    pub stats: Arc<FrontendStats>,
    /// Answers of tidegate itself, by code.
    pub local: Arc<RequestCells>,
    /// For each backend: what none of its servers got, by code.
    pub unserved: Vec<Arc<RequestCells>>,
    /// For each backend, for each of its servers: answers by code.
    pub answers: Vec<Vec<Arc<RequestCells>>>,
}

pub struct Rule {
    pub condition: Option<Expression>,
    pub action: Action,
}

pub enum Action {
    Deny(u16),
    Delay(Duration),
    Redirect { status: u16, to: RedirectTo },
    Headers(Vec<HeaderChange>),
    Track(usize),
    UseBackend(usize),
    Return { status: u16, content_type: HeaderValue, body: bytes::Bytes },
}

pub enum RedirectTo {
    Location(HeaderValue),
    Parts(Redirect),
}

pub struct Backend {
    pub name: Arc<str>,
    pub pool: Arc<Pool>,
    pub servers: Vec<Server>,
    pub retry: Policy,
    pub budget: Arc<Budget>,
    pub connect: Duration,
    pub queue: Duration,
    pub first_byte: Duration,
    pub server: Duration,
    pub tunnel: Duration,
    /// `None`: the frontend's.
    pub total: Option<Duration>,
    /// `None`: the frontend's.
    pub max_request_body: Option<u64>,
    pub check: Option<Arc<checked::Check>>,
    pub stats: Arc<BackendStats>,
}

pub struct Server {
    pub target: Arc<Target>,
    /// `Bearer KEY`, in place of the client's own.
    pub authorization: Option<HeaderValue>,
    pub stats: Arc<ServerStats>,
}
