//! Many requests on one connection, each with its own pace.

use std::sync::{Arc, Mutex};

use h2::Reason;

use super::{front, well};
use crate::support::edge::server_of;
use crate::support::h2_front::Ground;
use crate::support::h2_server::{Exchange, Gate, H2Server, Speaks};
use crate::support::http::{Ask, Connection, Message};
use crate::support::wait::until;

/// Waits at the gate and answers.
fn held(gate: &Gate) -> impl Fn(Exchange) -> std::pin::Pin<Box<dyn Future<Output = ()>>> + Send + use<> {
    let gate = gate.clone();
    move |mut exchange| {
        let gate = gate.clone();
        Box::pin(async move {
            gate.wait().await;
            exchange.well().await;
        })
    }
}

/// As many bytes that no two stretches of are the same.
fn bytes(length: usize) -> Vec<u8> {
    (0..length as u64).map(|at| (at.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 56) as u8).collect()
}

#[track_caller]
fn all_well(clients: Vec<Connection>) {
    for mut client in clients {
        assert_eq!(server_of(&client.answer().unwrap()), "h2");
    }
}

#[track_caller]
fn started(front: &crate::support::h2_front::Front, count: usize) -> Vec<Connection> {
    let start = |_| {
        let mut client = front.open();
        client.send(Ask::chat(false).bytes());
        client
    };
    (0..count).map(start).collect()
}

#[test]
fn fifty_requests_at_once_share_a_connection_per_worker() {
    for threads in [1, 2] {
        let (ground, gate) = (Ground { threads, ..Ground::new() }, Gate::new());
        let server = H2Server::start(&ground.config, &Speaks::default(), held(&gate));
        let front = ground.front("", &server.url());
        let clients = started(&front, 50);
        until("all of them are there", || server.running() == 50);
        assert!(server.connections() <= threads, "{}", server.connections());
        gate.open();
        all_well(clients);
        assert_eq!(server_of(&front.ask(&Ask::chat(false))), "h2");
        assert!(server.connections() <= threads, "{}", server.connections());
    }
}

#[test]
fn a_server_gets_no_more_streams_than_it_takes() {
    let (ground, gate) = (Ground::new(), Gate::new());
    let running = Arc::<Mutex<Vec<usize>>>::default();
    let (seen, wait) = (running.clone(), gate.clone());
    let script = move |mut exchange: Exchange| {
        let (seen, wait) = (seen.clone(), wait.clone());
        async move {
            seen.lock().unwrap().push(exchange.connection);
            wait.wait().await;
            exchange.well().await;
        }
    };
    let server = H2Server::start(&ground.config, &Speaks { streams: 5, ..Speaks::default() }, script);
    let front = ground.front("", &server.url());
    let clients = started(&front, 21);
    until("all of them are there", || server.running() == 21);
    let seen = running.lock().unwrap().clone();
    let on = |connection| seen.iter().filter(|other| **other == connection).count();
    assert!((0..server.connections()).all(|connection| on(connection) <= 5), "{seen:?}");
    gate.open();
    all_well(clients);
    assert_eq!(front.edge.metrics().sum("tidegate_server_failures_total", &[]), 0.0);
}

#[test]
fn large_bodies_pass_both_ways_byte_for_byte_through_small_windows() {
    let ground = Ground::new();
    let script = |mut exchange: Exchange| async move {
        if let Some(body) = exchange.body().await {
            exchange.answer(200, &[], &body).await;
        }
    };
    let server = H2Server::start(&ground.config, &Speaks { window: 20_000, ..Speaks::default() }, script);
    let front = ground.front("", &server.url());
    let body = bytes(10_000_000);
    let is_same = |answer: Message| {
        assert_eq!(answer.status(), 200);
        assert!(answer.whole && answer.body == body, "{} bytes", answer.body.len());
    };
    std::thread::scope(|scope| {
        scope.spawn(|| is_same(front.ask(&Ask::post("/upload", body.clone()))));
        scope.spawn(|| is_same(front.ask(&Ask::post("/v1/chat/completions", body.clone()).chunked())));
        scope.spawn(|| is_same(front.http2().ask(&Ask::post("/upload", body.clone()))));
    });
    assert_eq!(server.connections(), 1);
}

