//! Stick tables: HAProxy's counters and arithmetic, seen from outside.

use crate::support::edge::Edge;
use crate::support::http::{Ask, Message};
use crate::support::rude::{EVENT_STREAM_HEAD, event, stalls_after};
use crate::support::upstream::Upstream;
use crate::support::wait::until;

/// One table, the ACL `above` on one of its counters, and a 429 where it holds.
fn edge(table: &str, acl: &str, one: &Upstream) -> Edge {
    Edge::start(
        "
clients: {mode: passthrough}
tables:
  t: {<table>}
acls:
  above: {table: t, <acl>}
frontends:
  web:
    bind: [{address: 127.0.0.1:0}]
    rules:
      - {track: t}
      - {deny: {status: 429}, if: above}
    default_backend: ai
backends:
  ai: {retry: {attempts: 1}, servers: {one: {url: <one>}}}",
        &[("table", table), ("acl", acl), ("one", &one.url())],
    )
}

fn statuses(edge: &Edge, ask: &Ask, times: usize) -> Vec<u16> {
    let mut client = edge.open();
    (0..times)
        .map(|_| {
            let answer = client.ask(ask);
            if answer.header("connection").is_some_and(|value| value.eq_ignore_ascii_case("close")) {
                client = edge.open();
            }
            answer.status()
        })
        .collect()
}

#[test]
fn above_n_admits_n() {
    let one = Upstream::named("one");
    let edge = edge(
        "key: src, size: 100, expire: 60s, counters: [http_req_rate(60s)]",
        "counter: http_req_rate, above: 5",
        &one,
    );
    assert_eq!(statuses(&edge, &Ask::get("/v1/models"), 7), [200, 200, 200, 200, 200, 429, 429]);
    assert_eq!(one.count(), 5);
}

#[test]
fn refusal_says_when_to_come_back() {
    let one = Upstream::named("one");
    let edge = edge(
        "key: src, size: 100, expire: 60s, counters: [http_req_rate(10s)]",
        "counter: http_req_rate, above: 1",
        &one,
    );
    let mut client = edge.open();
    client.ask(&Ask::get("/v1/models"));
    let refused: Message = client.ask(&Ask::get("/v1/models"));
    refused.is_error(429, "rate_limit_exceeded");
    let wait: u64 = refused.header("retry-after").expect("a retry-after").parse().unwrap();
    assert!((1..=20).contains(&wait), "{wait}");
}

#[test]
fn rate_falls_and_admits_again() {
    let one = Upstream::named("one");
    let edge = edge(
        "key: src, size: 100, expire: 60s, counters: [http_req_rate(500ms)]",
        "counter: http_req_rate, above: 3",
        &one,
    );
    assert!(statuses(&edge, &Ask::get("/v1/models"), 8).contains(&429));
    // Denied requests count too: only a client that waits long enough gets in again.
    std::thread::sleep(std::time::Duration::from_millis(1100));
    assert_eq!(statuses(&edge, &Ask::get("/v1/models"), 3), [200, 200, 200]);
}

#[test]
fn total_count_never_falls() {
    let one = Upstream::named("one");
    let edge = edge(
        "key: src, size: 100, expire: 60s, counters: [http_req_cnt]",
        "counter: http_req_cnt, above: 2",
        &one,
    );
    assert_eq!(statuses(&edge, &Ask::get("/v1/models"), 4), [200, 200, 429, 429]);
}

#[test]
fn keys_are_hashed_whole() {
    let one = Upstream::named("one");
    let edge = edge(
        "key: api_key, size: 100, expire: 60s, counters: [http_req_rate(60s)]",
        "counter: http_req_rate, above: 2",
        &one,
    );
    let common = "sk-proj-0123456789abcdefghijklmnopqrstuvwxyz";
    assert!(common.len() > 32);
    for tail in ["A", "B"] {
        let ask = Ask::get("/v1/models").bearer(&format!("{common}{tail}"));
        assert_eq!(statuses(&edge, &ask, 3), [200, 200, 429], "{tail}");
    }
}

