//! Bugs that were found in what a client sends, each with the request that showed it.

use std::process::Command;

use crate::support::certificates::Authority;
use crate::support::curl;
use crate::support::edge::{Edge, Settings};
use crate::support::http::{Ask, Message, ok};
use crate::support::rude::closes_unanswered;
use crate::support::scratch::Scratch;
use crate::support::upstream::Upstream;
use crate::support::wait::{DEADLINE, until};

/// One server with these settings, one attempt, and these clients.
fn edge(clients: &str, more: &str, one: &Upstream) -> Edge {
    Edge::start(
        "
defaults: {max_request_body: 20m}
<clients>
frontends:
  web: {bind: [{address: 127.0.0.1:0}], default_backend: ai}
backends:
  ai: {retry: {attempts: 1}, servers: {one: {url: <one><more>}}}",
        &[("clients", clients), ("one", &one.url()), ("more", more)],
    )
}

#[test]
fn trailers_on_http2_are_no_obstacle_for_this_client_or_the_next() {
    let one = Upstream::named("one");
    let directory = Scratch::new();
    let signer = Authority::new("a");
    let authority = signer.write(&directory, "ca.pem");
    let pem = signer.issue(&["one.test", "127.0.0.1"]).write(&directory, "one.pem");
    let body = directory.write("body", &"hello ".repeat(20_000));
    // One thread: if it spins, nobody is served.
    let settings = Settings { threads: 1, ..Settings::default() };
    let edge = Edge::start_with(
        &settings,
        directory,
        "
frontends:
  web:
    bind: [{address: 127.0.0.1:0, tls: {certificates: [<pem>]}}]
    default_backend: ai
backends:
  ai: {servers: {one: {url: <one>}}}",
        &[("pem", &pem.display().to_string()), ("one", &one.url())],
    );
    let url = format!("https://{}/v1/chat/completions", edge.address("web"));
    let output = Command::new("nghttp")
        .args(["-v", "--no-verify-peer", "--trailer", "x: y", "-t", &DEADLINE.as_secs().to_string(), "-d"])
        .args([&body.display().to_string(), &url])
        .output()
        .unwrap();
    let frames = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(frames.contains(":status: 200"), "{frames}");
    let request = one.request();
    assert!(request.whole && request.body.len() == 120_000, "{} bytes arrived", request.body.len());
    let got = curl::https(edge.address("web"), "one.test", &authority, "/v1/models", &[]);
    assert_eq!((got.exit, got.status), (0, 200), "{got:?}");
}

#[test]
fn fault_in_a_chunked_body_is_400_and_ends_the_connection() {
    let one = Upstream::named("one");
    let edge = edge("", "", &one);
    let smuggled = "GET /v1/smuggled HTTP/1.1\r\nHost: a.test\r\n\r\n";
    for body in ["5;\r\nhello\r\nZ\r\n", "5\r\nhello\r\nZ\r\n", "zzz\r\n", "0x3\r\nabc\r\n", "-3\r\nabc\r\n"]
    {
        let mut client = edge.open();
        let _ = client.try_send(format!(
            "POST /v1/chat/completions HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\n\r\n{body}{smuggled}"
        ));
        let answer = client.answer().unwrap_or_else(|| panic!("no answer to {body:?}"));
        assert_eq!(answer.status(), 400, "{body:?}: {}", answer.text());
        assert_eq!(answer.header("connection"), Some("close"), "{body:?}");
        let rest = client.rest();
        assert!(rest.is_empty(), "{body:?}: and then {:?}", String::from_utf8_lossy(&rest));
        let seen = one.requests();
        assert!(seen.iter().all(|request| !request.whole), "{body:?}: the server saw {seen:?}");
    }
}

#[test]
fn trace_is_405_and_shows_nobody_the_key_of_a_server() {
    let one = Upstream::named("one");
    let edge = edge("", ", api_key: sk-of-the-server", &one);
    let answer = edge.ask(&Ask::new("TRACE", "/v1/models"));
    assert_eq!(answer.status(), 405, "{}", answer.text());
    assert_eq!(edge.ask(&Ask::get("/v1/models")).status(), 200);
    assert_eq!(one.request().head.method(), "GET");
}

