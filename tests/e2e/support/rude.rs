//! Upstreams that misbehave, each in one way.

use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use socket2::{Domain, Socket, Type};

use super::http::{Message, chunk};
use super::upstream::Upstream;

/// An address that refuses connections, held so that nobody else gets it.
pub struct Refusing {
    socket: Socket,
}

impl Refusing {
    pub fn new() -> Refusing {
        Refusing { socket: bound() }
    }

    pub fn address(&self) -> SocketAddr {
        self.socket.local_addr().unwrap().as_socket().unwrap()
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address())
    }

    /// Starts to listen at that address: from now on it answers with its name.
    pub fn revive(self, name: &str) -> Upstream {
        self.socket.listen(64).unwrap();
        Upstream::named_on(self.socket.into(), name)
    }
}

/// A listener whose backlog is full: a connect neither succeeds nor fails.
pub struct Deaf {
    socket: Socket,
    _fillers: Vec<Socket>,
}

impl Deaf {
    pub fn new() -> Deaf {
        let socket = bound();
        socket.listen(0).unwrap();
        let address = socket.local_addr().unwrap();
        let mut fillers = Vec::new();
        // The queue takes one or two more than asked for; a connect that does not come back has found it full.
        for _ in 0..8 {
            let filler = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
            let connected = filler.connect_timeout(&address, Duration::from_millis(300));
            fillers.push(filler);
            if connected.is_err() {
                break;
            }
        }
        Deaf { socket, _fillers: fillers }
    }

    pub fn address(&self) -> SocketAddr {
        self.socket.local_addr().unwrap().as_socket().unwrap()
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address())
    }
}

/// Reads the request, then closes without a byte.
pub fn closes_unanswered() -> Upstream {
    Upstream::start(|peer| {
        peer.request();
    })
}

/// Accepts and closes at once, unread.
pub fn closes_at_once() -> Upstream {
    Upstream::start(|_| {})
}

/// Reads the request, then sends these bytes and closes.
pub fn says(bytes: impl Into<Vec<u8>>) -> Upstream {
    let bytes = bytes.into();
    Upstream::start(move |peer| {
        if peer.request().is_some() {
            peer.send(&bytes);
        }
    })
}

/// Reads the request and never answers; counts as departed when tidegate gives up.
pub fn never_answers() -> Upstream {
    Upstream::start(|peer| {
        if peer.request().is_some() {
            peer.wait_until_left();
        }
    })
}

/// Sends these bytes and then nothing more, the connection open.
pub fn stalls_after(bytes: impl Into<Vec<u8>>) -> Upstream {
    let bytes = bytes.into();
    Upstream::start(move |peer| {
        if peer.request().is_some() {
            peer.send(&bytes);
            peer.wait_until_left();
        }
    })
}

/// Streams `{"n":0}`, `{"n":1}` ... as server-sent events until the client leaves, `pause` between them.
pub fn endless_stream(pause: Duration) -> Upstream {
    Upstream::start(move |peer| {
        if peer.request().is_none() {
            return;
        }
        peer.send(EVENT_STREAM_HEAD);
        for number in 0_u64.. {
            if !peer.going_on() || !peer.send(event(&format!(r#"{{"n":{number}}}"#))) {
                return;
            }
            if peer.connection.ended_within(pause) {
                return peer.wait_until_left();
            }
        }
    })
}

/// The head of a chunked event stream.
pub const EVENT_STREAM_HEAD: &str =
    "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n";

/// The head of a chunked body of plain bytes.
pub const CHUNKED_HEAD: &str =
    "HTTP/1.1 200 OK\r\ncontent-type: application/octet-stream\r\ntransfer-encoding: chunked\r\n\r\n";

/// A server-sent event as one chunk.
pub fn event(data: &str) -> Vec<u8> {
    chunk(format!("data: {data}\n\n").as_bytes())
}

/// Reads the head of a request and only some of its body, then answers and goes on with the rest unread.
pub fn answers_early(status_line: &'static str) -> Upstream {
    Upstream::start(move |peer| {
        if let Some(head) = peer.connection.head() {
            peer.record(Message { head, body: Vec::new(), whole: false });
            peer.send(format!("{status_line}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"));
            peer.wait_until_left();
        }
    })
}

/// True if something listens at that address.
pub fn listens(address: SocketAddr) -> bool {
    TcpStream::connect_timeout(&address, Duration::from_secs(1)).is_ok()
}

fn bound() -> Socket {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    let address: SocketAddr = "127.0.0.1:0".parse().unwrap();
    socket.bind(&address.into()).unwrap();
    socket
}