#[test]
fn open_requests_are_counted_until_their_stream_ends() {
    let stream = stalls_after([EVENT_STREAM_HEAD.as_bytes(), &event("{}")].concat());
    let edge = edge(
        "key: src, size: 100, expire: 60s, counters: [conn_cur]",
        "counter: conn_cur, above: 2",
        &stream,
    );
    let mut open: Vec<_> = (0..2)
        .map(|_| {
            let mut client = edge.open();
            client.send(Ask::chat(true).bytes());
            assert_eq!(client.head().unwrap().status(), 200);
            client
        })
        .collect();
    assert_eq!(edge.ask(&Ask::chat(true)).status(), 429);
    open.pop();
    until("the place of the client that left is free", || {
        let mut client = edge.open();
        client.send(Ask::chat(true).bytes());
        client.head().unwrap().status() == 200
    });
}

#[test]
fn errors_of_the_client_are_counted_and_others_are_not() {
    let one = Upstream::replying(|request| {
        let status = request.head.target().trim_start_matches("/v1/").parse().unwrap_or(200);
        crate::support::http::answer(status, &[], "{}")
    });
    let edge = edge(
        "key: src, size: 100, expire: 60s, counters: [http_err_rate(60s)]",
        "counter: http_err_rate, above: 2",
        &one,
    );
    assert_eq!(statuses(&edge, &Ask::get("/v1/500"), 4), [500, 500, 500, 500]);
    assert_eq!(statuses(&edge, &Ask::get("/v1/404"), 3), [404, 404, 404]);
    assert_eq!(statuses(&edge, &Ask::get("/v1/models"), 1), [429]);
}

#[test]
fn untracked_requests_are_neither_counted_nor_judged() {
    let one = Upstream::named("one");
    let edge = Edge::start(
        "
tables:
  t: {key: src, size: 100, expire: 60s, counters: [http_req_cnt]}
acls:
  above: {table: t, counter: http_req_cnt, above: 0}
  tracked: {path_beg: /v1/tracked}
frontends:
  web:
    bind: [{address: 127.0.0.1:0}]
    rules:
      - {track: t, if: tracked}
      - {deny: {status: 403}, if: above}
    default_backend: ai
backends:
  ai: {servers: {one: {url: <one>}}}",
        &[("one", &one.url())],
    );
    assert_eq!(statuses(&edge, &Ask::get("/v1/models"), 3), [200, 200, 200]);
    assert_eq!(statuses(&edge, &Ask::get("/v1/tracked"), 1), [403]);
    assert_eq!(statuses(&edge, &Ask::get("/v1/models"), 1), [200]);
}

#[test]
fn full_table_makes_room_and_expired_entries_go() {
    let one = Upstream::named("one");
    let edge = edge(
        "key: api_key, size: 10, expire: 300ms, counters: [http_req_cnt]",
        "counter: http_req_cnt, above: 1000",
        &one,
    );
    let mut client = edge.open();
    for number in 0..200 {
        let answer = client.ask(&Ask::get("/v1/models").bearer(&format!("key-{number}")));
        assert_eq!(answer.status(), 200, "a full table refuses nobody");
    }
    let entries = || edge.metrics().sum("tidegate_table_entries", &[("table", "t")]);
    assert!(entries() <= 10.0 * 4.0, "{} entries in a table of 10", entries());
    until("idle entries expire", || entries() == 0.0);
}

#[test]
fn show_table_lists_the_entries() {
    let one = Upstream::named("one");
    let edge = edge(
        "key: src, size: 100, expire: 60s, counters: [http_req_rate(60s), http_req_cnt, conn_cur]",
        "counter: http_req_cnt, above: 1000",
        &one,
    );
    assert_eq!(statuses(&edge, &Ask::get("/v1/models"), 3), [200, 200, 200]);
    until("the finished requests are in the table", || {
        let shown = edge.command("show table t");
        assert!(shown.starts_with("# table: t,"), "{shown}");
        shown.contains("key=127.0.0.1")
            && shown.contains("http_req_rate(60000)=3")
            && shown.contains("http_req_cnt=3")
            && shown.contains("conn_cur=0")
    });
    let unknown = edge.command("show table nope");
    assert!(unknown.to_lowercase().contains("no such table") || unknown.contains("nope"), "{unknown}");
}
