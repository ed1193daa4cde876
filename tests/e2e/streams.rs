//! Server-sent events and other streams: each event when it comes, an end that is one, and a break that shows.

use std::path::PathBuf;
use std::sync::Mutex;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

use crate::support::certificates::Authority;
use crate::support::curl;
use crate::support::edge::{Edge, Settings};
use crate::support::http::{Ask, Connection, Cut, chunk};
use crate::support::rude::{CHUNKED_HEAD, EVENT_STREAM_HEAD, endless_stream, event, says, stalls_after};
use crate::support::scratch::Scratch;
use crate::support::upstream::Upstream;
use crate::support::wait::until;

fn edge(url: &str) -> Edge {
    Edge::start(
        "
frontends:
  web: {bind: [{address: 127.0.0.1:0}], default_backend: ai}
backends:
  ai: {servers: {one: {url: <one>}}}",
        &[("one", url)],
    )
}

/// An upstream that sends an event each time the test says so, and ends when the test lets go of the sender.
fn prompted(head: &'static str) -> (Upstream, Sender<String>) {
    let (sender, receiver): (Sender<String>, Receiver<String>) = channel();
    let receiver = Mutex::new(receiver);
    let upstream = Upstream::start(move |peer| {
        if peer.request().is_none() {
            return;
        }
        peer.send(head);
        let receiver = receiver.lock().unwrap();
        while let Ok(data) = receiver.recv() {
            peer.send(event(&data));
        }
        peer.send("0\r\n\r\n");
        peer.wait_until_left();
    });
    (upstream, sender)
}

#[track_caller]
fn next_event(client: &mut Connection) -> String {
    let mut text = String::new();
    while !text.ends_with("\n\n") {
        let data = client.chunk().unwrap().expect("another event, not the end");
        text.push_str(std::str::from_utf8(&data).unwrap());
    }
    text
}

#[test]
fn each_event_arrives_before_the_next_is_sent() {
    let (upstream, say) = prompted(EVENT_STREAM_HEAD);
    let edge = edge(&upstream.url());
    let mut client = edge.open();
    client.send(Ask::chat(true).bytes());
    // The head comes with the first content.
    say.send("{\"n\":0}".to_owned()).unwrap();
    let head = client.head().unwrap();
    assert_eq!((head.status(), head.header("content-type")), (200, Some("text/event-stream")));
    assert_eq!(next_event(&mut client), "data: {\"n\":0}\n\n");
    for number in 1..5 {
        say.send(format!("{{\"n\":{number}}}")).unwrap();
        assert_eq!(next_event(&mut client), format!("data: {{\"n\":{number}}}\n\n"));
    }
    drop(say);
    assert_eq!(client.chunk(), Ok(None));
}

#[test]
fn other_streams_are_not_buffered_either() {
    let (upstream, say) = prompted(CHUNKED_HEAD);
    let edge = edge(&upstream.url());
    let mut client = edge.open();
    client.send(Ask::get("/v1/files/content").bytes());
    assert_eq!(client.head().unwrap().status(), 200);
    say.send("a".to_owned()).unwrap();
    assert_eq!(next_event(&mut client), "data: a\n\n");
    drop(say);
    assert_eq!(client.chunk(), Ok(None));
}

#[test]
fn connection_goes_on_after_a_stream() {
    let upstream = Upstream::replying(|_| {
        [EVENT_STREAM_HEAD.as_bytes(), &event("{}"), &event("[DONE]"), b"0\r\n\r\n"].concat()
    });
    let edge = edge(&upstream.url());
    let mut client = edge.open();
    for _ in 0..3 {
        let answer = client.ask(&Ask::chat(true));
        assert_eq!((answer.text().as_str(), answer.whole), ("data: {}\n\ndata: [DONE]\n\n", true));
    }
    assert_eq!(upstream.connections(), 1, "the connection to the server is used again after a stream");
}

#[test]
fn client_that_leaves_cancels_the_upstream() {
    let endless = endless_stream(Duration::from_millis(20));
    let silent = stalls_after([EVENT_STREAM_HEAD.as_bytes(), &event("{}")].concat());
    let mute = crate::support::rude::never_answers();
    for upstream in [&endless, &silent] {
        let edge = edge(&upstream.url());
        let mut client = edge.open();
        client.send(Ask::chat(true).bytes());
        assert_eq!(client.head().unwrap().status(), 200);
        drop(client);
        until("the server is left", || upstream.departures() == 1);
    }
    let edge = edge(&mute.url());
    let mut client = edge.open();
    client.send(Ask::chat(true).bytes());
    until("the server has the request", || mute.count() == 1);
    drop(client);
    until("the server is left before its first byte", || mute.departures() == 1);
}

#[test]
fn client_that_resets_cancels_the_upstream() {
    let endless = endless_stream(Duration::from_millis(20));
    let edge = edge(&endless.url());
    let mut client = edge.open();
    client.send(Ask::chat(true).bytes());
    client.head().unwrap();
    client.reset_when_dropped();
    drop(client);
    until("the server is left", || endless.departures() == 1);
}

