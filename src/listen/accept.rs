//! Takes connections from one listening socket on one worker thread until a stop is ordered.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use log::error;
use pingora::apps::HttpServerApp;
use tokio::net::{TcpListener, TcpStream};

use crate::listen::connection::{Service, Settings};
use crate::observe::stats::Session;
use crate::runtime::gate::{Gate, Pass};

/// How long to wait when no more connections are allowed, or the process has no file descriptor left.
const RETRY: Duration = Duration::from_millis(10);

/// The limits that hold for a new connection of a bind, as configured now.
pub struct Admission {
    pub process: usize,
    pub frontend: usize,
    pub settings: Settings,
}

/// What may still be served of the backlog after a stop.
const BACKLOG: usize = 4096;

pub struct Acceptor<A> {
    pub service: Arc<Service<A>>,
    pub process: Arc<Gate>,
    pub frontend: Arc<Gate>,
    /// Asked at every connection, so that a reload applies to the next one.
    pub admission: Box<dyn Fn() -> Admission + Send + Sync>,
    /// Counts an accepted connection, as long as it is open.
    pub accepted: Box<dyn Fn() -> Session + Send + Sync>,
}

impl<A: HttpServerApp + Send + Sync + 'static> Acceptor<A> {
    /// Runs until a stop is ordered; what waits in the backlog by then is still served.
    pub async fn run(self, listener: TcpListener) {
        let mut stop = self.service.stop.clone();
        loop {
            let next = tokio::select! {
                biased;
                _ = stop.wait_for(|stop| *stop) => break,
                next = listener.accept() => next,
            };
            match next {
                Ok((tcp, peer)) => self.admit(tcp, peer).await,
                Err(e) if e.raw_os_error().is_some_and(|code| code == EMFILE || code == ENFILE) => {
                    error!("no file descriptor left for new connections; raise the limit (ulimit -n): {e}");
                    pingora_timeout::sleep(RETRY * 10).await;
                }
                // The client left while it waited in the backlog.
                Err(_) => {}
            }
        }
        for _ in 0..BACKLOG {
            match listener.accept().now_or_never() {
                Some(Ok((tcp, peer))) => self.admit(tcp, peer).await,
                _ => return,
            }
        }
    }

    /// At a limit the connection waits here, and others behind it in the backlog, until one has ended.
    async fn admit(&self, tcp: TcpStream, peer: SocketAddr) {
        let (admission, passes) = loop {
            let admission = (self.admission)();
            match self.passes(&admission) {
                Some(passes) => break (admission, passes),
                None => pingora_timeout::sleep(RETRY).await,
            }
        };
        let counted = (self.accepted)();
        let service = self.service.clone();
        spawn(async move {
            service.serve(tcp, peer, admission.settings).await;
            drop((passes, counted));
        });
    }

    fn passes(&self, admission: &Admission) -> Option<(Pass, Pass)> {
        Some((self.process.enter(admission.process)?, self.frontend.enter(admission.frontend)?))
    }
}

const EMFILE: i32 = 24;
const ENFILE: i32 = 23;

/// Starts a task on the worker thread that this runs on.
fn spawn(task: impl Future<Output = ()> + Send + 'static) {
    tokio::runtime::Handle::current().spawn(task);
}
