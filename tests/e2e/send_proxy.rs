//! `send_proxy`: a server is told, by a header of the PROXY protocol, version 2, whose connection it is given.

use std::net::SocketAddr;

use crate::support::admin::column;
use crate::support::certificates::Authority;
use crate::support::edge::{Edge, Settings, server_of};
use crate::support::foreign;
use crate::support::http::{Ask, Connection};
use crate::support::proxy_protocol::{Recorder, v2};
use crate::support::scratch::Scratch;
use crate::support::tls::server_config;
use crate::support::upstream::Upstream;
use crate::support::wait::until;

const SECTIONS: &str = "
frontends:
  web:
    bind: [{address: 127.0.0.1:0<bind>}, {address: \"[::1]:0\"<bind>}]
    default_backend: ai
backends:
  ai:
    retry: {attempts: 2}
<check>
    servers: {one: {url: <url>, send_proxy: true<server>}}";

fn edge(bind: &str, check: &str, server: &str, url: &str) -> Edge {
    within(Scratch::new(), bind, check, server, url)
}

fn within(directory: Scratch, bind: &str, check: &str, server: &str, url: &str) -> Edge {
    let values = [("bind", bind), ("check", check), ("server", server), ("url", url)];
    Edge::start_with(&Settings::default(), directory, SECTIONS, &values)
}

fn url(to: &Recorder) -> String {
    format!("http://{}", to.address())
}

#[test]
fn server_is_told_the_client_and_what_it_connected_to() {
    let server = Recorder::start(None);
    let edge = edge("", "", "", &url(&server));
    for address in edge.addresses("web") {
        let mut client = Connection::open(*address);
        let own = client.socket().local_addr().unwrap();
        assert_eq!(server_of(&client.ask(&Ask::get("/v1/models"))), "recorder");
        assert_eq!(server.used().pop().unwrap().told, Some((own, *address)));
    }
}

#[test]
fn connection_speaks_for_one_client_alone() {
    let server = Recorder::start(None);
    let edge = edge("", "", "", &url(&server));
    let mut clients: Vec<Connection> = (0..4).map(|_| edge.open()).collect();
    for round in 0..3 {
        for client in &mut clients {
            let own = client.socket().local_addr().unwrap().to_string();
            let ask = Ask::post(&format!("/v1/{round}"), "{}").header("x-own", &own);
            assert_eq!(server_of(&client.ask(&ask)), "recorder");
        }
    }
    let used = server.used();
    for connection in &used {
        let (source, _) = connection.told.unwrap();
        for request in &connection.requests {
            assert_eq!(request.header("x-own"), Some(source.to_string().as_str()));
        }
    }
    assert_eq!(used.iter().map(|connection| connection.requests.len()).sum::<usize>(), 12);
    assert_eq!(server.strays(), 0);
}

#[test]
fn header_comes_before_tls() {
    let directory = Scratch::new();
    let authority = Authority::new("server authority");
    let ca = authority.write(&directory, "ca.pem");
    let server = Recorder::start(Some(server_config(&authority.issue(&["localhost", "127.0.0.1"]))));
    let url = format!("https://{}", server.address());
    let more = format!(", tls: {{ca_file: {}}}", ca.display());
    let edge = within(directory, "", "", &more, &url);
    let mut client = edge.open();
    let own = client.socket().local_addr().unwrap();
    for _ in 0..2 {
        assert_eq!(server_of(&client.ask(&Ask::get("/v1/models"))), "recorder");
    }
    assert_eq!(server.strays(), 0);
    assert!(server.used().iter().all(|connection| connection.told == Some((own, edge.address("web")))));
}

#[test]
fn checks_speak_for_tidegate_itself() {
    let server = Recorder::start(None);
    let check = "    check: {http: {path: /health}, interval: 100ms, rise: 1}";
    let edge = edge("", check, "", &url(&server));
    assert_eq!(server_of(&edge.ask(&Ask::get("/v1/models"))), "recorder");
    until("a few checks", || server.used().len() > 3);
    for connection in server.used() {
        for request in &connection.requests {
            let is_check = request.head.target() == "/health";
            assert_eq!(connection.told.is_none(), is_check, "{connection:?}");
        }
    }
    assert_eq!(server.strays(), 0);
}

#[test]
fn what_a_balancer_in_front_told_is_passed_on() {
    let server = Recorder::start(None);
    let edge = edge(", accept_proxy: true", "", "", &url(&server));
    let far: (SocketAddr, SocketAddr) =
        ("198.51.100.7:4711".parse().unwrap(), "192.0.2.1:443".parse().unwrap());
    let mut client = edge.open();
    client.send([v2(far.0, far.1, &[]), Ask::get("/v1/models").bytes()].concat());
    assert_eq!(client.answer().expect("an answer").status(), 200);
    assert_eq!(server.used().pop().unwrap().told, Some(far));
    let six: (SocketAddr, SocketAddr) =
        ("[2001:db8::7]:4711".parse().unwrap(), "[2001:db8::1]:443".parse().unwrap());
    let mut client = edge.open();
    client.send([v2(six.0, six.1, &[]), Ask::get("/v1/models").bytes()].concat());
    assert_eq!(client.answer().expect("an answer").status(), 200);
    assert_eq!(server.used().pop().unwrap().told, Some(six));
}

#[test]
fn client_of_a_unix_socket_has_nobody_to_tell_of() {
    let server = Recorder::start(None);
    let directory = Scratch::new();
    let path = directory.path().join("web.sock");
    let sections = format!(
        "
frontends:
  web: {{bind: [{{address: \"unix:{}\"}}], default_backend: ai}}
backends:
  ai: {{servers: {{one: {{url: <url>, send_proxy: true}}}}}}",
        path.display()
    );
    let url = url(&server);
    let _edge = Edge::start_with(&Settings::default(), directory, &sections, &[("url", &url)]);
    let socket = ["--unix-socket", path.to_str().unwrap()];
    let answer = crate::support::curl::http("127.0.0.1:80".parse().unwrap(), "/v1/models", &socket);
    assert_eq!(answer.status, 200);
    assert_eq!(server.used().pop().unwrap().told, None, "better nothing than 0.0.0.0");
}

#[test]
fn other_servers_get_no_header() {
    let (told, plain) = (Recorder::start(None), Upstream::named("plain"));
    let edge = Edge::start(
        "
frontends:
  web: {bind: [{address: 127.0.0.1:0}], default_backend: ai}
backends:
  ai:
    balance: round_robin
    servers: {told: {url: <told>, send_proxy: true}, plain: {url: <plain>}}",
        &[("told", &url(&told)), ("plain", &plain.url())],
    );
    let mut servers = edge.servers(6);
    servers.sort();
    assert_eq!(servers, ["plain", "plain", "plain", "recorder", "recorder", "recorder"]);
    assert!(plain.requests().iter().all(|request| request.head.first_line == "GET /v1/models HTTP/1.1"));
}

#[test]
fn server_that_expects_none_fails_visibly() {
    let strict = Upstream::start(|peer| {
        // As most servers: what is no request is answered with 400, or not at all.
        if peer.connection.exactly(16).is_ok_and(|bytes| bytes.starts_with(b"\r\n\r\n\0")) {
            peer.send("HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
        }
    });
    let edge = edge("", "", "", &strict.url());
    let status = edge.ask(&Ask::get("/v1/models")).status();
    assert!([400, 502, 503].contains(&status), "{status}");
}

/// What other readers make of the header: they answer with the address, the port, and the port that was connected to.
fn is_understood(address: SocketAddr) {
    let edge = edge("", "", "", &format!("http://{address}"));
    for address in edge.addresses("web") {
        let mut client = Connection::open(*address);
        let own = client.socket().local_addr().unwrap();
        for _ in 0..2 {
            let answer = client.ask(&Ask::get("/v1/models"));
            assert_eq!(answer.text(), format!("{} {} {}", own.ip(), own.port(), address.port()));
        }
    }
}

#[test]
fn nginx_reads_the_header() {
    let server = foreign::nginx(
        "listen <address> proxy_protocol; \
         return 200 \"$proxy_protocol_addr $proxy_protocol_port $proxy_protocol_server_port\";",
    );
    match server {
        Some(server) => is_understood(server.address),
        None => eprintln!("nginx is not installed; HAProxy alone has to do"),
    }
}

const HAPROXY: &str = "
frontend f
  mode http
  bind <address> accept-proxy
  http-request return status 200 content-type text/plain lf-string \"%[src] %[src_port] %[dst_port]\"";

#[test]
fn haproxy_reads_the_header() {
    is_understood(foreign::haproxy(HAPROXY).address);
}

#[test]
fn haproxy_takes_the_checks_for_what_they_are() {
    let server = foreign::haproxy(HAPROXY);
    let check = "    check: {http: {path: /health}, interval: 100ms, rise: 1, fall: 1}";
    let edge = edge("", check, "", &format!("http://{}", server.address));
    for _ in 0..3 {
        assert_eq!(edge.ask(&Ask::get("/v1/models")).status(), 200, "the server is up");
    }
    let stat = edge.show_stat();
    let row = stat.iter().find(|row| column(row, "svname") == "one").unwrap();
    assert_eq!((column(row, "status"), column(row, "chkfail")), ("UP", "0"));
}
