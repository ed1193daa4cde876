//! A node that is to lose its traffic asks for no more, politely, and fails nobody on the way.

use std::net::SocketAddr;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use crate::support::certificates::Authority;
use crate::support::edge::{Edge, Settings, server_of};
use crate::support::http::{Ask, Connection, ok};
use crate::support::http2::Http2;
use crate::support::rude::{Deaf, EVENT_STREAM_HEAD, event};
use crate::support::scratch::Scratch;
use crate::support::sse::Gate;
use crate::support::upstream::Upstream;
use crate::support::wait::{DEADLINE, timed, until};

const SECTIONS: &str = "
acls: {stream: {path: /stream}}
frontends:
  web:
    bind: [{address: 127.0.0.1:0}, {address: 127.0.0.1:0, tls: {certificates: [<pem>]}}]
    rules: [{use_backend: long, if: stream}]
    default_backend: ai
backends:
  ai: {servers: {one: {url: <one>}}}
  long: {servers: {one: {url: <long>}}}";

const WHOLE: &str = "data: 0\n\ndata: 1\n\ndata: [DONE]\n\n";

struct Node {
    edge: Edge,
    authority: Authority,
    one: Upstream,
    long: Upstream,
    /// Streams end when it is open.
    gate: Gate,
}

impl Node {
    #[track_caller]
    fn new() -> Node {
        let gate = Gate::default();
        let end = gate.clone();
        let long = Upstream::start(move |peer| {
            while peer.request().is_some() {
                peer.send([EVENT_STREAM_HEAD.as_bytes(), &event("0"), &event("1")].concat());
                if !end.passed_by(peer) {
                    return;
                }
                peer.send([&event("[DONE]")[..], b"0\r\n\r\n"].concat());
            }
        });
        let (directory, authority, one) = (Scratch::new(), Authority::new("a"), Upstream::named("one"));
        let pem = authority.issue(&["tidegate.test"]).write(&directory, "front.pem").display().to_string();
        let values = [("pem", pem.as_str()), ("one", &one.url()), ("long", &long.url())];
        let settings = Settings { shutdown_grace: "20s", ..Settings::default() };
        let edge = Edge::start_with(&settings, directory, SECTIONS, &values);
        Node { edge, authority, one, long, gate }
    }

    fn tls(&self) -> SocketAddr {
        self.edge.addresses("web")[1]
    }

    #[track_caller]
    fn http2(&self) -> Http2 {
        Http2::connect(self.tls(), &self.authority, "tidegate.test")
    }

    /// A stream that has begun, on a connection of its own.
    #[track_caller]
    fn stream(&self) -> Connection {
        let mut client = self.edge.open();
        client.send(Ask::get("/stream").bytes());
        let head = client.head().unwrap();
        assert_eq!((head.status(), head.header("connection")), (200, Some("keep-alive")));
        assert_eq!(client.chunk().unwrap().unwrap(), b"data: 0\n\n");
        client
    }

    #[track_caller]
    fn ready(&self) -> u16 {
        assert_eq!(self.edge.admin_get("/health").status(), 200, "it is alive");
        self.edge.admin_get("/ready").status()
    }

    #[track_caller]
    fn says_goodbye(client: &mut Connection) {
        let answer = client.ask(&Ask::get("/v1/models"));
        assert_eq!((server_of(&answer).as_str(), answer.header("connection")), ("one", Some("close")));
        assert!(client.ended_within(DEADLINE), "it said that it would close");
    }
}

#[test]
fn ready_says_no_and_connections_end_with_their_next_answer() {
    let node = Node::new();
    let edge = &node.edge;
    let mut kept = edge.open();
    assert_eq!(kept.ask(&Ask::get("/v1/models")).header("connection"), Some("keep-alive"));
    let mut idle = edge.open();
    assert_eq!(node.ready(), 200);
    let told = edge.tells(&["drain"]);
    let said = told.good();
    assert!(said.starts_with("draining: /ready says 503") && said.contains("connections are open"), "{said}");
    assert_eq!(node.ready(), 503);
    assert!(edge.admin_get("/ready").text().contains("drain"));
    assert_eq!(edge.status()["node"]["state"], "draining");
    assert!(kept.silent_for(Duration::from_millis(300)), "one that is idle is not cut");
    Node::says_goodbye(&mut kept);
    Node::says_goodbye(&mut idle);
    Node::says_goodbye(&mut edge.open());
    // HTTP/1.0 and those who want to close anyway are answered as ever.
    assert_eq!(edge.ask(&Ask::get("/").header("connection", "close")).status(), 200);
    let again = edge.tells(&["drain"]);
    assert!(again.good().starts_with("it was draining already"), "{again:?}");
    let undone = edge.tells(&["drain", "--undo"]);
    assert!(undone.good().starts_with("no longer draining: /ready says 200"), "{undone:?}");
    assert_eq!((node.ready(), edge.status()["node"]["state"].as_str()), (200, Some("ready")));
    let mut kept = edge.open();
    for _ in 0..3 {
        assert_eq!(kept.ask(&Ask::get("/v1/models")).header("connection"), Some("keep-alive"));
    }
    assert!(edge.obeys("undrain").starts_with("it was not draining"));
    assert_eq!(edge.command("drain 3").trim(), "'drain' takes no argument.");
    assert_eq!((edge.told("(ordered by socket uid"), node.ready()), (2, 200), "two orders changed something");
}

