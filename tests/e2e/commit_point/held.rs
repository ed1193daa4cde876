//! What is held, and what is not: only event streams of AI calls, and no more than 64 KB of them.

use super::{IMPATIENT, SITE, each, http2};
use crate::support::http::{Ask, Connection, chunk};
use crate::support::rude::{EVENT_STREAM_HEAD, stalls_after};
use crate::support::sse::{Gate, ROLE, begun, completion, content, well};
use crate::support::upstream::Upstream;
use crate::support::wait::until;

/// As many bytes of comments.
fn comments(size: usize) -> String {
    let mut text =
        ": nothing yet, nothing yet, nothing yet, nothing yet, nothing yet..\n\n".repeat(size / 70);
    while text.len() < size {
        text.push('\n');
    }
    text
}

#[test]
fn what_is_no_event_stream_of_an_ai_call_is_not_held() {
    let event_stream = |head: &str| [head.as_bytes(), &chunk(b": nothing\n\n")].concat();
    let json = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n";
    let gzip = EVENT_STREAM_HEAD.replace("\r\n\r\n", "\r\ncontent-encoding: gzip\r\n\r\n");
    let created = EVENT_STREAM_HEAD.replace("200 OK", "201 Created");
    let close =
        "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n: nothing\n\n";
    let cases = [
        ("an event stream of something else", Ask::get("/orders/events"), event_stream(EVENT_STREAM_HEAD)),
        ("the same until a close", Ask::get("/orders/events"), close.into()),
        ("files are no call", Ask::get("/v1/files/f/content"), event_stream(EVENT_STREAM_HEAD)),
        ("a plain answer", Ask::chat(false), event_stream(json)),
        ("a plain answer where a stream was asked for", Ask::chat(true), event_stream(json)),
        ("a compressed stream", Ask::chat(true), event_stream(&gzip)),
        ("a status other than 200", Ask::chat(true), event_stream(&created)),
    ];
    each(&cases, |(what, ask, bytes)| {
        let (upstream, spare) = (stalls_after(bytes.clone()), well("spare"));
        let edge = IMPATIENT.before(&[&upstream, &spare]);
        let mut client = edge.open();
        client.send(ask.bytes());
        let head = client.head().unwrap_or_else(|| panic!("{what}"));
        assert!(matches!(head.status(), 200 | 201), "{what}");
        assert_eq!(spare.count(), 0, "{what}");
    });
}

#[test]
fn compressed_stream_is_passed_on_whole() {
    // What it holds is not looked into: it need not even be gzip.
    let noise: Vec<u8> = (0..2000_u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    let bytes = [
        EVENT_STREAM_HEAD.replace("\r\n\r\n", "\r\ncontent-encoding: gzip\r\n\r\n").as_bytes(),
        &chunk(&noise),
        b"0\r\n\r\n",
    ]
    .concat();
    let upstream = Upstream::replying(move |_| bytes.clone());
    let answer = SITE.before(&[&upstream]).ask(&Ask::chat(true).header("accept-encoding", "gzip"));
    assert_eq!((answer.status(), answer.header("content-encoding")), (200, Some("gzip")));
    assert!(answer.body == noise && answer.whole);
}

#[test]
fn head_of_a_stream_has_no_content_to_wait_for() {
    let upstream = Upstream::replying(|_| EVENT_STREAM_HEAD.into());
    let answer = SITE.before(&[&upstream]).ask(&Ask::new("HEAD", "/v1/models"));
    assert_eq!((answer.status(), upstream.count()), (200, 1));
}

#[test]
fn no_more_than_64_kb_is_held() {
    each(&[(65_535, false), (65_536, true), (70_000, true)], |(size, committed)| {
        let preamble = comments(*size);
        let (upstream, spare) = (stalls_after(begun(&preamble)), well("spare"));
        let edge = IMPATIENT.before(&[&upstream, &spare]);
        if *committed {
            let mut client = edge.open();
            client.send(Ask::chat(true).bytes());
            assert_eq!(client.head().unwrap().status(), 200);
            assert!(body(&mut client, preamble.len()) == preamble.as_bytes(), "{size}");
            assert_eq!(spare.count(), 0, "{size}");
        } else {
            assert_eq!(edge.ask(&Ask::chat(true)).text(), completion("spare"), "{size}");
        }
    });
}

#[test]
fn error_behind_64_kb_is_too_late_for_another_server() {
    let events = format!("{}event: error\ndata: {{\"error\":{{\"code\":500}}}}\n\n", comments(200_000));
    super::is_passed_on("late", &crate::support::sse::streams(&events), &Ask::chat(true), &events);
}

#[test]
fn content_behind_a_large_preamble_is_whole() {
    for size in [65_000, 65_536, 200_000] {
        let events = comments(size) + &completion("late");
        super::is_passed_on("late", &crate::support::sse::streams(&events), &Ask::chat(true), &events);
    }
}

#[test]
fn client_that_leaves_before_content_takes_the_server_with_it() {
    let (upstream, spare) = (stalls_after(begun(ROLE)), well("spare"));
    let edge = SITE.before(&[&upstream, &spare]);
    let mut client = edge.open();
    client.send(Ask::chat(true).bytes());
    until("the server has the request", || upstream.count() == 1);
    drop(client);
    until("the server is left", || upstream.departures() == 1);
    let line = edge.logged("the client left", |line| line["attempts"] == 1);
    assert!(line.get("first_content_ms").is_none(), "{line}");
    assert_eq!(spare.count(), 0);
    let failures = edge.metrics().sum("tidegate_server_failures_total", &[]);
    assert_eq!(failures, 0.0, "a client that leaves is no failure of a server");
}

#[test]
fn client_of_http2_that_gives_up_takes_the_server_with_it() {
    let upstream = stalls_after(begun(ROLE));
    let (edge, authority) = SITE.secured(&[&upstream]);
    let mut client = http2(&edge, &authority);
    let stream = client.start(&Ask::chat(true));
    until("the server has the request", || upstream.count() == 1);
    stream.reset();
    until("the server is left", || upstream.departures() == 1);
}

#[test]
fn reload_does_not_disturb_a_stream_that_is_held() {
    let gate = Gate::default();
    let opened = gate.clone();
    let upstream = Upstream::start(move |peer| {
        if peer.request().is_some() {
            peer.send(begun(ROLE));
            if opened.passed_by(peer) {
                peer.send(chunk(content("kept").as_bytes()));
                peer.send("0\r\n\r\n");
            }
        }
    });
    let edge = SITE.before(&[&upstream]);
    let mut client = edge.open();
    client.send(Ask::chat(true).bytes());
    until("the server has the request", || upstream.count() == 1);
    let line = format!("      other: {{url: {}}}\n", well("other").url());
    edge.reload(super::SECTIONS, &SITE.values("", &line));
    gate.open();
    let answer = client.answer().unwrap();
    assert_eq!((answer.text(), answer.whole), ([ROLE, &content("kept")].concat(), true));
}

/// As many bytes of a chunked body.
fn body(client: &mut Connection, size: usize) -> Vec<u8> {
    let mut got = Vec::new();
    while got.len() < size {
        got.extend(client.chunk().unwrap().unwrap());
    }
    got
}
