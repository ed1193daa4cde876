//! What is no call, or where nothing is asked of calls, passes unread.

use super::{CHAT, edge};
use crate::support::edge::Edge;
use crate::support::http::{Ask, ok};
use crate::support::upstream::Upstream;
use crate::support::wait::until;

const NOT_JSON: &[u8] = b"\x00\xff not \"JSON at all {";

/// Answers as soon as it has the head of a request, and records that, before it reads the rest.
fn hasty() -> Upstream {
    Upstream::start(|peer| {
        while let Some(head) = peer.connection.head() {
            let length = head.header("content-length").map_or(0, |length| length.parse().unwrap());
            peer.record(crate::support::http::Message { head, body: Vec::new(), whole: false });
            if peer.connection.exactly(length).is_err() || !peer.send(ok("{}")) {
                return;
            }
        }
    })
}

/// Whether the server sees a request before its body is whole.
fn is_streamed(edge: &Edge, one: &Upstream, path: &str) -> bool {
    let before = one.count();
    let mut client = edge.open();
    let length = NOT_JSON.len();
    client.send(format!("POST {path} HTTP/1.1\r\nHost: a.test\r\nContent-Length: {length}\r\n\r\n"));
    client.send(&NOT_JSON[..4]);
    until("the server has its head", || one.count() > before);
    client.send(&NOT_JSON[4..]);
    client.answer().unwrap().status() == 200
}

#[test]
fn path_that_is_no_call_is_passed_on_as_it_comes() {
    let one = hasty();
    let edge = edge("new", &one);
    for path in ["/v1/files", "/v1/batches", "/v1/fine_tuning/jobs", "/", "/v2/chat/completions", "/orders"] {
        assert!(is_streamed(&edge, &one, path), "{path}");
    }
}

#[test]
fn without_models_everything_is_passed_on_as_it_comes() {
    let one = hasty();
    let edge = Edge::start(
        "
clients: {mode: optional, keys: [{name: app, key: the-key-of-the-app, plan: free}]}
plans: {free: {requests_per_minute: 100}}
frontends:
  web: {bind: [{address: 127.0.0.1:0}], default_backend: ai}
backends:
  ai: {servers: {one: {url: <one>}}}",
        &[("one", &one.url())],
    );
    for path in [CHAT, "/v1/messages", "/v1/embeddings", "/v1/audio/transcriptions"] {
        assert!(is_streamed(&edge, &one, path), "{path}");
    }
}

#[test]
fn without_models_nothing_is_changed_or_told() {
    let one = Upstream::named("one");
    let edge = Edge::start(
        "
frontends:
  web: {bind: [{address: 127.0.0.1:0}], default_backend: ai}
backends:
  ai: {servers: {one: {url: <one>}}}",
        &[("one", &one.url())],
    );
    let mut client = edge.open();
    let bodies: [&[u8]; 4] =
        [NOT_JSON, b"", br#"{"model":"x","model":"y","stream":true}"#, br#"{"model":"auto","stream":true}"#];
    for body in bodies {
        let answer = client.ask(&Ask::post(CHAT, body).header("content-encoding", "gzip"));
        assert_eq!((answer.status(), answer.header("x-tidegate-model")), (200, None));
    }
    assert_eq!(client.ask(&Ask::get("/v1/models")).json()["server"], "one", "its own list");
    for (request, body) in one.requests().iter().zip(bodies) {
        assert_eq!(request.body, body);
    }
}

#[test]
fn call_without_a_body_passes() {
    let one = Upstream::named("one");
    let edge = edge("new", &one);
    let mut client = edge.open();
    let asks = [
        Ask::new("POST", CHAT),
        Ask::post(CHAT, ""),
        Ask::post(CHAT, "").chunked(),
        Ask::new("POST", "/v1/responses/resp_1/cancel"),
        Ask::get("/v1/responses/resp_1"),
        Ask::get("/v1/chat/completions?limit=2"),
        Ask::new("DELETE", "/v1/responses/resp_1"),
    ];
    for ask in &asks {
        assert_eq!(client.ask(ask).status(), 200, "{} {}", ask.method, ask.target);
    }
    assert_eq!(one.count(), asks.len());
    assert!(one.requests().iter().all(|request| request.body.is_empty()));
}

#[test]
fn models_of_servers_alone_replace_names_but_count_nothing() {
    let one = Upstream::named("one");
    let edge = Edge::start(
        "
frontends:
  web: {bind: [{address: 127.0.0.1:0}], default_backend: ai}
backends:
  ai: {servers: {one: {url: <one>, models: {gpt-4.1: new}}}}",
        &[("one", &one.url())],
    );
    assert_eq!(edge.ask(&Ask::post(CHAT, r#"{"stream":true,"model":"gpt-4.1"}"#)).status(), 200);
    assert_eq!(one.request().text(), r#"{"stream":true,"model":"new"}"#);
    edge.ask(&Ask::post(CHAT, r#"{"model":"gpt-9"}"#)).is_error(404, "model_not_found");
}
