//! Where a frontend listens: IPv6, Unix sockets, descriptors that the process was started with.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::process::Output;

use crate::support::certificates::Authority;
use crate::support::curl::{self, Curl};
use crate::support::edge::{Edge, Settings, check, configuration, refused, server_of};
use crate::support::http::{Ask, Connection};
use crate::support::proxy_protocol::v2;
use crate::support::rude::listens;
use crate::support::scratch::Scratch;
use crate::support::upstream::Upstream;
use crate::support::wait::{DEADLINE, until};

const SECTIONS: &str = "
acls:
  local: {src: [127.0.0.0/8, \"::1\", \"::/1\"]}
frontends:
  web:
    bind: [{address: <address><more>}]
    rules: [{set_header: {x-src: \"%[src]\"}}, {set_header: {x-local: \"yes\"}, if: local}]
    default_backend: ai
backends:
  ai: {servers: {one: {url: <one>}}}";

fn config(directory: &Scratch, address: &str, more: &str, url: &str) -> String {
    let values = [("address", address), ("more", more), ("one", url)];
    configuration(&Settings::default(), directory.path(), SECTIONS, &values)
}

fn edge(directory: Scratch, address: &str, more: &str, one: &Upstream) -> Edge {
    let text = config(&directory, address, more, &one.url());
    Edge::start_text(directory, &text)
}

/// A directory, the path of a socket in it, and that as an address.
fn socket() -> (Scratch, PathBuf, String) {
    let directory = Scratch::new();
    let path = directory.path().join("web.sock");
    let address = format!("unix:{}", path.display());
    (directory, path, address)
}

/// Sends these bytes to a Unix socket and reads to the end; empty if nothing came.
#[track_caller]
fn exchange(path: &Path, bytes: &[u8]) -> String {
    let mut stream = UnixStream::connect(path).unwrap();
    stream.set_read_timeout(Some(DEADLINE)).unwrap();
    let _ = stream.write_all(bytes);
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    String::from_utf8_lossy(&answer).into_owned()
}

fn closing() -> Ask {
    Ask::get("/v1/models").header("connection", "close")
}

fn over_socket(path: &Path, more: &[&str]) -> Curl {
    // The address is only a name: curl connects to the socket.
    let mut arguments = vec!["--unix-socket", path.to_str().unwrap()];
    arguments.extend(more);
    curl::http("127.0.0.1:80".parse().unwrap(), "/v1/models", &arguments)
}

#[test]
fn ipv6_is_an_address_like_any_other() {
    let one = Upstream::named("one");
    let edge = edge(Scratch::new(), "\"[::1]:0\"", "", &one);
    assert!(edge.address("web").is_ipv6());
    assert_eq!(server_of(&edge.ask(&Ask::get("/v1/models"))), "one");
    let request = one.request();
    assert_eq!((request.header("x-src"), request.header("x-forwarded-for")), (Some("::1"), Some("::1")));
    assert_eq!(request.header("x-local"), Some("yes"));
    let line = edge.logged("the request", |line| line["status"] == 200);
    let client: SocketAddr = line["client"].as_str().unwrap().parse().unwrap();
    assert!(client.is_ipv6());
    assert_eq!(curl::http(edge.address("web"), "/v1/models", &[]).status, 200);
}

#[test]
fn every_ipv6_address_leaves_the_port_of_ipv4_alone() {
    let one = Upstream::named("one");
    let other = Upstream::named("other");
    let edge = edge(Scratch::new(), "\"[::]:0\"", "", &one);
    let port = edge.address("web").port();
    let local = Connection::open(SocketAddr::new("::1".parse().unwrap(), port)).ask(&Ask::get("/v1/models"));
    assert_eq!(server_of(&local), "one");
    drop(other);
    // Somebody else may have it; what answers there, if anything, is not this process.
    assert!(
        TcpListener::bind(("127.0.0.1", port)).is_ok()
            || !listens(SocketAddr::new("127.0.0.1".parse().unwrap(), port))
    );
}

#[test]
fn unix_socket_is_served_and_its_clients_have_no_address() {
    let one = Upstream::named("one");
    let (directory, path, address) = socket();
    let edge = edge(directory, &address, "", &one);
    let answer = over_socket(&path, &[]);
    assert_eq!((answer.exit, answer.status), (0, 200));
    let request = one.request();
    assert_eq!((request.header("x-forwarded-for"), request.header("x-local")), (None, None));
    let sent = over_socket(&path, &["-H", "x-forwarded-for: 203.0.113.1"]);
    assert_eq!(sent.status, 200);
    assert_eq!(one.requests()[1].header("x-forwarded-for"), Some("203.0.113.1"), "left as it came");
    let line = edge.logged("the request", |line| line["status"] == 200);
    assert!(line.get("client").is_none(), "{line}");
    let open = edge.process.stderr().join("\n");
    assert!(open.contains(&format!("listening frontend=web address={address}")), "{open}");
}

#[test]
fn unix_socket_keeps_connections_and_cuts_malformed_requests() {
    let one = Upstream::named("one");
    let (directory, path, address) = socket();
    let _edge = edge(directory, &address, "", &one);
    let two = [Ask::get("/v1/models").bytes(), closing().bytes()].concat();
    let answers = exchange(&path, &two);
    assert_eq!(answers.matches("HTTP/1.1 200").count(), 2, "{answers}");
    assert_eq!(one.connections(), 1);
    let answer = exchange(&path, b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n");
    assert!(answer.starts_with("HTTP/1.1 400 "), "{answer}");
    let body = vec![b'x'; 3_000_000];
    let answer = exchange(&path, &Ask::post("/v1/files", body.clone()).header("connection", "close").bytes());
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    assert_eq!(one.requests().pop().unwrap().body, body);
}

#[test]
fn file_of_a_unix_socket_goes_with_the_process() {
    let one = Upstream::named("one");
    for signal in ["TERM", "INT"] {
        let (directory, path, address) = socket();
        let mut edge = edge(directory, &address, "", &one);
        let mode = std::fs::metadata(&path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode, 0o666, "{mode:o}");
        edge.process.signal(signal);
        assert!(edge.process.wait().success());
        assert!(!path.exists(), "the file is left after {signal}");
    }
}

#[test]
fn file_that_a_dead_process_left_is_replaced() {
    let one = Upstream::named("one");
    let (directory, path, address) = socket();
    let mut first = edge(directory, &address, "", &one);
    first.process.kill();
    assert!(path.exists(), "a killed process cleans nothing up");
    let _second = edge(first.into_directory(), &address, "", &one);
    assert_eq!(over_socket(&path, &[]).status, 200);
}

#[test]
fn socket_that_somebody_serves_is_left_to_him() {
    let (directory, path, address) = socket();
    let _owner = UnixListener::bind(&path).unwrap();
    let file = directory.write("tidegate.yaml", &config(&directory, &address, "", "http://127.0.0.1:9"));
    let (status, errors) = refused(&["run", "-c"], &file);
    assert!(!status.success() && !errors.contains("panicked"), "{errors}");
    for part in ["frontend `web`", &address, "another process listens there"] {
        assert!(errors.contains(part), "no {part:?} in: {errors}");
    }
    assert!(UnixStream::connect(&path).is_ok(), "its file is still there");
}

#[test]
fn file_that_is_no_socket_is_never_removed() {
    let (directory, path, address) = socket();
    std::fs::write(&path, "precious").unwrap();
    let file = directory.write("tidegate.yaml", &config(&directory, &address, "", "http://127.0.0.1:9"));
    let (status, errors) = refused(&["run", "-c"], &file);
    assert!(!status.success() && errors.contains("something else than a socket is there"), "{errors}");
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "precious");
}

#[test]
fn unix_socket_speaks_tls_and_http2() {
    let one = Upstream::named("one");
    let (directory, path, address) = socket();
    let authority = Authority::new("edge authority");
    let pem = authority.issue(&["one.test"]).write(&directory, "one.pem");
    let ca = authority.write(&directory, "ca.pem");
    let more = format!(", tls: {{certificates: [{}]}}", pem.display());
    let _edge = edge(directory, &address, &more, &one);
    for (version, flag) in [("1.1", "--http1.1"), ("2", "--http2")] {
        let more = ["--unix-socket", path.to_str().unwrap(), flag];
        let answer = curl::https("127.0.0.1:443".parse().unwrap(), "one.test", &ca, "/v1/models", &more);
        assert_eq!((answer.exit, answer.status, answer.version.as_str()), (0, 200, version));
    }
}

#[test]
fn balancer_on_a_unix_socket_tells_the_address() {
    let one = Upstream::named("one");
    let (directory, path, address) = socket();
    let edge = edge(directory, &address, ", accept_proxy: true", &one);
    let header = v2("198.51.100.7:4711".parse().unwrap(), "192.0.2.1:80".parse().unwrap(), &[]);
    let answer = exchange(&path, &[header, closing().bytes()].concat());
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    let request = one.request();
    assert_eq!(
        (request.header("x-src"), request.header("x-forwarded-for")),
        (Some("198.51.100.7"), Some("198.51.100.7"))
    );
    let answer = exchange(&path, &[b"PROXY UNKNOWN\r\n", &closing().bytes()[..]].concat());
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    assert_eq!(exchange(&path, &closing().bytes()), "", "no header");
    let errors = edge.process.stderr().join("\n");
    assert!(!errors.contains("warning"), "nobody else can reach it: {errors}");
}

/// A socket that listens, as a supervisor has one, and its address.
fn given() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    (listener, address)
}

#[test]
fn inherited_descriptor_is_served_by_every_thread() {
    let one = Upstream::named("one");
    let directory = Scratch::new();
    let text = config(&directory, "fd@3", "", &one.url());
    let (listener, address) = given();
    // Who came before the process was there is served as well: that is what handing a socket down is for.
    let mut early = Connection::open(address);
    early.send(closing().bytes());
    let edge = Edge::start_inheriting(directory, &text, 3, listener.into());
    assert_eq!(edge.address("web"), address, "the log says where it really listens");
    assert_eq!(server_of(&early.answer().expect("an answer")), "one");
    let mut open: Vec<Connection> = (0..30).map(|_| edge.open()).collect();
    for client in &mut open {
        assert_eq!(server_of(&client.ask(&Ask::get("/v1/models"))), "one");
    }
    assert!(one.requests().iter().all(|request| request.header("x-src") == Some("127.0.0.1")));
}

#[test]
fn inherited_unix_socket_is_served_and_its_file_stays() {
    let one = Upstream::named("one");
    let (directory, path, _) = socket();
    let listener = UnixListener::bind(&path).unwrap();
    let text = config(&directory, "fd@7", "", &one.url());
    let mut edge = Edge::start_inheriting(directory, &text, 7, listener.into());
    assert_eq!(over_socket(&path, &[]).status, 200);
    edge.process.signal("TERM");
    assert!(edge.process.wait().success());
    assert!(path.exists(), "it belongs to the supervisor");
}

#[test]
fn inherited_descriptor_speaks_tls_behind_a_proxy_header() {
    let one = Upstream::named("one");
    let directory = Scratch::new();
    let authority = Authority::new("edge authority");
    let pem = authority.issue(&["one.test"]).write(&directory, "one.pem");
    let ca = authority.write(&directory, "ca.pem");
    let more = format!(", accept_proxy: [127.0.0.1], tls: {{certificates: [{}]}}", pem.display());
    let text = config(&directory, "fd@3", &more, &one.url());
    let (listener, address) = given();
    let _edge = Edge::start_inheriting(directory, &text, 3, listener.into());
    for (version, flag) in [("1.1", "--http1.1"), ("2", "--http2")] {
        let answer = curl::https(address, "one.test", &ca, "/v1/models", &["--haproxy-protocol", flag]);
        assert_eq!((answer.exit, answer.status, answer.version.as_str()), (0, 200, version));
    }
}

#[test]
fn descriptor_that_does_not_listen_is_named() {
    for (number, input) in [(3, "none"), (3, "/dev/null"), (9, "datagram")] {
        let directory = Scratch::new();
        let text = config(&directory, &format!("fd@{number}"), "", "http://127.0.0.1:9");
        let file = directory.write("tidegate.yaml", &text);
        let run = run_with(&file, number, input);
        let errors = String::from_utf8_lossy(&run.stderr);
        assert!(!run.status.success() && !errors.contains("panicked"), "{input}: {errors}");
        for part in ["frontend `web`", &format!("fd@{number}")] {
            assert!(errors.contains(part), "{input}: no {part:?} in: {errors}");
        }
        let told = ["descriptor", "socket"].iter().any(|word| errors.contains(word));
        assert!(told, "{input}: does not say what is wrong with it: {errors}");
        assert!(!errors.contains("listening frontend"), "{errors}");
        assert_eq!(check(&file).status.code(), Some(0), "the check cannot know what it will be started with");
    }
}

/// Runs to the end with something that does not listen as descriptor `number`.
fn run_with(file: &Path, number: i32, input: &str) -> Output {
    let (near, far) = UnixStream::pair().unwrap();
    far.shutdown(Shutdown::Both).unwrap();
    let move_it = match input {
        "none" => format!("{number}<&-"),
        "/dev/null" => format!("{number}</dev/null"),
        _ => format!("{number}<&0"),
    };
    let mut command = std::process::Command::new("sh");
    command.arg("-c").arg(format!("exec \"$0\" run -c \"$1\" {move_it} 0</dev/null"));
    command.arg(env!("CARGO_BIN_EXE_tidegate")).arg(file).stdin(std::os::fd::OwnedFd::from(near));
    let output = command.output().unwrap();
    drop(far);
    output
}

#[test]
fn several_addresses_of_all_kinds_are_one_frontend() {
    let one = Upstream::named("one");
    let (directory, path, address) = socket();
    let text = config(&directory, &address, "}, {address: 127.0.0.1:0}, {address: \"[::1]:0\"", &one.url());
    let edge = Edge::start_text(directory, &text);
    assert_eq!(edge.addresses("web").len(), 2, "ports");
    for address in edge.addresses("web") {
        assert_eq!(server_of(&Connection::open(*address).ask(&closing())), "one");
    }
    assert_eq!(over_socket(&path, &[]).status, 200);
    until("three connections are counted", || {
        (edge.metrics().sum("tidegate_connections_total", &[("frontend", "web")]) - 3.0).abs() < 0.1
    });
}
