//! Calls are read whole before they go on: neither slowly nor without bound.

use super::CHAT;
use crate::support::edge::{Edge, Settings, configuration};
use crate::support::fickle::Fickle;
use crate::support::http::{Ask, Connection};
use crate::support::scratch::Scratch;
use crate::support::upstream::Upstream;
use crate::support::wait::until;

const SECTIONS: &str = "
ai: {models: {gpt-4.1: {input: 2, output: 8}}}
<defaults>
frontends:
  web: {bind: [{address: 127.0.0.1:0}], default_backend: ai}
backends:
  ai: {servers: {one: {url: <one>, models: {gpt-4.1: new}}}}";

const BODY: &str = r#"{"model":"gpt-4.1"}"#;

fn edge(defaults: &str, one: &Upstream) -> Edge {
    Edge::start(SECTIONS, &[("defaults", defaults), ("one", &one.url())])
}

/// A call of which all but the last byte is sent.
fn unfinished(edge: &Edge, body: &str) -> Connection {
    let mut client = edge.open();
    let bytes = Ask::post(CHAT, body).bytes();
    client.send(&bytes[..bytes.len() - 1]);
    client
}

#[test]
fn client_that_falls_silent_in_the_middle_is_told() {
    let one = Upstream::named("one");
    let edge = edge("defaults: {timeouts: {client: 200ms}}", &one);
    unfinished(&edge, BODY).answer().unwrap().is_error(408, "request_timeout");
    assert_eq!(one.count(), 0);
}

#[test]
fn call_that_takes_all_its_time_to_come_is_its_client_s_fault() {
    let one = Upstream::named("one");
    let edge = edge("defaults: {timeouts: {total: 200ms}}", &one);
    unfinished(&edge, BODY).answer().unwrap().is_error(408, "request_timeout");
    assert_eq!(one.count(), 0);
    assert_eq!(edge.ask(&Ask::post(CHAT, BODY)).status(), 200);
}

#[test]
fn calls_that_are_read_have_one_bound_together() {
    let one = Fickle::new("one");
    let directory = Scratch::new();
    let values = [("defaults", ""), ("one", &*one.url())];
    let text = configuration(&Settings::default(), directory.path(), SECTIONS, &values);
    let text = text.replacen("global:\n", "global:\n  max_body_memory: 1m\n", 1);
    let edge = Edge::start_text(directory, &text);
    let large = Ask::post(CHAT, format!(r#"{{"x":"{}","model":"gpt-4.1"}}"#, "x".repeat(700_000)));
    one.holds();
    let mut held = edge.open();
    held.send(large.bytes());
    until("the server has it", || one.count() == 1);
    edge.ask(&large).is_error(503, "overloaded");
    one.recovers();
    assert_eq!(held.answer().unwrap().status(), 200);
    assert_eq!(edge.ask(&large).status(), 200, "the memory is free again");
    assert_eq!(one.count(), 2);
}

#[test]
fn calls_sent_without_waiting_are_answered_in_their_order() {
    let one = Upstream::replying(|request| crate::support::http::ok(&request.body));
    let edge = edge("", &one);
    let mut client = edge.open();
    let body = |number: usize| format!(r#"{{"n":{number},"model":"gpt-4.1"}}"#);
    let all: Vec<u8> = (0..20)
        .flat_map(|number| {
            let ask = Ask::post(CHAT, body(number));
            if number % 2 == 0 { ask.bytes() } else { ask.chunked().bytes() }
        })
        .collect();
    client.send(&all);
    for number in 0..20 {
        assert_eq!(client.answer().unwrap().text(), body(number).replace("gpt-4.1", "new"));
    }
}

#[test]
fn client_is_told_what_is_wrong_with_its_call() {
    let one = Upstream::named("one");
    let edge = edge("", &one);
    let says = |ask: &Ask, word: &str| {
        let answer = edge.ask(ask);
        answer.is_error(400, "bad_request");
        let message = answer.json()["error"]["message"].as_str().unwrap().to_owned();
        assert!(message.contains(word), "{message}");
    };
    says(&Ask::post(CHAT, "{"), "JSON");
    says(&Ask::post(CHAT, "{}"), "no `model`");
    says(&Ask::post(CHAT, r#"{"model":"a","model":"b"}"#), "more than once");
    says(&Ask::post(CHAT, r#"{"model":1}"#), "not a text");
    says(&Ask::post(CHAT, BODY).header("content-encoding", "gzip"), "encoding");
    says(&Ask::post(CHAT, BODY).header("content-type", "multipart/mixed"), "form");
}