#[test]
fn two_keys_in_passthrough_are_400() {
    let one = Upstream::named("one");
    let edge = edge("clients: {mode: passthrough}", "", &one);
    let get = || Ask::get("/v1/models");
    for (what, ask) in [
        ("two lines", get().bearer("a").bearer("b")),
        ("two equal lines", get().bearer("a").bearer("a")),
        ("two schemes", get().header("authorization", "Token a").bearer("b")),
        ("another x-api-key", get().header("x-api-key", "a").bearer("b")),
        ("two x-api-keys", get().header("x-api-key", "a").header("x-api-key", "b")),
    ] {
        assert_eq!(edge.ask(&ask).status(), 400, "{what}");
    }
    assert_eq!(one.count(), 0, "{:?}", one.requests());
    assert_eq!(edge.ask(&get().header("x-api-key", "a").bearer("a")).status(), 200, "one key, said twice");
}

#[test]
fn key_of_any_scheme_is_counted_in_passthrough() {
    for value in ["known", "Token some-key", "Basic dXNlcjpwYXNz"] {
        let one = Upstream::named("one");
        let edge = Edge::start(
            "
clients: {mode: passthrough}
tables:
  t: {key: api_key, size: 100, expire: 60s, counters: [http_req_cnt]}
frontends:
  web:
    bind: [{address: 127.0.0.1:0}]
    rules: [{track: t}]
    default_backend: ai
backends:
  ai: {servers: {one: {url: <one>}}}",
            &[("one", &one.url())],
        );
        assert_eq!(edge.ask(&Ask::get("/v1/models").header("authorization", value)).status(), 200, "{value}");
        assert_eq!(one.request().header("authorization"), Some(value));
        until(&format!("{value} is in the table"), || {
            let shown = edge.command("show table t");
            shown.contains("key=") && shown.contains("http_req_cnt=1")
        });
    }
}

#[test]
fn client_that_was_told_to_continue_hears_of_a_server_that_closes() {
    let quitter = closes_unanswered();
    let edge = edge("", "", &quitter);
    let mut client = edge.open();
    client.send(
        "POST /v1/chat/completions HTTP/1.1\r\nHost: a.test\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\n",
    );
    assert_eq!(client.head().unwrap().status(), 100);
    client.send("body");
    client.answer().expect("an answer after the 100").is_error(502, "upstream_error");
    assert_eq!(quitter.request().body, b"body");
}

#[test]
fn interim_answer_does_not_end_an_upload() {
    let server = Upstream::start(|peer| {
        let Some(head) = peer.connection.head() else { return };
        let length: usize = head.header("content-length").unwrap().parse().unwrap();
        let Ok(mut body) = peer.connection.exactly(100_000) else { return };
        peer.send("HTTP/1.1 102 Processing\r\n\r\n");
        let rest = peer.connection.exactly(length - body.len());
        let whole = rest.is_ok();
        body.extend(rest.unwrap_or_default());
        peer.record(Message { head, body, whole });
        peer.send(ok("{\"server\":\"one\"}"));
    });
    let edge = edge("", "", &server);
    let body: Vec<u8> = (0..5_000_000_u32).map(|number| (number % 251) as u8).collect();
    let answer = edge.ask(&Ask::post("/v1/files", body.clone()));
    assert_eq!((answer.status(), answer.text().as_str()), (200, "{\"server\":\"one\"}"));
    let request = server.request();
    assert!(request.whole && request.body == body, "{} bytes arrived", request.body.len());
}

#[test]
fn no_key_of_a_client_reaches_a_server_that_has_its_own() {
    for clients in ["", "clients: {mode: passthrough}"] {
        let one = Upstream::named("one");
        let edge = edge(clients, ", api_key: sk-of-the-server", &one);
        let ask = Ask::get("/v1/models")
            .header("api-key", "the-clients-own-key")
            .header("x-goog-api-key", "the-clients-own-key")
            .header("x-api-key", "the-clients-own-key");
        assert_eq!(edge.ask(&ask).status(), 200);
        let request = one.request();
        assert_eq!(request.header("authorization"), Some("Bearer sk-of-the-server"));
        assert!(!format!("{request:?}").contains("the-clients-own-key"), "{request:?}");
    }
}
