//! Takes connections from one listening socket on one worker thread until a stop is ordered.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use log::error;
use pingora::apps::HttpServerApp;
use tokio::net::{TcpListener, UnixListener};

use crate::base::clock::Tick;
use crate::listen::bind;
use crate::listen::connection::{Service, Settings};
use crate::observe::stats::FrontendStats;
use crate::runtime::gate::{Gate, Pass};
use crate::runtime::state::State;
use crate::transport::socket::{NOWHERE, Socket};

/// How long to wait when no more connections are allowed, or the process has no file descriptor left.
const RETRY: Duration = Duration::from_millis(10);

/// How long a connection may still wait for a place once a stop was ordered: those that are idle close at once, requests
/// in progress may take long, and another process may be there to serve it.
const LAST_CHANCE: Duration = Duration::from_millis(500);

/// How often a failure to take connections is written to the log.
const TOLD_AGAIN: Duration = Duration::from_secs(1);

/// What holds for a new connection of a bind, as configured now.
pub struct Admission {
    /// Connections of the process at most.
    pub process: usize,
    /// Connections of the frontend at most.
    pub frontend: usize,
    pub gate: Arc<Gate>,
    pub stats: Arc<FrontendStats>,
    pub settings: Settings,
}

/// What may still be served of the backlog after a stop.
const BACKLOG: usize = 4096;

pub struct Acceptor<A> {
    pub service: Arc<Service<A>>,
    pub state: Arc<State>,
    /// Asked at every connection, so that a reload applies to the next one.
    pub admission: Box<dyn Fn() -> Admission + Send + Sync>,
}

/// A listening socket on the runtime of a worker thread.
pub enum Listener {
    Tcp(TcpListener),
    Unix(UnixListener),
}

impl Listener {
    /// # Errors
    /// The runtime cannot watch it.
    pub fn new(listener: bind::Listener) -> io::Result<Listener> {
        Ok(match listener {
            bind::Listener::Tcp(tcp) => Listener::Tcp(TcpListener::from_std(tcp)?),
            bind::Listener::Unix(unix) => Listener::Unix(UnixListener::from_std(unix)?),
        })
    }

    async fn accept(&self) -> io::Result<(Socket, SocketAddr)> {
        Ok(match self {
            Listener::Tcp(listener) => {
                let (tcp, peer) = listener.accept().await?;
                (tcp.into(), peer)
            }
            Listener::Unix(listener) => (listener.accept().await?.0.into(), NOWHERE),
        })
    }
}

impl<A: HttpServerApp + Send + Sync + 'static> Acceptor<A> {
    /// Runs until a stop is ordered; what waits in the backlog by then is still served.
    pub async fn run(self, listener: Listener) {
        let mut stop = self.service.stop.clone();
        let mut told = None;
        loop {
            let next = tokio::select! {
                biased;
                _ = stop.wait_for(|stop| *stop) => break,
                next = listener.accept() => next,
            };
            match next {
                Ok((socket, peer)) => {
                    if !self.admit(socket, peer).await {
                        return;
                    }
                }
                // The client left while it waited in the backlog.
                Err(e) if e.kind() == io::ErrorKind::ConnectionAborted => {}
                Err(e) => {
                    let now = self.state.clock.now();
                    if told.is_none_or(|told: Tick| now.since(told) >= TOLD_AGAIN) {
                        told = Some(now);
                        error!("no new connections can be taken: {e}{}", hint(&e));
                    }
                    pingora_timeout::sleep(RETRY * 10).await;
                }
            }
        }
        for _ in 0..BACKLOG {
            let Some(Ok((socket, peer))) = listener.accept().now_or_never() else { return };
            if !self.admit(socket, peer).await {
                return;
            }
        }
    }

    /// At a limit the connection waits here, and others behind it in the backlog, until one has ended; once a stop was
    /// ordered not for long: it is closed then, and what comes back is false.
    async fn admit(&self, socket: Socket, peer: SocketAddr) -> bool {
        let admission = (self.admission)();
        let (admission, passes) = match self.passes(&admission) {
            Some(passes) => (admission, passes),
            None => match self.place().await {
                Some(place) => place,
                None => return false,
            },
        };
        let counted = admission.stats.connection(self.state.clock.now());
        let service = self.service.clone();
        spawn(async move {
            service.serve(socket, peer, admission.settings).await;
            drop((passes, counted));
        });
        true
    }

    /// Waits for a place; `None` when the process ends and there still is none.
    async fn place(&self) -> Option<(Admission, (Pass, Pass))> {
        let place = async {
            loop {
                pingora_timeout::sleep(RETRY).await;
                let admission = (self.admission)();
                if let Some(passes) = self.passes(&admission) {
                    break (admission, passes);
                }
            }
        };
        let mut stop = self.service.stop.clone();
        let stopped = async {
            let _ = stop.wait_for(|stop| *stop).await;
            pingora_timeout::sleep(LAST_CHANCE).await;
        };
        tokio::select! {
            biased;
            place = place => Some(place),
            () = stopped => None,
        }
    }

    fn passes(&self, admission: &Admission) -> Option<(Pass, Pass)> {
        Some((self.state.connections.enter(admission.process)?, admission.gate.enter(admission.frontend)?))
    }
}

fn hint(error: &io::Error) -> &'static str {
    match error.raw_os_error() {
        Some(EMFILE | ENFILE) => "; no file descriptor is left, raise the limit (ulimit -n)",
        _ => "",
    }
}

const EMFILE: i32 = 24;
const ENFILE: i32 = 23;

/// Starts a task on the worker thread that this runs on.
pub(super) fn spawn(task: impl Future<Output = ()> + Send + 'static) {
    tokio::runtime::Handle::current().spawn(task);
}
