//! Where the running process is watched: the HTTP listener (`/stats`, `/metrics`, `/health`, `/ready`) and the runtime
//! socket. It reads the snapshot in force and the state; what it changes, on the socket alone, is what an operator orders
//! of a server. It has its own bounds of connections and time, so that no scraper and no browser can take anything from
//! the traffic.

mod attention;
mod collect;
mod facts;
mod health;
pub mod http;
pub mod prometheus;
mod report;
pub mod socket;
mod stats_csv;
mod stats_page;
mod trend;
mod units;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use parking_lot::Mutex;

use crate::admin::trend::Trend;
use crate::ledger;
use crate::runtime::orders::Orders;
use crate::runtime::snapshot::Server;
use crate::runtime::state::State;
use crate::runtime::store::Store;

pub use prometheus::metric_names;

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
