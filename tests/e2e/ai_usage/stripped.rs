//! `include_usage`: asked for where the client did not, and then not to be seen by it. Everything else stays as it came.

use super::{
    ASKING, SILENT, call, chat, counts, drip, dripped, is_whole, site, told, usage, usage_chunk, with_length,
};
use crate::support::http::{Ask, chunk};
use crate::support::rude::EVENT_STREAM_HEAD;
use crate::support::sse::{END, Gate, ROLE, content, streams};
use crate::support::upstream::Upstream;

#[test]
fn usage_is_asked_for_and_its_chunk_removed() {
    let (sent, seen) = told("hello", 30, 12);
    for one in [streams(&sent), dripped(&sent), with_length(&sent)] {
        let site = site(one);
        for answer in site.everywhere(&chat(false)) {
            is_whole(&answer, &seen);
            assert_eq!(answer.header("content-length"), None);
        }
        counts(&site.edge, 3 * 42);
        for request in site.one.requests() {
            let body = request.json();
            assert_eq!(body["stream_options"]["include_usage"], true, "{body}");
            assert_eq!(request.header("content-length"), Some(request.body.len().to_string().as_str()));
            let mut body = body;
            body.as_object_mut().unwrap().remove("stream_options");
            assert_eq!(body, serde_json::from_str::<serde_json::Value>(SILENT).unwrap());
        }
    }
}

#[test]
fn client_that_asks_gets_everything_as_it_came() {
    let (sent, _) = told("hello", 30, 12);
    for (one, length) in [(streams(&sent), None), (with_length(&sent), Some(sent.len().to_string()))] {
        let site = site(one);
        for answer in site.everywhere(&chat(true)) {
            is_whole(&answer, &sent);
            assert_eq!(answer.header("content-length"), length.as_deref());
        }
        counts(&site.edge, 3 * 42);
        assert!(site.one.requests().iter().all(|request| request.text() == ASKING));
    }
}

