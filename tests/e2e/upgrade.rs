//! Protocol upgrades (WebSocket): after a 101 bytes pass both ways as they are.

use std::time::Duration;

use crate::support::admin::column;
use crate::support::edge::Edge;
use crate::support::http::{Ask, Connection, ok};
use crate::support::site::Site;
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
fn upgrade_that_connection_does_not_name_is_none() {
    let one = echo();
    let edge = edge("", &one);
    let answer = edge.ask(&Ask::get("/v1/realtime").header("Upgrade", "websocket"));
    assert_eq!(answer.status(), 502, "its 101 answers nothing that was asked");
    assert!(one.requests().iter().all(|request| request.header("upgrade").is_none()));
}

#[test]
fn server_that_switches_to_another_protocol_is_not_followed() {
    let one = Upstream::replying(|_| {
        b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n".to_vec()
    });
    let edge = edge("", &one);
    assert_eq!(edge.ask(&ask()).status(), 502);
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

const TABLE: &str = "
tables: {t: {key: src, expire: 60s, counters: [conn_cur, bytes_in_rate(1m), bytes_out_rate(1m), http_fail_cnt]}}
defaults: {timeouts: {tunnel: 1s}}";

/// Reads the greeting, after which bytes are echoed.
fn greet(client: &mut Connection) {
    client.send(ask().bytes());
    assert_eq!(client.head().unwrap().status(), 101);
    assert_eq!(client.exactly(5).unwrap(), b"hello");
}

fn in_flight(site: &Site) -> [String; 3] {
    let rows = site.edge.show_stat();
    let current = |service: &str| {
        let found = rows.iter().find(|row| column(row, "svname") == service && column(row, "pxname") == "ai");
        column(found.unwrap(), "scur").to_owned()
    };
    let shown = site.edge.command("show table t");
    let word = shown.split_whitespace().find_map(|word| word.strip_prefix("conn_cur=")).unwrap_or("none");
    [current("BACKEND"), current("one"), word.to_owned()]
}

#[test]
fn open_tunnel_is_in_flight_and_its_bytes_count_while_it_is() {
    let site = Site::new(TABLE, "    rules: [{track: t}]", echo());
    let mut client = site.open_tls();
    greet(&mut client);
    assert_eq!(in_flight(&site), ["1", "1", "1"]);
    client.send(vec![b'x'; 200_000]);
    assert_eq!(client.exactly(200_000).unwrap(), vec![b'x'; 200_000]);
    let counted = |name: &str| {
        let shown = site.edge.command("show table t");
        let word = shown.split_whitespace().find(|word| word.starts_with(name)).unwrap();
        word.rsplit('=').next().unwrap().parse::<u64>().unwrap()
    };
    until("the bytes are counted", || {
        counted("bytes_in_rate") > 100_000 && counted("bytes_out_rate") > 100_000
    });
    assert!(site.edge.log().is_empty(), "it is over");
    drop(client);
    let line = site.edge.logged("the tunnel", |line| line["path"] == "/v1/realtime");
    assert_eq!(line["status"], 101);
    assert!(
        line["bytes_in"].as_u64().unwrap() > 200_000 && line["bytes_out"].as_u64().unwrap() > 200_000,
        "{line}"
    );
    until("nothing is in flight", || in_flight(&site) == ["0", "0", "0"]);
    let all = (counted("bytes_in_rate"), counted("bytes_out_rate"));
    assert_eq!(all, (line["bytes_in"].as_u64().unwrap(), line["bytes_out"].as_u64().unwrap()));
}

#[test]
fn silent_tunnel_ends_without_blame() {
    let site = Site::new(TABLE, "    rules: [{track: t}]", echo());
    let mut client = site.open();
    greet(&mut client);
    assert!(client.ended_within(DEADLINE));
    let line = site.edge.logged("the tunnel", |line| line["path"] == "/v1/realtime");
    assert_eq!((line["status"].as_u64(), line["termination"].as_str()), (Some(101), Some("sD--")));
    assert!(line.get("error_code").is_none(), "{line}");
    assert!(site.edge.command("show table t").contains("http_fail_cnt=0"));
    until("the server is left", || site.one.departures() == 1);
}

#[test]
fn bytes_right_behind_the_request_reach_the_server() {
    for tls in [false, true] {
        let site = Site::new("", "", echo());
        let mut client = if tls { site.open_tls() } else { site.open() };
        client.send([&ask().bytes()[..], b"GET / HTTP/1.1\r\n\r\n--"].concat());
        assert_eq!(client.head().unwrap().status(), 101);
        assert_eq!(client.exactly(25).unwrap(), b"helloGET / HTTP/1.1\r\n\r\n--");
        assert_eq!(site.one.request().head.target(), "/v1/realtime");
    }
}

#[test]
fn refused_upgrade_leaves_its_frames_unread() {
    let site = Site::new("", "", Upstream::replying(|_| ok("no")));
    let mut client = site.open();
    client.send([&ask().bytes()[..], b"\x81\x85\x01\x02\x03\x04abcde"].concat());
    assert_eq!(client.answer().unwrap().text(), "no");
    let after = client.answer();
    assert!(after.is_none_or(|answer| answer.status() == 400));
    assert_eq!(site.one.count(), 1, "frames were read as a request");
}

#[test]
fn rules_see_an_upgrade_and_its_answer() {
    let frontend = "
    rules: [{set_header: {x-client: \"%[src]\"}}, {deny: {status: 403}, if: other}]
    response_rules: [{set_header: {x-tunnel: \"%[status]\"}, if: switched}]";
    let site = Site::new("acls: {other: {path_beg: /other}, switched: {status: 101}}", frontend, echo());
    let mut client = site.open();
    client.send(ask().bytes());
    let head = client.head().unwrap();
    assert_eq!((head.status(), head.header("x-tunnel")), (101, Some("101")));
    assert!(head.header("x-request-id").is_some());
    assert_eq!((head.header("content-length"), head.header("transfer-encoding")), (None, None));
    assert_eq!(site.one.request().header("x-client"), Some("127.0.0.1"));
    let mut denied = ask();
    denied.target = "/other".to_owned();
    assert_eq!(site.open().ask(&denied).status(), 403);
}

#[test]
fn busy_tunnel_moves_both_ways_at_once() {
    // Both ends send more than all buffers on the way hold before either reads.
    const SIZE: usize = 24 * 1024 * 1024;
    let busy = Upstream::start(|peer| {
        if peer.request().is_none() {
            return;
        }
        peer.send("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n");
        let whole = peer.send(vec![b'd'; SIZE]) && peer.connection.exactly(SIZE).is_ok();
        peer.send(if whole { "whole" } else { "cut!!" });
        peer.wait_until_left();
    });
    let site = Site::new("", "", busy);
    let mut client = site.open();
    client.send(ask().bytes());
    assert_eq!(client.head().unwrap().status(), 101);
    let mut sender = client.socket().try_clone().unwrap();
    let sending =
        std::thread::spawn(move || std::io::Write::write_all(&mut sender, &vec![b'u'; SIZE]).is_ok());
    assert!(client.exactly(SIZE).is_ok(), "cut on the way down");
    assert!(sending.join().unwrap(), "cut on the way up");
    assert_eq!(client.exactly(5).unwrap(), b"whole");
}

#[test]
fn body_of_an_upgrade_comes_before_its_tunnel() {
    let one = Upstream::start(|peer| {
        let Some(request) = peer.request() else { return };
        peer.send("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n");
        peer.send(&request.body);
        while let Ok(bytes) = peer.connection.exactly(4) {
            peer.send(bytes);
        }
    });
    let site = Site::new("", "", one);
    let mut client = site.open();
    let mut with_body = ask();
    with_body.body = Some(b"body!".to_vec());
    client.send(with_body.bytes());
    assert_eq!(client.head().unwrap().status(), 101);
    assert_eq!(client.exactly(5).unwrap(), b"body!");
    client.send("ping");
    assert_eq!(client.exactly(4).unwrap(), b"ping");
}

#[test]
fn server_that_leaves_a_tunnel_ends_it_with_all_it_said() {
    let one = Upstream::start(|peer| {
        if peer.request().is_some() {
            peer.send(
                "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
            );
            peer.send(vec![b'x'; 3_000_000]);
        }
    });
    let site = Site::new(TABLE, "    rules: [{track: t}]", one);
    let mut client = site.open_tls();
    client.send(ask().bytes());
    assert_eq!(client.head().unwrap().status(), 101);
    assert_eq!(client.rest().len(), 3_000_000);
    let line = site.edge.logged("the tunnel", |line| line["path"] == "/v1/realtime");
    assert_eq!(line["termination"], "----");
    assert!(line["bytes_out"].as_u64().unwrap() > 3_000_000);
}

#[test]
fn server_that_does_not_listen_holds_up_nobody() {
    let one = Upstream::start(|peer| {
        if peer.connection.head().is_some() {
            peer.send(
                "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
            );
            while peer.going_on() {
                std::thread::sleep(Duration::from_millis(20));
            }
        }
    });
    let site = Site::new(TABLE, "", one);
    let mut client = site.open();
    client.send(ask().bytes());
    assert_eq!(client.head().unwrap().status(), 101);
    // More than all buffers on the way hold; the tunnel's own timeout ends it.
    let mut sender = client.socket().try_clone().unwrap();
    let sending = std::thread::spawn(move || {
        let part = vec![b'u'; 1024 * 1024];
        (0..64).all(|_| std::io::Write::write_all(&mut sender, &part).is_ok())
    });
    assert!(client.ended_within(DEADLINE));
    assert!(!sending.join().unwrap(), "all of it was taken");
    let line = site.edge.logged("the tunnel", |line| line["path"] == "/v1/realtime");
    assert_eq!(line["termination"], "sD--");
}
