//! The PROXY protocol from both ends, by HAProxy's doc/proxy-protocol.txt: headers in exact bytes, and a server that
//! reads the one that begins each of its connections and records it.

use std::io::Read;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use rustls::ServerConfig;

use super::http::{Connection, Message, ok};
use super::tls;
use super::wait::DEADLINE;

const SIGNATURE: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";

/// A line of version 1; the family is that of `source`.
pub fn v1(source: SocketAddr, destination: SocketAddr) -> Vec<u8> {
    let family = if source.is_ipv4() { "TCP4" } else { "TCP6" };
    let (from, to) = (source.ip(), destination.ip());
    format!("PROXY {family} {from} {to} {} {}\r\n", source.port(), destination.port()).into_bytes()
}

/// Version 2 with the command PROXY, and `fields` behind the addresses.
pub fn v2(source: SocketAddr, destination: SocketAddr, fields: &[u8]) -> Vec<u8> {
    let (family, mut body) = match (source.ip(), destination.ip()) {
        (IpAddr::V4(from), IpAddr::V4(to)) => (0x11, [from.octets(), to.octets()].concat()),
        (IpAddr::V6(from), IpAddr::V6(to)) => (0x21, [from.octets(), to.octets()].concat()),
        mixed => panic!("{mixed:?}"),
    };
    body.extend_from_slice(&source.port().to_be_bytes());
    body.extend_from_slice(&destination.port().to_be_bytes());
    body.extend_from_slice(fields);
    v2_raw(0x21, family, &body)
}

/// Version 2 with these bytes behind version and command, whatever they mean.
pub fn v2_raw(command: u8, family: u8, body: &[u8]) -> Vec<u8> {
    let length = u16::try_from(body.len()).unwrap().to_be_bytes();
    [SIGNATURE, &[command, family], &length, body].concat()
}

/// A field of version 2: type, length, value.
pub fn field(kind: u8, value: &[u8]) -> Vec<u8> {
    let length = u16::try_from(value.len()).unwrap().to_be_bytes();
    [&[kind], &length[..], value].concat()
}

/// What a header of version 2 said: source and destination; `None` for LOCAL.
pub type Told = Option<(SocketAddr, SocketAddr)>;

/// One connection to a [`Recorder`].
#[derive(Clone, Debug)]
pub struct Seen {
    pub told: Told,
    pub requests: Vec<Message>,
}

/// A server that answers `{"server":"recorder"}` behind a PROXY header of version 2. A connection without one is
/// recorded nowhere but in [`Recorder::strays`], and closed.
pub struct Recorder {
    address: SocketAddr,
    shared: Arc<Shared>,
    acceptor: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct Shared {
    stopping: AtomicBool,
    seen: Mutex<Vec<Seen>>,
    strays: Mutex<usize>,
    open: Mutex<Vec<TcpStream>>,
}

impl Recorder {
    /// With `config`, TLS begins right behind the header.
    pub fn start(config: Option<Arc<ServerConfig>>) -> Recorder {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared::default());
        let state = Arc::clone(&shared);
        let acceptor = std::thread::spawn(move || {
            for socket in listener.incoming() {
                if state.stopping.load(Ordering::SeqCst) {
                    return;
                }
                let Ok(socket) = socket else { continue };
                let (config, state) = (config.clone(), Arc::clone(&state));
                std::thread::spawn(move || converse(socket, config, &state));
            }
        });
        Recorder { address, shared, acceptor: Some(acceptor) }
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    pub fn seen(&self) -> Vec<Seen> {
        self.shared.seen.lock().unwrap().clone()
    }

    /// The connections that carried a request.
    pub fn used(&self) -> Vec<Seen> {
        self.seen().into_iter().filter(|seen| !seen.requests.is_empty()).collect()
    }

    /// Connections that did not begin with a header of version 2.
    pub fn strays(&self) -> usize {
        *self.shared.strays.lock().unwrap()
    }
}

impl Drop for Recorder {
    fn drop(&mut self) {
        self.shared.stopping.store(true, Ordering::SeqCst);
        let _ = TcpStream::connect_timeout(&self.address, DEADLINE);
        if let Some(acceptor) = self.acceptor.take() {
            let _ = acceptor.join();
        }
        for socket in self.shared.open.lock().unwrap().iter() {
            let _ = socket.shutdown(Shutdown::Both);
        }
    }
}

fn converse(mut socket: TcpStream, config: Option<Arc<ServerConfig>>, shared: &Shared) {
    let Ok(handle) = socket.try_clone() else { return };
    shared.open.lock().unwrap().push(handle);
    let _ = socket.set_read_timeout(Some(DEADLINE));
    let Some(told) = read(&mut socket) else {
        *shared.strays.lock().unwrap() += 1;
        let _ = socket.shutdown(Shutdown::Both);
        return;
    };
    let index = {
        let mut seen = shared.seen.lock().unwrap();
        seen.push(Seen { told, requests: Vec::new() });
        seen.len() - 1
    };
    let mut connection = match config {
        None => Connection::over(socket),
        Some(config) => match tls::accept(socket, config) {
            Ok(connection) => connection,
            Err(_) => return,
        },
    };
    loop {
        while connection.silent_for(Duration::from_millis(200)) {
            if shared.stopping.load(Ordering::SeqCst) {
                return;
            }
        }
        let Some(request) = connection.request() else { break };
        shared.seen.lock().unwrap()[index].requests.push(request);
        if connection.try_send(ok(r#"{"server":"recorder"}"#)).is_err() {
            break;
        }
    }
    let _ = connection.socket().shutdown(Shutdown::Both);
}

/// `None` when what comes is not a header of version 2.
fn read(socket: &mut TcpStream) -> Option<Told> {
    let mut head = [0; 16];
    socket.read_exact(&mut head).ok()?;
    let (signature, rest) = head.split_at(SIGNATURE.len());
    if signature != SIGNATURE {
        return None;
    }
    let mut body = vec![0; usize::from(u16::from_be_bytes([rest[2], rest[3]]))];
    socket.read_exact(&mut body).ok()?;
    let port = |at: usize| u16::from_be_bytes([body[at], body[at + 1]]);
    match (rest[0], rest[1]) {
        (0x20, _) => Some(None),
        (0x21, 0x11) => {
            let ip = |at: usize| Ipv4Addr::new(body[at], body[at + 1], body[at + 2], body[at + 3]);
            Some(Some(((ip(0), port(8)).into(), (ip(4), port(10)).into())))
        }
        (0x21, 0x21) => {
            let ip = |at: usize| Ipv6Addr::from(<[u8; 16]>::try_from(&body[at..at + 16]).unwrap());
            Some(Some(((ip(0), port(32)).into(), (ip(16), port(34)).into())))
        }
        _ => None,
    }
}
