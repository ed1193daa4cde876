//! Rules that are run when a connection comes, before TLS and before any byte of it: HAProxy's `tcp-request connection`.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use crate::support::admin::column;
use crate::support::certificates::Authority;
use crate::support::curl;
use crate::support::edge::{Edge, Settings, server_of};
use crate::support::http::{Ask, Connection, answer};
use crate::support::proxy_protocol::v2;
use crate::support::scratch::Scratch;
use crate::support::tls::{Offer, connect};
use crate::support::upstream::Upstream;
use crate::support::wait::{DEADLINE, now, until};

const SECTIONS: &str = "
tables:
  by_ip:
    key: src
    size: 100
    expire: 60s
    counters: [conn_cur, conn_cnt, conn_rate(60s), http_req_rate(60s), http_err_rate(60s), gpc0, gpt0]
acls:
  crowd: {table: by_ip, counter: conn_cur, above: 3}
  flood: {table: by_ip, counter: conn_rate, above: 3}
  here: {src: 127.0.0.0/8}
  away: {src: 203.0.113.0/24}
  marked: {table: by_ip, counter: gpt0, above: 6}
  raised: {table: by_ip, counter: gpc0, above: 1}
frontends:
  web:
    bind: [{address: 127.0.0.1:0<bind>}]
    connection_rules: [<rules>]
    default_backend: ai
backends:
  ai: {retry: {attempts: 1}, servers: {one: {url: <one>}}}";

fn edge(rules: &str, one: &Upstream) -> Edge {
    bound(Scratch::new(), "", rules, one)
}

fn bound(directory: Scratch, bind: &str, rules: &str, one: &Upstream) -> Edge {
    let values = [("bind", bind), ("rules", rules), ("one", &one.url())];
    Edge::start_with(&Settings::default(), directory, SECTIONS, &values)
}

/// A connection that has been answered once and is kept, or `None` if it was closed without a byte.
#[track_caller]
fn admitted(edge: &Edge) -> Option<Connection> {
    let mut client = edge.open();
    // A close with unread bytes is a reset, which may come while these are written.
    let _ = client.try_send(Ask::get("/v1/models").bytes());
    match client.answer() {
        Some(answer) => {
            assert_eq!(answer.status(), 200, "{}", answer.text());
            Some(client)
        }
        None => None,
    }
}

/// A counter of the entry 127.0.0.1.
#[track_caller]
fn counter(edge: &Edge, name: &str) -> u64 {
    let shown = edge.command("show table by_ip");
    let line = shown.lines().find(|line| line.contains("key=127.0.0.1 "));
    let words = line.unwrap_or_else(|| panic!("no entry: {shown}")).split(' ');
    let mut values = words.filter_map(|word| word.split_once('='));
    let found = values.find(|(key, _)| key.split('(').next() == Some(name));
    found.unwrap_or_else(|| panic!("no {name}: {shown}")).1.parse().unwrap()
}

fn denied(edge: &Edge) -> f64 {
    let labels = [("reason", "connection_rule")];
    edge.metrics().sum("tidegate_denied_total", &labels)
}

#[test]
fn above_n_open_connections_admits_n() {
    let one = Upstream::named("one");
    let edge = edge("{track: by_ip}, {reject: true, if: crowd}", &one);
    let mut open: Vec<Connection> = (0..3).map(|_| admitted(&edge).expect("one of three")).collect();
    for _ in 0..5 {
        assert!(admitted(&edge).is_none(), "a fourth one");
    }
    for client in &mut open {
        assert_eq!(client.ask(&Ask::get("/v1/models")).status(), 200, "those that are in stay in");
    }
    open.pop();
    until("the place of one that left is free", || counter(&edge, "conn_cur") == 2);
    open.push(admitted(&edge).expect("a third one again"));
    assert!(admitted(&edge).is_none());
    drop(open);
    until("all have left", || counter(&edge, "conn_cur") == 0);
    assert!(admitted(&edge).is_some());
}

#[test]
fn crowd_that_comes_at_once_is_cut_exactly() {
    let one = Upstream::named("one");
    let edge = edge("{track: by_ip}, {reject: true, if: crowd}", &one);
    let clients: Vec<_> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..24).map(|_| scope.spawn(|| admitted(&edge))).collect();
        threads.into_iter().filter_map(|thread| thread.join().unwrap()).collect()
    });
    // A rejected one is counted for a moment, as in HAProxy: so several at once may shut each other out, never let in.
    assert!((1..=3).contains(&clients.len()), "{} are in", clients.len());
    until("the rejected ones hold nothing", || counter(&edge, "conn_cur") == clients.len() as u64);
}

#[test]
fn rate_counts_connections_that_have_ended_too() {
    let one = Upstream::named("one");
    let edge = edge("{track: by_ip}, {reject: true, if: flood}", &one);
    let seen: Vec<bool> = (0..6).map(|_| admitted(&edge).is_some()).collect();
    assert_eq!(seen, [true, true, true, false, false, false]);
    assert_eq!(one.count(), 3);
    assert_eq!(counter(&edge, "conn_cnt"), 6, "who is rejected is counted as well");
}

