//! Protocol upgrades (WebSocket): after a 101 bytes pass both ways as they are.

use std::time::Duration;

use crate::support::edge::Edge;
use crate::support::http::{Ask, Connection};
use crate::support::upstream::Upstream;
use crate::support::wait::{DEADLINE, until};

fn edge(timeouts: &str, one: &Upstream) -> Edge {
    Edge::start(
        "
defaults: {timeouts: {<timeouts>}}
frontends:
  web: {bind: [{address: 127.0.0.1:0}], default_backend: ai}
backends:
  ai: {servers: {one: {url: <one>}}}",
        &[("timeouts", timeouts), ("one", &one.url())],
    )
}

/// Agrees to an upgrade, greets, and echoes four bytes at a time.
fn echo() -> Upstream {
    Upstream::start(|peer| {
        if peer.request().is_none() {
            return;
        }
        peer.send("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: abc\r\n\r\nhello");
        while let Ok(bytes) = peer.connection.exactly(4) {
            peer.send(bytes);
        }
        peer.wait_until_left();
    })
}

fn ask() -> Ask {
    Ask::get("/v1/realtime")
        .header("Connection", "Upgrade")
        .header("Upgrade", "websocket")
        .header("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==")
        .header("Sec-WebSocket-Version", "13")
}

fn upgraded(edge: &Edge) -> Connection {
    let mut client = edge.open();
    client.send(ask().bytes());
    let head = client.head().unwrap();
    assert_eq!(head.status(), 101);
    assert_eq!(head.header("upgrade").map(str::to_lowercase).as_deref(), Some("websocket"));
    assert_eq!(head.header("sec-websocket-accept"), Some("abc"));
    assert_eq!(client.exactly(5).unwrap(), b"hello");
    client
}

#[test]
fn bytes_pass_both_ways() {
    let one = echo();
    let edge = edge("", &one);
    let mut client = upgraded(&edge);
    for bytes in [b"ping", b"\0\xff\r\n", b"GET "] {
        client.send(bytes);
        assert_eq!(client.exactly(4).unwrap(), bytes);
    }
    let request = one.request();
    assert_eq!(request.header("upgrade").map(str::to_lowercase).as_deref(), Some("websocket"));
    assert!(request.header("sec-websocket-key").is_some());
    drop(client);
    until("the server is left", || one.departures() == 1);
}

#[test]
fn tunnel_has_its_own_timeout_and_no_other() {
    let one = echo();
    let edge = edge("client: 200ms, server: 200ms, total: 5s, tunnel: 1s", &one);
    let mut client = upgraded(&edge);
    assert!(client.silent_for(Duration::from_millis(600)), "ended by a timeout that is not the tunnel's");
    assert!(client.ended_within(DEADLINE));
    until("the server is left", || one.departures() == 1);
}

#[test]
fn server_that_does_not_upgrade_answers_as_ever() {
    let one = Upstream::named("one");
    let edge = edge("", &one);
    let mut client = edge.open();
    let answer = client.ask(&ask());
    assert_eq!((answer.status(), answer.json()["server"].as_str()), (200, Some("one")));
}

#[test]
fn no_other_protocol_is_offered_to_a_server() {
    let one = Upstream::named("one");
    let edge = edge("", &one);
    let smuggling = Ask::get("/v1/models")
        .header("Connection", "Upgrade, HTTP2-Settings")
        .header("Upgrade", "h2c")
        .header("HTTP2-Settings", "AAMAAABkAARAAAAAAAIAAAAA");
    assert_eq!(edge.ask(&smuggling).status(), 200);
    let request = one.request();
    assert_eq!((request.header("upgrade"), request.header("http2-settings")), (None, None));
}
