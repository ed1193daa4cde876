//! What was held is passed on byte for byte, however it came.

use super::{SITE, http2, is_passed_on};
use crate::support::http::{Ask, chunk};
use crate::support::rude::EVENT_STREAM_HEAD;
use crate::support::sse::{END, Gate, ROLE, completion, content, streamed, streams};
use crate::support::upstream::Upstream;
use crate::support::wait::until;
use std::time::Duration;

/// Everything that a stream may have before content, and then some.
fn odd() -> String {
    let comments = ": one\n:\n\n: two: three\n\nretry: 10\nid: 7\n\n";
    let ping = "event: ping\ndata: {\"type\":\"ping\"}\n\n";
    let crlf = ": four\r\n\r\n: five\r\r";
    [comments, ping, crlf, ROLE, &content("caf\u{e9} \u{1f30a}"), ": six\n\n", END, "\n"].concat()
}

#[test]
fn comments_and_pings_before_content_arrive_in_order() {
    for events in [odd(), format!("\u{feff}{}", odd())] {
        is_passed_on("odd", &streams(&events), &Ask::chat(true), &events);
    }
}

#[test]
fn preamble_waits_for_the_content_and_comes_with_it() {
    let gate = Gate::default();
    let opened = gate.clone();
    let upstream = Upstream::start(move |peer| {
        if peer.request().is_some() {
            peer.send(EVENT_STREAM_HEAD);
            peer.send(chunk(b": one\n\n"));
            peer.send(chunk(ROLE.as_bytes()));
            if opened.passed_by(peer) {
                peer.send(chunk(content("now").as_bytes()));
                peer.send(chunk(END.as_bytes()));
                peer.send("0\r\n\r\n");
                peer.wait_until_left();
            }
        }
    });
    let (edge, authority) = SITE.secured(&[&upstream]);
    let mut connection = http2(&edge, &authority);
    let stream = connection.start(&Ask::chat(true));
    until("the server has the request", || upstream.count() == 1);
    gate.open();
    let wanted = [": one\n\n", ROLE, &content("now"), END].concat();
    assert_eq!(stream.answer().unwrap().text(), wanted);

    gate.shut();
    let plain = SITE.before(&[&upstream]);
    let mut client = plain.open();
    client.send(Ask::chat(true).bytes());
    assert!(client.silent_for(Duration::from_millis(300)), "something came before content");
    gate.open();
    let answer = client.answer().unwrap();
    assert_eq!((answer.text(), answer.whole), (wanted, true));
    let line = plain.logged("the stream", |line| line["status"] == 200);
    assert!(line["first_content_ms"].as_f64() >= Some(290.0), "{line}");
}

#[test]
fn content_in_the_same_segment_as_the_head_is_passed_on() {
    let events = completion("at once");
    for bytes in [
        [EVENT_STREAM_HEAD.as_bytes(), &chunk(events.as_bytes()), b"0\r\n\r\n"].concat(),
        format!(
            "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ncontent-length: {}\r\n\r\n{events}",
            events.len()
        )
        .into_bytes(),
    ] {
        let upstream = Upstream::replying(move |_| bytes.clone());
        is_passed_on("one segment", &upstream, &Ask::chat(true), &events);
    }
}

#[test]
fn stream_that_comes_byte_by_byte_is_the_same() {
    let events =
        format!(": a\r\n\r\ndata: {{\"choices\":[{{\"delta\":{{\"content\":\"\u{1f30a}\"}}}}]}}\n\n{END}");
    let bytes = events.clone().into_bytes();
    let upstream = Upstream::start(move |peer| {
        while peer.request().is_some() {
            for byte in EVENT_STREAM_HEAD.as_bytes() {
                peer.send([*byte]);
            }
            for byte in &bytes {
                for byte in chunk(&[*byte]) {
                    peer.send([byte]);
                }
            }
            peer.send("0\r\n\r\n");
        }
    });
    let answer = is_passed_on("bytes", &upstream, &Ask::chat(true), &events);
    assert!(answer.body == events.as_bytes());
}

#[test]
fn stream_with_a_length_keeps_it() {
    let events = completion("counted");
    let length = events.len().to_string();
    let bytes = format!(
        "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream; charset=utf-8\r\ncontent-length: {length}\r\n\r\n{events}"
    );
    let upstream = Upstream::replying(move |_| bytes.clone().into_bytes());
    let answer = is_passed_on("length", &upstream, &Ask::chat(true), &events);
    assert_eq!(answer.header("content-length"), Some(length.as_str()));
    assert_eq!(answer.header("transfer-encoding"), None);
}

#[test]
fn every_dialect_is_passed_on_as_it_is() {
    for (path, events) in [
        (
            "/v1/messages",
            "event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"content\":[]}}\n\n\
             event: content_block_start\ndata: {\"type\":\"content_block_start\",\"index\":0,\"content_block\":{\"type\":\"text\",\"text\":\"\"}}\n\n\
             event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"text_delta\",\"text\":\"Hi\"}}\n\n\
             event: message_delta\ndata: {\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"end_turn\"}}\n\n\
             event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n",
        ),
        (
            "/v1/responses",
            "event: response.created\ndata: {\"type\":\"response.created\",\"response\":{\"error\":null}}\n\n\
             event: response.output_text.delta\ndata: {\"type\":\"response.output_text.delta\",\"delta\":\"Hi\"}\n\n\
             event: response.completed\ndata: {\"type\":\"response.completed\",\"response\":{\"error\":null}}\n\n",
        ),
        (
            "/v1/completions",
            "data: {\"choices\":[{\"text\":\"\",\"finish_reason\":null}]}\n\n\
             data: {\"choices\":[{\"text\":\"Hi\",\"finish_reason\":null}]}\n\ndata: [DONE]\n\n",
        ),
        ("/v1/audio/transcriptions", "data: {\"type\":\"transcript.text.delta\",\"delta\":\"Hi\"}\n\n"),
        (
            "/v1/images/generations",
            "event: image_generation.partial_image\ndata: {\"b64_json\":\"aGk=\"}\n\n",
        ),
    ] {
        is_passed_on(path, &streams(events), &streamed(path), events);
    }
}

#[test]
fn stream_that_is_over_without_content_is_an_answer() {
    let tools = "data: {\"choices\":[{\"index\":0,\"delta\":{\"tool_calls\":[{\"index\":0,\"id\":\"x\",\"function\":{\"name\":\"f\",\"arguments\":\"\"}}]},\"finish_reason\":null}]}\n\n";
    let stopped = "event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"content\":[]}}\n\n\
                   event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n";
    let chat = "/v1/chat/completions";
    for (path, events) in [
        (chat, "data: [DONE]\n\n".to_owned()),
        (chat, [ROLE, "data: [DONE]\n\n"].concat()),
        (chat, [ROLE, END].concat()),
        (chat, [ROLE, tools, END].concat()),
        (chat, "data: not json\n\n".to_owned()),
        (chat, "data: {\"unheard\":\"of\"}\n\n".to_owned()),
        ("/v1/messages", stopped.to_owned()),
    ] {
        is_passed_on(&events, &streams(&events), &streamed(path), &events);
    }
}
