//! A server that speaks HTTP/2 by the crate `h2`, scripted by a closure over one request at a time, and plain HTTP/1.1 to
//! who asks for that. It counts connections and streams, and closes or takes leave when a test wants it to.

use std::future::poll_fn;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use bytes::Bytes;
use h2::server::SendResponse;
use h2::{Reason, RecvStream, SendStream};
use http::{Response, StatusCode};
use rustls::ServerConfig;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::{Notify, Semaphore, mpsc};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use super::http::{Head, Message};

/// How the server speaks.
pub struct Speaks {
    pub alpn: &'static [&'static str],
    /// MAX_CONCURRENT_STREAMS.
    pub streams: u32,
    /// What a client may send before it is read, on a stream and on the connection.
    pub window: u32,
}

impl Default for Speaks {
    fn default() -> Speaks {
        Speaks { alpn: &["h2", "http/1.1"], streams: 1000, window: 65_535 }
    }
}

pub struct H2Server {
    address: SocketAddr,
    shared: Arc<Shared>,
    stop: Arc<Notify>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct Shared {
    accepted: AtomicUsize,
    open: AtomicUsize,
    protocols: Mutex<Vec<Option<String>>>,
    requests: Mutex<Vec<Message>>,
    running: AtomicUsize,
    resets: Mutex<Vec<Reason>>,
    connections: Mutex<Vec<mpsc::UnboundedSender<Order>>>,
}

enum Order {
    Close,
    Leave,
}

impl H2Server {
    /// Runs `script` for every request on HTTP/2.
    pub fn start<F: Future<Output = ()> + 'static>(
        config: &ServerConfig,
        speaks: &Speaks,
        script: impl Fn(Exchange) -> F + Send + 'static,
    ) -> H2Server {
        let mut config = config.clone();
        config.alpn_protocols = speaks.alpn.iter().map(|name| name.as_bytes().to_vec()).collect();
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let address = listener.local_addr().unwrap();
        let (shared, stop) = (Arc::<Shared>::default(), Arc::<Notify>::default());
        let (state, stopped) = (shared.clone(), stop.clone());
        let mut builder = h2::server::Builder::new();
        builder
            .max_concurrent_streams(speaks.streams)
            .initial_window_size(speaks.window)
            .initial_connection_window_size(speaks.window)
            .max_send_buffer_size(1024 * 1024);
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            tokio::task::LocalSet::new().block_on(&runtime, async move {
                let listener = tokio::net::TcpListener::from_std(listener).unwrap();
                tokio::select! {
                    () = accept(listener, acceptor, builder, state, Rc::new(script)) => {}
                    () = stopped.notified() => {}
                }
            });
        });
        H2Server { address, shared, stop, thread: Some(thread) }
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    pub fn url(&self) -> String {
        format!("https://{}", self.address)
    }

    /// What was received so far; bodies as far as the script has read them.
    pub fn requests(&self) -> Vec<Message> {
        self.shared.requests.lock().unwrap().clone()
    }

    pub fn count(&self) -> usize {
        self.shared.requests.lock().unwrap().len()
    }

    /// Connections with a completed handshake so far.
    pub fn connections(&self) -> usize {
        self.shared.accepted.load(Ordering::SeqCst)
    }

    /// Connections with HTTP/2 that are open.
    pub fn open(&self) -> usize {
        self.shared.open.load(Ordering::SeqCst)
    }

    /// What ALPN each connection chose.
    pub fn protocols(&self) -> Vec<Option<String>> {
        self.shared.protocols.lock().unwrap().clone()
    }

    /// Scripts that run now.
    pub fn running(&self) -> usize {
        self.shared.running.load(Ordering::SeqCst)
    }

    /// The reasons of streams that the other side has reset, as scripts have noticed.
    pub fn resets(&self) -> Vec<Reason> {
        self.shared.resets.lock().unwrap().clone()
    }

    /// Closes every connection without a word.
    pub fn close_connections(&self) {
        self.order(|| Order::Close);
    }

    /// Takes leave on every connection: what runs is answered, then it closes.
    pub fn leave_connections(&self) {
        self.order(|| Order::Leave);
    }

    fn order(&self, order: impl Fn() -> Order) {
        for connection in self.shared.connections.lock().unwrap().iter() {
            // One that is gone needs no order.
            let _ = connection.send(order());
        }
    }
}