#[test]
fn options_that_do_not_ask_are_changed_and_others_kept() {
    let (sent, seen) = told("hello", 30, 12);
    for (options, wanted) in [
        ("null", r#"{"include_usage":true}"#),
        ("{}", r#"{"include_usage":true}"#),
        (r#"{"include_usage":false}"#, r#"{"include_usage":true}"#),
        (r#"{"include_obfuscation":false}"#, r#"{"include_obfuscation":false,"include_usage":true}"#),
    ] {
        let site = site(streams(&sent));
        let ask = |options: &str| {
            format!(r#"{{"model":"gpt-4.1","stream_options":{options},"stream":true,"messages":[]}}"#)
        };
        is_whole(&site.ask(&call("/v1/chat/completions", &ask(options))), &seen);
        let wanted: serde_json::Value = serde_json::from_str(&ask(wanted)).unwrap();
        assert_eq!(site.one.request().json(), wanted);
    }
}

#[test]
fn what_is_not_streamed_or_has_no_such_chunk_goes_as_it_is() {
    for (path, body) in [
        ("/v1/chat/completions", r#"{"model":"gpt-4.1",  "stream" : false, "messages":[]}"#),
        ("/v1/responses", r#"{"model":"gpt-4.1",  "stream" : true, "input":"hi"}"#),
        ("/v1/messages", r#"{"model":"gpt-4.1",  "stream" : true, "messages":[]}"#),
        ("/v1/embeddings", r#"{"model":"gpt-4.1",  "input" : [1,2,3]}"#),
    ] {
        let site = site(Upstream::named("one"));
        for answer in site.everywhere(&call(path, body)) {
            assert_eq!(answer.status(), 200);
        }
        assert!(site.one.requests().iter().all(|request| request.text() == body));
    }
}

#[test]
fn a_stream_keeps_its_comments_line_ends_and_fields() {
    let begin = format!(
        ": hello\r\n\r\nid: 7\r\nretry: 10\r\ndata:{{\"choices\":[]}}\r\n\r\n{}\n\n{}",
        &ROLE.trim_end(),
        content("a")
    );
    let only_usage = format!("event: x\ndata: {{\"usage\":{},\ndata: \"choices\": [ ]}}\n\n", usage(30, 12));
    let end = format!("\n\n:\n{END}");
    let (sent, seen) = ([begin.as_str(), &only_usage, &end].concat(), [begin.as_str(), &end].concat());
    for one in [streams(&sent), dripped(&sent)] {
        let site = site(one);
        // One more blank line or less between events is nothing to anybody.
        let events = |text: &str| -> Vec<String> {
            text.split("\n\n")
                .map(|event| event.trim_matches('\n').to_owned())
                .filter(|e| !e.is_empty())
                .collect()
        };
        for answer in site.everywhere(&chat(false)) {
            assert!(answer.whole);
            assert_eq!(events(&answer.text()), events(&seen));
        }
        counts(&site.edge, 3 * 42);
    }
}

#[test]
fn an_end_without_a_blank_line_is_passed() {
    let (sent, seen) = told("hello", 30, 12);
    let (sent, seen) = (sent.trim_end(), seen.trim_end());
    let site = site(streams(sent));
    for answer in site.everywhere(&chat(false)) {
        is_whole(&answer, seen);
    }
    counts(&site.edge, 3 * 42);
}

#[test]
fn an_event_beyond_a_megabyte_passes() {
    let long = "x".repeat(1_500_000);
    let (sent, seen) = told(&long, 30, 12);
    let site = site(streams(&sent));
    for answer in site.everywhere(&chat(false)) {
        assert!(answer.whole && answer.text() == seen, "{} bytes of {}", answer.body.len(), seen.len());
    }
    counts(&site.edge, 3 * 42);
}

#[test]
fn each_event_passes_when_it_ends() {
    let gate = Gate::default();
    let opened = gate.clone();
    let site = site(Upstream::start(move |peer| {
        peer.request();
        peer.send(
            [EVENT_STREAM_HEAD.as_bytes(), &chunk([ROLE, &content("a"), "data: {"].concat().as_bytes())]
                .concat(),
        );
        if opened.passed_by(peer) {
            peer.send(chunk(b"\"choices\":[]}\n\n"));
            peer.send(chunk([&usage_chunk(30, 12), END].concat().as_bytes()));
            peer.send("0\r\n\r\n");
        }
    }));
    let mut client = site.open();
    client.send(chat(false).bytes());
    assert_eq!(client.head().unwrap().status(), 200);
    let mut seen = Vec::new();
    let first = [ROLE, &content("a")].concat();
    while seen.len() < first.len() {
        seen.extend(client.chunk().unwrap().unwrap());
    }
    assert_eq!(String::from_utf8_lossy(&seen), first);
    gate.open();
    while let Some(more) = client.chunk().unwrap() {
        seen.extend(more);
    }
    assert_eq!(String::from_utf8_lossy(&seen), [&first, "data: {\"choices\":[]}\n\n", END].concat());
    counts(&site.edge, 42);
}

#[test]
fn old_clients_get_a_stream_that_ends_with_its_connection() {
    let (sent, seen) = told("hello", 30, 12);
    for one in [with_length(&sent), dripped(&sent)] {
        let site = site(one);
        let mut client = site.open();
        let request = String::from_utf8(chat(false).bytes()).unwrap().replace("HTTP/1.1", "HTTP/1.0");
        client.send(request);
        let head = client.head().unwrap();
        assert_eq!((head.status(), head.header("content-length")), (200, None));
        assert_eq!(head.header("transfer-encoding"), None);
        assert_eq!(String::from_utf8_lossy(&client.rest()), seen);
        counts(&site.edge, 42);
    }
}

#[test]
fn the_connection_serves_on_after_a_stripped_stream() {
    let (sent, seen) = told("hello", 30, 12);
    let site = site(with_length(&sent));
    let (mut plain, mut second) = (site.open(), site.http2());
    for _ in 0..5 {
        is_whole(&plain.ask(&chat(false)), &seen);
        is_whole(&second.ask(&chat(false)), &seen);
    }
    assert!(site.one.connections() <= 2, "connections to the server are kept");
    counts_all(&site, 10 * 42);
}

#[track_caller]
fn counts_all(site: &crate::support::site::Site, tokens: u64) {
    crate::support::wait::until("all is counted", || super::counted(&site.edge).tokens >= tokens);
    assert_eq!(super::counted(&site.edge).tokens, tokens);
}

#[test]
fn a_stream_of_nothing_but_usage_is_an_empty_one() {
    let sent = [&usage_chunk(30, 0), "data: [DONE]\n\n"].concat();
    let site = site(streams(&sent));
    for answer in site.everywhere(&chat(false)) {
        is_whole(&answer, "data: [DONE]\n\n");
    }
    counts_all(&site, 3 * 30);
}

#[test]
fn what_is_compressed_is_not_touched_and_not_asked_for() {
    let (sent, _) = told("hello", 30, 12);
    // Not compressed in truth: nobody may look.
    let bytes = crate::support::http::answer(
        200,
        &[("content-type", "text/event-stream"), ("content-encoding", "gzip")],
        &sent,
    );
    let site = site(Upstream::replying(move |_| bytes.clone()));
    let ask = chat(false).header("accept-encoding", "gzip, deflate, br");
    for answer in site.everywhere(&ask) {
        is_whole(&answer, &sent);
        assert_eq!(answer.header("content-encoding"), Some("gzip"));
        assert_eq!(answer.header("content-length"), Some(sent.len().to_string().as_str()));
    }
    assert!(site.one.requests().iter().all(|request| request.header("accept-encoding") == Some("identity")));
    // Its tokens are those that were expected: of the prompt, and 300 of an answer that nobody has seen the like of.
    let prompt = (chat(false).body.unwrap().len() as u64).div_ceil(4);
    counts_all(&site, 3 * (prompt + 300));
}

#[test]
fn requests_that_are_no_calls_keep_their_encoding() {
    let site = site(Upstream::named("one"));
    site.ask(&Ask::get("/v1/files").header("accept-encoding", "gzip"));
    site.ask(&call("/v1/files", "{}").header("accept-encoding", "gzip"));
    assert!(site.one.requests().iter().all(|request| request.header("accept-encoding") == Some("gzip")));
}

#[test]
fn answers_without_a_body_stay_well_formed() {
    let site = site(Upstream::start(|peer| {
        while let Some(request) = peer.request() {
            let answer: &[u8] = match request.head.method() {
                "HEAD" => b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ncontent-length: 77\r\n\r\n",
                _ => b"HTTP/1.1 204 No Content\r\ncontent-type: text/event-stream\r\n\r\n",
            };
            if !peer.send(answer) {
                return;
            }
        }
    }));
    let mut client = site.open();
    for _ in 0..2 {
        let none = client.ask(&chat(false));
        assert_eq!((none.status(), none.header("content-length")), (204, None));
        assert_eq!(none.header("transfer-encoding"), None);
        let head = client.ask(&Ask::new("HEAD", "/v1/chat/completions"));
        assert_eq!((head.status(), head.header("content-length")), (200, Some("77")));
    }
    let mut second = site.http2();
    assert_eq!(second.ask(&chat(false)).status(), 204);
    assert_eq!(second.ask(&Ask::new("HEAD", "/v1/chat/completions")).status(), 200);
    assert_eq!(super::counted(&site.edge).tokens, 0);
}

#[test]
fn a_small_chunk_at_a_time_reaches_http2_whole() {
    let (sent, seen) = told(&"words and words ".repeat(400), 30, 12);
    let events = sent.clone();
    let site = site(Upstream::start(move |peer| {
        while peer.request().is_some() {
            let head = EVENT_STREAM_HEAD.as_bytes();
            let (first, rest) = events.as_bytes().split_at(events.len() - 300);
            if !peer.send([head, &chunk(first)].concat()) || !drip(peer, b"", rest) {
                return;
            }
        }
    }));
    for answer in site.everywhere(&chat(false)) {
        is_whole(&answer, &seen);
    }
}

#[test]
fn a_promised_length_that_is_not_kept_is_no_clean_end() {
    let (sent, seen) = told("hello", 30, 12);
    let promised = sent.len() + 500;
    // Without `[DONE]` nobody knows that it was all.
    let sent = sent.replace("data: [DONE]\n\n", "");
    let head =
        format!("HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ncontent-length: {promised}\r\n\r\n");
    let site = site(crate::support::rude::says([head.as_bytes(), sent.as_bytes()].concat()));
    for mut client in [site.open(), site.open_tls()] {
        let answer = client.ask(&chat(false));
        assert_eq!((answer.status(), answer.header("content-length")), (200, None));
        assert!(!answer.whole);
        let (begin, error) =
            answer.text().split_once("data: {\"error\"").map(|(a, b)| (a.to_owned(), b.to_owned())).unwrap();
        assert_eq!(begin.trim_end(), seen.replace("data: [DONE]\n\n", "").trim_end());
        assert!(error.contains("upstream_error"));
    }
    counts_all(&site, 2 * 42);
}
