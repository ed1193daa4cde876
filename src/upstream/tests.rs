//! Connections over real sockets, with TLS and without.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderValue, Method, Response};
use pingora::http::RequestHeader;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::{PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::runtime::Handle;
use tokio_rustls::TlsAcceptor;

use crate::base::clock::Tick;
use crate::runtime::target::{Addresses, Target, TargetTls};
use crate::upstream::connect::{self, ConnectError, Want};
use crate::upstream::connections::Connections;
use crate::upstream::session::{Fault, Session};

const PATIENCE: Duration = Duration::from_secs(5);
const GET: Want<'_> = Want { method: &Method::GET, upgrade: false, fresh: false, client: None };

/// A server on a port of its own, which counts who connects.
struct Site {
    target: Arc<Target>,
    connections: Arc<AtomicUsize>,
}

impl Site {
    fn connections(&self) -> usize {
        self.connections.load(Ordering::Relaxed)
    }
}

fn target(addresses: Vec<SocketAddr>, tls: Option<TargetTls>) -> Target {
    Target {
        id: 1,
        name: "s".into(),
        addresses: Arc::new(Addresses::new("localhost".into(), 1, addresses)),
        moved: Arc::default(),
        tls,
        host: HeaderValue::from_static("localhost"),
        send_proxy: false,
        idle_timeout: Duration::from_secs(30),
        max_idle: 2,
        base_path: None,
        warned: 0.into(),
    }
}

/// What both sides need; the server chooses among `speaks`, we offer `offers`.
fn tls(speaks: &[&str], offers: &[&str]) -> (TlsAcceptor, TargetTls) {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let key = PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
    let certificate = made.cert.der().clone();
    let provider = Arc::new(aws_lc_rs::default_provider());
    let names = |list: &[&str]| list.iter().map(|name| name.as_bytes().to_vec()).collect::<Vec<_>>();
    let mut server = ServerConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.clone()], key)
        .unwrap();
    server.alpn_protocols = names(speaks);
    let mut roots = RootCertStore::empty();
    roots.add(certificate).unwrap();
    let mut client = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    client.alpn_protocols = names(&["http/1.1"]);
    let only_http1 = Arc::new(client.clone());
    client.alpn_protocols = names(offers);
    let tls = TargetTls {
        config: Arc::new(client),
        only_http1,
        name: ServerName::try_from("localhost").unwrap(),
        http2: offers.contains(&"h2"),
        http1: offers.contains(&"http/1.1"),
    };
    (TlsAcceptor::from(Arc::new(server)), tls)
}

/// Serves HTTP/2 with these settings where it was chosen, else HTTP/1.1.
async fn https(speaks: &[&str], offers: &[&str], most: u32) -> Site {
    let (acceptor, tls) = tls(speaks, offers);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let connections = Arc::new(AtomicUsize::new(0));
    let counted = connections.clone();
    Handle::current().spawn(async move {
        loop {
            let (tcp, _) = listener.accept().await.unwrap();
            counted.fetch_add(1, Ordering::Relaxed);
            let acceptor = acceptor.clone();
            Handle::current().spawn(async move {
                let Ok(stream) = acceptor.accept(tcp).await else { return };
                if stream.get_ref().1.alpn_protocol() == Some(b"h2") {
                    http2(stream, most).await;
                } else {
                    http1(stream, "").await;
                }
            });
        }
    });
    Site { target: Arc::new(target(vec![address], Some(tls))), connections }
}

async fn http2(stream: impl AsyncRead + AsyncWrite + Unpin, most: u32) {
    let mut builder = h2::server::Builder::new();
    builder.max_concurrent_streams(most);
    let Ok(mut connection) = builder.handshake::<_, Bytes>(stream).await else { return };
    while let Some(Ok((_, mut respond))) = connection.accept().await {
        Handle::current().spawn(async move {
            tokio::time::sleep(Duration::from_millis(20)).await;
            let mut send = respond.send_response(Response::new(()), false).unwrap();
            let _ = send.send_data(Bytes::from_static(b"ok"), true);
        });
    }
}

async fn http1(mut stream: impl AsyncRead + AsyncWrite + Unpin, fields: &str) {
    let mut read = Vec::new();
    let mut space = [0; 4096];
    loop {
        let Ok(n @ 1..) = stream.read(&mut space).await else { return };
        read.extend_from_slice(&space[..n]);
        if read.ends_with(b"\r\n\r\n") {
            read.clear();
            let answer = format!("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n{fields}\r\nok");
            if stream.write_all(answer.as_bytes()).await.is_err() {
                return;
            }
        }
    }
}

/// Serves HTTP/1.1 without TLS, with these header lines.
async fn http(fields: &'static str) -> Site {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let connections = Arc::new(AtomicUsize::new(0));
    let counted = connections.clone();
    Handle::current().spawn(async move {
        loop {
            let (tcp, _) = listener.accept().await.unwrap();
            counted.fetch_add(1, Ordering::Relaxed);
            Handle::current().spawn(http1(tcp, fields));
        }
    });
    Site { target: Arc::new(target(vec![address], None)), connections }
}