#[test]
fn a_client_that_does_not_read_holds_up_nobody_else() {
    let (front, server) = front("", |mut exchange| async move {
        if exchange.path() == "/large" {
            exchange.answer(200, &[], &vec![b'x'; 40_000_000]).await;
        } else {
            exchange.well().await;
        }
    });
    let slow: Vec<Connection> = (0..5)
        .map(|_| {
            let mut slow = front.open();
            slow.send(Ask::get("/large").bytes());
            slow.head().unwrap();
            slow
        })
        .collect();
    for _ in 0..20 {
        assert_eq!(server_of(&front.ask(&Ask::chat(false))), "h2");
    }
    assert_eq!(server.connections(), 1);
    assert_eq!(server.running(), slow.len());
}

#[test]
fn a_client_that_leaves_before_the_answer_resets_its_stream_alone() {
    let (front, server) = front("", |mut exchange| async move {
        if exchange.path() == "/slow" { exchange.left().await } else { exchange.well().await }
    });
    let mut client = front.open();
    client.send(Ask::get("/slow").bytes());
    until("it is there", || server.running() == 1);
    drop(client);
    until("its stream is reset", || server.resets() == [Reason::CANCEL]);
    assert_eq!(server_of(&front.ask(&Ask::chat(false))), "h2");
    assert_eq!(server.connections(), 1);
}

#[test]
fn a_client_that_leaves_in_the_middle_resets_its_stream_alone() {
    let (front, server) = front("", |mut exchange| async move {
        if exchange.path() != "/slow" {
            return exchange.well().await;
        }
        let mut answering = exchange.begin(200, &[("content-length", "10")], false).unwrap();
        answering.send(b"hello", false).await;
        answering.left().await;
    });
    let mut client = front.open();
    client.send(Ask::get("/slow").bytes());
    client.head().unwrap();
    assert_eq!(client.exactly(5).unwrap(), b"hello");
    let mut other = front.http2();
    let stream = other.start(&Ask::get("/slow"));
    until("both are there", || server.running() == 2);
    drop(client);
    until("its stream is reset", || server.resets() == [Reason::CANCEL]);
    stream.reset();
    until("the other one too", || server.resets() == [Reason::CANCEL; 2]);
    assert_eq!(server_of(&front.ask(&Ask::chat(false))), "h2");
    assert_eq!(server.connections(), 1);
}

#[test]
fn an_answer_before_the_end_of_a_large_body_reaches_the_client() {
    let (front, server) = front("", |mut exchange| async move {
        if exchange.path() == "/upload" {
            exchange.answer(413, &[], b"too large").await;
        } else {
            exchange.well().await;
        }
    });
    for ask in [Ask::post("/upload", bytes(10_000_000)), Ask::post("/upload", bytes(10_000_000)).chunked()] {
        let answer = front.ask(&ask);
        assert_eq!((answer.status(), answer.text().as_str()), (413, "too large"));
    }
    assert_eq!(server_of(&front.ask(&Ask::chat(false))), "h2");
    assert_eq!(server.connections(), 1);
    assert_eq!(server.count(), 3, "a 413 is nobody's failure");
}

#[test]
fn an_idle_connection_is_closed() {
    let ground = Ground::new();
    let server = H2Server::start(&ground.config, &Speaks::default(), well);
    let front = ground.front("    connections: {idle_timeout: 1s}", &server.url());
    assert_eq!(server_of(&front.ask(&Ask::chat(false))), "h2");
    until("nothing is open to it", || server.open() == 0);
    assert_eq!(server_of(&front.ask(&Ask::chat(false))), "h2");
    assert_eq!(server.connections(), 2);
    assert_eq!(front.edge.metrics().sum("tidegate_server_failures_total", &[]), 0.0);
}
