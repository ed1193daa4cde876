//! A configuration ready to serve: immutable, everything resolved and precomputed. A request holds one from its first
//! byte to its last, so that a change never happens in the middle of it.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderName, HeaderValue};
use ipnet::IpNet;
use rustls::ServerConfig;

use crate::acl::{Acl, Expression, IpSet};
use crate::ai::catalogue::Catalogue;
use crate::ai::estimate::Ratios;
use crate::ai::price::Price;
use crate::auth::Directory;
use crate::base::secret::Secret;
use crate::config::checked;
use crate::limit::{Cap, Plan, Purse};
use crate::observe::access_log::{Format, Sample};
use crate::observe::stats::{
    BackendStats, CallStats, ClientStats, Cost, FrontendStats, RequestCells, ServerStats,
};
use crate::pool::hedge::Learned;
use crate::pool::{Budget, Policy, Pool};
use crate::rewrite::header::HeaderChange;
use crate::rewrite::path::PathRewrite;
use crate::rewrite::redirect::Redirect;
use crate::runtime::cells::CallCells;
use crate::runtime::gate::Gate;
use crate::runtime::models::Models;
use crate::runtime::state::Payer;
use crate::runtime::target::Target;
use crate::stick::{Gpc, Table};

pub struct Snapshot {
    pub frontends: Vec<Frontend>,
    /// Every bind of every frontend, in the order in which the process has bound them: they are known by their place.
    pub binds: Vec<Bind>,
    pub backends: Vec<Backend>,
    pub tables: Vec<StickTable>,
    pub acls: Vec<Acl>,
    pub directory: Directory,
    /// Whether anything asks who a client is: keys, a mode that wants one, a table or a backend by key.
    pub needs_identity: bool,
    /// By [`crate::auth::Client::place`].
    pub clients: Vec<Client>,
    pub plans: Vec<NamedPlan>,
    pub ai: Ai,
    pub admin: Admin,
    pub max_connections: usize,
    /// Bytes of request bodies that may be held, all requests together.
    pub max_body_memory: u64,
    pub shutdown_grace: Duration,
    /// `None`: no access log.
    pub access_log: Option<AccessLog>,
}

/// How lines of the access log are written, and which of the successes.
pub struct AccessLog {
    pub format: Format,
    pub sample: Sample,
}

impl Snapshot {
    /// Of all calls together, of plans, of clients; those without a cap too.
    pub fn budgets(&self) -> impl Iterator<Item = &Allowance> {
        let plans = self.plans.iter().map(|plan| &plan.budget);
        let clients = self.clients.iter().map(|client| &client.budget);
        std::iter::once(&self.ai.budget).chain(plans).chain(clients)
    }
}

/// What is known of models.
pub struct Ai {
    pub catalogue: Catalogue,
    /// By index of the model.
    pub prices: Vec<Price>,
    /// By index of the model, and of those that are none of them.
    pub ratios: Vec<Arc<Ratios>>,
    pub other_ratios: Arc<Ratios>,
    /// By index of the model: for each plan by its index, then for clients without one.
    pub costs: Vec<Vec<Arc<Cost>>>,
    /// The model of a call decides something, or its tokens are counted: calls are read before they go on.
    pub reads_calls: bool,
    /// A rule or a table asks for the model: calls are read at that rule.
    pub rules_ask: bool,
    /// Tokens are counted.
    pub counts: bool,
    /// Of all calls together.
    pub budget: Allowance,
    /// Plain answers tell what they cost.
    pub cost_header: bool,
}

impl Ai {
    /// What was learned of a model by its index.
    pub fn ratios_of(&self, model: Option<usize>) -> &Arc<Ratios> {
        model.and_then(|model| self.ratios.get(model)).unwrap_or(&self.other_ratios)
    }

    /// Under which name a model counts, by its index.
    pub fn name_of(&self, model: Option<usize>) -> &str {
        model.and_then(|model| self.catalogue.name(model)).map_or(CallStats::OTHER, |name| &**name)
    }

    /// Where the cost of a model is counted for a plan, both by index; `None`: the model has no price.
    pub fn cost_of(&self, model: Option<usize>, plan: Option<usize>) -> Option<&Cost> {
        let plans = self.costs.get(model?)?;
        plan.map_or(plans.last(), |plan| plans.get(plan)).map(AsRef::as_ref)
    }
}

/// What somebody has spent, and may spend.
pub struct Allowance {
    pub payer: Payer,
    pub purse: Arc<Purse>,
    /// `None`: there is no end to it.
    pub cap: Option<Cap>,
}

