//! HTTP/2 toward servers that choose it: shared connections, and what a client sees of streams that end badly.

use std::net::{SocketAddr, TcpListener as Listener};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use h2::server::SendResponse;
use h2::{Reason, RecvStream, SendStream};
use http::{Request, Response};
use tokio::net::TcpListener;
use tokio::task::LocalSet;
use tokio_rustls::TlsAcceptor;

use crate::support::certificates::Authority;
use crate::support::edge::{Edge, Settings, server_of};
use crate::support::http::{Ask, Message};
use crate::support::scratch::Scratch;
use crate::support::tls::server_config;

/// What came with one request, and the way to answer.
struct Exchange {
    number: usize,
    head: Request<()>,
    body: Bytes,
    respond: SendResponse<Bytes>,
}

struct Site {
    edge: Edge,
    connections: Arc<AtomicUsize>,
    requests: Arc<AtomicUsize>,
}

/// A server that speaks HTTP/2 alone, behind an edge with one thread.
fn site<F, R>(backend: &str, script: F) -> Site
where
    F: Fn(Exchange) -> R + Send + Clone + 'static,
    R: Future<Output = ()> + 'static,
{
    let directory = Scratch::new();
    let authority = Authority::new("upstream authority");
    let ca = authority.write(&directory, "ca.pem");
    let mut config = (*server_config(&authority.issue(&["localhost"]))).clone();
    config.alpn_protocols = vec![b"h2".to_vec()];
    let (connections, requests) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let address = serve(Arc::new(config), &connections, &requests, script);
    let edge = Edge::start_with(
        &Settings { threads: 1, ..Settings::default() },
        directory,
        "
frontends:
  web: {bind: [{address: 127.0.0.1:0}], default_backend: ai}
backends:
  ai:
<backend>
    servers: {one: {url: \"https://localhost:<port>/v1\", tls: {ca_file: <ca>}}}",
        &[("backend", backend), ("port", &address.port().to_string()), ("ca", &ca.display().to_string())],
    );
    Site { edge, connections, requests }
}

fn serve<F, R>(
    config: Arc<rustls::ServerConfig>,
    connections: &Arc<AtomicUsize>,
    requests: &Arc<AtomicUsize>,
    script: F,
) -> SocketAddr
where
    F: Fn(Exchange) -> R + Send + Clone + 'static,
    R: Future<Output = ()> + 'static,
{
    let listener = Listener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let address = listener.local_addr().unwrap();
    let (connections, requests) = (connections.clone(), requests.clone());
    thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        LocalSet::new().block_on(&runtime, async move {
            let listener = TcpListener::from_std(listener).unwrap();
            loop {
                let (tcp, _) = listener.accept().await.unwrap();
                let (config, connections) = (config.clone(), connections.clone());
                let (requests, script) = (requests.clone(), script.clone());
                tokio::task::spawn_local(async move {
                    let Ok(tls) = TlsAcceptor::from(config).accept(tcp).await else { return };
                    connections.fetch_add(1, Ordering::SeqCst);
                    let Ok(mut connection) = h2::server::handshake(tls).await else { return };
                    while let Some(Ok((request, respond))) = connection.accept().await {
                        let number = requests.fetch_add(1, Ordering::SeqCst);
                        let script = script.clone();
                        tokio::task::spawn_local(async move {
                            let (parts, body) = request.into_parts();
                            let Some(body) = whole(body).await else { return };
                            let head = Request::from_parts(parts, ());
                            script(Exchange { number, head, body, respond }).await;
                        });
                    }
                });
            }
        });
    });
    address
}

/// `None`: the client has reset it.
async fn whole(mut body: RecvStream) -> Option<Bytes> {
    let mut all = BytesMut::new();
    while let Some(part) = body.data().await {
        let part = part.ok()?;
        body.flow_control().release_capacity(part.len()).ok()?;
        all.extend_from_slice(&part);
    }
    Some(all.freeze())
}

