//! The worker threads. Each has its own runtime, its own socket for every bind and its own idle connections to the
//! servers: they share nothing on the way of a request but the state.

use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use anyhow::Context as _;
use futures::future::join_all;
use log::info;
use pingora::protocols::http::v2::server::{H2Options, default_h2_options};
use pingora::proxy::{HttpProxy, http_proxy};
use pingora::server::ShutdownWatch;
use pingora::server::configuration::ServerConf;

use crate::app::listeners::Listeners;
use crate::listen::accept::{Acceptor, Admission};
use crate::listen::connection::{Service, Settings};
use crate::proxy::{Edge, Shared, Worker};
use crate::wire::HeadLimits;

/// Bytes that an HTTP/2 client may send ahead on one stream; four times as many on its connection.
const STREAM_WINDOW: u32 = 512 * 1024;
/// How often a thread closes connections to servers that were idle for too long.
const PURGE: Duration = Duration::from_secs(5);

pub struct Workers {
    accepting: Arc<AtomicUsize>,
    all: Vec<Arc<Worker>>,
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
    let mut sockets: Vec<Vec<TcpListener>> = (0..threads).map(|_| Vec::new()).collect();
    for (frontend, bound) in listeners.bound {
        let address = bound.address;
        let open =
            bound.open().with_context(|| format!("frontend `{frontend}`: cannot listen on {address}"))?;
        for (thread, socket) in sockets.iter_mut().zip(open) {
            thread.push(socket);
        }
    }
    let accepting = Arc::new(AtomicUsize::new(threads));
    let all: Vec<Arc<Worker>> = (0..threads).map(|_| Arc::new(Worker::new(shared.clone()))).collect();
    for (index, (sockets, worker)) in sockets.into_iter().zip(all.clone()).enumerate() {
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
    Ok(Workers { accepting, all })
}

async fn work(
    worker: Arc<Worker>,
    sockets: Vec<TcpListener>,
    stop: ShutdownWatch,
    accepting: Arc<AtomicUsize>,
) {
    let acceptors = sockets.into_iter().enumerate().filter_map(|(bind, socket)| {
        let listener = tokio::net::TcpListener::from_std(socket).ok()?;
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
            worker.idle.purge(worker.now());
        }
    };
    // Connections go on as long as the process does.
    tokio::join!(accept, purge);
}

fn acceptor(worker: &Arc<Worker>, bind: usize, stop: ShutdownWatch) -> Acceptor<HttpProxy<Edge>> {
    let snapshot = worker.snapshot();
    let frontend = &snapshot.frontends[snapshot.binds[bind].frontend];
    let state = &worker.shared.state;
    let edge = Edge { worker: worker.clone(), bind };
    let mut app = http_proxy(&Arc::new(pingora_conf()), edge.clone());
    app.server_options = Some(options(frontend.keep_alive));
    app.h2_options = Some(http2());
    let admission = {
        let worker = worker.clone();
        move || admission(&worker, bind)
    };
    let accepted = {
        let (stats, worker) = (frontend.stats.clone(), worker.clone());
        move || stats.connection(worker.now())
    };
    Acceptor {
        service: Arc::new(Service { app: Arc::new(app), refusals: Arc::new(edge), stop }),
        process: state.connections.clone(),
        frontend: state.gate(&frontend.name),
        admission: Box::new(admission),
        accepted: Box::new(accepted),
    }
}

/// Pingora's own connector never connects. An empty store spares it reading the system's certificates for every bind and
/// thread, and the panic when it cannot.
fn pingora_conf() -> ServerConf {
    ServerConf { ca_file: Some("/dev/null".to_owned()), ..ServerConf::default() }
}

/// Windows that let a prompt of some size come in one round trip; HTTP/2's own 64 KB make uploads crawl over distance.
fn http2() -> H2Options {
    let mut options = default_h2_options();
    options.initial_window_size(STREAM_WINDOW).initial_connection_window_size(4 * STREAM_WINDOW);
    options
}

fn options(idle: Duration) -> pingora::apps::HttpServerOptions {
    let mut options = pingora::apps::HttpServerOptions::default();
    options.h2_idle_timeout = Some(idle);
    options
}

fn admission(worker: &Worker, bind: usize) -> Admission {
    let snapshot = worker.snapshot();
    let bind = &snapshot.binds[bind];
    let frontend = &snapshot.frontends[bind.frontend];
    Admission {
        process: snapshot.max_connections,
        frontend: frontend.max_connections,
        settings: Settings {
            tls: bind.tls.clone(),
            request_head: frontend.request_head,
            keep_alive: frontend.keep_alive,
            limits: HeadLimits::default(),
        },
    }
}
