//! `Expect: 100-continue`: answered here, before the body, and not passed on.

use crate::support::edge::Edge;
use crate::support::http::Ask;
use crate::support::upstream::Upstream;

const HEAD: &str =
    "POST /v1/chat/completions HTTP/1.1\r\nHost: a.test\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\n";

fn edge(clients: &str, one: &Upstream) -> Edge {
    Edge::start(
        "
<clients>
frontends:
  web: {bind: [{address: 127.0.0.1:0}], default_backend: ai}
backends:
  ai: {servers: {one: {url: <one>}}}",
        &[("clients", clients), ("one", &one.url())],
    )
}

#[test]
fn client_that_waits_is_told_to_go_on() {
    let one = Upstream::named("one");
    let edge = edge("", &one);
    let mut client = edge.open();
    client.send(HEAD);
    assert_eq!(client.head().unwrap().status(), 100);
    client.send("body");
    let answer = client.answer().unwrap();
    assert_eq!(answer.status(), 200);
    let request = one.request();
    assert_eq!((request.body.as_slice(), request.header("expect")), (&b"body"[..], None));
    assert_ne!(answer.header("connection"), Some("close"), "the connection is as good as before");
    assert_eq!(client.ask(&Ask::get("/v1/models")).status(), 200, "the connection ended without a word");
}

#[test]
fn client_that_does_not_wait_is_served_too() {
    let one = Upstream::named("one");
    let edge = edge("", &one);
    let mut client = edge.open();
    client.send(format!("{HEAD}body"));
    assert_eq!(client.answer().unwrap().status(), 200);
    assert_eq!(one.request().body, b"body");
}

#[test]
fn refused_client_is_not_asked_for_its_body() {
    let one = Upstream::named("one");
    let edge = edge("clients: {mode: required, keys: [{name: app, key: the-key-of-the-app}]}", &one);
    let mut client = edge.open();
    client.send(HEAD);
    assert_eq!(client.head().unwrap().status(), 401);
    assert_eq!(one.count(), 0);
}

#[test]
fn too_large_body_is_refused_before_it_is_sent() {
    let one = Upstream::named("one");
    let edge = edge("defaults: {max_request_body: 3}", &one);
    let mut client = edge.open();
    client.send(HEAD);
    assert_eq!(client.head().unwrap().status(), 413);
}

#[test]
fn server_that_asks_for_more_itself_does_not_confuse() {
    let one = Upstream::start(|peer| {
        while peer.request().is_some() {
            peer.send("HTTP/1.1 100 Continue\r\n\r\n");
            peer.send(crate::support::http::ok("{\"server\":\"one\"}"));
        }
    });
    let edge = edge("", &one);
    assert_eq!(edge.servers(3), ["one"; 3]);
}