#[test]
fn rejection_comes_before_tls() {
    let directory = Scratch::new();
    let authority = Authority::new("edge authority");
    let file = authority.issue(&["one.test"]).write(&directory, "one.pem");
    let one = Upstream::named("one");
    let bind = format!(", tls: {{certificates: [{}]}}", file.display());
    let edge = bound(directory, &bind, "{track: by_ip}, {reject: true, if: crowd}", &one);
    let offer = Offer::http1("one.test");
    let open: Vec<Connection> = (0..3)
        .map(|_| {
            let mut client = connect(edge.address("web"), &authority, &offer).unwrap().connection;
            assert_eq!(client.ask(&Ask::get("/v1/models")).status(), 200);
            client
        })
        .collect();
    // It need not even begin to speak: nothing is read of it.
    assert_eq!(edge.open().rest(), b"");
    assert!(connect(edge.address("web"), &authority, &offer).is_err());
    let mut hello = edge.open();
    let _ = hello.try_send(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03");
    assert_eq!(hello.rest(), b"", "neither a ServerHello nor an alert");
    let failures = edge.metrics().sum("tidegate_tls_failures_total", &[("frontend", "web")]);
    assert!(failures.abs() < 0.5, "no handshake was tried, {failures} failed");
    drop(open);
    until("the places are free", || connect(edge.address("web"), &authority, &offer).is_ok());
}

#[test]
fn requests_count_in_the_entry_of_their_connection() {
    let one = Upstream::replying(|request| {
        let status = if request.head.target() == "/v1/missing" { 404 } else { 200 };
        answer(status, &[], "{}")
    });
    let edge = edge("{track: by_ip}", &one);
    let mut client = edge.open();
    for target in ["/v1/models", "/v1/missing", "/v1/models", "/v1/missing", "/v1/models"] {
        client.ask(&Ask::get(target));
    }
    until("five requests, two of them errors", || {
        counter(&edge, "http_req_rate") == 5 && counter(&edge, "http_err_rate") == 2
    });
    assert_eq!((counter(&edge, "conn_cur"), counter(&edge, "conn_cnt")), (1, 1));
    drop(client);
    until("the connection has ended", || counter(&edge, "conn_cur") == 0);
}

#[test]
fn requests_of_one_http2_connection_count_in_its_entry() {
    let directory = Scratch::new();
    let authority = Authority::new("edge authority");
    let file = authority.issue(&["one.test"]).write(&directory, "one.pem");
    let ca = authority.write(&directory, "ca.pem");
    let one = Upstream::named("one");
    let bind = format!(", tls: {{certificates: [{}]}}", file.display());
    let edge = bound(directory, &bind, "{track: by_ip}, {reject: true, if: flood}", &one);
    let address = edge.address("web");
    let again = format!("https://one.test:{}/v1/models", address.port());
    let more = ["--http2", again.as_str(), again.as_str(), again.as_str()];
    let answer = curl::https(address, "one.test", &ca, "/v1/models", &more);
    assert_eq!((answer.exit, answer.status, answer.version.as_str()), (0, 200, "2"));
    until("four requests", || counter(&edge, "http_req_rate") == 4);
    assert_eq!(counter(&edge, "conn_cnt"), 1);
    until("the connection has ended", || counter(&edge, "conn_cur") == 0);
}

#[test]
fn malformed_request_is_an_error_of_its_connection() {
    let one = Upstream::named("one");
    let edge = edge("{track: by_ip}", &one);
    let mut client = edge.open();
    client.send("GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n");
    assert_eq!(client.answer().unwrap().status(), 400);
    until("it is counted", || counter(&edge, "http_err_rate") == 1 && counter(&edge, "http_req_rate") == 1);
}

#[test]
fn rules_raise_and_set_what_later_rules_ask() {
    let one = Upstream::named("one");
    let raise =
        edge("{track: by_ip}, {raise: {table: by_ip, counter: gpc0}}, {reject: true, if: raised}", &one);
    assert!(admitted(&raise).is_some() && admitted(&raise).is_none());
    assert_eq!(counter(&raise, "gpc0"), 2);
    let set = edge("{track: by_ip}, {reject: true, if: marked}, {set_gpt0: {table: by_ip, value: 7}}", &one);
    assert!(admitted(&set).is_some() && admitted(&set).is_none());
    assert_eq!(counter(&set, "gpt0"), 7);
}

#[test]
fn accept_ends_the_rules() {
    let one = Upstream::named("one");
    let edge = edge("{accept: true, if: here}, {track: by_ip}, {reject: true}", &one);
    let _open: Vec<Connection> = (0..6).map(|_| admitted(&edge).expect("accepted")).collect();
    assert!(!edge.command("show table by_ip").contains("key="), "nothing behind `accept` was run");
}

#[test]
fn dropped_client_hears_nothing() {
    let one = Upstream::named("one");
    let edge = edge("{silent_drop: true, if: here}", &one);
    let mut client = TcpStream::connect_timeout(&edge.address("web"), DEADLINE).unwrap();
    client.set_read_timeout(Some(Duration::from_millis(300))).unwrap();
    let _ = client.write_all(&Ask::get("/v1/models").bytes());
    // Without the right to administer the network there is a reset, which dies at the first router; here there is none.
    match client.read(&mut [0; 16]) {
        Ok(count) => panic!("{count} bytes (none is a clean end)"),
        Err(error) => assert!(
            matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::ConnectionReset),
            "{error}"
        ),
    }
    until("it holds no place", || edge.metrics().sum("tidegate_process_connections", &[]).abs() < 0.5);
    assert_eq!(one.count(), 0);
    assert_eq!(denied(&edge), 1.0);
}

