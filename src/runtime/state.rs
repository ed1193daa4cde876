//! What outlives a snapshot: tables, servers with their health and what is in flight, limits, counters, addresses. A
//! reload compiles a new snapshot around it; everything here is found by name.

use std::collections::HashMap;
use std::fmt;
use std::hash::Hash;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use rustls::crypto::aws_lc_rs;
use rustls::server::ProducesTickets;
use tokio::sync::watch;

use crate::ai::estimate::Ratios;
use crate::base::clock::{self, Clock};
use crate::config::checked::TableKey;
use crate::limit::{PlanLimits, Purse};
use crate::observe::cell::Counter;
use crate::observe::events::Events;
use crate::observe::protocol_errors::ProtocolErrors;
use crate::observe::standing::Standing;
use crate::observe::stats::{
    BackendStats, CallStats, ClientStats, Cost, FrontendStats, RequestCells, ServerStats,
};
use crate::pool::hedge::Learned;
use crate::pool::queue::Queue;
use crate::pool::retry::Budget;
use crate::pool::server::Server;
use crate::runtime::events::Announced;
use crate::runtime::gate::Gate;
use crate::runtime::memory::Memory;
use crate::runtime::snapshot::Snapshot;
use crate::runtime::streams::Streams;
use crate::runtime::target::{Addresses, Moved};
use crate::stick::{Table, TableSpec};

/// Clients that are counted each for itself, about 300 bytes each: in passthrough, whoever writes a key has a name.
const MOST_CLIENTS: usize = 10_000;

pub struct State {
    pub clock: Clock,
    /// Wall clock at the start, since 1970.
    pub started: Duration,
    pub limits: PlanLimits,
    /// May take traffic: `/ready`. False before the first round of checks and once a stop was ordered.
    pub ready: AtomicBool,
    /// A stop was ordered: answers say `connection: close`.
    pub stopping: AtomicBool,
    /// An operator wants no new traffic: answers say `connection: close` too, and `/ready` says no.
    draining: AtomicBool,
    drained: watch::Sender<bool>,
    /// Client connections that the limit of file descriptors leaves room for.
    pub affordable_connections: AtomicUsize,
    /// Open client connections of the process.
    pub connections: Arc<Gate>,
    /// What request bodies hold.
    pub body_memory: Memory,
    /// What has changed lately.
    pub events: Events,
    /// Who broke the protocol lately.
    pub protocol_errors: ProtocolErrors,
    /// How what is in force came to be so.
    pub standing: Standing,
    /// Successes that the sample of the access log did without.
    pub sampled_out: Counter,
    /// Calls and event streams in flight.
    pub streams: Arc<Streams>,
    gates: Named<String, Gate>,
    tables: Mutex<Vec<(TableKey, Arc<Table>)>>,
    backends: Named<String, BackendState>,
    frontends: Named<String, FrontendStats>,
    cells: Named<(String, String, String), RequestCells>,
    addresses: Named<(String, u16), Addresses>,
    ratios: Named<String, Ratios>,
    costs: Named<(String, String), Cost>,
    purses: Named<Payer, Purse>,
    calls: Named<(String, String, String), CallStats>,
    clients: Named<String, ClientStats>,
    tickets: Mutex<HashMap<TicketScope, Arc<dyn ProducesTickets>>>,
}

/// Whose money it is. Ordered from all to one.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Payer {
    /// Everybody together.
    All,
    /// All clients of a plan together, by its name.
    Plan(String),
    /// One client key, by its name.
    Client(String),
}

impl fmt::Display for Payer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Payer::All => f.write_str("all clients"),
            Payer::Plan(name) => write!(f, "plan {name}"),
            Payer::Client(name) => write!(f, "client {name}"),
        }
    }
}

/// For whom session tickets are good. A client that resumes is not asked for its certificate again, so a ticket counts
/// only where the same certificates would have been asked for.
pub type TicketScope = [u8; 32];

/// Things that are made once and kept under their name.
pub struct Named<K, V>(Mutex<HashMap<K, Arc<V>>>);

impl<K, V> Default for Named<K, V> {
    fn default() -> Self {
        Named(Mutex::new(HashMap::new()))
    }
}

impl<K: Clone + Eq + Hash + Ord, V> Named<K, V> {
    pub fn get_or(&self, key: K, make: impl FnOnce() -> V) -> Arc<V> {
        self.0.lock().entry(key).or_insert_with(|| Arc::new(make())).clone()
    }

