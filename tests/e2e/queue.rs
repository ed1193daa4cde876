//! `max_concurrent` of a server, and the queue of its backend.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use crate::support::edge::Edge;
use crate::support::http::{Ask, ok};
use crate::support::rude::{EVENT_STREAM_HEAD, event, stalls_after};
use crate::support::upstream::Upstream;
use crate::support::wait::{timed, until};

fn edge(queue: &str, timeout: &str, url: &str) -> Edge {
    Edge::start(
        "
defaults: {timeouts: {queue: <timeout>}}
frontends:
  web: {bind: [{address: 127.0.0.1:0}], default_backend: ai}
backends:
  ai:
    retry: {attempts: 1}
    queue: {max: <queue>}
    servers: {one: {url: <one>, max_concurrent: 2}}",
        &[("queue", queue), ("timeout", timeout), ("one", url)],
    )
}

#[test]
fn server_never_has_more_than_it_may() {
    let (now, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let (current, highest) = (Arc::clone(&now), Arc::clone(&most));
    let slow = Upstream::start(move |peer| {
        while peer.request().is_some() {
            highest.fetch_max(current.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
            peer.connection.silent_for(Duration::from_millis(20));
            current.fetch_sub(1, Ordering::SeqCst);
            peer.send(ok("{}"));
        }
    });
    let edge = edge("100", "20s", &slow.url());
    std::thread::scope(|scope| {
        for _ in 0..20 {
            scope.spawn(|| {
                let mut client = edge.open();
                for _ in 0..5 {
                    assert_eq!(client.ask(&Ask::get("/v1/models")).status(), 200);
                }
            });
        }
    });
    assert_eq!(slow.count(), 100);
    assert_eq!(most.load(Ordering::SeqCst), 2);
}

/// Two streams that do not end, at a server that may have two.
fn full(edge: &Edge) -> Vec<crate::support::http::Connection> {
    (0..2)
        .map(|_| {
            let mut client = edge.open();
            client.send(Ask::chat(true).bytes());
            assert_eq!(client.head().unwrap().status(), 200);
            client
        })
        .collect()
}

fn stuck() -> Upstream {
    stalls_after([EVENT_STREAM_HEAD.as_bytes(), &event("{}")].concat())
}

#[test]
fn wait_in_the_queue_has_an_end() {
    let server = stuck();
    let edge = edge("10", "400ms", &server.url());
    let held = full(&edge);
    let (answer, took) = timed(|| edge.ask(&Ask::chat(true)));
    answer.is_error(503, "overloaded");
    assert!(answer.header("retry-after").is_some());
    assert!(took >= Duration::from_millis(400), "{took:?}");
    assert_eq!((server.count(), held.len()), (2, 2));
}

#[test]
fn full_queue_refuses_at_once() {
    let server = stuck();
    let edge = edge("1", "20s", &server.url());
    let _held = full(&edge);
    let mut waiting = edge.open();
    waiting.send(Ask::chat(true).bytes());
    assert!(waiting.silent_for(Duration::from_millis(200)), "the one place in the queue is its");
    until("the queue is full", || {
        let (answer, took) = timed(|| {
            let mut client = edge.open();
            client.send(Ask::chat(true).bytes());
            if client.silent_for(Duration::from_millis(500)) { None } else { client.answer() }
        });
        answer.is_some_and(|answer| {
            answer.is_error(503, "overloaded");
            took < Duration::from_secs(5)
        })
    });
    assert_eq!(server.count(), 2);
}

#[test]
fn place_that_becomes_free_goes_to_who_waits() {
    let server = stuck();
    let edge = edge("10", "20s", &server.url());
    let mut held = full(&edge);
    let mut waiting = edge.open();
    waiting.send(Ask::chat(true).bytes());
    assert!(waiting.silent_for(Duration::from_millis(200)));
    held.pop();
    assert_eq!(waiting.head().unwrap().status(), 200);
}

#[test]
fn client_that_leaves_the_queue_takes_no_place() {
    let server = stuck();
    let edge = edge("10", "20s", &server.url());
    let mut held = full(&edge);
    for _ in 0..3 {
        let mut leaving = edge.open();
        leaving.send(Ask::chat(true).bytes());
        assert!(leaving.silent_for(Duration::from_millis(50)));
    }
    until("they are out of the queue", || edge.metrics().sum("tidegate_queue_length", &[]) == 0.0);
    held.pop();
    let mut next = edge.open();
    next.send(Ask::chat(true).bytes());
    assert_eq!(next.head().unwrap().status(), 200);
    until("only who is there has reached the server", || server.count() == 3);
}