#[test]
fn streams_in_flight_are_counted_and_go_on_to_their_end() {
    let node = Node::new();
    let mut streams: Vec<Connection> = (0..3).map(|_| node.stream()).collect();
    let mut http2 = node.http2();
    let stream = http2.start(&Ask::get("/stream"));
    until("all streams", || node.long.count() == 4);
    let said = node.edge.obeys("drain");
    assert!(said.contains("4 connections are open, 4 requests in flight"), "{said}");
    let said = node.edge.obeys("drain");
    assert!(said.contains("4 requests in flight"), "nothing of it was cut: {said}");
    assert!(!http2.has_ended());
    node.gate.open();
    for client in &mut streams {
        assert_eq!(client.chunk().unwrap().unwrap(), b"data: 1\n\n");
        assert_eq!(client.chunk().unwrap().unwrap(), b"data: [DONE]\n\n");
        assert_eq!(client.chunk(), Ok(None));
        // It was told that its connection stays: it may be about to ask again.
        Node::says_goodbye(client);
    }
    assert_eq!(stream.answer().unwrap().text(), WHOLE);
    until("the HTTP/2 connection ends", || http2.has_ended());
    until("nothing is left", || {
        node.edge.obeys("drain").contains("0 connections are open, 0 requests in flight")
    });
}

#[test]
fn http2_connection_is_told_to_go_and_ends_what_it_began() {
    let node = Node::new();
    let mut client = node.http2();
    assert_eq!(client.ask(&Ask::get("/v1/models")).status(), 200);
    let (stream, gate) = (client.start(&Ask::get("/stream")), node.gate.clone());
    until("the stream", || node.long.count() == 1);
    let fresh = node.http2();
    node.edge.obeys("drain");
    until("it takes no more requests", || match client.try_begin(&Ask::get("/v1/models")) {
        Ok(asked) => match asked.answer() {
            Ok(answer) => {
                assert_eq!(answer.status(), 200, "it came before the word");
                false
            }
            Err(error) => {
                assert!(never_read(&error), "{error}");
                true
            }
        },
        Err(_) => true,
    });
    gate.open();
    assert_eq!(stream.answer().unwrap().text(), WHOLE);
    until("it ends", || client.has_ended());
    // One that has asked nothing yet would only come again: it may ask first.
    let mut fresh = fresh;
    assert!(!fresh.has_ended());
    assert_eq!(fresh.ask(&Ask::get("/v1/models")).status(), 200);
    until("it ends, too", || fresh.has_ended());
    let mut new = node.http2();
    let both = [new.start(&Ask::get("/v1/models")), new.start(&Ask::chat(false))];
    assert!(both.into_iter().all(|stream| stream.answer().unwrap().status() == 200));
    until("and so does a new one", || new.has_ended());
    node.edge.obeys("undrain");
    let mut new = node.http2();
    assert_eq!(new.ask(&Ask::get("/v1/models")).status(), 200);
    assert!(new.try_begin(&Ask::get("/v1/models")).is_ok_and(|stream| stream.answer().is_ok()));
    assert!(!new.has_ended());
}

/// Whether the request was on its way when the word came that no more are taken. The library acknowledges that word before
/// it sends what it has in hand, so this cannot be told apart in time; the word itself says that nobody has read the request.
fn never_read(error: &h2::Error) -> bool {
    error.is_go_away() && error.is_remote() && error.reason() == Some(h2::Reason::NO_ERROR)
}

/// Asks again and again, on the connection that it has as long as it may. It never asks the same twice.
fn asks_until(over: &AtomicBool, edge: &Edge, asked: &AtomicUsize) -> Result<(), String> {
    let mut client = edge.open();
    while !over.load(Ordering::SeqCst) {
        client.try_send(Ask::chat(false).bytes()).map_err(|error| error.to_string())?;
        let answer = client.answer().ok_or("cut")?;
        if answer.status() != 200 || !answer.whole {
            return Err(format!("{answer:?}"));
        }
        asked.fetch_add(1, Ordering::SeqCst);
        if answer.header("connection") == Some("close") {
            client = edge.open();
        }
    }
    Ok(())
}

