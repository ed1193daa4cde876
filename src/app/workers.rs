//! The worker threads. Each has its own runtime, its own socket for every bind and its own idle connections to the
//! servers: they share nothing on the way of a request but the state.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use anyhow::Context as _;
use futures::future::join_all;
use log::info;
use pingora::apps::HttpServerOptions;
use pingora::proxy::{HttpProxy, http_proxy};
use pingora::server::ShutdownWatch;
use pingora::server::configuration::ServerConf;

use crate::app::listeners::Listeners;
use crate::listen::accept::{Acceptor, Admission, Listener};
use crate::listen::bind::{self, SocketFile};
use crate::listen::connection::{Service, Settings};
use crate::proxy::{Edge, Shared, Worker};
use crate::wire::HeadLimits;

/// How often a thread closes connections to servers that were idle for too long.
const PURGE: Duration = Duration::from_secs(5);

pub struct Workers {
    accepting: Arc<AtomicUsize>,
    all: Vec<Arc<Worker>>,
    _files: Vec<SocketFile>,
}

impl Workers {
    /// Ends every request in progress.
    pub fn cut(&self) {
        self.all.iter().for_each(|worker| worker.cut.notify_waiters());
    }

    /// Whether every listening socket is closed.
    pub fn closed(&self) -> bool {
        self.accepting.load(Ordering::Acquire) == 0
    }
}

/// Opens the sockets and starts the threads.
///
/// # Errors
/// Somebody took a port meanwhile, or the machine gives no thread.
pub fn start(
    shared: &Arc<Shared>,
    listeners: Listeners,
    threads: usize,
    stop: &ShutdownWatch,
) -> anyhow::Result<Workers> {
    let addresses = listeners.addresses();
    let open = listeners.open(threads)?;
    let accepting = Arc::new(AtomicUsize::new(threads));
    let all: Vec<Arc<Worker>> = (0..threads).map(|_| Arc::new(Worker::new(shared.clone()))).collect();
    for (index, (sockets, worker)) in open.of_threads.into_iter().zip(all.clone()).enumerate() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let (stop, accepting) = (stop.clone(), accepting.clone());
        std::thread::Builder::new()
            .name(format!("worker-{index}"))
            .spawn(move || runtime.block_on(work(worker, sockets, stop, accepting)))
            .context("cannot start a worker thread")?;
    }
    for (frontend, address) in addresses {
        info!("listening frontend={frontend} address={address}");
    }
    Ok(Workers { accepting, all, _files: open.files })
}

async fn work(
    worker: Arc<Worker>,
    sockets: Vec<bind::Listener>,
    stop: ShutdownWatch,
    accepting: Arc<AtomicUsize>,
) {
    let acceptors = sockets.into_iter().enumerate().filter_map(|(bind, socket)| {
        let listener = Listener::new(socket).ok()?;
        Some(acceptor(&worker, bind, stop.clone()).run(listener))
    });
    let acceptors: Vec<_> = acceptors.collect();
    let accept = async {
        join_all(acceptors).await;
        accepting.fetch_sub(1, Ordering::Release);
    };
    let purge = async {
        loop {
            tokio::time::sleep(PURGE).await;
            worker.connections.purge(worker.now());
        }
    };
    // Connections go on as long as the process does.
    tokio::join!(accept, purge);
}

fn acceptor(worker: &Arc<Worker>, bind: usize, stop: ShutdownWatch) -> Acceptor<HttpProxy<Edge>> {
    let edge = Edge { worker: worker.clone(), bind };
    let mut app = http_proxy(&Arc::new(pingora_conf()), edge.clone());
    app.server_options = Some(options());
    let state = worker.shared.state.clone();
    let service = Service {
        app: Arc::new(app),
        door: Arc::new(edge),
        clock: state.clock.clone(),
        stop,
        drain: state.draining(),
    };
    let admission = {
        let worker = worker.clone();
        move || admission(&worker, bind)
    };
    Acceptor { service: Arc::new(service), state, admission: Box::new(admission) }
}

/// Pingora's own connector never connects. An empty store spares it reading the system's certificates for every bind and
/// thread, and the panic when it cannot.
fn pingora_conf() -> ServerConf {
    ServerConf { ca_file: Some("/dev/null".to_owned()), ..ServerConf::default() }
}

/// CONNECT is ours to refuse, so that it is logged and counted.
fn options() -> HttpServerOptions {
    let mut options = HttpServerOptions::default();
    options.allow_connect_method_proxying = true;
    options
}

fn admission(worker: &Worker, bind: usize) -> Admission {
    let snapshot = worker.snapshot();
    let bind = &snapshot.binds[bind];
    let frontend = &snapshot.frontends[bind.frontend];
    Admission {
        process: worker.shared.state.max_connections(snapshot.max_connections),
        frontend: frontend.gate.max(frontend.max_connections),
        gate: frontend.gate.clone(),
        stats: frontend.stats.clone(),
        settings: Settings {
            tls: bind.tls.clone(),
            accept_proxy: bind.accept_proxy.clone(),
            request_head: frontend.request_head,
            keep_alive: frontend.keep_alive,
            limits: HeadLimits::default(),
        },
    }
}