fn head() -> Box<RequestHeader> {
    let mut head = RequestHeader::build_no_case("GET", b"/", None).unwrap();
    head.insert_header("host", "localhost").unwrap();
    Box::new(head)
}

async fn exchange(session: &mut Session) -> Result<(), Fault> {
    session.send_head(head(), true).await?;
    session.read_head().await?;
    let mut body = Vec::new();
    while !session.body_done() {
        let Some(part) = session.read_body().await? else { break };
        body.extend_from_slice(part);
    }
    assert_eq!(body, b"ok");
    Ok(())
}

#[tokio::test]
async fn a_hundred_requests_at_once_share_one_http2_connection() {
    let site = https(&["h2", "http/1.1"], &["h2", "http/1.1"], 200).await;
    let connections = Connections::default();
    let each = || async {
        let mut session = connections.connect(&site.target, &GET, PATIENCE).await.unwrap();
        assert!(session.is_http2() && !session.was_reused());
        exchange(&mut session).await.unwrap();
        session.give_back(&connections, Tick(1)).await;
    };
    futures::future::join_all((0..100).map(|_| each())).await;
    assert_eq!(site.connections(), 1);
    let mut session = connections.take(&site.target, &GET, Tick(2)).unwrap();
    assert!(session.is_http2() && session.was_reused());
    exchange(&mut session).await.unwrap();
    assert_eq!(site.connections(), 1);
}

#[tokio::test]
async fn a_server_that_takes_one_stream_gets_as_many_connections_as_requests() {
    let site = https(&["h2"], &["h2", "http/1.1"], 1).await;
    let connections = Connections::default();
    let each = || async {
        let mut session = connections.connect(&site.target, &GET, PATIENCE).await.unwrap();
        exchange(&mut session).await.unwrap();
        // Held until all have one.
        session
    };
    let held = futures::future::join_all((0..5).map(|_| each())).await;
    assert_eq!(site.connections(), 5);
    assert!(connections.take(&site.target, &GET, Tick(1)).is_none());
    drop(held);
    let again: Vec<_> = (0..5).filter_map(|_| connections.take(&site.target, &GET, Tick(1))).collect();
    assert_eq!((again.len(), site.connections()), (5, 5));
}

#[tokio::test]
async fn the_first_who_asked_may_leave_the_others_still_get_their_connection() {
    let site = https(&["h2"], &["h2"], 100).await;
    let connections = Connections::default();
    let first = tokio::time::timeout(Duration::ZERO, connections.connect(&site.target, &GET, PATIENCE));
    assert!(first.await.is_err());
    let mut session = connections.connect(&site.target, &GET, PATIENCE).await.unwrap();
    exchange(&mut session).await.unwrap();
    assert_eq!(site.connections(), 1);
}

#[tokio::test]
async fn who_has_little_time_takes_none_from_others() {
    let (acceptor, tls) = tls(&["h2"], &["h2"]);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let target = Arc::new(target(vec![listener.local_addr().unwrap()], Some(tls)));
    Handle::current().spawn(async move {
        loop {
            let (tcp, _) = listener.accept().await.unwrap();
            let acceptor = acceptor.clone();
            Handle::current().spawn(async move {
                tokio::time::sleep(Duration::from_millis(300)).await;
                let Ok(stream) = acceptor.accept(tcp).await else { return };
                http2(stream, 100).await;
            });
        }
    });
    let connections = Connections::default();
    let hasty = connections.connect(&target, &GET, Duration::from_millis(50));
    let patient = connections.connect(&target, &GET, PATIENCE);
    let (hasty, patient) = tokio::join!(hasty, patient);
    assert!(matches!(hasty, Err(ConnectError::Timeout(_))));
    exchange(&mut patient.unwrap()).await.unwrap();
}

#[tokio::test]
async fn http1_is_spoken_where_http2_is_not_chosen() {
    for speaks in [&["http/1.1"][..], &[]] {
        let site = https(speaks, &["h2", "http/1.1"], 1).await;
        let connections = Connections::default();
        let each = || async {
            let mut session = connections.connect(&site.target, &GET, PATIENCE).await.unwrap();
            assert!(!session.is_http2());
            exchange(&mut session).await.unwrap();
            session
        };
        let held = futures::future::join_all((0..5).map(|_| each())).await;
        assert_eq!(site.connections(), 5);
        for session in held {
            session.give_back(&connections, Tick(1)).await;
        }
        // As many as are kept.
        assert!(connections.has_idle(&site.target));
        let again: Vec<_> = (0..5).filter_map(|_| connections.take(&site.target, &GET, Tick(2))).collect();
        assert_eq!(again.len(), 2);
    }
}