fn asks_http2_until(over: &AtomicBool, node: &Node, asked: &AtomicUsize) -> Result<(), String> {
    let mut client = node.http2();
    while !over.load(Ordering::SeqCst) {
        // What is not taken was not asked.
        let Ok(stream) = client.try_begin(&Ask::get("/v1/models")) else {
            client = node.http2();
            continue;
        };
        match stream.answer() {
            Ok(answer) if answer.status() == 200 => drop(asked.fetch_add(1, Ordering::SeqCst)),
            Err(error) if never_read(&error) => client = node.http2(),
            other => return Err(format!("{other:?}")),
        }
    }
    Ok(())
}

#[test]
fn clients_that_never_retry_fail_in_no_drain() {
    let node = Node::new();
    let (over, asked, bad) = (AtomicBool::new(false), AtomicUsize::new(0), Mutex::new(Vec::new()));
    std::thread::scope(|scope| {
        let (node, over, asked, bad) = (&node, &over, &asked, &bad);
        for number in 0..8 {
            scope.spawn(move || {
                let end = match number % 4 {
                    0 => asks_http2_until(over, node, asked),
                    _ => asks_until(over, &node.edge, asked),
                };
                end.map_err(|why| bad.lock().unwrap().push(why)).is_ok()
            });
        }
        for round in 0..6 {
            for order in ["drain", "reload", "undrain"] {
                node.edge.obeys(order);
                let before = asked.load(Ordering::SeqCst);
                until(&format!("requests go on, {order} {round}"), || {
                    asked.load(Ordering::SeqCst) > before + 30 || !bad.lock().unwrap().is_empty()
                });
            }
        }
        over.store(true, Ordering::SeqCst);
    });
    assert_eq!(*bad.lock().unwrap(), Vec::<String>::new());
    let metrics = node.edge.metrics();
    let refused = metrics.sum("tidegate_responses_total", &[("code", "5xx")]);
    assert_eq!(refused, 0.0);
}

#[test]
fn reload_and_rollback_leave_a_drain_as_it_is() {
    let node = Node::new();
    node.edge.obeys("drain");
    let url = node.one.url();
    let other = Upstream::replying(|_| ok("{\"server\":\"other\"}"));
    node.edge.writes(node.edge.text().replace(&url, &other.url()));
    node.edge.obeys("reload");
    assert_eq!(node.ready(), 503);
    let answer = node.edge.ask(&Ask::get("/"));
    assert_eq!((server_of(&answer).as_str(), answer.header("connection")), ("other", Some("close")));
    node.edge.obeys("rollback");
    assert_eq!(node.ready(), 503);
    assert!(node.edge.hang_up());
    assert_eq!(node.ready(), 503);
    node.edge.obeys("undrain");
    assert_eq!(node.ready(), 200);
}

#[test]
fn drain_ordered_during_a_reload_is_carried_out_after_it() {
    let node = Node::new();
    let deaf = Deaf::new();
    let checked = format!(
        "  ai: {{check: {{http: {{path: /}}, interval: 60s, timeout: 1s}}, servers: {{one: {{url: {}}}, deaf: {{url: {}}}}}}}",
        node.one.url(),
        deaf.url()
    );
    let text = node.edge.text();
    let before = text.lines().find(|line| line.starts_with("  ai: ")).unwrap();
    node.edge.writes(text.replace(before, &checked));
    std::thread::scope(|scope| {
        let reload = scope.spawn(|| node.edge.obeys("reload"));
        node.edge.says("reload: reading");
        let drain = scope.spawn(|| node.edge.obeys("drain"));
        assert_eq!(node.edge.servers(1), ["one"]);
        assert!(reload.join().unwrap().contains("backends.ai.servers.deaf: added"));
        assert!(drain.join().unwrap().starts_with("draining"));
    });
    assert_eq!(node.ready(), 503);
    assert_eq!(node.edge.servers(1), ["one"]);
}

#[test]
fn stop_after_a_drain_waits_for_what_is_left_and_a_start_knows_nothing_of_it() {
    let mut node = Node::new();
    let mut stream = node.stream();
    node.edge.obeys("drain");
    node.edge.process.signal("TERM");
    until("/ready says so", || node.edge.admin_get("/ready").status() == 503);
    assert_eq!(node.edge.process.exited(), None);
    node.gate.open();
    let mut text = Vec::new();
    while let Some(part) = stream.chunk().expect("whole") {
        text.extend(part);
    }
    assert!(String::from_utf8(text).unwrap().ends_with("data: [DONE]\n\n"));
    let (status, took) = timed(|| node.edge.process.wait());
    assert!(status.success() && took < DEADLINE / 2, "{status} after {took:?}");
    let text = node.edge.text();
    let edge = Edge::start_text(node.edge.into_directory(), &text);
    assert_eq!(edge.admin_get("/ready").status(), 200);
}