/// A client of the configuration.
pub struct Client {
    /// Its own, or what its plan gives each client.
    pub budget: Allowance,
    /// By index.
    pub plan: Option<usize>,
    pub stats: Arc<ClientStats>,
}

pub struct Admin {
    pub token: Option<Secret>,
    /// Who may change something over HTTP.
    pub allow_changes_from: Vec<IpNet>,
}

pub struct NamedPlan {
    pub name: Arc<str>,
    pub priority: checked::Priority,
    /// Streams are cut where the limit of tokens ends.
    pub in_stream: bool,
    /// By index of the model, whether its clients may use it; `None`: all of them.
    pub models: Option<Box<[bool]>>,
    pub limits: Plan,
    /// Of all its clients together.
    pub budget: Allowance,
}

pub struct StickTable {
    pub key: checked::TableKey,
    pub table: Arc<Table>,
}

pub struct Bind {
    pub frontend: usize,
    pub address: checked::BindAddress,
    /// Who must send a PROXY header; `None`: nobody may.
    pub accept_proxy: Option<Arc<IpSet>>,
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
    /// Whose `x-forwarded-for` is believed; `None`: nobody's.
    pub forwarded_for_trust: Option<IpSet>,
    pub monitor: Option<String>,
    /// By status.
    pub error_bodies: HashMap<u16, ErrorBody>,
    pub connection_rules: Vec<ConnectionRule>,
    pub rules: Vec<Rule>,
    pub response_rules: Vec<ResponseRule>,
    pub default_backend: Option<usize>,
    /// Open connections.
    pub gate: Arc<Gate>,
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
    /// It asks for the model of a call, which has to be read for it.
    pub asks_model: bool,
    pub action: Action,
}

pub enum Action {
    Deny(u16),
    Delay(Duration),
    Redirect {
        status: u16,
        to: RedirectTo,
    },
    Tarpit {
        time: Duration,
        status: u16,
    },
    SilentDrop,
    /// `literal`: nothing in them depends on the request.
    Headers {
        changes: Vec<HeaderChange>,
        literal: bool,
    },
    RewritePath(PathRewrite),
    Track(usize),
    Raise {
        table: usize,
        which: Gpc,
    },
    SetGpt0 {
        table: usize,
        value: u32,
    },
    UseBackend(usize),
    Return {
        status: u16,
        content_type: HeaderValue,
        body: Bytes,
    },
}

pub struct ConnectionRule {
    pub condition: Option<Expression>,
    pub action: ConnectionAction,
}

pub enum ConnectionAction {
    Track(usize),
    Reject,
    SilentDrop,
    Accept,
    Raise { table: usize, which: Gpc },
    SetGpt0 { table: usize, value: u32 },
}

pub struct ResponseRule {
    pub condition: Option<Expression>,
    pub changes: Vec<HeaderChange>,
}

/// What a client reads in place of our own error of a status.
pub struct ErrorBody {
    pub content_type: HeaderValue,
    pub body: Bytes,
}

pub enum RedirectTo {
    Location(HeaderValue),
    Parts(Redirect),
}

pub struct Backend {
    pub name: Arc<str>,
    pub pool: Arc<Pool>,
    /// As the file has it. What a hash is made of, it says.
    pub balance: checked::Balance,
    pub servers: Vec<Server>,
    pub retry: Policy,
    pub budget: Arc<Budget>,
    /// `None`: no request is hedged.
    pub hedge: Option<checked::Hedge>,
    pub hedge_budget: Arc<Budget>,
    /// When streams have their first content; known where requests are hedged.
    pub learned: Arc<Learned>,
    pub connect: Duration,
    pub queue: Duration,
    pub first_byte: Duration,
    pub first_content: Duration,
    pub server: Duration,
    pub tunnel: Duration,
    /// `None`: the frontend's.
    pub total: Option<Duration>,
    /// `None`: the frontend's.
    pub max_request_body: Option<u64>,
    pub check: Option<Arc<checked::Check>>,
    pub models: Models,
    pub stats: Arc<BackendStats>,
}

pub struct Server {
    pub target: Arc<Target>,
    /// Where the server's own key goes, and the key, in place of the client's: `authorization: Bearer KEY`, say.
    pub authorization: Option<(HeaderName, HeaderValue)>,
    pub stats: Arc<ServerStats>,
    pub calls: CallCells,
}
