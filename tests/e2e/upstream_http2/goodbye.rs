//! A server that takes leave of a connection (GOAWAY): no request is lost, and none is sent twice.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use super::{front, well};
use crate::support::edge::server_of;
use crate::support::h2_front::Ground;
use crate::support::h2_raw::{self, data, goaway, next_request};
use crate::support::h2_server::Gate;
use crate::support::http::Ask;
use crate::support::wait::until;

fn answer(stream: u32, server: &str) -> Vec<u8> {
    let head = h2_raw::head(stream, false, "200", &[(b"content-type", b"application/json")]);
    [head, data(stream, true, format!(r#"{{"server":"{server}"}}"#).as_bytes())].concat()
}

#[test]
fn requests_above_the_last_one_go_elsewhere_and_the_others_finish() {
    static CONNECTIONS: AtomicUsize = AtomicUsize::new(0);
    static HAS_FIRST: AtomicBool = AtomicBool::new(false);
    let ground = Ground::new();
    let server = h2_raw::start_server(&ground.config, &[], |peer| {
        if CONNECTIONS.fetch_add(1, Ordering::SeqCst) > 0 {
            while let Some((stream, _)) = next_request(peer) {
                peer.send(answer(stream, "second"));
            }
            return;
        }
        let Some((first, _)) = next_request(peer) else { return };
        HAS_FIRST.store(true, Ordering::SeqCst);
        if next_request(peer).is_some() {
            peer.send(goaway(first, 0));
            // The other request comes back on a new connection before the first one is answered here.
            until("another connection", || CONNECTIONS.load(Ordering::SeqCst) > 1);
            peer.send(answer(first, "first"));
        }
        peer.wait_until_left();
    });
    let front = ground.front("", &server.url().replace("http:", "https:"));
    let ask = Ask::post("/orders", "{}");
    let mut first = front.open();
    first.send(ask.bytes());
    until("the first is there", || HAS_FIRST.load(Ordering::SeqCst));
    assert_eq!(server_of(&front.ask(&ask)), "second");
    assert_eq!(server_of(&first.answer().unwrap()), "first");
    assert_eq!(server_of(&front.ask(&ask)), "second");
    assert_eq!(server.connections(), 2);
}

#[test]
fn what_runs_finishes_and_what_comes_has_a_new_connection() {
    let gate = Gate::new();
    let wait = gate.clone();
    let (front, server) = front("", move |mut exchange| {
        let wait = wait.clone();
        async move {
            if exchange.connection == 0 {
                wait.wait().await;
            }
            exchange.well().await;
        }
    });
    let running: Vec<_> = (0..3)
        .map(|_| {
            let mut client = front.open();
            client.send(Ask::post("/orders", "one").bytes());
            client
        })
        .collect();
    until("they are there", || server.running() == 3);
    server.leave_connections();
    until("a new connection is made", || {
        assert_eq!(front.edge.metrics().sum("tidegate_server_failures_total", &[]), 0.0);
        let mut client = front.open();
        client.send(Ask::get("/v1/models").bytes());
        let answered = !client.silent_for(std::time::Duration::from_millis(300));
        answered && server_of(&client.answer().unwrap()) == "h2"
    });
    gate.open();
    for mut client in running {
        assert_eq!(server_of(&client.answer().unwrap()), "h2");
    }
    assert_eq!(server.connections(), 2);
}

#[test]
fn a_server_that_always_takes_leave_never_surfaces() {
    let (front, server) = front("", well);
    let (count, done) = (AtomicUsize::new(0), AtomicBool::new(false));
    std::thread::scope(|scope| {
        let clients: Vec<_> = (0..10)
            .map(|_| {
                scope.spawn(|| {
                    let mut client = front.open();
                    for _ in 0..50 {
                        assert_eq!(server_of(&client.ask(&Ask::post("/orders", "one"))), "h2");
                        count.fetch_add(1, Ordering::SeqCst);
                    }
                })
            })
            .collect();
        scope.spawn(|| {
            let mut seen = 0;
            while !done.load(Ordering::SeqCst) {
                let now = count.load(Ordering::SeqCst);
                if now >= seen + 7 {
                    server.leave_connections();
                    seen = now;
                }
                std::thread::yield_now();
            }
        });
        let failed = clients.into_iter().filter_map(|client| client.join().err()).count();
        done.store(true, Ordering::SeqCst);
        assert_eq!(failed, 0, "{:?}", front.edge.log().iter().find(|line| line["status"] != 200));
    });
    assert!(server.connections() > 5, "{}", server.connections());
    assert_eq!(server.count(), 500, "sent twice");
}