fn begin(exchange: &mut Exchange, content_type: &str) -> SendStream<Bytes> {
    let head = Response::builder().header("content-type", content_type).body(()).unwrap();
    exchange.respond.send_response(head, false).unwrap()
}

async fn named(mut exchange: Exchange) {
    let mut send = begin(&mut exchange, "application/json");
    let _ = send.send_data(Bytes::from_static(br#"{"server":"one"}"#), true);
}

fn ask_at_once(site: &Site, count: usize, ask: &Ask) -> Vec<Message> {
    let asks: Vec<_> = (0..count)
        .map(|_| {
            let (mut client, bytes) = (site.edge.open(), ask.bytes());
            thread::spawn(move || {
                client.send(bytes);
                client.answer().unwrap()
            })
        })
        .collect();
    asks.into_iter().map(|ask| ask.join().unwrap()).collect()
}

#[test]
fn all_requests_of_a_thread_share_one_connection() {
    let site = site("", |exchange| async move {
        assert_eq!(exchange.head.uri().host(), Some("localhost"));
        assert!(!exchange.head.headers().contains_key("host"));
        tokio::time::sleep(Duration::from_millis(100)).await;
        named(exchange).await;
    });
    for _ in 0..2 {
        for answer in ask_at_once(&site, 40, &Ask::chat(false)) {
            assert_eq!(server_of(&answer), "one");
        }
    }
    assert_eq!(site.connections.load(Ordering::SeqCst), 1);
    assert_eq!(site.requests.load(Ordering::SeqCst), 80);
}

#[test]
fn large_bodies_go_both_ways_byte_for_byte() {
    let site = site("", |mut exchange| async move {
        let mut send = begin(&mut exchange, "application/octet-stream");
        send.send_data(exchange.body, true).unwrap();
    });
    let body: Vec<u8> = (0..3_000_000u32).map(|i| (i * 7 % 251) as u8).collect();
    for ask in [Ask::post("/v1/files", body.clone()), Ask::post("/v1/files", body.clone()).chunked()] {
        let answer = site.edge.ask(&ask);
        assert_eq!(answer.status(), 200);
        assert!(answer.body == body, "{} bytes came back", answer.body.len());
    }
}

#[test]
fn a_refused_stream_is_asked_for_again_whatever_the_method() {
    let site = site("    retry: {attempts: 3}", |mut exchange| async move {
        if exchange.number < 2 {
            exchange.respond.send_reset(Reason::REFUSED_STREAM);
        } else {
            named(exchange).await;
        }
    });
    let answer = site.edge.ask(&Ask::post("/v1/files", "x"));
    assert_eq!(server_of(&answer), "one");
    assert_eq!(answer.header("x-tidegate-attempts"), Some("3"));
    assert_eq!(site.connections.load(Ordering::SeqCst), 1);
}

#[test]
fn a_stream_of_events_that_is_reset_ends_with_an_error_event() {
    let site = site("", |mut exchange| async move {
        let mut send = begin(&mut exchange, "text/event-stream");
        let event = "data: {\"choices\":[{\"delta\":{\"content\":\"hi\"}}]}\n\n";
        send.send_data(event.into(), false).unwrap();
        tokio::time::sleep(Duration::from_millis(50)).await;
        send.send_reset(Reason::INTERNAL_ERROR);
    });
    let mut client = site.edge.open();
    client.send(Ask::chat(true).bytes());
    assert_eq!(client.head().unwrap().status(), 200);
    let rest = String::from_utf8(client.rest()).unwrap();
    assert!(rest.contains("\"hi\"") && rest.contains("\"error\""), "{rest}");
    assert!(!rest.ends_with("0\r\n\r\n"), "no clean end");
}

#[test]
fn checks_speak_it_too() {
    let checked = "    check: {http: {path: /models}, interval: 100ms, fast_interval: 100ms}";
    let site = site(checked, |exchange| async move {
        if exchange.head.uri().path() == "/v1/models" {
            assert!(!exchange.head.headers().contains_key("connection"));
        }
        named(exchange).await;
    });
    assert_eq!(server_of(&site.edge.ask(&Ask::chat(false))), "one");
}
