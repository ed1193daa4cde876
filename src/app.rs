//! Builds everything, in order, and stops it, in order. Nothing is started before everything that can fail has been
//! tried: sockets are bound, certificates loaded, the log opened.

mod access_log;
mod descriptors;
mod guard;
mod ledger;
mod listeners;
mod orders;
mod reload;
mod workers;

use std::os::unix::net::UnixListener as StdUnixListener;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use anyhow::Context as _;
use log::{error, info, warn};
use tokio::net::UnixListener;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;

use crate::admin::{self, View};
use crate::app::listeners::Listeners;
use crate::app::orders::Orders;
use crate::app::reload::Reloader;
use crate::base::clock::Clock;
use crate::config::checked::{BindAddress, Checked, Threads};
use crate::listen::bind::{self, SocketFile};
use crate::notify::Notifier;
use crate::proxy::Shared;
use crate::runtime::compile::{compile, tls};
use crate::runtime::events;
use crate::runtime::state::State;
use crate::runtime::store::Store;
use crate::{probe, resolve};

/// How long what is in flight is looked at again while stopping.
const LOOK: Duration = Duration::from_millis(20);
/// How soon a server is seen to be back whose time out of traffic is over.
const SETTLE: Duration = Duration::from_millis(100);
/// How long connections without a request may take to close.
const FAREWELL: Duration = Duration::from_millis(1500);
/// How long what is cut may take to say so.
const CUT: Duration = Duration::from_millis(300);
/// How long alerts may take that are still to be told.
const LAST_WORDS: Duration = Duration::from_secs(2);
/// How long the access log may take to be written at the end.
const LOG_FLUSH: Duration = Duration::from_secs(5);

/// Runs until it is told to stop.
///
/// # Errors
/// Something could not be started; nothing is left running then.
pub fn run(checked: &Checked, exit_with_stdin: bool) -> anyhow::Result<()> {
    // First come, first served: Pingora would install its own.
    let _ = rustls::crypto::CryptoProvider::install_default((*tls::provider()).clone());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(start(checked, exit_with_stdin))
}

async fn start(checked: &Checked, exit_with_stdin: bool) -> anyhow::Result<()> {
    let mut signals = Signals::new()?;
    let (orders, give) = Orders::new()?;
    let state = Arc::new(State::new(Clock::real()));
    let affordable = descriptors::affordable_connections();
    state.affordable_connections.store(affordable, Ordering::Relaxed);
    descriptors::warn_if_short(checked.global.max_connections, affordable);
    let snapshot = compile(checked, &state)?;
    state.keep_tables(&snapshot);
    ledger::restore(checked, &state);
    let threads = match checked.global.threads {
        Threads::Auto => std::thread::available_parallelism().map_or(1, usize::from),
        Threads::Count(count) => count,
    };
    let listeners = Listeners::bind(&snapshot, threads)?;
    let admin = admin_listener(checked)?;
    let socket = admin_socket(checked)?;
    let log = access_log::start(checked)?;
    let store = Arc::new(Store::new(snapshot));
    let shared = Arc::new(Shared { store, state: state.clone(), log, ledger: Arc::default() });

    let (stop, stopped) = watch::channel(false);
    let dropped = {
        let log = shared.log.clone();
        move || log.dropped()
    };
    let addresses = listeners.addresses().into_iter().map(|(_, address)| address).collect();
    let figures = {
        let ledger = shared.ledger.clone();
        move || ledger.load().as_ref().map(|ledger| ledger.figures())
    };
    let state_dir = &checked.global.state_dir;
    let view = View::new(&shared.store, &state, addresses, dropped)
        .with_ledger(&state_dir.join(crate::ledger::FILE), figures)
        .with_orders(give, state_dir);
    let view = Arc::new(view);
    if let Some(listener) = admin {
        info!("listening admin address={}", listener.local_addr()?);
        spawn(admin::http::serve(listener, view.clone(), stopped.clone()));
    }
    if let Some(listener) = &socket {
        spawn(admin::socket::serve(listener.take()?, view, stopped.clone()));
    }

    let ready = async {
        resolve::first(&shared.store.load()).await;
        resolve::mark(&state, &shared.store.load());
        probe::first_round(&shared.store.load(), &state).await;
    };
    tokio::select! {
        () = ready => {}
        _ = signals.next() => return Ok(()),
    }
    spawn(resolve::keep_fresh(state.clone(), shared.store.clone()));
    let notifier = Notifier::start(&state, &shared.store, checked);
    let reloader = Reloader::start(checked, &shared, &notifier).await;
    spawn(purge(shared.clone()));
    spawn(settle(shared.clone()));
    let workers = workers::start(&shared, listeners, threads, &stopped)?;
    state.ready.store(true, Ordering::Relaxed);
    info!("ready");

    spawn(orders.obey(reloader, shared.clone()));
    let order = tokio::select! {
        order = signals.next() => order,
        () = stdin_closed(), if exit_with_stdin => Order::StopNow,
    };
    state.ready.store(false, Ordering::Relaxed);
    state.stopping.store(true, Ordering::Relaxed);
    let _ = stop.send(true);
    if let Order::Stop = order {
        drain(&shared, shared.store.load().shutdown_grace, &mut signals, &workers).await;
    }
    cut(&shared, &workers).await;
    ledger::stop(&shared);
    notifier.stop(LAST_WORDS);
    shared.log.flush_and_stop(LOG_FLUSH);
    info!("stopped");
    Ok(())
}

/// What an operator ordered.
enum Order {
    Stop,
    StopNow,
}

struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    fn new() -> anyhow::Result<Signals> {
        Ok(Signals {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }

    async fn next(&mut self) -> Order {
        tokio::select! {
            _ = self.terminate.recv() => Order::Stop,
            _ = self.interrupt.recv() => Order::StopNow,
        }
    }
}

/// Waits until nothing is in flight, the grace is over, or a second signal says not to wait.
async fn drain(shared: &Shared, grace: Duration, signals: &mut Signals, workers: &workers::Workers) {
    let open = shared.state.connections.open();
    info!("stopping: no new connections; {open} open, up to {grace:?} for their requests to end");
    let empty = async {
        let mut quiet = Duration::ZERO;
        // A connection without a request may still close in its own way, but not for ever: an HTTP/2 client need not
        // answer to our GOAWAY.
        while !workers.closed() || (shared.state.connections.open() > 0 && quiet < FAREWELL) {
            tokio::time::sleep(LOOK).await;
            quiet = if shared.state.requests() == 0 { quiet + LOOK } else { Duration::ZERO };
        }
    };
    tokio::select! {
        () = empty => {}
        () = tokio::time::sleep(grace) => {
            warn!("shutdown_grace is over: {} connections are cut", shared.state.connections.open());
        }
        _ = signals.next() => {
            warn!("told again to stop: {} connections are cut", shared.state.connections.open());
        }
    }
}

/// Ends what is still in flight, in a way that its clients notice, and that is logged.
async fn cut(shared: &Shared, workers: &workers::Workers) {
    workers.cut();
    let ended = async {
        while shared.state.requests() > 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    let _ = tokio::time::timeout(CUT, ended).await;
}

/// Lets tables shrink while nobody touches them.
async fn purge(shared: Arc<Shared>) {
    loop {
        tokio::time::sleep(Duration::from_secs(1)).await;
        let now = shared.state.clock.now();
        for table in &shared.store.load().tables {
            table.table.purge(now);
        }
        shared.state.limits.table().purge(now);
    }
}

/// Lets servers come back when their time is over, also while nobody asks for them.
async fn settle(shared: Arc<Shared>) {
    loop {
        tokio::time::sleep(SETTLE).await;
        events::settle(&shared.state, &shared.store.load());
        if let Some(canary) = shared.store.canary() {
            events::settle(&shared.state, &canary.snapshot);
        }
    }
}

async fn stdin_closed() {
    use tokio::io::AsyncReadExt;
    let mut stdin = tokio::io::stdin();
    let mut space = [0u8; 64];
    while matches!(stdin.read(&mut space).await, Ok(n) if n > 0) {}
}

fn spawn(task: impl Future<Output = ()> + Send + 'static) {
    tokio::runtime::Handle::current().spawn(task);
}

fn admin_listener(checked: &Checked) -> anyhow::Result<Option<tokio::net::TcpListener>> {
    let Some(address) = checked.admin.listen else { return Ok(None) };
    let open = || -> std::io::Result<tokio::net::TcpListener> {
        let (mut listeners, _) = bind::bind(&BindAddress::Tcp(address), 1)?.open()?;
        match listeners.pop() {
            Some(bind::Listener::Tcp(listener)) => tokio::net::TcpListener::from_std(listener),
            _ => Err(std::io::ErrorKind::AddrNotAvailable.into()),
        }
    };
    Ok(Some(open().with_context(|| format!("admin.listen: cannot listen on {address}"))?))
}

/// The socket for runtime commands; its file goes with it.
struct AdminSocket {
    listener: StdUnixListener,
    _file: SocketFile,
}

impl AdminSocket {
    fn take(&self) -> anyhow::Result<UnixListener> {
        Ok(UnixListener::from_std(self.listener.try_clone()?)?)
    }
}

/// `None`: there is to be none, or the disk takes none. A node whose disk has become read-only serves on after a restart.
fn admin_socket(checked: &Checked) -> anyhow::Result<Option<AdminSocket>> {
    let Some(path) = &checked.admin.socket else { return Ok(None) };
    if let Some(parent) = path.parent().filter(|parent| !parent.as_os_str().is_empty()) {
        match std::fs::create_dir_all(parent) {
            Err(e) if is_not_writable(&e) => return Ok(without_socket(path, &e)),
            made => {
                made.with_context(|| format!("admin.socket: cannot make the directory {}", parent.display()))?
            }
        }
    }
    let open = || -> std::io::Result<AdminSocket> {
        let (socket, file) = bind::unix(path, OWNER_ONLY)?;
        socket.listen(64)?;
        Ok(AdminSocket { listener: socket.into(), _file: file })
    };
    let hint = "if another tidegate runs here, stop it, or give this one another admin.socket";
    match open() {
        Err(e) if is_not_writable(&e) => Ok(without_socket(path, &e)),
        opened => Ok(Some(opened.with_context(|| format!("admin.socket: {}: {hint}", path.display()))?)),
    }
}

fn is_not_writable(why: &std::io::Error) -> bool {
    use std::io::ErrorKind::{NotFound, PermissionDenied, QuotaExceeded, ReadOnlyFilesystem, StorageFull};
    matches!(why.kind(), NotFound | PermissionDenied | QuotaExceeded | ReadOnlyFilesystem | StorageFull)
}

fn without_socket(path: &Path, why: &std::io::Error) -> Option<AdminSocket> {
    error!(
        "admin.socket: {} cannot be made: {why}. It goes on without: `tidegate reload`, `show`, `set` and the other \
         commands reach nobody, and SIGHUP reloads. Make its directory writable, or set another, and restart",
        path.display()
    );
    None
}

/// Who may send runtime commands.
const OWNER_ONLY: u32 = 0o600;
