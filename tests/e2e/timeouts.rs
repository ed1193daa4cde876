//! Every timeout of `defaults`, each against a client or a server that is slow in just that way. Lower bounds guard
//! against a timeout that fires at once; upper bounds are the deadline of the tools.

use std::time::Duration;

use crate::support::edge::Edge;
use crate::support::http::{Ask, Connection, Cut, chunk, ok};
use crate::support::rude::{CHUNKED_HEAD, Deaf, never_answers, stalls_after};
use crate::support::upstream::Upstream;
use crate::support::wait::{DEADLINE, timed, until};

/// An edge with these timeouts, and one server.
fn edge(timeouts: &str, url: &str) -> Edge {
    Edge::start(
        "
defaults: {timeouts: {<timeouts>}}
frontends:
  web: {bind: [{address: 127.0.0.1:0}], default_backend: ai}
backends:
  ai:
    retry: {attempts: 1}
    servers: {one: {url: <url>}}",
        &[("timeouts", timeouts), ("url", url)],
    )
}

const SHORT: Duration = Duration::from_millis(400);

#[test]
fn dripping_head_gets_408_however_steadily_it_drips() {
    let one = Upstream::named("one");
    let edge = edge("request_head: 400ms", &one.url());
    let mut client = edge.open();
    let (answer, took) = timed(|| {
        for byte in
            b"GET /v1/models HTTP/1.1\r\nHost: tidegate.test\r\nX-Slow: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
        {
            if client.try_send([*byte]).is_err() || !client.silent_for(Duration::from_millis(40)) {
                break;
            }
        }
        client.answer().unwrap()
    });
    answer.is_error(408, "request_timeout");
    assert!(took >= SHORT, "{took:?}");
    assert!(client.ended_within(DEADLINE));
    assert_eq!(one.count(), 0);
}

#[test]
fn silence_inside_a_body_gets_408() {
    let one = Upstream::named("one");
    let edge = edge("client: 400ms", &one.url());
    for framing in ["Content-Length: 100", "Transfer-Encoding: chunked"] {
        let mut client = edge.open();
        client.send(format!("POST /v1/chat/completions HTTP/1.1\r\nHost: a.test\r\n{framing}\r\n\r\n"));
        client.send(if framing.starts_with('C') { "12345" } else { "5\r\n12345\r\n" });
        let (answer, took) = timed(|| client.answer().unwrap());
        answer.is_error(408, "request_timeout");
        assert!(took >= SHORT, "{framing}: {took:?}");
        assert!(client.ended_within(DEADLINE));
    }
    assert!(one.requests().iter().all(|request| !request.whole), "half a body was passed on as a whole one");
}

#[test]
fn slow_but_steady_body_is_no_silence() {
    let one = Upstream::named("one");
    let edge = edge("client: 400ms", &one.url());
    let mut client = edge.open();
    client.send("POST /v1/chat/completions HTTP/1.1\r\nHost: a.test\r\nContent-Length: 12\r\n\r\n");
    for _ in 0..12 {
        assert!(client.silent_for(Duration::from_millis(60)));
        client.send("x");
    }
    assert_eq!(client.answer().unwrap().status(), 200);
}

#[test]
fn idle_connection_is_closed_silently() {
    let one = Upstream::named("one");
    let edge = edge("keep_alive: 400ms", &one.url());
    let mut client = edge.open();
    assert_eq!(client.ask(&Ask::get("/v1/models")).status(), 200);
    let (bytes, took) = timed(|| client.rest());
    assert!(took >= Duration::from_millis(300), "{took:?}");
    assert_eq!(String::from_utf8_lossy(&bytes), "", "nothing is said on an idle connection");
}

#[test]
fn connection_that_never_says_anything_is_ended() {
    let one = Upstream::named("one");
    let edge = edge("keep_alive: 400ms, request_head: 400ms", &one.url());
    assert!(edge.open().ended_within(DEADLINE));
}

