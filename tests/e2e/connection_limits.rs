//! Connection limits, of the process and of a frontend: who comes too many waits, and is served when somebody leaves.

use std::time::Duration;

use crate::support::edge::{Edge, Settings, server_of};
use crate::support::http::{Ask, Connection};
use crate::support::proxy_protocol::v2;
use crate::support::rude::{endless_stream, listens};
use crate::support::scratch::Scratch;
use crate::support::upstream::Upstream;
use crate::support::wait::{DEADLINE, until};

/// Long enough to notice that a connection is served although it should not be.
const WHILE: Duration = Duration::from_millis(200);

fn edge(max_connections: usize, web: &str, one: &Upstream) -> Edge {
    let settings = Settings { max_connections, shutdown_grace: "60s", ..Settings::default() };
    Edge::start_with(
        &settings,
        Scratch::new(),
        "
frontends:
  web: {bind: [{address: 127.0.0.1:0}]<web>, default_backend: ai}
  other: {bind: [{address: 127.0.0.1:0}], default_backend: ai}
backends:
  ai: {servers: {one: {url: <one>}}}",
        &[("web", web), ("one", &one.url())],
    )
}

/// A kept connection that was served.
#[track_caller]
fn served(edge: &Edge, frontend: &str) -> Connection {
    let mut client = Connection::open(edge.address(frontend));
    assert_eq!(server_of(&client.ask(&Ask::get("/v1/models"))), "one");
    client
}

/// A connection that has asked, and was left waiting.
#[track_caller]
fn waiting(edge: &Edge, frontend: &str) -> Connection {
    let mut client = Connection::open(edge.address(frontend));
    client.send(Ask::get("/v1/models").bytes());
    assert!(client.silent_for(WHILE), "served or closed, though there is no place");
    client
}

fn open_now(edge: &Edge) -> f64 {
    edge.metrics().sum("tidegate_process_connections", &[])
}

#[test]
fn process_full_makes_the_next_one_wait() {
    let one = Upstream::named("one");
    let edge = edge(3, "", &one);
    let mut open: Vec<Connection> = (0..3).map(|_| served(&edge, "web")).collect();
    let mut late = waiting(&edge, "web");
    let mut elsewhere = waiting(&edge, "other");
    assert_eq!(one.count(), 3);
    for client in &mut open {
        assert_eq!(client.ask(&Ask::get("/v1/models")).status(), 200, "those that are in go on");
    }
    open.truncate(1);
    assert_eq!(late.answer().expect("served once there is a place").status(), 200);
    assert_eq!(elsewhere.answer().expect("served once there is a place").status(), 200);
    assert_eq!(open_now(&edge), 3.0);
}

#[test]
fn administrator_comes_into_a_full_process() {
    let one = Upstream::named("one");
    let edge = edge(1, "", &one);
    let open = served(&edge, "web");
    let late = waiting(&edge, "web");
    for _ in 0..5 {
        assert_eq!(edge.admin_get("/metrics").status(), 200);
        assert!(edge.command("show info").contains("CurrConns: 1"), "{}", edge.command("show info"));
    }
    drop((open, late));
    until("the process is empty", || open_now(&edge).abs() < 0.5);
}

#[test]
fn frontend_full_leaves_the_others_alone() {
    let one = Upstream::named("one");
    let edge = edge(100, ", max_connections: 2", &one);
    let mut open: Vec<Connection> = (0..2).map(|_| served(&edge, "web")).collect();
    let mut late = waiting(&edge, "web");
    let others: Vec<Connection> = (0..10).map(|_| served(&edge, "other")).collect();
    assert_eq!(edge.admin_get("/metrics").status(), 200);
    open.pop();
    assert_eq!(late.answer().expect("served once there is a place").status(), 200);
    drop(others);
}

