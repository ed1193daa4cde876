//! `set server max_concurrent`, and `set maxconn` of a server, a frontend and the process.

use std::time::Duration;

use super::{say, stat};
use crate::support::edge::{Edge, server_of};
use crate::support::fickle::Fickle;
use crate::support::http::{Ask, Connection};
use crate::support::upstream::Upstream;
use crate::support::wait::until;

/// Long enough to notice that somebody is served who should not be.
const WHILE: Duration = Duration::from_millis(150);

const SECTIONS: &str = "
frontends:
  web: {bind: [{address: 127.0.0.1:0}], max_connections: <web>, default_backend: ai}
backends:
  ai: {retry: {attempts: 1}, queue: {max: 10}, servers: {one: {url: <one>, max_concurrent: <max>}}}";

fn edge(max: &str, url: &str) -> Edge {
    Edge::start(SECTIONS, &[("web", "100"), ("one", url), ("max", max)])
}

/// So many that have asked.
fn asking(edge: &Edge, count: usize) -> Vec<Connection> {
    let ask = |_| {
        let mut client = edge.open();
        client.send(Ask::get("/v1/models").bytes());
        client
    };
    (0..count).map(ask).collect()
}

#[track_caller]
fn on_the_server(edge: &Edge, running: usize, waiting: usize) {
    until(&format!("{running} run and {waiting} wait"), || {
        stat(edge, "one", "scur") == running.to_string()
            && stat(edge, "BACKEND", "qcur") == waiting.to_string()
    });
}

#[test]
fn a_higher_limit_lets_in_who_waits_and_a_lower_one_ends_nothing() {
    let one = Fickle::new("one");
    let edge = edge("1", &one.url());
    one.holds();
    let mut clients = asking(&edge, 4);
    on_the_server(&edge, 1, 3);
    assert_eq!(say(&edge, "set server ai/one max_concurrent 3"), "");
    on_the_server(&edge, 3, 1);
    assert_eq!(stat(&edge, "one", "slim"), "3");
    assert_eq!(say(&edge, "set maxconn server ai/one 1"), "");
    clients.extend(asking(&edge, 1));
    on_the_server(&edge, 3, 2);
    assert_eq!(say(&edge, "set maxconn server ai/one 0"), "");
    on_the_server(&edge, 5, 0);
    assert_eq!(stat(&edge, "one", "slim"), "");
    one.recovers();
    for client in &mut clients {
        assert_eq!(server_of(&client.answer().unwrap()), "one");
    }
    edge.says("server ai/one is set to max_concurrent none (was 1, configured 1) on the runtime socket");
}

#[test]
fn limits_survive_a_reload_and_follow_the_file_again_when_they_are_its_own() {
    let one = Upstream::named("one");
    let url = one.url();
    let values = |web: &'static str, max: &'static str| [("web", web), ("one", url.as_str()), ("max", max)];
    let edge = edge("5", &url);
    let limits = || (stat(&edge, "FRONTEND", "slim"), stat(&edge, "one", "slim"));
    assert_eq!(say(&edge, "set server ai/one max_concurrent 7; set maxconn frontend web 20"), "");
    assert_eq!(limits(), ("20".into(), "7".into()));
    edge.reload(SECTIONS, &values("101", "6"));
    assert_eq!(limits(), ("20".into(), "7".into()));
    assert!(say(&edge, "show servers ai").contains("in flight 0/7"));
    assert_eq!(say(&edge, "set server ai/one max_concurrent 6; set maxconn frontend web 0"), "");
    assert_eq!(limits(), ("101".into(), "6".into()));
    edge.reload(SECTIONS, &values("102", "8"));
    assert_eq!(limits(), ("102".into(), "8".into()));
}

#[test]
fn a_full_frontend_and_a_full_process_make_the_next_one_wait() {
    let one = Upstream::named("one");
    let edge = edge("100", &one.url());
    for (order, back) in [
        ("set maxconn frontend web 1", "set maxconn frontend web 0"),
        ("set maxconn global 1", "set maxconn global 0"),
    ] {
        assert_eq!(say(&edge, order), "");
        let mut first = edge.open();
        assert_eq!(server_of(&first.ask(&Ask::get("/v1/models"))), "one");
        let mut late = asking(&edge, 1).remove(0);
        assert!(late.silent_for(WHILE), "served, though there is no place: {order}");
        assert_eq!(server_of(&first.ask(&Ask::get("/v1/models"))), "one");
        assert_eq!(say(&edge, back), "");
        assert_eq!(server_of(&late.answer().unwrap()), "one");
        drop((first, late));
        until("nobody is left", || stat(&edge, "FRONTEND", "scur") == "0");
    }
    say(&edge, "set maxconn global 7");
    let info = edge.command("show info");
    assert!(info.contains("\nMaxconn: 7\n") && info.contains("\nHard_maxconn: 1000\n"), "{info}");
    edge.says("the process is set to max_connections 7 (was 1000, configured 1000) on the runtime socket");
}

#[test]
fn mistakes_are_told_and_change_nothing() {
    let one = Upstream::named("one");
    let edge = edge("5", &one.url());
    for (command, answer) in [
        ("set maxconn", "Unknown command, but maybe one of the following ones is a better match:"),
        ("set maxconn server", "Require 'backend/server'."),
        ("set maxconn server ai 7", "Require 'backend/server'."),
        ("set maxconn server ai/nope 7", "No such server."),
        ("set maxconn server nope/one 7", "No such backend."),
        ("set maxconn server ai/one", "Require <maxconn>."),
        ("set maxconn server ai/one x", "maxconn string empty or preceded by garbage"),
        ("set server ai/one max_concurrent -1", "maxconn string empty or preceded by garbage"),
        ("set server ai/one max_concurrent 1000001", "Value out of range: at most 1000000."),
        ("set maxconn frontend", "No such frontend."),
        ("set maxconn frontend nope 5", "No such frontend."),
        ("set maxconn frontend web", "Integer value expected."),
        ("set maxconn frontend web x", "maxconn string empty or preceded by garbage"),
        ("set maxconn global", "Expects an integer value."),
        ("set maxconn global 1001", "Value out of range: at most global.max_connections, 1000."),
    ] {
        let said = say(&edge, command);
        assert!(said.starts_with(answer), "{command}: {said}");
    }
    assert_eq!((stat(&edge, "FRONTEND", "slim"), stat(&edge, "one", "slim")), ("100".into(), "5".into()));
}
