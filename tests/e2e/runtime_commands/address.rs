//! `set server addr`: a server is somewhere else before the file says so.

use std::sync::Arc;

use super::{say, stat};
use crate::support::certificates::Authority;
use crate::support::edge::{Edge, Settings, server_of};
use crate::support::http::{Ask, ok};
use crate::support::scratch::Scratch;
use crate::support::tls::server_config;
use crate::support::upstream::{Upstream, serve};
use crate::support::wait::until;

const SECTIONS: &str = "
frontends:
  web: {bind: [{address: 127.0.0.1:0}], default_backend: ai}
backends:
  ai: {retry: {attempts: 1}<check>, servers: {s: {url: <url>}}}";

const CHECK: &str = ", check: {http: {method: GET, path: /health}, interval: 100ms, fast_interval: 50ms, timeout: 1s, rise: 2, fall: 3}";

fn edge(check: &str, url: &str) -> Edge {
    Edge::start(SECTIONS, &[("check", check), ("url", url)])
}

fn port(upstream: &Upstream) -> u16 {
    upstream.address().port()
}

fn moves(edge: &Edge, to: &Upstream) -> String {
    say(edge, &format!("set server ai/s addr 127.0.0.1 port {}", port(to)))
}

#[test]
fn requests_go_to_the_new_address_and_back_again() {
    let (old, new) = (Upstream::named("old"), Upstream::named("new"));
    let edge = edge("", &old.url());
    assert_eq!(edge.servers(2), ["old", "old"]);
    let (from, to) = (port(&old), port(&new));
    assert_eq!(moves(&edge, &new), format!("port changed from '{from}' to '{to}' by 'stats socket command'"));
    assert_eq!(edge.servers(3), ["new", "new", "new"]);
    assert_eq!(new.requests()[0].header("host"), Some(format!("127.0.0.1:{from}").as_str()));
    assert_eq!(stat(&edge, "s", "addr"), format!("127.0.0.1:{to}"));
    assert!(say(&edge, "show servers").contains(&format!(" 127.0.0.1:{to}, ")));
    assert!(say(&edge, "show servers state").contains(&format!(" {to} - 0 ")));
    assert_eq!(moves(&edge, &new), "no need to change the addr by 'stats socket command'");
    assert_eq!(
        say(&edge, "set server ai/s addr file"),
        format!("port changed from '{to}' to '{from}' by 'stats socket command'")
    );
    assert_eq!(edge.servers(2), ["old", "old"]);
    assert_eq!((old.count(), new.count()), (4, 3));
    edge.says(&format!("server ai/s is set to address 127.0.0.1 port {to} (was 127.0.0.1 port {from})"));
    edge.says(&format!("port {from}, as the file has it (was 127.0.0.1 port {to})"));
}

#[test]
fn a_stream_ends_where_it_began_and_its_connection_is_not_used_again() {
    let (go_on, told) = std::sync::mpsc::channel::<()>();
    let told = std::sync::Mutex::new(told);
    let old = Upstream::start(move |peer| {
        while peer.request().is_some() {
            told.lock().unwrap().recv().unwrap();
            peer.send(ok(r#"{"server":"old"}"#));
        }
    });
    let new = Upstream::named("new");
    let edge = edge("", &old.url());
    let mut client = edge.open();
    client.send(Ask::get("/v1/models").bytes());
    until("it is there", || old.count() == 1);
    moves(&edge, &new);
    go_on.send(()).unwrap();
    assert_eq!(server_of(&client.answer().unwrap()), "old");
    assert_eq!(server_of(&client.ask(&Ask::get("/v1/models"))), "new");
    assert_eq!((old.count(), edge.servers(4)), (1, vec!["new".to_owned(); 4]));
}

#[test]
fn it_survives_reloads_until_it_is_taken_back() {
    let (old, new, other) = (Upstream::named("old"), Upstream::named("new"), Upstream::named("other"));
    let edge = edge("", &old.url());
    moves(&edge, &new);
    edge.reload(SECTIONS, &[("check", CHECK), ("url", &old.url())]);
    assert_eq!(edge.servers(1), ["new"]);
    edge.reload(SECTIONS, &[("check", ""), ("url", &other.url())]);
    assert_eq!(edge.servers(1), ["new"]);
    say(&edge, "set server ai/s addr file");
    assert_eq!(edge.servers(1), ["other"]);
    // At the file's own address it follows the file.
    moves(&edge, &new);
    moves(&edge, &other);
    edge.reload(SECTIONS, &[("check", ""), ("url", &old.url())]);
    assert_eq!(edge.servers(1), ["old"]);
}

#[test]
fn checks_follow() {
    let well = Upstream::named("well");
    let edge = edge(CHECK, &well.url());
    let is = |status: &str| until(status, || stat(&edge, "s", "status") == status);
    is("UP");
    // Nobody listens there.
    say(&edge, "set server ai/s addr 127.0.0.1 port 1");
    is("DOWN");
    edge.ask(&Ask::get("/v1/models")).is_error(503, "no_server_available");
    say(&edge, "set server ai/s addr file");
    is("UP");
    assert_eq!(edge.servers(1), ["well"]);
}

#[test]
fn the_name_in_tls_stays_that_of_the_file() {
    let directory = Scratch::new();
    let authority = Authority::new("upstream authority");
    let ca = authority.write(&directory, "ca.pem").display().to_string();
    let start = |name: &'static str, config| {
        let answer = format!(r#"{{"server":"{name}"}}"#);
        Upstream::start_tls(config, serve(move |_| ok(&answer)))
    };
    let (good, bad) =
        (server_config(&authority.issue(&["localhost"])), server_config(&authority.issue(&["other.test"])));
    let old = start("old", Arc::clone(&good));
    let (new, wrong) = (start("new", good), start("wrong", bad));
    let sections = "
frontends:
  web: {bind: [{address: 127.0.0.1:0}], default_backend: ai}
backends:
  ai: {retry: {attempts: 1}, servers: {s: {url: \"https://localhost:<port>\", tls: {ca_file: <ca>}}}}";
    let values = [("port", &*port(&old).to_string()), ("ca", &*ca)];
    let edge = Edge::start_with(&Settings::default(), directory, sections, &values);
    assert_eq!(edge.servers(1), ["old"]);
    let said = moves(&edge, &new);
    assert!(said.starts_with("IP changed from 'localhost' to '127.0.0.1', port changed from "), "{said}");
    assert_eq!(edge.servers(2), ["new", "new"]);
    moves(&edge, &wrong);
    assert!(matches!(edge.ask(&Ask::get("/v1/models")).status(), 502 | 503));
    assert_eq!(wrong.count(), 0);
}

#[test]
fn mistakes_have_haproxys_words_and_change_nothing() {
    let one = Upstream::named("one");
    let edge = edge("", &one.url());
    for (rest, answer) in [
        ("addr", "set server <b>/<s> addr requires an address and optionally a port"),
        ("addr foo", "Invalid addr 'foo' by 'stats socket command'"),
        ("addr 127.0.0.1 port x", "no need to change the addr, problem converting port 'x' to an int by"),
        ("addr 127.0.0.1 foo", "set server <b>/<s> addr requires"),
        ("addr file", "no need to change the addr by 'stats socket command'"),
        ("foo", "usage: set server <backend>/<server> addr | max_concurrent | state | weight"),
    ] {
        let said = say(&edge, &format!("set server ai/s {rest}"));
        assert!(said.starts_with(answer), "{rest}: {said}");
    }
    assert_eq!(edge.servers(1), ["one"]);
}