    /// The one of this name, unless there are `most` others already: then that under `rest`.
    pub fn get_or_rest(&self, key: K, rest: K, most: usize, make: impl FnOnce() -> V) -> Arc<V> {
        let mut all = self.0.lock();
        let key = if all.len() < most || all.contains_key(&key) { key } else { rest };
        all.entry(key).or_insert_with(|| Arc::new(make())).clone()
    }

    /// Everything, by name.
    pub fn all(&self) -> Vec<(K, Arc<V>)> {
        let mut all: Vec<(K, Arc<V>)> =
            self.0.lock().iter().map(|(key, value)| (key.clone(), value.clone())).collect();
        all.sort_by(|(a, _), (b, _)| a.cmp(b));
        all
    }
}

impl State {
    pub fn new(clock: Clock) -> State {
        State {
            clock,
            started: clock::unix_time(),
            limits: PlanLimits::default(),
            ready: AtomicBool::new(false),
            stopping: AtomicBool::new(false),
            draining: AtomicBool::new(false),
            drained: watch::Sender::new(false),
            affordable_connections: AtomicUsize::new(usize::MAX),
            sampled_out: Counter::default(),
            connections: Arc::default(),
            body_memory: Memory::default(),
            events: Events::default(),
            protocol_errors: ProtocolErrors::default(),
            standing: Standing::default(),
            streams: Arc::default(),
            gates: Named::default(),
            tables: Mutex::default(),
            backends: Named::default(),
            frontends: Named::default(),
            cells: Named::default(),
            addresses: Named::default(),
            ratios: Named::default(),
            costs: Named::default(),
            purses: Named::default(),
            calls: Named::default(),
            clients: Named::default(),
            tickets: Mutex::default(),
        }
    }

    /// Begins a drain, or ends it; false: it was so already.
    pub fn drain(&self, on: bool) -> bool {
        self.draining.store(on, Ordering::Relaxed);
        self.drained.send_replace(on) != on
    }

    pub fn is_draining(&self) -> bool {
        self.draining.load(Ordering::Relaxed)
    }

    /// For those who wait for a drain.
    pub fn draining(&self) -> watch::Receiver<bool> {
        self.drained.subscribe()
    }

    /// Whether connections are to end with their next answer.
    pub fn says_goodbye(&self) -> bool {
        self.stopping.load(Ordering::Relaxed) || self.is_draining()
    }

    /// The table of this name, with its entries where nothing about it changed, else a new one.
    pub fn table(&self, key: TableKey, spec: TableSpec) -> Arc<Table> {
        let tables = self.tables.lock();
        let kept = tables.iter().find(|(kept, table)| *kept == key && table.compatible(&spec));
        kept.map_or_else(|| Arc::new(Table::new(spec)), |(_, table)| table.clone())
    }

    /// The tables of this snapshot are those in force from now on; entries of others are forgotten.
    pub fn keep_tables(&self, snapshot: &Snapshot) {
        *self.tables.lock() = snapshot.tables.iter().map(|table| (table.key, table.table.clone())).collect();
    }

    pub fn backend(&self, name: &str) -> Arc<BackendState> {
        self.backends.get_or(name.to_owned(), BackendState::default)
    }

    /// What was learned of a model's tokens; of all that have no name of their own under the empty one.
    pub fn ratios(&self, model: &str) -> Arc<Ratios> {
        self.ratios.get_or(model.to_owned(), Ratios::default)
    }

    /// What clients of a plan paid for a model; those without a plan under the empty name.
    pub fn cost(&self, model: &str, plan: &str) -> Arc<Cost> {
        self.costs.get_or((model.to_owned(), plan.to_owned()), Cost::default)
    }

    /// By model and plan.
    pub fn all_costs(&self) -> Vec<((String, String), Arc<Cost>)> {
        self.costs.all()
    }

    /// What the calls of a model on a server of a backend took. Where a call reached no server, or no backend, their
    /// names are empty; the model is empty for event streams that are no AI calls.
    pub fn call_stats(&self, model: &str, backend: &str, server: &str) -> Arc<CallStats> {
        let key = (model.to_owned(), backend.to_owned(), server.to_owned());
        self.calls.get_or(key, CallStats::default)
    }

