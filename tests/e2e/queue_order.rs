//! Who waits for a place gets it by the class of its plan, then fairly between clients, then by arrival.

use crate::support::edge::Edge;
use crate::support::fickle::Fickle;
use crate::support::http::{Ask, Connection};
use crate::support::upstream::Upstream;
use crate::support::wait::{timed, until};

/// One server with one place; clients are known by their keys: `low-1`, `high-2`, ...
struct Line {
    edge: Edge,
    one: Fickle,
    clients: Vec<Connection>,
}

const SECTIONS: &str = "
clients:
  mode: required
  keys:
    - {name: low-1, key: low-1-key-of-a-client, plan: low}
    - {name: low-2, key: low-2-key-of-a-client, plan: low}
    - {name: normal-1, key: normal-1-key-of-a-client, plan: normal}
    - {name: normal-2, key: normal-2-key-of-a-client, plan: unsaid}
    - {name: normal-3, key: normal-3-key-of-a-client}
    - {name: high-1, key: high-1-key-of-a-client, plan: high}
    - {name: high-2, key: high-2-key-of-a-client, plan: high}
plans: {low: {priority: low}, normal: {priority: normal}, unsaid: {concurrent: 100}, high: {priority: high}}
defaults: {timeouts: {queue: <timeout>}}
frontends:
  web: {bind: [{address: 127.0.0.1:0}], default_backend: ai}
backends:
  ai:
    retry: {attempts: 1}
    queue: {max: <max>}
    servers: {one: {url: <one>, max_concurrent: 1}}";

impl Line {
    /// The place is taken by `holder`, or free.
    fn new(max: &str, timeout: &str, holder: &str) -> Line {
        let one = Fickle::new("one");
        one.holds();
        let edge = Edge::start(SECTIONS, &[("one", &one.url()), ("max", max), ("timeout", timeout)]);
        let mut line = Line { edge, one, clients: Vec::new() };
        line.sends(holder);
        until("it is at the server", || line.one.count() == 1);
        line
    }

    fn sends(&mut self, client: &str) {
        let mut connection = self.edge.open();
        connection.send(ask(client).bytes());
        self.clients.push(connection);
    }

    /// They join the line one after the other.
    fn join(&mut self, clients: &[&str]) {
        let before = self.waiting();
        for (index, client) in clients.iter().enumerate() {
            self.sends(client);
            until("it waits", || self.waiting() == before + index + 1);
        }
    }

    fn waiting(&self) -> usize {
        self.edge.metrics().sum("tidegate_queue_length", &[]) as usize
    }

    /// Lets the server answer; the order in which the line came to it, the holder left out.
    fn order(&mut self) -> Vec<String> {
        self.one.recovers();
        for client in &mut self.clients {
            assert_eq!(client.answer().unwrap().status(), 200);
        }
        let came = self.one.upstream.requests();
        came.iter().skip(1).map(|request| request.header("x-who").unwrap().to_owned()).collect()
    }
}

fn ask(client: &str) -> Ask {
    Ask::chat(false).bearer(&format!("{client}-key-of-a-client")).header("x-who", client)
}

#[test]
fn higher_classes_come_first_however_late() {
    let mut line = Line::new("100", "20s", "low-1");
    line.join(&["low-1", "normal-1", "low-2", "high-1", "normal-2", "high-2"]);
    assert_eq!(line.order(), ["high-1", "high-2", "normal-1", "normal-2", "low-1", "low-2"]);
}

#[test]
fn without_a_word_the_class_is_normal() {
    let mut line = Line::new("100", "20s", "low-1");
    line.join(&["low-1", "normal-3", "normal-2", "normal-1", "high-1"]);
    assert_eq!(line.order(), ["high-1", "normal-3", "normal-2", "normal-1", "low-1"]);
}

#[test]
fn one_client_is_served_in_the_order_it_asked() {
    let mut line = Line::new("100", "20s", "normal-1");
    line.join(&["normal-1"; 6]);
    let connections = line.order();
    assert_eq!(connections, ["normal-1"; 6]);
}

#[test]
fn client_that_floods_is_no_worse_for_another_than_one_request() {
    let mut line = Line::new("100", "20s", "normal-1");
    line.join(&["normal-1"; 12]);
    line.join(&["normal-2"; 3]);
    let order = line.order();
    let turns: Vec<usize> =
        order.iter().enumerate().filter(|(_, who)| *who == "normal-2").map(|(turn, _)| turn).collect();
    assert!(turns.len() == 3 && turns[0] <= 1, "{order:?}");
    assert!(turns[1] <= 3 && turns[2] <= 5, "turn and turn about: {order:?}");
}

