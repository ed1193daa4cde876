//! What makes another server be asked: silence, an error, or an end before content.

use std::time::Duration;

use super::{IMPATIENT, SITE, Site, each, http2, is_saved};
use crate::support::http::{Ask, chunk};
use crate::support::rude::{EVENT_STREAM_HEAD, says, stalls_after};
use crate::support::sse::{ROLE, begun, completion, streamed, streams, well};
use crate::support::upstream::Upstream;
use crate::support::wait::until;

const MESSAGE_START: &str = "event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"id\":\"m\",\"type\":\"message\",\"role\":\"assistant\",\"content\":[],\"model\":\"claude\",\"usage\":{\"input_tokens\":1,\"output_tokens\":1}}}\n\n";
const BLOCK_START: &str = "event: content_block_start\ndata: {\"type\":\"content_block_start\",\"index\":0,\"content_block\":{\"type\":\"text\",\"text\":\"\"}}\n\n";
const PING: &str = "event: ping\ndata: {\"type\": \"ping\"}\n\n";
const RESPONSE_CREATED: &str = "event: response.created\ndata: {\"type\":\"response.created\",\"sequence_number\":0,\"response\":{\"id\":\"r\",\"object\":\"response\",\"status\":\"in_progress\",\"error\":null,\"output\":[]}}\n\n";
const RESPONSE_FAILED: &str = "event: response.failed\ndata: {\"type\":\"response.failed\",\"sequence_number\":1,\"response\":{\"id\":\"r\",\"object\":\"response\",\"status\":\"failed\",\"error\":{\"code\":\"server_error\",\"message\":\"no\"},\"output\":[]}}\n\n";
const SERVER_ERROR: &str =
    "data: {\"error\":{\"message\":\"no\",\"type\":\"server_error\",\"param\":null,\"code\":null}}\n\n";

#[test]
fn stream_that_stalls_before_content_is_made_again_elsewhere() {
    let comment = [ROLE, ": keep-alive\n\n"].concat();
    let half = [ROLE, "data: {\"id\":\"c\",\"choices\":[{\"delta\":{\"content\":\"hid"].concat();
    let cases = [
        ("/v1/chat/completions", ""),
        ("/v1/chat/completions", ROLE),
        ("/v1/chat/completions", comment.as_str()),
        ("/v1/chat/completions", half.as_str()),
        ("/v1/messages", &[MESSAGE_START, PING, BLOCK_START].concat()),
        ("/v1/responses", RESPONSE_CREATED),
        ("/v1/completions", "data: {\"choices\":[{\"index\":0,\"text\":\"\",\"finish_reason\":null}]}\n\n"),
        ("/v1/audio/speech", ": wait\n\n"),
    ];
    each(&cases, |(path, events)| {
        let bad = stalls_after(begun(events));
        is_saved(&format!("{path} {events}"), IMPATIENT, &bad, &streamed(path));
        until("the server that stalls is left", || bad.departures() == 1);
    });
}

#[test]
fn silence_before_content_is_bounded_by_the_servers_timeout_too() {
    let bad = stalls_after(begun(ROLE));
    let site = Site { timeouts: "{first_content: 20s, server: 1s}", ..SITE };
    is_saved("silence", site, &bad, &Ask::chat(true));
}

#[test]
fn what_drips_without_content_is_no_sign_of_it() {
    let bad = Upstream::start(|peer| {
        if peer.request().is_some() {
            peer.send(EVENT_STREAM_HEAD);
            while peer.going_on() && !peer.connection.ended_within(Duration::from_millis(20)) {
                peer.send(chunk(b": OPENROUTER PROCESSING\n\n"));
            }
        }
    });
    is_saved("drips", IMPATIENT, &bad, &Ask::chat(true));
}

#[test]
fn stream_that_begins_with_an_error_is_made_again_elsewhere() {
    let rate_limit = "data: {\"error\":{\"message\":\"slow down\",\"type\":\"rate_limit_error\",\"code\":\"rate_limit_exceeded\"}}\n\n";
    let overloaded = "event: error\ndata: {\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\",\"message\":\"Overloaded\"}}\n\n";
    let number = "data: {\"error\":{\"message\":\"bad gateway\",\"code\":502}}\n\n";
    let chat = "/v1/chat/completions";
    for (path, events) in [
        (chat, SERVER_ERROR.to_owned()),
        (chat, rate_limit.to_owned()),
        (chat, number.to_owned()),
        (chat, "event: error\ndata: upstream went away\n\n".to_owned()),
        (chat, [": wait\n\n", ROLE, SERVER_ERROR, "data: [DONE]\n\n"].concat()),
        (chat, SERVER_ERROR.replace("\n\n", "\r\n\r\n")),
        ("/v1/messages", overloaded.to_owned()),
        ("/v1/messages", [MESSAGE_START, PING, BLOCK_START, overloaded].concat()),
        ("/v1/responses", [RESPONSE_CREATED, RESPONSE_FAILED].concat()),
        (
            "/v1/responses",
            "event: error\ndata: {\"type\":\"error\",\"code\":\"server_error\",\"message\":\"no\",\"param\":null,\"sequence_number\":1}\n\n".to_owned(),
        ),
        ("/v1/completions", SERVER_ERROR.to_owned()),
        ("/v1/images/generations", SERVER_ERROR.to_owned()),
    ] {
        is_saved(&format!("{path} {events}"), SITE, &streams(&events), &streamed(path));
    }
}