    /// By model, backend and server.
    pub fn all_call_stats(&self) -> Vec<((String, String, String), Arc<CallStats>)> {
        self.calls.all()
    }

    /// What a client asked for and took. After [`MOST_CLIENTS`] names, the others count together.
    pub fn client_stats(&self, name: &str) -> Arc<ClientStats> {
        let rest = ClientStats::OTHER.to_owned();
        self.clients.get_or_rest(name.to_owned(), rest, MOST_CLIENTS, ClientStats::default)
    }

    /// By name.
    pub fn all_client_stats(&self) -> Vec<(String, Arc<ClientStats>)> {
        self.clients.all()
    }

    /// What somebody has spent.
    pub fn purse(&self, payer: &Payer) -> Arc<Purse> {
        self.purses.get_or(payer.clone(), Purse::default)
    }

    pub fn frontend_stats(&self, name: &str) -> Arc<FrontendStats> {
        self.frontends.get_or(name.to_owned(), FrontendStats::default)
    }

    /// Of every frontend that ever was: what was counted does not go with its name.
    pub fn all_frontend_stats(&self) -> Vec<Arc<FrontendStats>> {
        self.frontends.all().into_iter().map(|(_, stats)| stats).collect()
    }

    /// Open client connections of a frontend.
    pub fn gate(&self, frontend: &str) -> Arc<Gate> {
        self.gates.get_or(frontend.to_owned(), Gate::default)
    }

    /// Client connections that may be open, all frontends together: what the file says, or less if an operator says so, as
    /// far as it can be had.
    pub fn max_connections(&self, configured: usize) -> usize {
        self.connections
            .max(configured)
            .min(configured)
            .min(self.affordable_connections.load(Ordering::Relaxed))
    }

    /// Requests in progress, all frontends together.
    pub fn requests(&self) -> u64 {
        self.frontends.all().iter().map(|(_, stats)| stats.requests.current()).sum()
    }

    /// Counts of answers by code. A frontend's own answers have neither backend nor server.
    pub fn cells(&self, frontend: &str, backend: &str, server: &str) -> Arc<RequestCells> {
        let key = (frontend.to_owned(), backend.to_owned(), server.to_owned());
        self.cells.get_or(key, RequestCells::default)
    }

    pub fn all_cells(&self) -> Vec<((String, String, String), Arc<RequestCells>)> {
        self.cells.all()
    }

    /// The addresses of a host, shared by every server there; `known` is for a host that is an address itself.
    pub fn addresses(&self, host: &str, port: u16, known: Vec<SocketAddr>) -> Arc<Addresses> {
        self.addresses.get_or((host.to_owned(), port), || Addresses::new(host.to_owned(), port, known))
    }

    /// The keys of session tickets: one set for all binds and threads of a scope, kept over reloads, rotated by rustls
    /// every six hours.
    ///
    /// # Errors
    /// The machine gives no random bytes.
    pub fn tickets(&self, scope: TicketScope) -> Result<Arc<dyn ProducesTickets>, rustls::Error> {
        let mut tickets = self.tickets.lock();
        if let Some(known) = tickets.get(&scope) {
            return Ok(known.clone());
        }
        let made = aws_lc_rs::Ticketer::new()?;
        tickets.insert(scope, made.clone());
        Ok(made)
    }
}

/// What outlives a snapshot of one backend.
#[derive(Default)]
pub struct BackendState {
    pub queue: Arc<Queue>,
    pub budget: Arc<Budget>,
    pub hedge_budget: Arc<Budget>,
    pub learned: Arc<Learned>,
    pub stats: Arc<BackendStats>,
    /// The tiers as they were last told of.
    pub announced: Announced,
    servers: Named<String, Server>,
    server_stats: Named<String, ServerStats>,
    moved: Named<String, Moved>,
}

impl BackendState {
    pub fn server(&self, name: &str) -> Arc<Server> {
        self.servers.get_or(name.to_owned(), || Server::new(name, self.queue.clone()))
    }

    pub fn server_stats(&self, name: &str) -> Arc<ServerStats> {
        self.server_stats.get_or(name.to_owned(), ServerStats::default)
    }

    /// Where an operator says that a server is.
    pub fn moved(&self, name: &str) -> Arc<Moved> {
        self.moved.get_or(name.to_owned(), Moved::default)
    }
}