#[test]
fn refused_connections_are_counted_and_are_no_requests() {
    let one = Upstream::named("one");
    let edge = edge("{track: by_ip}, {reject: true, if: flood}", &one);
    for _ in 0..5 {
        let _ = admitted(&edge);
    }
    until("two were denied", || (denied(&edge) - 2.0).abs() < 0.1);
    let rows = edge.show_stat();
    let row = rows.iter().find(|row| column(row, "svname") == "FRONTEND").unwrap();
    assert_eq!((column(row, "dcon"), column(row, "req_tot"), column(row, "dreq")), ("2", "3", "0"));
    assert_eq!(column(row, "conn_tot"), "5");
    until("the log has what was served, and nothing else", || edge.log().len() == 3);
}

#[test]
fn administrator_comes_in_always() {
    let one = Upstream::named("one");
    let edge = edge("{reject: true}", &one);
    for _ in 0..5 {
        assert!(admitted(&edge).is_none());
        assert_eq!(edge.admin_get("/metrics").status(), 200);
        assert!(edge.command("show info").contains("Name:"));
    }
}

#[test]
fn rules_see_the_client_behind_a_proxy_header() {
    let one = Upstream::named("one");
    let rules = "{track: by_ip}, {reject: true, if: away or crowd}";
    let edge = bound(Scratch::new(), ", accept_proxy: true", rules, &one);
    let to: SocketAddr = "192.0.2.1:80".parse().unwrap();
    let from = |client: &str| {
        let header = v2(format!("{client}:4711").parse().unwrap(), to, &[]);
        let mut connection = edge.open();
        let _ = connection.try_send([header, Ask::get("/v1/models").bytes()].concat());
        connection.answer().map(|answer| (server_of(&answer), connection))
    };
    let mut open = Vec::new();
    for last in 1..=6 {
        open.push(from(&format!("198.51.100.{last}")).expect("each client is its own"));
    }
    assert!(from("203.0.113.9").is_none(), "its address is refused, whoever passes it on");
    for _ in 0..2 {
        open.push(from("198.51.100.1").expect("up to three of one client"));
    }
    assert!(from("198.51.100.1").is_none());
    assert!(from("198.51.100.2").is_some());
    assert!(!edge.command("show table by_ip").contains("key=127.0.0.1"), "the balancer is nobody");
}

#[test]
fn client_that_never_speaks_counts_until_it_leaves() {
    let one = Upstream::named("one");
    let edge = edge("{track: by_ip}, {reject: true, if: crowd}", &one);
    let mut silent: Vec<Connection> = (0..3).map(|_| edge.open()).collect();
    until("three are in", || edge.command("show table by_ip").contains("conn_cur=3"));
    assert!(admitted(&edge).is_none());
    silent.drain(..).for_each(|client| client.reset_when_dropped());
    until("their places are free", || counter(&edge, "conn_cur") == 0);
    assert!(admitted(&edge).is_some());
}

#[test]
fn flood_of_rejected_connections_leaves_the_rest_alone() {
    let one = Upstream::named("one");
    let rules = "{reject: true, if: away}";
    let edge = bound(Scratch::new(), ", accept_proxy: true", rules, &one);
    let to: SocketAddr = "192.0.2.1:80".parse().unwrap();
    let header = |client: &str| v2(client.parse().unwrap(), to, &[]);
    let mut kept = edge.open();
    kept.send(header("198.51.100.1:1"));
    assert_eq!(kept.ask(&Ask::get("/v1/models")).status(), 200);
    let end = now() + DEADLINE;
    for round in 0..300 {
        let mut client = edge.open();
        let _ = client.try_send(header("203.0.113.1:1"));
        if round % 50 == 0 {
            assert_eq!(client.rest(), b"");
            assert_eq!(kept.ask(&Ask::get("/v1/models")).status(), 200);
        }
        assert!(now() < end, "at round {round}");
    }
    until("all of them are counted", || (denied(&edge) - 300.0).abs() < 0.1);
    assert!(kept.socket().peer_addr().is_ok());
}