#[test]
fn three_clients_take_turns() {
    let mut line = Line::new("100", "20s", "low-1");
    line.join(&["normal-1"; 4]);
    line.join(&["normal-2"; 4]);
    line.join(&["normal-3"; 4]);
    let order = line.order();
    for round in order.chunks(3) {
        let mut round = round.to_vec();
        round.sort();
        assert_eq!(round, ["normal-1", "normal-2", "normal-3"], "{order:?}");
    }
}

#[test]
fn who_leaves_the_line_takes_no_turn_along() {
    let mut line = Line::new("100", "20s", "low-1");
    line.join(&["high-1", "high-1", "high-2", "low-2"]);
    line.clients.remove(1);
    line.clients.remove(1);
    until("they are gone", || line.waiting() == 2);
    assert_eq!(line.order(), ["high-2", "low-2"]);
}

#[test]
fn full_line_refuses_whoever_comes_whatever_its_class() {
    let mut line = Line::new("3", "20s", "low-1");
    line.join(&["low-1", "low-2", "low-2"]);
    for client in ["high-1", "low-1", "normal-1"] {
        let (refused, took) = timed(|| line.edge.ask(&ask(client)));
        refused.is_error(503, "overloaded");
        let after: u64 = refused.header("retry-after").unwrap().parse().unwrap();
        assert!((1..=60).contains(&after), "{after}");
        assert!(took.as_secs() < 10, "{took:?}");
    }
    assert_eq!((line.waiting(), line.order().len()), (3, 3));
}

#[test]
fn who_waits_too_long_is_told_so_and_the_others_wait_on() {
    let mut line = Line::new("100", "400ms", "low-1");
    line.join(&["high-1", "low-2"]);
    for _ in 0..2 {
        let refused = line.clients.remove(1).answer().unwrap();
        refused.is_error(503, "overloaded");
        assert!(refused.header("retry-after").is_some());
    }
    assert_eq!((line.waiting(), line.one.count()), (0, 1));
    assert!(line.order().is_empty());
}

#[test]
fn line_without_a_usable_server_is_told_at_once() {
    let mut line = Line::new("100", "20s", "low-1");
    line.join(&["high-1", "low-2", "normal-1"]);
    line.edge.command("set server ai/one state drain");
    for _ in 0..3 {
        line.clients.remove(1).answer().unwrap().is_error(503, "no_server_available");
    }
    assert_eq!(line.one.count(), 1);
    line.one.recovers();
    assert_eq!(line.clients[0].answer().unwrap().status(), 200, "what was there may end");
}

#[test]
fn next_tier_serves_the_line_when_the_first_is_taken_out() {
    let (one, two) = (Fickle::new("one"), Upstream::named("two"));
    one.holds();
    let sections = SECTIONS.replace("max_concurrent: 1}}", "max_concurrent: 1}, two: {url: <two>, tier: 2}}");
    let values = [("one", one.url()), ("two", two.url()), ("max", "100".into()), ("timeout", "20s".into())];
    let values = values.each_ref().map(|(name, value)| (*name, value.as_str()));
    let mut line = Line { edge: Edge::start(&sections, &values), one, clients: Vec::new() };
    line.sends("low-1");
    until("it is at the server", || line.one.count() == 1);
    line.join(&["high-1", "low-2", "normal-1"]);
    line.edge.command("set server ai/one state maint");
    for client in line.clients.iter_mut().skip(1) {
        assert_eq!(client.answer().unwrap().json()["server"], "two");
    }
    assert_eq!((line.one.count(), two.count()), (1, 3));
}

#[test]
fn reload_keeps_the_line_and_its_order() {
    let mut line = Line::new("100", "20s", "low-1");
    line.join(&["low-1", "normal-1"]);
    let url = line.one.url();
    line.edge.reload(SECTIONS, &[("one", &url), ("max", "50"), ("timeout", "20s")]);
    line.join(&["high-1"]);
    assert_eq!(line.order(), ["high-1", "normal-1", "low-1"]);
}

#[test]
fn count_of_places_is_back_at_nothing_whatever_happened() {
    let mut line = Line::new("10", "20s", "low-1");
    line.join(&["high-1", "low-2", "normal-1", "normal-2"]);
    line.clients.remove(0);
    line.clients.remove(2);
    line.one.fails(500);
    for client in &mut line.clients {
        assert_eq!(client.answer().unwrap().status(), 500);
    }
    until("nobody is anywhere", || {
        let metrics = line.edge.metrics();
        let left = ["tidegate_server_in_flight", "tidegate_queue_length", "tidegate_requests_in_flight"];
        left.iter().all(|name| metrics.sum(name, &[]) == 0.0)
    });
    line.one.recovers();
    assert_eq!(line.edge.ask(&ask("low-1")).status(), 200);
}