/// Two events, cut in the ways a connection can be.
fn cut_streams() -> [Upstream; 3] {
    let events = [EVENT_STREAM_HEAD.as_bytes(), &event("{\"n\":1}"), &event("{\"n\":2}")].concat();
    let close = says(events.clone());
    let half = says([events.as_slice(), b"1f\r\ndata: {\"hal"].concat());
    let reset = Upstream::start(move |peer| {
        if peer.request().is_some() {
            peer.send(&events);
            peer.connection.silent_for(Duration::from_millis(100));
            peer.connection.reset_when_dropped();
        }
    });
    [close, half, reset]
}

#[test]
fn cut_event_stream_ends_with_an_error_event_and_no_done() {
    for upstream in cut_streams() {
        let edge = edge(&upstream.url());
        let answer = edge.ask(&Ask::chat(true));
        let text = answer.text();
        assert!(text.starts_with("data: {\"n\":1}\n\ndata: {\"n\":2}\n\n"), "{text}");
        assert!(!text.contains("[DONE]"), "{text}");
        let last = text.trim_end().rsplit("\n\n").next().unwrap();
        let data = last.strip_prefix("data: ").unwrap_or_else(|| panic!("no event at the end: {text}"));
        let error: serde_json::Value =
            serde_json::from_str(data).unwrap_or_else(|_| panic!("no error event: {text}"));
        assert_eq!(error["error"]["code"], "upstream_error", "{error}");
        assert!(text.ends_with("\n\n"), "the error event is not finished: {text:?}");
    }
}

#[test]
fn cut_body_that_is_no_event_stream_never_gets_its_final_chunk() {
    let upstream = says([CHUNKED_HEAD.as_bytes(), &chunk(b"some"), &chunk(b"more")].concat());
    let edge = edge(&upstream.url());
    let mut client = edge.open();
    client.send(Ask::get("/v1/files/content").bytes());
    assert_eq!(client.head().unwrap().status(), 200);
    let mut got = Vec::new();
    let end = loop {
        match client.chunk() {
            Ok(Some(data)) => got.extend_from_slice(&data),
            end => break end,
        }
    };
    assert_eq!((got.as_slice(), end), (&b"somemore"[..], Err(Cut)));
}

/// An edge over TLS, for clients of HTTP/2.
fn secure(url: &str) -> (Edge, PathBuf) {
    let directory = Scratch::new();
    let authority = Authority::new("a");
    let ca = authority.write(&directory, "ca.pem");
    let pem = authority.issue(&["one.test", "127.0.0.1"]).write(&directory, "one.pem");
    let edge = Edge::start_with(
        &Settings::default(),
        directory,
        "
frontends:
  web:
    bind: [{address: 127.0.0.1:0, tls: {certificates: [<pem>]}}]
    default_backend: ai
backends:
  ai: {servers: {one: {url: <one>}}}",
        &[("pem", &pem.display().to_string()), ("one", url)],
    );
    (edge, ca)
}

#[test]
fn cut_body_on_http2_is_reset() {
    let upstream = says([CHUNKED_HEAD.as_bytes(), &chunk(b"some")].concat());
    let (edge, ca) = secure(&upstream.url());
    let got = curl::https(edge.address("web"), "one.test", &ca, "/v1/files/content", &["--http2"]);
    assert_ne!(got.exit, 0, "curl took it for whole: {got:?}");
    let frames = curl::nghttp(edge.address("web"), "/v1/files/content");
    assert!(frames.contains("recv RST_STREAM frame"), "{frames}");
}

#[test]
fn cut_event_stream_on_http2_ends_with_an_error_event_too() {
    for upstream in cut_streams() {
        let (edge, ca) = secure(&upstream.url());
        let got = curl::https(
            edge.address("web"),
            "one.test",
            &ca,
            "/v1/chat/completions",
            &["--http2", "-d", "{}"],
        );
        assert_eq!((got.status, got.version.as_str()), (200, "2"), "{got:?}");
        assert!(got.body.starts_with("data: {\"n\":1}\n\ndata: {\"n\":2}\n\n"), "{got:?}");
        assert!(got.body.contains("\"upstream_error\"") && !got.body.contains("[DONE]"), "{got:?}");
        assert!(got.body.ends_with("\n\n"), "{got:?}");
    }
}

#[test]
fn slow_reader_gets_everything() {
    let body: Vec<u8> = (0..4_000_000_u32).map(|number| (number % 251) as u8).collect();
    let sent = body.clone();
    let upstream = Upstream::replying(move |_| crate::support::http::ok(&sent));
    let edge = edge(&upstream.url());
    let mut client = edge.open();
    client.send(Ask::get("/v1/files/content").bytes());
    client.head().unwrap();
    let mut got = Vec::new();
    while got.len() < body.len() {
        let part = client.exactly((body.len() - got.len()).min(100_000)).unwrap();
        got.extend_from_slice(&part);
        std::thread::sleep(Duration::from_millis(5));
    }
    assert!(got == body);
}
