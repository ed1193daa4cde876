//! `show errors`: who broke the protocol, and how; never a secret.

use super::say;
use crate::support::edge::Edge;
use crate::support::http::Ask;
use crate::support::upstream::Upstream;
use crate::support::wait::until;

fn edge(url: &str) -> Edge {
    Edge::start(
        "
frontends:
  web: {bind: [{address: 127.0.0.1:0}], default_backend: ai}
  other: {bind: [{address: 127.0.0.1:0}], default_backend: ai}
backends:
  ai: {retry: {attempts: 1}, servers: {one: {url: <one>}}}",
        &[("one", url)],
    )
}

#[test]
fn a_malformed_request_is_shown_without_its_secrets() {
    let one = Upstream::named("one");
    let edge = edge(&one.url());
    assert!(say(&edge, "show errors").ends_with("] : 0"));
    let mut client = edge.open();
    client.send("GET /v1/models?key=sk-query HTTP/1.1\r\nHo st: x\r\nAuthorization: Bearer sk-secret\r\nCookie: sk-crumb\r\n\r\n");
    assert_eq!(client.answer().unwrap().status(), 400);
    let shown = say(&edge, "show errors");
    assert!(shown.contains("] frontend web: invalid request\n"), "{shown}");
    assert!(shown.contains("  backend <NONE>, server <NONE>, event #0, src 127.0.0.1:"), "{shown}");
    assert!(
        shown.contains("\n  GET /v1/models?*** HTTP/1.1\\r\\n\n  Ho st: *** (2 bytes)\\r\\n\n"),
        "{shown}"
    );
    assert!(shown.contains("Authorization: *** (") && !shown.contains("sk-"), "{shown}");
    assert!(say(&edge, "show errors web request").contains("event #0"));
    assert!(!say(&edge, "show errors other").contains("event #0"));
    assert!(!say(&edge, "show errors response").contains("event #0"));
    assert_eq!(say(&edge, "show errors nope"), "No such proxy.");
}

#[test]
fn an_answer_that_is_not_http_is_shown_with_its_server() {
    let one = Upstream::replying(|_| {
        b"HTTP/1.1 200 OK\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nab".to_vec()
    });
    let edge = edge(&one.url());
    assert_eq!(edge.ask(&Ask::get("/v1/models")).status(), 502);
    until("it is shown", || say(&edge, "show errors ai response").contains("event #0"));
    let shown = say(&edge, "show errors");
    assert!(shown.contains("] backend ai: invalid response\n  server one, event #0\n"), "{shown}");
}
