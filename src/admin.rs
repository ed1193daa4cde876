//! Where the running process is watched and changed: the HTTP listener (`/stats`, `/api/v1`, `/metrics`, `/health`, `/ready`)
//! and the runtime socket. It reads the snapshot in force and the state; what it changes is what an operator orders, and
//! each order is a line in the audit log. It has its own bounds of connections and time, so that no scraper and no browser can take anything from
//! the traffic.

mod attention;
mod audit;
mod change;
mod collect;
mod facts;
mod health;
pub mod http;
pub mod prometheus;
mod report;
pub mod socket;
mod stats_csv;
mod stats_page;
mod streams;
mod trend;
mod units;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::Semaphore;

use crate::admin::trend::Trend;
use crate::ledger;
use crate::runtime::orders::{Answer, Order, Orders};
use crate::runtime::snapshot::Server;
use crate::runtime::state::State;
use crate::runtime::store::Store;

pub use audit::TARGET as AUDIT;
pub use prometheus::metric_names;

/// See [`View::questions`].
const QUESTIONS: usize = 2;

type LedgerFigures = Box<dyn Fn() -> Option<ledger::Figures> + Send + Sync>;

/// What there is to see, for both doors.
pub struct View {
    store: Arc<Store>,
    state: Arc<State>,
    /// Where each bind listens, ports that were 0 resolved, in the order of [`crate::runtime::snapshot::Snapshot::binds`].
    listeners: Vec<String>,
    /// Access log lines that could not be written.
    log_dropped: Box<dyn Fn() -> u64 + Send + Sync>,
    /// Where calls are kept, and how that goes.
    ledger: Option<(String, LedgerFigures)>,
    /// Where the history is; `None`: there is none.
    state_dir: Option<PathBuf>,
    /// Where orders go; `None`: nobody takes them.
    orders: Option<Orders>,
    /// A stop was ordered.
    draining: AtomicBool,
    trend: Mutex<Trend>,
    /// What `clear counters all` left behind.
    cleared: socket::Cleared,
    /// Held from the look at what is in force to the end of what is ordered, by those who say what they saw.
    turns: tokio::sync::Mutex<()>,
    /// Questions to the disk at a time: they may take long.
    questions: Semaphore,
    strangers: audit::Strangers,
}

impl View {
    pub fn new(
        store: &Arc<Store>,
        state: &Arc<State>,
        listeners: Vec<String>,
        log_dropped: impl Fn() -> u64 + Send + Sync + 'static,
    ) -> View {
        View {
            store: store.clone(),
            state: state.clone(),
            listeners,
            log_dropped: Box::new(log_dropped),
            ledger: None,
            state_dir: None,
            orders: None,
            draining: AtomicBool::new(false),
            trend: Mutex::default(),
            cleared: socket::Cleared::default(),
            turns: tokio::sync::Mutex::default(),
            questions: Semaphore::new(QUESTIONS),
            strangers: audit::Strangers::default(),
        }
    }

    /// Shows the ledger, too. `figures` gives nothing while it is off.
    #[must_use]
    pub fn with_ledger(
        self,
        file: &Path,
        figures: impl Fn() -> Option<ledger::Figures> + Send + Sync + 'static,
    ) -> View {
        View { ledger: Some((file.display().to_string(), Box::new(figures))), ..self }
    }

    /// Takes orders, and shows the history in `state_dir`.
    #[must_use]
    pub fn with_orders(self, orders: Orders, state_dir: &Path) -> View {
        View { orders: Some(orders), state_dir: Some(state_dir.to_owned()), ..self }
    }

    /// Gives an order to the app and waits for what comes of it.
    async fn order(&self, order: Order, who: &str) -> Answer {
        match &self.orders {
            Some(orders) => orders.give(order, who.to_owned()).await,
            None => Answer::refused("no orders are taken here"),
        }
    }

    /// On a thread beside those that answer.
    async fn aside<T: Send + 'static>(question: impl FnOnce() -> T + Send + 'static) -> Result<T, String> {
        tokio::task::spawn_blocking(question).await.map_err(|error| error.to_string())
    }

    /// Since the start.
    fn uptime(&self) -> Duration {
        Duration::from_millis(self.state.clock.now().0)
    }
}

/// Where a server is, as the file or an operator has it: the host need not be resolved.
fn host_and_port(server: &Server) -> String {
    let addresses = server.target.place();
    if addresses.host.contains(':') {
        return format!("[{}]:{}", addresses.host, addresses.port);
    }
    format!("{}:{}", addresses.host, addresses.port)
}

/// Starts a task beside the one that calls.
fn spawn(task: impl Future<Output = ()> + Send + 'static) {
    tokio::runtime::Handle::current().spawn(task);
}

#[cfg(test)]
mod tests;
