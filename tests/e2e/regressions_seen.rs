//! What an operator found who saw the whole for the first time: lines of the log that said too little, answers that said
//! too much, and descriptors that ran out.

use std::process::Command;

use crate::support::edge::{Edge, configuration};
use crate::support::http::{Ask, Connection};
use crate::support::process::Process;
use crate::support::rude::never_answers;
use crate::support::scratch::Scratch;
use crate::support::upstream::Upstream;

const SECTIONS: &str = r#"
frontends:
  web:
    bind: [{address: 127.0.0.1:0}]
    rules: [{return: {status: 204}, if: empty}]
    default_backend: ai
acls: {empty: {path: /v1/empty}}
defaults: {timeouts: {total: 700ms, client: 5s}}
backends: {ai: {retry: {attempts: 1}, servers: {one: {url: <one>}}}}"#;

fn edge(one: &Upstream) -> Edge {
    Edge::start(SECTIONS, &[("one", &one.url())])
}

#[test]
fn answer_without_content_says_nothing_of_its_length() {
    let one = Upstream::named("one");
    let answer = edge(&one).ask(&Ask::get("/v1/empty"));
    assert_eq!(answer.status(), 204);
    assert_eq!((answer.header("content-length"), answer.header("content-type")), (None, None));
}

#[test]
fn client_that_leaves_in_the_head_is_told_from_one_that_was_being_served() {
    let one = Upstream::named("one");
    let edge = edge(&one);
    let mut client = edge.open();
    client.send(b"GET /v1/models HTTP/1.1\r\nHost: a");
    drop(client);
    let line = edge.logged("the cut head", |line| line["termination"] == "CR--");
    assert!(line["status"].is_null(), "{line}");
}

#[test]
fn refused_request_says_in_the_log_what_was_wrong() {
    let one = Upstream::named("one");
    let edge = edge(&one);
    let mut client = edge.open();
    client.send(b"GET /v1/models HTTP/1.1\nHost: a\n\n");
    assert_eq!(client.answer().unwrap().status(), 400);
    let line = edge.logged("the refusal", |line| line["termination"] == "PR--");
    assert_eq!(line["reason"], "bare_lf");
    assert!(line["client"].is_string(), "{line}");
}

#[test]
fn broken_answer_says_in_the_log_what_was_wrong() {
    let one = Upstream::replying(|_| {
        b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\ncontent-length: 6\r\n\r\nhello".to_vec()
    });
    let edge = edge(&one);
    assert_eq!(edge.ask(&Ask::get("/v1/models")).status(), 502);
    let line = edge.logged("the broken answer", |line| line["termination"] == "PH--");
    assert_eq!(line["reason"], "repeated_content_length");
}

#[test]
fn time_that_a_client_took_with_its_body_is_its_own_fault() {
    let one = never_answers();
    let edge = edge(&one);
    let mut client = edge.open();
    client.send(b"POST /v1/chat/completions HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\nhalf");
    assert_eq!(client.answer().unwrap().status(), 408);
    edge.logged("the slow client", |line| line["termination"] == "cR--");
}

#[test]
fn header_of_a_balancer_that_is_not_expected_is_named() {
    let one = Upstream::named("one");
    let edge = edge(&one);
    for header in [&b"PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\n"[..], b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c"] {
        let mut client: Connection = edge.open();
        client.send(header);
        client.send(b"GET /v1/models HTTP/1.1\r\nHost: a\r\n\r\n");
        assert_eq!(client.answer().unwrap().status(), 400);
    }
    let counted = || edge.metrics().sum("tidegate_denied_total", &[("reason", "unexpected_proxy_header")]);
    crate::support::wait::until("both are counted by their name", || counted() == 2.0);
}

#[test]
fn connections_are_no_more_than_descriptors_afford() {
    let one = Upstream::named("one");
    let directory = Scratch::new();
    let config = configuration(&Default::default(), directory.path(), SECTIONS, &[("one", &one.url())]);
    let file = directory.write("tidegate.yaml", &config);
    let mut command = Command::new("sh");
    command.args(["-c", "ulimit -n 600; exec \"$0\" run -c \"$1\"", env!("CARGO_BIN_EXE_tidegate")]);
    let mut process = Process::start(command.arg(file));
    process.await_lines("a warning with the figures", |_, stderr| {
        let warning = stderr.iter().find(|line| line.contains("WARN") && line.contains("max_connections"))?;
        warning.contains("is 1000, but at most 225 ").then_some(())
    });
}
