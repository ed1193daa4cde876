//! An HTTP/2 client by the crate `h2`: several requests beside each other on one connection, and how each of them and
//! the connection ended.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use bytes::Bytes;
use h2::client::{ResponseFuture, SendRequest};
use h2::{Reason, SendStream};
use http::Request;
use rustls::crypto::aws_lc_rs::default_provider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::runtime::{Builder, Handle};
use tokio::sync::Notify;

use super::certificates::Authority;
use super::http::{Ask, Head, Message};
use super::wait::DEADLINE;

pub struct Http2 {
    name: String,
    send: SendRequest<Bytes>,
    handle: Handle,
    ended: Arc<Mutex<bool>>,
    stop: Arc<Notify>,
    driver: Option<JoinHandle<()>>,
}

/// A request that is on its way.
pub struct Stream {
    response: ResponseFuture,
    request: SendStream<Bytes>,
    handle: Handle,
}

impl Http2 {
    /// Connects to `https://NAME` at that address.
    #[track_caller]
    pub fn connect(address: SocketAddr, authority: &Authority, name: &str) -> Http2 {
        let runtime = Builder::new_current_thread().enable_all().build().unwrap();
        let (config, host) = (config(authority), ServerName::try_from(name.to_owned()).unwrap());
        let (send, connection) = runtime.block_on(async {
            let socket = tokio::net::TcpStream::connect(address).await.unwrap();
            let connector = tokio_rustls::TlsConnector::from(Arc::new(config));
            let stream = connector.connect(host, socket).await.unwrap();
            // A test may read more slowly than small pieces come: that is no attack on it.
            let mut builder = h2::client::Builder::new();
            builder.data_frame_budget(1 << 30).handshake(stream).await.unwrap()
        });
        let (handle, ended, stop) =
            (runtime.handle().clone(), Arc::new(Mutex::new(false)), Arc::new(Notify::new()));
        let (end, stopped) = (ended.clone(), stop.clone());
        let driver = std::thread::spawn(move || {
            runtime.block_on(async {
                tokio::select! {
                    _ = connection => *end.lock().unwrap() = true,
                    () = stopped.notified() => return,
                }
                // Timers of the test's own thread still need somebody to drive them.
                stopped.notified().await;
            });
        });
        Http2 { name: name.to_owned(), send, handle, ended, stop, driver: Some(driver) }
    }

    /// Sends a request whole; `host` becomes the authority.
    #[track_caller]
    pub fn start(&mut self, ask: &Ask) -> Stream {
        let mut stream = self.begin(ask);
        if let Some(body) = &ask.body {
            stream.send(body, true);
        }
        stream
    }

    /// Sends the head of a request; a body, where there is one, is to follow.
    #[track_caller]
    pub fn begin(&mut self, ask: &Ask) -> Stream {
        self.try_begin(ask).unwrap()
    }

    /// The same; fails where the other end takes no more requests on this connection, and nothing is sent then.
    pub fn try_begin(&mut self, ask: &Ask) -> Result<Stream, h2::Error> {
        let host = ask.headers.iter().find(|(name, _)| name.eq_ignore_ascii_case("host"));
        let host = host.map_or(self.name.as_str(), |(_, value)| value);
        let uri = format!("https://{host}{}", ask.target);
        let mut request = Request::builder().method(ask.method.as_str()).uri(uri);
        for (name, value) in ask.headers.iter().filter(|(name, _)| !name.eq_ignore_ascii_case("host")) {
            request = request.header(name, value);
        }
        let request = request.body(()).unwrap();
        let mut ready = self.handle.block_on(self.send.clone().ready())?;
        let (response, request) = ready.send_request(request, ask.body.is_none())?;
        Ok(Stream { response, request, handle: self.handle.clone() })
    }

    /// Sends a request and reads the whole answer.
    #[track_caller]
    pub fn ask(&mut self, ask: &Ask) -> Message {
        self.start(ask).answer().unwrap_or_else(|error| panic!("{} {}: {error}", ask.method, ask.target))
    }

    /// Whether the connection has ended.
    pub fn has_ended(&self) -> bool {
        *self.ended.lock().unwrap()
    }
}

impl Drop for Http2 {
    fn drop(&mut self) {
        self.stop.notify_one();
        if let Some(driver) = self.driver.take() {
            let _ = driver.join();
        }
    }
}

impl Stream {
    /// A part of the body.
    pub fn send(&mut self, part: &[u8], last: bool) {
        self.request.send_data(Bytes::copy_from_slice(part), last).unwrap();
    }

    /// Gives the request up.
    pub fn reset(mut self) {
        self.request.send_reset(Reason::CANCEL);
    }

    /// The whole answer, or how the stream or its connection failed.
    pub fn answer(self) -> Result<Message, h2::Error> {
        let Stream { response, request: _request, handle } = self;
        let whole = async {
            let (head, mut body) = response.await?.into_parts();
            let mut bytes = Vec::new();
            while let Some(part) = body.data().await {
                let part = part?;
                body.flow_control().release_capacity(part.len())?;
                bytes.extend_from_slice(&part);
            }
            let text = |value: &http::HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
            let headers = head.headers.iter().map(|(name, value)| (name.to_string(), text(value))).collect();
            let first_line = format!("HTTP/2 {} ", head.status.as_u16());
            Ok(Message { head: Head { first_line, headers }, body: bytes, whole: true })
        };
        // The timer belongs to the runtime, so it has to be made inside.
        let within = async { tokio::time::timeout(DEADLINE, whole).await };
        handle.block_on(within).unwrap_or_else(|_| panic!("no whole answer within {DEADLINE:?}"))
    }
}

fn config(authority: &Authority) -> ClientConfig {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(authority.pem().as_bytes()).unwrap()).unwrap();
    let mut config = ClientConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"h2".to_vec()];
    config
}
