//! `show sess`, `shutdown session` and `shutdown sessions server`.

use super::say;
use crate::support::edge::Edge;
use crate::support::http::{Ask, Connection};
use crate::support::rude::{EVENT_STREAM_HEAD, event, stalls_after};
use crate::support::upstream::Upstream;
use crate::support::wait::{eventually, until};

const SECTIONS: &str = "
frontends:
  web: {bind: [{address: 127.0.0.1:0}], default_backend: ai}
backends:
  ai: {balance: round_robin, servers: {one: {url: <one>}, two: {url: <one>}}}";

fn stuck() -> Upstream {
    stalls_after([EVENT_STREAM_HEAD.as_bytes(), &event("{}")].concat())
}

fn listener(edge: &Edge, id: &str) -> Connection {
    let mut client = edge.open();
    client.send(Ask::chat(true).header("x-request-id", id).bytes());
    assert_eq!(client.head().unwrap().status(), 200);
    client
}

/// The line of `show sess` with this request id.
#[track_caller]
fn line(edge: &Edge, id: &str) -> String {
    let of = |text: String| text.lines().find(|line| line.contains(&format!(" id={id} "))).map(str::to_owned);
    eventually("it is shown", || of(say(edge, "show sess")))
}

#[test]
fn who_is_in_flight_is_shown_in_haproxys_shape() {
    let one = stuck();
    let edge = Edge::start(SECTIONS, &[("one", &one.url())]);
    assert_eq!(say(&edge, "show sess"), "");
    let _client = listener(&edge, "abc");
    let line = line(&edge, "abc");
    let words: Vec<&str> = line.split(' ').collect();
    assert!(words[0].starts_with("0x") && words[0].ends_with(':'), "{line}");
    assert_eq!(words[1..4], ["proto=tcpv4", "src=127.0.0.1", "fe=web"]);
    assert!(words[4] == "be=ai" && ["srv=one", "srv=two"].contains(&words[5]), "{line}");
    assert!(words[6].starts_with("age=") && words[6].ends_with('s') && words[7] == "rc=0", "{line}");
    let number = words[0].trim_end_matches(':');
    assert_eq!(say(&edge, &format!("show sess {number}")).lines().count(), 1);
    assert_eq!(say(&edge, "show sess 0xffff"), "No such session (use 'show sess').");
}

#[test]
fn one_is_ended_and_the_other_goes_on() {
    let one = stuck();
    let edge = Edge::start(SECTIONS, &[("one", &one.url())]);
    let (mut first, _second) = (listener(&edge, "first"), listener(&edge, "second"));
    assert_eq!(say(&edge, "shutdown session"), "Session pointer expected (use 'show sess').");
    assert_eq!(say(&edge, "shutdown session nope"), "Session pointer expected (use 'show sess').");
    assert_eq!(say(&edge, "shutdown session 0xffff"), "No such session (use 'show sess').");
    let number = line(&edge, "first").split(':').next().unwrap().to_owned();
    assert_eq!(say(&edge, &format!("shutdown session {number}")), "");
    first.rest();
    until("it is gone", || !say(&edge, "show sess").contains("id=first"));
    line(&edge, "second");
}

#[test]
fn all_of_a_server_are_ended() {
    let one = stuck();
    let edge = Edge::start(SECTIONS, &[("one", &one.url())]);
    let _clients: Vec<Connection> = (0..4).map(|n| listener(&edge, &format!("id{n}"))).collect();
    until("they are shown", || say(&edge, "show sess").lines().count() == 4);
    assert_eq!(say(&edge, "shutdown sessions server ai"), "Require 'backend/server'.");
    assert_eq!(say(&edge, "shutdown sessions server ai/three"), "No such server.");
    assert_eq!(say(&edge, "shutdown sessions server ai/one"), "");
    until("two are left", || say(&edge, "show sess").lines().count() == 2);
    assert!(!say(&edge, "show sess").contains("srv=one"));
    edge.says("2 calls and event streams on ai/one are ended by an order on the runtime socket");
}
