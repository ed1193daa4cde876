//! A server for tidegate to talk to, scripted by a closure over one connection at a time. It records exactly what it
//! got. Dropping it closes the listener and every connection.

use std::collections::HashMap;
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use rustls::ServerConfig;

use super::http::{Connection, Message, answer, ok};
use super::tls;
use super::wait::{DEADLINE, eventually};

pub struct Upstream {
    address: SocketAddr,
    shared: Arc<Shared>,
    acceptor: Option<JoinHandle<()>>,
}

/// One accepted connection, in the hands of the script.
pub struct Peer {
    pub connection: Connection,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    stopping: AtomicBool,
    accepted: AtomicUsize,
    requests: Mutex<Vec<Message>>,
    open: Mutex<HashMap<usize, TcpStream>>,
    gone: AtomicUsize,
}

impl Upstream {
    /// Runs `script` in a thread of its own for every connection.
    pub fn start(script: impl Fn(&mut Peer) + Send + Sync + 'static) -> Upstream {
        Upstream::listen(local(), None, Arc::new(script))
    }

    /// The same behind TLS; a connection whose handshake fails never reaches the script.
    pub fn start_tls(
        config: Arc<ServerConfig>,
        script: impl Fn(&mut Peer) + Send + Sync + 'static,
    ) -> Upstream {
        Upstream::listen(local(), Some(config), Arc::new(script))
    }

    /// Answers every request with what `reply` makes of it, connections kept alive.
    pub fn replying(reply: impl Fn(&Message) -> Vec<u8> + Send + Sync + 'static) -> Upstream {
        Upstream::start(serve(reply))
    }

    /// Answers every request with 200 and its own name: `{"server":NAME}`.
    pub fn named(name: &str) -> Upstream {
        Upstream::named_on(local(), name)
    }

    /// The same on a listener that is there already.
    pub fn named_on(listener: TcpListener, name: &str) -> Upstream {
        let body = format!(r#"{{"server":"{name}"}}"#);
        Upstream::listen(listener, None, Arc::new(serve(move |_| ok(&body))))
    }

    /// Answers every request with that status and an OpenAI-shaped error.
    pub fn failing(status: u16) -> Upstream {
        let body = r#"{"error":{"message":"scripted","type":"server_error","param":null,"code":null}}"#;
        Upstream::replying(move |_| answer(status, &[("content-type", "application/json")], body))
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// What was received so far, in order of arrival.
    pub fn requests(&self) -> Vec<Message> {
        self.shared.requests.lock().unwrap().clone()
    }

    pub fn count(&self) -> usize {
        self.shared.requests.lock().unwrap().len()
    }

    /// The only request so far; waits for it.
    pub fn request(&self) -> Message {
        let requests = eventually("a request at the upstream", || {
            let requests = self.requests();
            (!requests.is_empty()).then_some(requests)
        });
        assert_eq!(requests.len(), 1, "more than one request: {requests:?}");
        requests.into_iter().next().unwrap()
    }

    /// Connections accepted so far (for TLS: with a completed handshake).
    pub fn connections(&self) -> usize {
        self.shared.accepted.load(Ordering::SeqCst)
    }

    /// How often a script saw the other side leave; see [`Peer::wait_until_left`].
    pub fn departures(&self) -> usize {
        self.shared.gone.load(Ordering::SeqCst)
    }

    fn listen(
        listener: TcpListener,
        config: Option<Arc<ServerConfig>>,
        script: Arc<dyn Fn(&mut Peer) + Send + Sync>,
    ) -> Upstream {
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared::default());
        let state = Arc::clone(&shared);
        let acceptor = std::thread::spawn(move || accept(&listener, config.as_ref(), &script, &state));
        Upstream { address, shared, acceptor: Some(acceptor) }
    }
}

impl Drop for Upstream {
    fn drop(&mut self) {
        self.shared.stopping.store(true, Ordering::SeqCst);
        let _ = TcpStream::connect_timeout(&self.address, DEADLINE);
        if let Some(acceptor) = self.acceptor.take() {
            let _ = acceptor.join();
        }
        for socket in self.shared.open.lock().unwrap().values() {
            let _ = socket.shutdown(Shutdown::Both);
        }
    }
}

impl Peer {
    /// The next request, recorded; `None` when the other side has gone.
    pub fn request(&mut self) -> Option<Message> {
        // A kept connection may be idle for as long as the test lasts.
        while self.connection.silent_for(Duration::from_secs(1)) {
            if !self.going_on() {
                return None;
            }
        }
        let request = self.connection.request()?;
        self.record(request.clone());
        Some(request)
    }

    /// Records something the script has read by itself.
    pub fn record(&self, request: Message) {
        self.shared.requests.lock().unwrap().push(request);
    }

    /// Sends, and does not mind when nobody is there any more; false then.
    pub fn send(&mut self, bytes: impl AsRef<[u8]>) -> bool {
        self.connection.try_send(bytes).is_ok()
    }

    /// Keeps the connection open, silent, until the other side leaves or the upstream is dropped.
    pub fn wait_until_left(&mut self) {
        while !self.shared.stopping.load(Ordering::SeqCst) {
            if self.connection.ended_within(Duration::from_millis(50)) {
                self.shared.gone.fetch_add(1, Ordering::SeqCst);
                return;
            }
        }
    }

    /// False once the test is over.
    pub fn going_on(&self) -> bool {
        !self.shared.stopping.load(Ordering::SeqCst)
    }
}

/// The script that answers request after request.
pub fn serve(
    reply: impl Fn(&Message) -> Vec<u8> + Send + Sync + 'static,
) -> impl Fn(&mut Peer) + Send + Sync {
    move |peer| {
        while let Some(request) = peer.request() {
            if !request.whole || !peer.send(reply(&request)) {
                return;
            }
        }
    }
}

fn local() -> TcpListener {
    TcpListener::bind("127.0.0.1:0").unwrap()
}

fn accept(
    listener: &TcpListener,
    config: Option<&Arc<ServerConfig>>,
    script: &Arc<dyn Fn(&mut Peer) + Send + Sync>,
    shared: &Arc<Shared>,
) {
    for socket in listener.incoming() {
        if shared.stopping.load(Ordering::SeqCst) {
            return;
        }
        let Ok(socket) = socket else { continue };
        let _ = socket.set_nodelay(true);
        let (config, script, shared) = (config.cloned(), Arc::clone(script), Arc::clone(shared));
        std::thread::spawn(move || converse(socket, config, script.as_ref(), &shared));
    }
}

fn converse(
    socket: TcpStream,
    config: Option<Arc<ServerConfig>>,
    script: &(dyn Fn(&mut Peer) + Send + Sync),
    shared: &Arc<Shared>,
) {
    let Ok(handle) = socket.try_clone() else { return };
    let connection = match config {
        Some(config) => match tls::accept(socket, config) {
            Ok(connection) => connection,
            Err(_) => return,
        },
        None => Connection::over(socket),
    };
    let index = shared.accepted.fetch_add(1, Ordering::SeqCst);
    shared.open.lock().unwrap().insert(index, handle);
    let mut peer = Peer { connection, shared: Arc::clone(shared) };
    script(&mut peer);
    // The clone in `open` shares the socket: dropping the peer alone would not close it.
    shared.open.lock().unwrap().remove(&index);
}