#[tokio::test]
async fn a_server_that_is_to_speak_http2_alone_and_does_not_is_an_error() {
    let site = https(&[], &["h2"], 1).await;
    let error = Connections::default().connect(&site.target, &GET, PATIENCE).await.err().unwrap();
    assert!(matches!(error, ConnectError::NoHttp2), "{error}");
}

#[tokio::test]
async fn an_upgrade_takes_http1_beside_http2() {
    let site = https(&["h2", "http/1.1"], &["h2", "http/1.1"], 100).await;
    let connections = Connections::default();
    let http2 = connections.connect(&site.target, &GET, PATIENCE).await.unwrap();
    assert!(http2.is_http2());
    let upgrade = Want { upgrade: true, ..GET };
    assert!(connections.take(&site.target, &upgrade, Tick(1)).is_none());
    let session = connections.connect(&site.target, &upgrade, PATIENCE).await.unwrap();
    assert!(!session.is_http2());
    assert!(session.into_http1().is_some());
}

#[tokio::test]
async fn a_check_has_a_connection_of_its_own() {
    let site = https(&["h2"], &["h2", "http/1.1"], 100).await;
    for connections in 1..=2 {
        let mut session = connect::open(&site.target, &GET, PATIENCE).await.unwrap();
        exchange(&mut session).await.unwrap();
        assert_eq!(site.connections(), connections);
    }
    connect::reach(&site.target, PATIENCE).await.unwrap();
    assert_eq!(site.connections(), 3);
}

#[tokio::test]
async fn an_idle_http2_connection_is_let_go() {
    let site = https(&["h2"], &["h2"], 100).await;
    let connections = Connections::default();
    let mut session = connections.connect(&site.target, &GET, PATIENCE).await.unwrap();
    connections.purge(Tick(1));
    connections.purge(Tick(60_001));
    exchange(&mut session).await.unwrap();
    session.give_back(&connections, Tick(60_001)).await;
    connections.purge(Tick(90_000));
    assert!(connections.take(&site.target, &GET, Tick(90_000)).is_some());
    connections.purge(Tick(90_001));
    connections.purge(Tick(120_001));
    assert!(connections.take(&site.target, &GET, Tick(120_001)).is_none());
}

#[tokio::test]
async fn an_http1_connection_is_kept_no_longer_than_its_server_says() {
    let site = http("Keep-Alive: timeout=5, max=100\r\n").await;
    let connections = Connections::default();
    for (later, reused) in [(3_999, true), (4_000, false)] {
        let mut session = connections.connect(&site.target, &GET, PATIENCE).await.unwrap();
        exchange(&mut session).await.unwrap();
        session.give_back(&connections, Tick(0)).await;
        assert_eq!(connections.take(&site.target, &GET, Tick(later)).is_some(), reused);
        connections.purge(Tick(later));
        assert!(!connections.has_idle(&site.target));
    }
}

#[tokio::test]
async fn a_connection_with_half_an_answer_is_not_kept() {
    let site = http("").await;
    let connections = Connections::default();
    let mut session = connections.connect(&site.target, &GET, PATIENCE).await.unwrap();
    session.send_head(head(), true).await.unwrap();
    session.read_head().await.unwrap();
    session.give_back(&connections, Tick(0)).await;
    assert!(connections.take(&site.target, &GET, Tick(0)).is_none());
}

#[tokio::test]
async fn an_address_that_refuses_is_passed_over_for_the_next() {
    let site = http("").await;
    let well = site.target.addresses.load()[0];
    // A port that was free a moment ago.
    let closed = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let target = Arc::new(target(vec![closed, well], None));
    for _ in 0..4 {
        connect::open(&target, &GET, PATIENCE).await.unwrap();
    }
    assert_eq!(site.connections(), 4);
    assert_eq!(target.addresses.in_turn()[1], closed);
}

#[tokio::test]
async fn an_address_that_swallows_packets_holds_up_only_its_share() {
    let site = http("").await;
    let well = site.target.addresses.load()[0];
    // Its backlog is full: nobody accepts.
    let deaf = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    deaf.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into()).unwrap();
    deaf.listen(0).unwrap();
    let deaf_address = deaf.local_addr().unwrap().as_socket().unwrap();
    let _fill: Vec<_> = (0..4)
        .map(|_| {
            let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
            socket.set_nonblocking(true).unwrap();
            let _ = socket.connect(&deaf_address.into());
            socket
        })
        .collect();
    let target = Arc::new(target(vec![deaf_address, well], None));
    let begun = tokio::time::Instant::now();
    connect::open(&target, &GET, Duration::from_millis(600)).await.unwrap();
    let took = begun.elapsed().as_millis();
    assert!((250..550).contains(&took), "{took} ms");
    assert_eq!(target.addresses.in_turn(), [well, deaf_address]);
}
