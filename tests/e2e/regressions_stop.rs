//! Bugs that were found in how tidegate ends, and in signals that should not end it.

use std::io::Write;
use std::net::TcpStream;
use std::sync::Mutex;
use std::sync::mpsc::channel;
use std::time::Duration;

use crate::support::certificates::Authority;
use crate::support::edge::{Edge, Settings, server_of};
use crate::support::http::{Ask, Connection, Cut, ok};
use crate::support::rude::{EVENT_STREAM_HEAD, endless_stream, event, stalls_after};
use crate::support::scratch::Scratch;
use crate::support::tls::{Offer, connect};
use crate::support::upstream::Upstream;
use crate::support::wait::{timed, until};

fn edge(grace: &str, url: &str) -> Edge {
    let settings = Settings { shutdown_grace: grace, ..Settings::default() };
    Edge::start_with(
        &settings,
        Scratch::new(),
        "
frontends:
  web: {bind: [{address: 127.0.0.1:0}], default_backend: ai}
backends:
  ai: {servers: {one: {url: <one>}}}",
        &[("one", url)],
    )
}

/// Opens a stream, sends the signal, and reads what the stream still says.
#[track_caller]
fn stopped_in_a_stream(signal: &str, grace: &str, upstream: &Upstream) {
    let mut edge = edge(grace, &upstream.url());
    let mut client = edge.open();
    client.send(Ask::chat(true).bytes());
    assert_eq!(client.head().unwrap().status(), 200);
    let mut text = client.chunk().unwrap().expect("an event");
    edge.process.signal(signal);
    let end = loop {
        match client.chunk() {
            Ok(Some(data)) => text.extend(data),
            end => break end,
        }
    };
    let text = String::from_utf8_lossy(&text).into_owned();
    let last = text.trim_end().rsplit("\n\n").next().unwrap();
    assert!(last.starts_with("data: {\"error\""), "{signal}: no error at the end of {text:?}");
    assert!(text.ends_with("\n\n"), "{signal}: the error is not finished: {text:?}");
    assert_eq!(end, Err(Cut), "{signal}: it ended as if it were whole");
    edge.process.wait();
    let log = edge.log();
    assert_eq!(log.len(), 1, "{signal}: {log:?}");
    assert_eq!(log[0]["termination"], "KD--", "{signal}: {}", log[0]);
}

#[test]
fn stream_at_the_end_of_the_grace_is_told_and_logged() {
    stopped_in_a_stream("TERM", "1s", &endless_stream(Duration::from_millis(20)));
    let stuck = [EVENT_STREAM_HEAD.as_bytes(), &event("{}")].concat();
    stopped_in_a_stream("TERM", "1s", &stalls_after(stuck));
}

#[test]
fn stream_at_an_interrupt_is_told_and_logged() {
    stopped_in_a_stream("INT", "60s", &endless_stream(Duration::from_millis(20)));
    let stuck = [EVENT_STREAM_HEAD.as_bytes(), &event("{}")].concat();
    stopped_in_a_stream("INT", "60s", &stalls_after(stuck));
}

#[test]
fn signals_for_reload_and_upgrade_do_not_end_the_process() {
    let one = Upstream::named("one");
    let mut edge = edge("10s", &one.url());
    for (signal, name, told) in [("HUP", "SIGHUP", "is in force"), ("USR2", "SIGUSR2", "not implemented yet")]
    {
        edge.process.signal(signal);
        edge.process.await_lines(&format!("a word about {name}"), |_, stderr| {
            stderr.iter().any(|line| line.contains(told)).then_some(())
        });
        assert_eq!(edge.servers(1), ["one"], "{name}");
        assert!(edge.process.exited().is_none(), "{name} ended it");
    }
}

#[test]
fn answer_while_it_drains_says_that_it_is_the_last() {
    let (go, gone) = channel::<()>();
    let gone = Mutex::new(gone);
    let slow = Upstream::start(move |peer| {
        while peer.request().is_some() {
            let _ = gone.lock().unwrap().recv();
            peer.send(ok("{\"server\":\"slow\"}"));
        }
    });
    let mut edge = edge("20s", &slow.url());
    let mut client = edge.open();
    client.send(Ask::get("/v1/models").bytes());
    until("the server has it", || slow.count() == 1);
    edge.process.signal("TERM");
    until("it drains", || edge.admin_get("/ready").status() == 503);
    go.send(()).unwrap();
    let answer = client.answer().expect("the request in flight is answered");
    assert_eq!(server_of(&answer), "slow");
    assert_eq!(answer.header("connection"), Some("close"));
    assert!(edge.process.wait().success());
}

/// An edge over TLS with one thread and a grace that would be noticed.
fn secure(one: &Upstream) -> (Edge, Authority) {
    let directory = Scratch::new();
    let authority = Authority::new("a");
    let pem = authority.issue(&["one.test"]).write(&directory, "one.pem");
    let settings = Settings { shutdown_grace: "20s", threads: 1, ..Settings::default() };
    let edge = Edge::start_with(
        &settings,
        directory,
        "
frontends:
  web:
    bind: [{address: 127.0.0.1:0, tls: {certificates: [<pem>]}}]
    default_backend: ai
backends:
  ai: {servers: {one: {url: <one>}}}",
        &[("pem", &pem.display().to_string()), ("one", &one.url())],
    );
    (edge, authority)
}

/// A connection that has agreed on HTTP/2 and asks for nothing.
fn idle_http2(edge: &Edge, authority: &Authority) -> Connection {
    let offer = Offer { alpn: &["h2"], ..Offer::http1("one.test") };
    let agreed = connect(edge.address("web"), authority, &offer).unwrap();
    assert_eq!(agreed.alpn.as_deref(), Some("h2"));
    let mut client = agreed.connection;
    client.send([&b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"[..], &[0, 0, 0, 4, 0, 0, 0, 0, 0]].concat());
    assert_eq!(client.exactly(9).unwrap()[3], 4, "the SETTINGS of the edge");
    client
}

#[track_caller]
fn stops_soon(mut edge: Edge) {
    edge.process.signal("TERM");
    let (status, took) = timed(|| edge.process.wait());
    assert!(status.success(), "{status}");
    assert!(took < Duration::from_secs(8), "{took:?} with nothing in flight");
}

#[test]
fn idle_http2_connection_does_not_hold_the_end() {
    let one = Upstream::named("one");
    let (edge, authority) = secure(&one);
    let _idle = idle_http2(&edge, &authority);
    stops_soon(edge);
}

#[test]
fn half_a_handshake_does_not_hold_the_end() {
    let one = Upstream::named("one");
    let (edge, authority) = secure(&one);
    let mut half = TcpStream::connect(edge.address("web")).unwrap();
    half.write_all(b"\x16\x03\x01").unwrap();
    let _silent = TcpStream::connect(edge.address("web")).unwrap();
    // The only thread takes connections in order: when this one is served, it has the others.
    drop(idle_http2(&edge, &authority));
    stops_soon(edge);
}
