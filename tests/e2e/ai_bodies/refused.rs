//! What cannot be read, or could be read two ways, is told to whoever sent it and reaches no server.

use super::{CHAT, edge};
use crate::support::edge::Edge;
use crate::support::http::Ask;
use crate::support::upstream::Upstream;

#[test]
fn body_that_cannot_be_read_is_refused() {
    let one = Upstream::named("one");
    let edge = edge("new", &one);
    let deep = format!(r#"{{"model":"gpt-4.1","x":{}"#, "[".repeat(200_000));
    let broken = [
        "hello",
        "\"gpt-4.1\"",
        "null",
        r#"[{"model":"gpt-4.1"}]"#,
        r#"{"model":"gpt-4.1""#,
        r#"{"model":"gpt-4.1"}}"#,
        r#"{"model":"gpt-4.1"} {"model":"whisper-1"}"#,
        r#"{"model":"gpt-4.1",}"#,
        r#"{'model':'gpt-4.1'}"#,
        r#"{model:"gpt-4.1"}"#,
        "\u{feff}{\"model\":\"gpt-4.1\"}",
        "{/* */\"model\":\"gpt-4.1\"}",
        "model=gpt-4.1&stream=true",
        "   ",
        &deep,
    ];
    for body in broken {
        let answer = edge.ask(&Ask::post(CHAT, body));
        answer.is_error(400, "bad_request");
    }
    assert_eq!(one.count(), 0);
}

#[test]
fn body_with_two_models_is_refused_however_they_are_spelt() {
    let one = Upstream::named("one");
    let edge = edge("new", &one);
    let broken = [
        r#"{"model":"gpt-4.1","model":"gpt-4.1"}"#,
        r#"{"model":"gpt-4.1","mod\u0065l":"whisper-1"}"#,
        r#"{"model":"gpt-4.1","x":{},"\u006d\u006f\u0064\u0065\u006c":"whisper-1"}"#,
        r#"{"model":null,"model":"whisper-1"}"#,
        r#"{"Model":"whisper-1","model":"gpt-4.1"}"#,
    ];
    for body in broken {
        edge.ask(&Ask::post(CHAT, body)).is_error(400, "bad_request");
    }
    assert_eq!(one.count(), 0);
    assert_eq!(edge.metrics().sum("tidegate_denied_total", &[("reason", "two_models")]), 5.0);
}

#[test]
fn model_that_is_no_text_is_refused() {
    let one = Upstream::named("one");
    let edge = edge("new", &one);
    for model in ["1", "true", "[\"gpt-4.1\"]", "{\"a\":1}", r#""\ud800""#] {
        edge.ask(&Ask::post(CHAT, format!(r#"{{"model":{model}}}"#))).is_error(400, "bad_request");
    }
    assert_eq!(one.count(), 0);
}

#[test]
fn call_without_a_model_is_refused_where_there_is_no_default() {
    let one = Upstream::named("one");
    let edge = edge("new", &one);
    for path in [CHAT, "/v1/completions", "/v1/responses"] {
        edge.ask(&Ask::post(path, "{}")).is_error(400, "bad_request");
        edge.ask(&Ask::post(path, r#"{"model":null}"#)).is_error(400, "bad_request");
    }
    edge.ask(&Ask::post(CHAT, r#"{"model":""}"#)).is_error(404, "model_not_found");
    assert_eq!(one.count(), 0);
    assert_eq!(edge.ask(&Ask::post("/v1/moderations", r#"{"input":"x"}"#)).status(), 200);
    assert_eq!(one.request().text(), r#"{"input":"x"}"#);
}

#[test]
fn call_is_read_however_its_path_is_spelt() {
    let one = Upstream::named("one");
    let edge = edge("new", &one);
    let spelt = [
        "/v1/chat/completion%73",
        "/v1/chat%2fcompletions",
        "//v1/chat/completions",
        "/v1/./chat/completions/",
    ];
    for path in spelt {
        edge.ask(&Ask::post(path, r#"{"model":"gpt-9"}"#)).is_error(404, "model_not_found");
        assert_eq!(edge.ask(&Ask::post(path, r#"{"model":"gpt-4.1"}"#)).status(), 200);
    }
    assert_eq!(one.count(), spelt.len());
    assert!(one.requests().iter().all(|request| request.text() == r#"{"model":"new"}"#));
}

#[test]
fn encoded_body_is_refused() {
    let one = Upstream::named("one");
    let edge = edge("new", &one);
    let body = r#"{"model":"gpt-4.1"}"#;
    for coding in ["gzip", "br", "identity, gzip", "x"] {
        edge.ask(&Ask::post(CHAT, body).header("content-encoding", coding)).is_error(400, "bad_request");
    }
    let twice =
        Ask::post(CHAT, body).header("content-encoding", "identity").header("content-encoding", "gzip");
    edge.ask(&twice).is_error(400, "bad_request");
    assert_eq!(one.count(), 0);
    assert_eq!(edge.ask(&Ask::post(CHAT, body).header("content-encoding", "identity")).status(), 200);
}

#[test]
fn body_that_may_be_two_things_is_refused() {
    let one = Upstream::named("one");
    let edge = edge("new", &one);
    // JSON to one reader, a form with another model to the other.
    let body = "{\"model\":\"gpt-4.1\",\"x\":\"\r\n--b\r\nContent-Disposition: form-data; name=model\r\n\r\nwhisper-1\r\n--b--\r\n\"}";
    let (json, form) = ("application/json", "multipart/form-data; boundary=b");
    let path = "/v1/audio/transcriptions";
    for [first, second] in [[json, form], [form, json], [json, json]] {
        let ask = Ask::post(path, body).header("content-type", first).header("content-type", second);
        edge.ask(&ask).is_error(400, "bad_request");
    }
    for one in
        ["multipart/form-data; boundary=b; x=é", "text/x, multipart/form-data; boundary=b", "Multipart/Mixed"]
    {
        edge.ask(&Ask::post(path, body).header("content-type", one)).is_error(400, "bad_request");
    }
    assert_eq!(one.count(), 0);
}

#[test]
fn anthropic_client_is_told_in_its_own_shape() {
    let one = Upstream::named("one");
    let edge = edge("new", &one);
    let shape = |ask: &Ask, status: u16, kind: &str| {
        let answer = edge.ask(ask);
        assert_eq!(answer.status(), status);
        let json = answer.json();
        assert_eq!((&json["type"], &json["error"]["type"]), (&"error".into(), &kind.into()), "{json}");
        assert!(json["error"]["message"].as_str().is_some_and(|text| !text.is_empty()));
    };
    shape(&Ask::post("/v1/messages", "hello"), 400, "invalid_request_error");
    shape(&Ask::post("/v1/messages", r#"{"model":"gpt-9"}"#), 404, "not_found_error");
    shape(&Ask::post("/v1/messages/count_tokens", r#"{"model":"gpt-9"}"#), 404, "not_found_error");
}

/// A configuration with a limit of 1000 bytes.
fn limited(one: &Upstream) -> Edge {
    Edge::start(
        "
ai: {models: {gpt-4.1: {input: 2, output: 8}}}
defaults: {max_request_body: 1000}
frontends:
  web: {bind: [{address: 127.0.0.1:0}], default_backend: ai}
backends:
  ai: {servers: {one: {url: <one>, models: {gpt-4.1: a-name-that-is-longer}}}}",
        &[("one", &one.url())],
    )
}

fn of_size(size: usize) -> String {
    let (head, tail) = (r#"{"model":"gpt-4.1","x":""#, r#""}"#);
    format!("{head}{}{tail}", "x".repeat(size - head.len() - tail.len()))
}

#[test]
fn limit_of_bodies_is_for_what_the_client_sends() {
    let one = Upstream::named("one");
    let edge = limited(&one);
    for ask in [Ask::post(CHAT, of_size(1000)), Ask::post(CHAT, of_size(1000)).chunked()] {
        assert_eq!(edge.ask(&ask).status(), 200);
    }
    for ask in [Ask::post(CHAT, of_size(1001)), Ask::post(CHAT, of_size(1001)).chunked()] {
        edge.ask(&ask).is_error(413, "request_too_large");
    }
    assert_eq!(one.count(), 2);
    assert!(
        one.requests().iter().all(|request| request.body.len() > 1000),
        "the model there has a longer name"
    );
}

#[test]
fn refused_call_costs_the_next_one_nothing() {
    let one = Upstream::named("one");
    let edge = edge("new", &one);
    let mut client = edge.open();
    for _ in 0..3 {
        client.ask(&Ask::post(CHAT, r#"{"model":"gpt-9"}"#)).is_error(404, "model_not_found");
    }
    assert_eq!(
        client.ask(&Ask::post(CHAT, r#"{"model":"gpt-4.1"}"#)).status(),
        200,
        "the connection is kept"
    );
}
