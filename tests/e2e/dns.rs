//! Servers by name.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::time::Duration;

use crate::support::edge::{Edge, Settings, server_of};
use crate::support::http::Ask;
use crate::support::rude::Deaf;
use crate::support::upstream::Upstream;
use crate::support::wait::{now, timed, until};

fn edge(servers: &str, values: &[(&str, &str)]) -> Edge {
    let sections = "
frontends:
  web: {bind: [{address: 127.0.0.1:0}], default_backend: ai}
backends:
  ai: {servers: <servers>}"
        .replace("<servers>", servers);
    Edge::start(&sections, values)
}

#[test]
fn server_by_name_works_and_gets_its_name_as_host() {
    let one = Upstream::named("one");
    let port = one.address().port().to_string();
    let edge = edge("{one: {url: \"http://localhost:<port>/v1\"}}", &[("port", &port)]);
    assert_eq!(edge.servers(3), ["one"; 3]);
    assert_eq!(one.requests()[0].header("host"), Some(format!("localhost:{port}").as_str()));
}

#[test]
fn name_that_does_not_resolve_is_a_server_that_is_down() {
    let one = Upstream::named("one");
    let lone = edge("{gone: {url: \"http://does-not-exist.invalid/v1\"}}", &[]);
    lone.ask(&Ask::chat(false)).is_error(503, "no_server_available");
    let both = edge(
        "{gone: {url: \"http://does-not-exist.invalid/v1\"}, one: {url: <one>}}",
        &[("one", &one.url())],
    );
    assert_eq!(both.servers(6), ["one"; 6]);
    until("it is shown as down", || {
        both.show_stat().iter().any(|row| {
            let is = |name: &str, value: &str| {
                row.iter().any(|(key, have)| key == name && have.starts_with(value))
            };
            is("svname", "gone") && is("status", "DOWN")
        })
    });
}

/// Servers at 127.0.0.1, 127.0.0.2 and so on, all on one port, that answer with these names; `-`: nothing listens there.
fn servers(names: &[&str]) -> (Vec<Upstream>, u16) {
    'ports: loop {
        let mut port = 0;
        let mut listeners = Vec::new();
        for (last, name) in (1..).zip(names).filter(|(_, name)| **name != "-") {
            let Ok(listener) = TcpListener::bind((Ipv4Addr::new(127, 0, 0, last), port)) else {
                // Another test has it at this address.
                continue 'ports;
            };
            port = listener.local_addr().unwrap().port();
            listeners.push((listener, name));
        }
        let start = |(listener, name): (TcpListener, &&str)| Upstream::named_on(listener, name);
        return (listeners.into_iter().map(start).collect(), port);
    }
}

const SECTIONS: &str = "
frontends:
  web: {bind: [{address: 127.0.0.1:0}], default_backend: ai}