#[test]
fn connect_that_takes_too_long_is_504() {
    let deaf = Deaf::new();
    let edge = edge("connect: 400ms", &deaf.url());
    let (answer, took) = timed(|| edge.ask(&Ask::chat(false)));
    answer.is_error(504, "upstream_timeout");
    assert!(took >= SHORT, "{took:?}");
}

#[test]
fn server_without_first_byte_is_504_and_is_left() {
    let mute = never_answers();
    let edge = edge("first_byte: 400ms", &mute.url());
    let (answer, took) = timed(|| edge.ask(&Ask::chat(false)));
    answer.is_error(504, "upstream_timeout");
    assert!(took >= SHORT, "{took:?}");
    until("the server is left", || mute.departures() == 1);
}

#[test]
fn silence_inside_an_answer_cuts_it_visibly() {
    let chunked = stalls_after([CHUNKED_HEAD.as_bytes(), &chunk(b"some")].concat());
    let sized = stalls_after("HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nsome");
    for upstream in [chunked, sized] {
        let edge = edge("server: 400ms", &upstream.url());
        let (answer, took) = timed(|| edge.ask(&Ask::get("/v1/files/content")));
        assert_eq!((answer.status(), answer.text().as_str(), answer.whole), (200, "some", false));
        assert!(took >= SHORT, "{took:?}");
        until("the server is left", || upstream.departures() == 1);
    }
}

#[test]
fn steady_answer_may_take_longer_than_the_silence_allowed() {
    let steady = Upstream::start(|peer| {
        if peer.request().is_none() {
            return;
        }
        peer.send(CHUNKED_HEAD);
        for _ in 0..12 {
            if !peer.connection.silent_for(Duration::from_millis(60)) {
                return;
            }
            peer.send(chunk(b"x"));
        }
        peer.send("0\r\n\r\n");
        peer.wait_until_left();
    });
    let edge = edge("server: 400ms, first_byte: 400ms", &steady.url());
    let answer = edge.ask(&Ask::get("/v1/files/content"));
    assert_eq!((answer.text().as_str(), answer.whole), ("xxxxxxxxxxxx", true));
}

#[test]
fn whole_request_has_an_end() {
    let mute = never_answers();
    let waiting = edge("total: 600ms", &mute.url());
    let (answer, took) = timed(|| waiting.ask(&Ask::chat(false)));
    answer.is_error(504, "upstream_timeout");
    assert!(took >= Duration::from_millis(500), "{took:?}");

    let dripping = crate::support::rude::endless_stream(Duration::from_millis(20));
    let streaming = edge("total: 600ms", &dripping.url());
    let mut client: Connection = streaming.open();
    client.send(Ask::chat(true).bytes());
    assert_eq!(client.head().unwrap().status(), 200);
    let mut last = Vec::new();
    let end = loop {
        match client.chunk() {
            Ok(Some(data)) => last = data,
            end => break end,
        }
    };
    let last = String::from_utf8_lossy(&last).into_owned();
    assert!(end == Err(Cut) || last.contains("\"error\""), "ended as if whole: {last}");
    until("the server is left", || dripping.departures() == 1);
}

#[test]
fn backend_overrides_the_defaults() {
    let slow = Upstream::start(|peer| {
        while peer.request().is_some() && peer.connection.silent_for(Duration::from_millis(600)) {
            peer.send(ok("{}"));
        }
    });
    let edge = Edge::start(
        "
defaults: {timeouts: {first_byte: 200ms}}
frontends:
  web:
    bind: [{address: 127.0.0.1:0}]
    rules: [{use_backend: patient, if: patiently}]
    default_backend: ai
acls: {patiently: {path_beg: /v1/patient}}
backends:
  ai: {retry: {attempts: 1}, servers: {one: {url: <slow>}}}
  patient: {timeouts: {first_byte: 20s}, servers: {one: {url: <slow>}}}",
        &[("slow", &slow.url())],
    );
    assert_eq!(edge.ask(&Ask::get("/v1/models")).status(), 504);
    assert_eq!(edge.ask(&Ask::get("/v1/patient")).status(), 200);
}