#[test]
fn stream_that_ends_before_content_is_made_again_elsewhere() {
    let head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n";
    let cases: Vec<(&str, Vec<u8>)> = vec![
        ("a close behind the head", begun("")),
        ("a close without the last chunk", begun(ROLE)),
        ("a close inside of a chunk", [begun(ROLE).as_slice(), b"ff\r\ndata: {\"choices\":[{\"del"].concat()),
        ("a whole body without content", [begun(ROLE).as_slice(), b"0\r\n\r\n"].concat()),
        ("an empty body", [begun("").as_slice(), b"0\r\n\r\n"].concat()),
        ("a chunk that is none", [begun(ROLE).as_slice(), b"zz\r\n"].concat()),
        ("a close that is the end", format!("{head}connection: close\r\n\r\n{ROLE}").into_bytes()),
        ("a length that is not reached", format!("{head}content-length: 5000\r\n\r\n{ROLE}").into_bytes()),
        (
            "a length without content",
            format!("{head}content-length: {}\r\n\r\n{ROLE}", ROLE.len()).into_bytes(),
        ),
        ("no length at all", format!("{head}content-length: 0\r\n\r\n").into_bytes()),
    ];
    for (what, bytes) in cases {
        is_saved(what, SITE, &says(bytes), &Ask::chat(true));
    }
}

#[test]
fn stream_that_is_reset_before_content_is_made_again_elsewhere() {
    for events in ["", ROLE] {
        let bytes = begun(events);
        let bad = Upstream::start(move |peer| {
            if peer.request().is_some() {
                peer.send(&bytes);
                peer.connection.silent_for(Duration::from_millis(100));
                peer.connection.reset_when_dropped();
            }
        });
        is_saved(events, SITE, &bad, &Ask::chat(true));
    }
}

#[test]
fn three_attempts_may_fail_in_three_ways() {
    let stalls = stalls_after(begun(ROLE));
    let (cut, good) = (says(begun(ROLE)), well("third"));
    let edge = IMPATIENT.before(&[&stalls, &cut, &good]);
    let answer = edge.ask(&Ask::chat(true));
    assert_eq!(answer.text(), completion("third"));
    assert_eq!(answer.header("x-tidegate-attempts"), Some("3"));
    let line = edge.logged("the stream", |line| line["status"] == 200);
    assert_eq!((&line["attempts"], &line["server"]), (&3.into(), &"s2".into()));
    assert!(line["first_content_ms"].as_f64() >= line["first_byte_ms"].as_f64(), "{line}");
    assert!(line["first_content_ms"].as_f64().is_some_and(|ms| ms >= 900.0), "{line}");
}

#[test]
fn clients_of_http2_see_one_clean_stream_too() {
    for bad in [says(begun(ROLE)), streams(SERVER_ERROR), stalls_after(begun(ROLE))] {
        let good = well("saved");
        let (edge, authority) = IMPATIENT.secured(&[&bad, &good]);
        let answer = http2(&edge, &authority).ask(&Ask::chat(true));
        assert_eq!((answer.status(), answer.text()), (200, completion("saved")));
        assert_eq!(answer.header("x-tidegate-attempts"), Some("2"));
    }
}

#[test]
fn head_of_the_failed_server_is_not_seen() {
    let bad = says(
        "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nx-secret: of-bad\r\nset-cookie: a=b\r\n\
         content-length: 900\r\nx-request-id: bad\r\n\r\n",
    );
    let good = well("saved");
    let answer = SITE.before(&[&bad, &good]).ask(&Ask::chat(true));
    assert_eq!(answer.text(), completion("saved"));
    for name in ["x-secret", "set-cookie", "content-length", "x-upstream-request-id"] {
        assert_eq!(answer.header(name), None, "{name}");
    }
}