backends:
  ai:
    retry: {attempts: 1}
    timeouts: {connect: <connect>}
    connections: {max_idle: 0}
    breaker: off
    eject: off
    servers: {one: {url: \"http://api.test:<port>\"}}";

/// One server by the name of `api.test`, whose connections are not kept, so that each request chooses an address.
/// `None`: names cannot be changed here.
fn named(hosts: &str, port: u16) -> Option<Edge> {
    let settings = Settings { threads: 1, ..Settings::default() };
    let values = [("port", port.to_string()), ("connect", "2s".to_owned())];
    let values = values.each_ref().map(|(name, value)| (*name, value.as_str()));
    Edge::start_with_hosts(&settings, SECTIONS, &values, hosts)
}

/// `/etc/hosts` with these last bytes of addresses of `api.test`.
fn hosts(addresses: &[u8]) -> String {
    let line = |last: &u8| format!("127.0.0.{last} api.test\n");
    addresses.iter().map(line).chain(["127.0.0.1 localhost\n".to_owned()]).collect()
}

/// Who answered that many requests, each on a connection of its own, in alphabetical order and each once.
#[track_caller]
fn who(edge: &Edge, times: usize) -> Vec<String> {
    let mut names: Vec<String> = (0..times).map(|_| server_of(&edge.ask(&Ask::get("/v1/models")))).collect();
    names.sort();
    names.dedup();
    names
}

#[track_caller]
fn nothing_failed(edge: &Edge) {
    let metrics = edge.metrics();
    assert_eq!(metrics.sum("tidegate_server_failures_total", &[]), 0.0);
    assert_eq!(metrics.sum("tidegate_retries_total", &[]), 0.0);
}

#[test]
fn all_addresses_of_a_name_are_used() {
    let (servers, port) = servers(&["a", "b", "c"]);
    let Some(edge) = named(&hosts(&[1, 2, 3]), port) else { return };
    assert_eq!(who(&edge, 30), ["a", "b", "c"]);
    assert!(servers.iter().all(|server| server.count() == 10), "evenly");
}

#[test]
fn an_address_that_refuses_is_passed_over() {
    let (_servers, port) = servers(&["a", "-", "c"]);
    let Some(edge) = named(&hosts(&[1, 2, 3]), port) else { return };
    assert_eq!(who(&edge, 30), ["a", "c"]);
    nothing_failed(&edge);
}

#[test]
fn an_address_that_swallows_connections_is_waited_for_once() {
    let deaf = Deaf::new();
    let port = deaf.address().port();
    let Ok(listener) = TcpListener::bind((Ipv4Addr::new(127, 0, 0, 2), port)) else { return };
    let _well = Upstream::named_on(listener, "b");
    let Some(edge) = named(&hosts(&[1, 2]), port) else { return };
    let slow = (0..20).filter(|_| {
        let (names, took) = timed(|| who(&edge, 1));
        assert_eq!(names, ["b"]);
        took > Duration::from_millis(700)
    });
    assert!(slow.count() <= 1, "waited for more than once");
    nothing_failed(&edge);
}

#[test]
fn a_reload_follows_the_name() {
    let (_servers, port) = servers(&["a", "b"]);
    let Some(edge) = named(&hosts(&[1]), port) else { return };
    assert_eq!(who(&edge, 5), ["a"]);
    edge.directory.write("hosts", &hosts(&[2]));
    assert!(edge.hang_up());
    assert_eq!(who(&edge, 5), ["b"]);
    edge.directory.write("hosts", &hosts(&[]));
    assert!(edge.hang_up());
    assert_eq!(who(&edge, 5), ["b"], "a name that does not resolve keeps its last addresses");
    edge.says("cannot be resolved, its last addresses");
    nothing_failed(&edge);
}

#[test]
fn a_name_that_gets_an_address_later_is_used_then() {
    let (_servers, port) = servers(&["a"]);
    let Some(edge) = named(&hosts(&[]), port) else { return };
    edge.ask(&Ask::get("/v1/models")).is_error(503, "no_server_available");
    edge.directory.write("hosts", &hosts(&[1]));
    until("it is found", || edge.ask(&Ask::get("/v1/models")).status() == 200);
    assert_eq!(who(&edge, 3), ["a"]);
}

#[test]
#[ignore = "takes a minute: names are looked up again every 30 s"]
fn addresses_are_looked_up_again_and_again() {
    let (_servers, port) = servers(&["a", "b"]);
    let Some(edge) = named(&hosts(&[1]), port) else { return };
    let wait = |what: &str| {
        let end = now() + Duration::from_secs(40);
        while edge.told(what) == 0 {
            assert_eq!(who(&edge, 1).len(), 1);
            assert!(now() < end, "no line with: {what}\n{}", edge.process.transcript());
            std::thread::sleep(Duration::from_millis(20));
        }
    };
    edge.directory.write("hosts", &hosts(&[2]));
    wait(&format!("api.test resolves to [{}]", SocketAddr::from(([127, 0, 0, 2], port))));
    assert_eq!(who(&edge, 5), ["b"]);
    edge.directory.write("hosts", &hosts(&[]));
    wait("cannot be resolved, its last addresses");
    assert_eq!(who(&edge, 5), ["b"]);
    nothing_failed(&edge);
}
