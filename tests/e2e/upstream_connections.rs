//! Connections to servers that are kept for the next request: how many, how long, and that one which its server closes
//! never surfaces.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use crate::support::edge::{Edge, Settings, server_of};
use crate::support::http::{Ask, Connection, answer, ok};
use crate::support::scratch::Scratch;
use crate::support::upstream::{Peer, Upstream};
use crate::support::wait::until;

/// One worker thread over one server; `backend`: what the backend has besides, indented by four.
#[track_caller]
fn edge(backend: &str, url: &str) -> Edge {
    let sections = "
frontends:
  web: {bind: [{address: 127.0.0.1:0}], default_backend: ai}
backends:
  ai:
<backend>
    servers: {one: {url: \"<url>\"}}";
    let settings = Settings { threads: 1, ..Settings::default() };
    Edge::start_with(&settings, Scratch::new(), sections, &[("backend", backend), ("url", url)])
}

/// Answers the first request of a connection, and counts who leaves behind it.
fn once(fields: &'static [(&'static str, &'static str)]) -> Upstream {
    Upstream::start(move |peer| {
        if peer.request().is_some() {
            peer.send(answer(200, fields, r#"{"server":"one"}"#));
            peer.wait_until_left();
        }
    })
}

/// That many requests which are all on the server at once.
#[track_caller]
fn together(edge: &Edge, server: &Upstream, count: usize) {
    let before = server.count();
    let clients: Vec<Connection> = (0..count)
        .map(|_| {
            let mut client = edge.open();
            client.send(Ask::get("/v1/models").bytes());
            client
        })
        .collect();
    until("all of them are there", || server.count() == before + count);
    for mut client in clients {
        assert_eq!(server_of(&client.answer().unwrap()), "one");
    }
}

/// Answers only when `count` requests have come since it did so last.
fn in_groups_of(count: usize) -> Upstream {
    let came = AtomicUsize::new(0);
    Upstream::start(move |peer| {
        while peer.request().is_some() {
            let group = came.fetch_add(1, Ordering::SeqCst) / count;
            until("the others are there", || came.load(Ordering::SeqCst) >= (group + 1) * count);
            if !peer.send(ok(r#"{"server":"one"}"#)) {
                return;
            }
        }
        peer.wait_until_left();
    })
}

#[test]
fn a_connection_is_closed_when_it_was_idle_for_its_time() {
    let server = once(&[]);
    let edge = edge("    connections: {idle_timeout: 1s}", &server.url());
    assert_eq!(edge.servers(1), ["one"]);
    until("it is closed", || server.departures() == 1);
    assert_eq!(edge.servers(1), ["one"]);
    assert_eq!(server.connections(), 2);
    assert_eq!(edge.metrics().sum("tidegate_server_failures_total", &[]), 0.0);
}

#[test]
fn a_connection_is_kept_no_longer_than_its_server_says() {
    let server = once(&[("connection", "keep-alive"), ("keep-alive", "timeout=1, max=100")]);
    let edge = edge("    connections: {idle_timeout: 5m}", &server.url());
    assert_eq!(edge.servers(1), ["one"]);
    until("it is closed", || server.departures() == 1);
}

#[test]
fn no_more_connections_are_kept_than_the_file_says() {
    let server = in_groups_of(10);
    let edge = edge("    connections: {max_idle: 3}", &server.url());
    together(&edge, &server, 10);
    assert_eq!(server.connections(), 10);
    until("the others are closed", || server.departures() == 7);
    together(&edge, &server, 10);
    assert_eq!(server.connections(), 17);
}

#[test]
fn connections_that_fit_are_all_kept() {
    let server = in_groups_of(10);
    let edge = edge("    connections: {max_idle: 10}", &server.url());
    for _ in 0..3 {
        together(&edge, &server, 10);
    }
    assert_eq!((server.connections(), server.departures()), (10, 0));
}

#[test]
fn a_connection_whose_answer_has_more_than_it_says_is_not_used_again() {
    let server = Upstream::start(|peer| {
        while peer.request().is_some() {
            // The second answer would be taken for that of the next request.
            peer.send([ok(r#"{"server":"one"}"#), ok(r#"{"server":"stolen"}"#)].concat());
        }
        peer.wait_until_left();
    });
    let edge = edge("    retry: {attempts: 1}", &server.url());
    for _ in 0..5 {
        let answer = edge.ask(&Ask::get("/v1/models"));
        assert!(!answer.text().contains("stolen"), "{}", answer.text());
    }
    assert_eq!(server.connections(), 5);
}

#[test]
fn a_server_that_wants_to_close_is_believed() {
    let server = once(&[("connection", "close")]);
    let edge = edge("", &server.url());
    assert_eq!(edge.servers(5), ["one"; 5]);
    assert_eq!(server.connections(), 5);
}

/// Answers a few requests, then closes: at once, or a moment after an answer, when the next request may be on its way.
fn restless() -> Upstream {
    let turn = AtomicUsize::new(0);
    Upstream::start(move |peer: &mut Peer| {
        let turn = turn.fetch_add(1, Ordering::SeqCst);
        for _ in 0..turn % 4 + 1 {
            if !peer.request().is_some_and(|request| request.whole) {
                return;
            }
            peer.send(ok(r#"{"server":"one"}"#));
        }
        let moment = (turn * 7919 % 31) as u64 * 100;
        std::thread::sleep(Duration::from_micros(moment));
    })
}

#[test]
fn a_server_that_closes_idle_connections_at_any_moment_never_surfaces() {
    let server = restless();
    let edge = edge("", &server.url());
    std::thread::scope(|scope| {
        for number in 0..5 {
            let edge = &edge;
            scope.spawn(move || {
                let mut client = edge.open();
                for round in 0..100 {
                    let ask = match (number + round) % 4 {
                        0 => Ask::get("/v1/models"),
                        1 => Ask::post("/orders", vec![b'x'; 300_000]),
                        2 => Ask::post("/orders", vec![b'x'; 30_000]).chunked(),
                        _ => Ask::chat(false),
                    };
                    let answer = client.ask(&ask);
                    assert_eq!(answer.status(), 200, "{} {}: {}", ask.method, ask.target, answer.text());
                }
            });
        }
    });
    // A machine that stands still for a while makes a dead connection look like a server that has worked on a request.
    let failures = edge.metrics().sum("tidegate_server_failures_total", &[]);
    assert!(failures < 5.0, "{failures} requests were seen to fail");
    assert!(server.connections() > 100, "{}", server.connections());
}