#[test]
fn all_who_wait_are_served_in_the_end() {
    let one = Upstream::named("one");
    let edge = edge(100, ", max_connections: 1", &one);
    let first = served(&edge, "web");
    let mut late: Vec<Connection> = (0..12).map(|_| Connection::open(edge.address("web"))).collect();
    for client in &mut late {
        client.send(Ask::get("/v1/models").header("connection", "close").bytes());
    }
    assert!(late[0].silent_for(WHILE));
    drop(first);
    for client in &mut late {
        assert_eq!(client.answer().expect("an answer").status(), 200);
        assert!(client.ended_within(DEADLINE));
    }
    until("nobody is left", || open_now(&edge).abs() < 0.5);
}

#[test]
fn who_leaves_while_waiting_takes_no_place() {
    let one = Upstream::named("one");
    let edge = edge(100, ", max_connections: 1", &one);
    let mut open = served(&edge, "web");
    for _ in 0..10 {
        let impatient = Connection::open(edge.address("web"));
        impatient.reset_when_dropped();
    }
    assert_eq!(open.ask(&Ask::get("/v1/models")).status(), 200);
    drop(open);
    drop(served(&edge, "web"));
    until("nobody is left", || open_now(&edge).abs() < 0.5);
}

#[test]
fn each_way_out_gives_the_place_back() {
    let one = Upstream::named("one");
    let edge = Edge::start(
        "
defaults: {timeouts: {request_head: 200ms}}
acls:
  away: {src: 203.0.113.1}
  nowhere: {src: 203.0.113.2}
frontends:
  web:
    bind: [{address: 127.0.0.1:0, accept_proxy: true}]
    max_connections: 1
    connection_rules: [{reject: true, if: away}, {silent_drop: true, if: nowhere}]
    default_backend: ai
backends:
  ai: {servers: {one: {url: <one>}}}",
        &[("one", &one.url())],
    );
    let header = |from: &str| v2(format!("{from}:1").parse().unwrap(), "192.0.2.1:80".parse().unwrap(), &[]);
    let ways: [(&str, Vec<u8>); 6] = [
        ("rejected", header("203.0.113.1")),
        ("dropped", header("203.0.113.2")),
        ("no PROXY header", b"GET / HTTP/1.1\r\n\r\n".to_vec()),
        ("half a PROXY header", header("198.51.100.1")[..20].to_vec()),
        ("half a head", [header("198.51.100.1"), b"GET / HT".to_vec()].concat()),
        ("a malformed head", [header("198.51.100.1"), b"GET\r\n\r\n".to_vec()].concat()),
    ];
    for (way, bytes) in &ways {
        let mut client = edge.open();
        let _ = client.try_send(bytes);
        let mut next = edge.open();
        next.send([header("198.51.100.7"), Ask::get("/v1/models").bytes()].concat());
        let answer = next.answer().unwrap_or_else(|| panic!("not served after: {way}"));
        assert_eq!(answer.status(), 200, "{way}");
    }
    until("nobody is left", || open_now(&edge).abs() < 0.5);
}

#[test]
fn stop_does_not_wait_for_those_who_wait() {
    let one = Upstream::named("one");
    let mut edge = edge(100, ", max_connections: 1", &one);
    let open = served(&edge, "web");
    let mut late = waiting(&edge, "web");
    edge.process.signal("TERM");
    let status = edge.process.wait();
    assert!(status.success(), "{status}");
    // What is in the backlog is still served when there is a place; else it is closed. Never half.
    if let Some(answer) = late.answer() {
        assert!(answer.whole, "{answer:?}");
    }
    drop(open);
}

#[test]
fn stop_closes_the_door_of_a_full_frontend_though_a_stream_goes_on() {
    let endless = endless_stream(Duration::from_millis(50));
    let mut edge = edge(100, ", max_connections: 1", &endless);
    let mut stream = edge.open();
    stream.send(Ask::get("/v1/models").bytes());
    assert_eq!(stream.head().expect("the head of a stream").status(), 200);
    let mut late = waiting(&edge, "web");
    edge.process.signal("TERM");
    assert!(late.ended_within(DEADLINE), "left waiting for a process that ends");
    until("nobody else is let in to wait", || !listens(edge.address("web")));
    assert!(stream.chunk().is_ok(), "what is in flight goes on");
    drop(stream);
    assert!(edge.process.wait().success());
}