impl Drop for H2Server {
    fn drop(&mut self) {
        self.stop.notify_one();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Where scripts wait until the test lets them go on.
#[derive(Clone)]
pub struct Gate(Arc<Semaphore>);

impl Gate {
    pub fn new() -> Gate {
        Gate(Arc::new(Semaphore::new(0)))
    }

    /// From now on nobody waits.
    pub fn open(&self) {
        self.0.close();
    }

    /// Lets one pass.
    pub fn pass(&self) {
        self.0.add_permits(1);
    }

    pub async fn wait(&self) {
        if let Ok(permit) = self.0.acquire().await {
            permit.forget();
        }
    }
}

/// One request in the hands of the script.
pub struct Exchange {
    /// How many came before it, on whatever connection.
    pub number: usize,
    /// How many connections came before its own.
    pub connection: usize,
    pub head: Head,
    body: RecvStream,
    respond: SendResponse<Bytes>,
    shared: Arc<Shared>,
}

/// An answer that has begun.
pub struct Answering {
    stream: SendStream<Bytes>,
    shared: Arc<Shared>,
}

impl Exchange {
    pub fn path(&self) -> &str {
        self.head.target()
    }

    /// The whole body, recorded; `None` when the stream ended before.
    pub async fn body(&mut self) -> Option<Vec<u8>> {
        let mut bytes = Vec::new();
        while let Some(part) = self.body.data().await {
            let part = part.ok()?;
            let _ = self.body.flow_control().release_capacity(part.len());
            bytes.extend_from_slice(&part);
        }
        let mut requests = self.shared.requests.lock().unwrap();
        requests[self.number].body.clone_from(&bytes);
        requests[self.number].whole = true;
        Some(bytes)
    }

    /// An interim answer.
    pub fn inform(&mut self, status: u16, fields: &[(&str, &str)]) {
        self.respond.send_informational(head(status, fields)).unwrap();
    }

    /// The head of the answer. `None`: nobody waits for it any more.
    pub fn begin(&mut self, status: u16, fields: &[(&str, &str)], end: bool) -> Option<Answering> {
        let stream = self.respond.send_response(head(status, fields), end).ok()?;
        Some(Answering { stream, shared: self.shared.clone() })
    }

    /// A whole answer with the length of its body. False: nobody waits for it any more.
    pub async fn answer(&mut self, status: u16, fields: &[(&str, &str)], body: &[u8]) -> bool {
        let length = body.len().to_string();
        let fields = [&[("content-length", length.as_str())], fields].concat();
        match self.begin(status, &fields, false) {
            Some(mut answering) => answering.send(body, true).await,
            None => false,
        }
    }

    /// Reads the body and answers with 200 and `{"server":"h2"}`.
    pub async fn well(&mut self) {
        if self.body().await.is_some() {
            self.answer(200, &[("content-type", "application/json")], br#"{"server":"h2"}"#).await;
        }
    }

    pub fn reset(&mut self, reason: Reason) {
        self.respond.send_reset(reason);
    }

    /// Waits until the other side resets the stream, or its connection ends.
    pub async fn left(&mut self) {
        let reset = poll_fn(|cx| self.respond.poll_reset(cx)).await;
        self.shared.resets.lock().unwrap().extend(reset);
    }
}

impl Answering {
    /// Sends as the other side reads. False: it takes no more.
    pub async fn send(&mut self, mut bytes: &[u8], last: bool) -> bool {
        while !bytes.is_empty() {
            self.stream.reserve_capacity(bytes.len());
            let Some(Ok(room)) = poll_fn(|cx| self.stream.poll_capacity(cx)).await else { return false };
            let (now, later) = bytes.split_at(room.min(bytes.len()));
            if self.stream.send_data(Bytes::copy_from_slice(now), false).is_err() {
                return false;
            }
            bytes = later;
        }
        !last || self.stream.send_data(Bytes::new(), true).is_ok()
    }

    /// Ends the answer with trailers.
    pub fn trailers(&mut self, fields: &[(&str, &str)]) {
        let _ = self.stream.send_trailers(head(200, fields).into_parts().0.headers);
    }

    pub fn reset(&mut self, reason: Reason) {
        self.stream.send_reset(reason);
    }

    /// Waits until the other side resets the stream, or its connection ends.
    pub async fn left(&mut self) {
        let reset = poll_fn(|cx| self.stream.poll_reset(cx)).await;
        self.shared.resets.lock().unwrap().extend(reset);
    }
}

fn head(status: u16, fields: &[(&str, &str)]) -> Response<()> {
    let mut builder = Response::builder().status(StatusCode::from_u16(status).unwrap());
    for (name, value) in fields {
        builder = builder.header(*name, *value);
    }
    builder.body(()).unwrap()
}

async fn accept<F: Future<Output = ()> + 'static>(
    listener: tokio::net::TcpListener,
    acceptor: TlsAcceptor,
    builder: h2::server::Builder,
    shared: Arc<Shared>,
    script: Rc<impl Fn(Exchange) -> F + 'static>,
) {
    while let Ok((socket, _)) = listener.accept().await {
        let (acceptor, builder, shared) = (acceptor.clone(), builder.clone(), shared.clone());
        let script = script.clone();
        tokio::task::spawn_local(async move {
            let _ = socket.set_nodelay(true);
            let Ok(stream) = acceptor.accept(socket).await else { return };
            let chosen = stream.get_ref().1.alpn_protocol();
            let chosen = chosen.map(|name| String::from_utf8_lossy(name).into_owned());
            let is_http2 = chosen.as_deref() == Some("h2");
            shared.protocols.lock().unwrap().push(chosen);
            let index = shared.accepted.fetch_add(1, Ordering::SeqCst);
            if is_http2 {
                shared.open.fetch_add(1, Ordering::SeqCst);
                serve(stream, index, &builder, &shared, script).await;
                shared.open.fetch_sub(1, Ordering::SeqCst);
            } else {
                let _ = serve_http1(stream, &shared).await;
            }
        });
    }
}

async fn serve<F: Future<Output = ()> + 'static>(
    stream: TlsStream<TcpStream>,
    index: usize,
    builder: &h2::server::Builder,
    shared: &Arc<Shared>,
    script: Rc<impl Fn(Exchange) -> F + 'static>,
) {
    let (orders, mut ordered) = mpsc::unbounded_channel();
    shared.connections.lock().unwrap().push(orders);
    let Ok(mut connection) = builder.handshake(stream).await else { return };
    loop {
        let (request, respond) = tokio::select! {
            next = connection.accept() => match next {
                Some(Ok(next)) => next,
                _ => return,
            },
            order = ordered.recv() => match order {
                Some(Order::Leave) => {
                    connection.graceful_shutdown();
                    continue;
                }
                _ => return,
            },
        };
        let (parts, body) = request.into_parts();
        let text = |value: &[u8]| String::from_utf8_lossy(value).into_owned();
        let mut headers: Vec<(String, String)> =
            parts.headers.iter().map(|(name, value)| (name.to_string(), text(value.as_bytes()))).collect();
        let authority = parts.uri.authority().map_or("", |authority| authority.as_str());
        headers.push((":authority".to_owned(), authority.to_owned()));
        let path = parts.uri.path_and_query().map_or("*", |path| path.as_str());
        let head = Head { first_line: format!("{} {path} HTTP/2", parts.method), headers };
        let number = {
            let mut requests = shared.requests.lock().unwrap();
            requests.push(Message { head: head.clone(), body: Vec::new(), whole: false });
            requests.len() - 1
        };
        shared.running.fetch_add(1, Ordering::SeqCst);
        let exchange = Exchange { number, connection: index, head, body, respond, shared: shared.clone() };
        let (told, shared) = (script(exchange), shared.clone());
        tokio::task::spawn_local(async move {
            told.await;
            shared.running.fetch_sub(1, Ordering::SeqCst);
        });
    }
}

/// Answers with `{"server":"h1"}`; agrees to an upgrade, greets with `hello` and echoes.
async fn serve_http1(mut stream: TlsStream<TcpStream>, shared: &Shared) -> std::io::Result<()> {
    let mut have = Vec::new();
    loop {
        let end = loop {
            if let Some(at) = have.windows(4).position(|window| window == b"\r\n\r\n") {
                break at + 4;
            }
            if stream.read_buf(&mut have).await? == 0 {
                return Ok(());
            }
        };
        let text = String::from_utf8_lossy(&have[..end]).into_owned();
        have.drain(..end);
        let mut lines = text.trim_end().split("\r\n");
        let first_line = lines.next().unwrap_or_default().to_owned();
        let fields = lines.filter_map(|line| line.split_once(": "));
        let headers: Vec<_> =
            fields.map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned())).collect();
        let head = Head { first_line, headers };
        let length = head.header("content-length").map_or(0, |value| value.parse().unwrap());
        while have.len() < length {
            if stream.read_buf(&mut have).await? == 0 {
                return Ok(());
            }
        }
        let body = have.drain(..length).collect();
        let upgrade = head.header("upgrade").is_some();
        shared.requests.lock().unwrap().push(Message { head, body, whole: true });
        if upgrade {
            let agreed = b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: abc\r\n\r\nhello";
            stream.write_all(agreed).await?;
            loop {
                have.clear();
                if stream.read_buf(&mut have).await? == 0 {
                    return Ok(());
                }
                stream.write_all(&have).await?;
            }
        }
        stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 15\r\n\r\n{\"server\":\"h1\"}").await?;
    }
}
