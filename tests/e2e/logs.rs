//! The access log: one line a request, with how it ended, and never a secret.

mod format;
mod places;

use regex::Regex;
use serde_json::Value;

use crate::support::edge::{Edge, Settings};
use crate::support::http::{Ask, Connection, chunk};
use crate::support::rude::{CHUNKED_HEAD, Refusing, endless_stream, never_answers, says};
use crate::support::scratch::Scratch;
use crate::support::upstream::Upstream;
use crate::support::wait::{eventually, until};

fn edge(access_log: &str, url: &str) -> Edge {
    let settings = Settings { access_log, ..Settings::default() };
    Edge::start_with(
        &settings,
        Scratch::new(),
        "
defaults: {timeouts: {request_head: 400ms, client: 400ms, first_byte: 2s}}
acls:
  bad: {path_beg: /v1/bad}
  old: {path_beg: /old}
frontends:
  web:
    bind: [{address: 127.0.0.1:0}]
    rules:
      - {deny: {status: 403}, if: bad}
      - {redirect: {scheme: https, status: 301}, if: old}
    default_backend: ai
backends:
  ai: {retry: {attempts: 1}, servers: {one: {url: <url>, api_key: sk-of-the-server}}}",
        &[("url", url)],
    )
}

const JSON: &str = "{to: stdout, format: json}";
const HTTPLOG: &str = "{to: stdout, format: httplog}";

/// The first line of the log that mentions `text`.
fn line(edge: &Edge, text: &str) -> String {
    eventually(&format!("a log line with {text}"), || {
        edge.process.stdout().into_iter().find(|line| line.contains(text))
    })
}

#[test]
fn json_line_tells_the_request() {
    let one = Upstream::named("one");
    let edge = edge(JSON, &one.url());
    edge.ask(
        &Ask::post("/v1/chat/completions?a=b", "the prompt")
            .bearer("the-clients-own-key")
            .header("x-request-id", "id-1"),
    );
    let entry: Value = serde_json::from_str(&line(&edge, "id-1")).unwrap();
    let expected = [
        ("request_id", "id-1"),
        ("frontend", "web"),
        ("backend", "ai"),
        ("server", "one"),
        ("method", "POST"),
        ("path", "/v1/chat/completions?a=b"),
        ("termination", "----"),
    ];
    for (key, value) in expected {
        assert_eq!(entry[key], value, "{key} in {entry}");
    }
    assert_eq!(entry["status"], 200, "{entry}");
    let text = entry.to_string();
    for secret in ["the-clients-own-key", "sk-of-the-server", "the prompt"] {
        assert!(!text.contains(secret), "{secret} in {text}");
    }
}

#[test]
fn httplog_line_has_haproxys_fields() {
    let one = Upstream::named("one");
    let edge = edge(HTTPLOG, &one.url());
    edge.ask(&Ask::get("/v1/models?x=y"));
    let line = line(&edge, "/v1/models");
    let form = Regex::new(concat!(
        r"^(?:\S+ )*?127\.0\.0\.1:\d+ \[\d{2}/[A-Z][a-z]{2}/\d{4}:\d{2}:\d{2}:\d{2}\.\d{3}\] ",
        r"web~? ai/one \d+/\d+/\d+/\d+/\d+ 200 \d+ - - ---- \d+/\d+/\d+/\d+/\d+ \d+/\d+ (\{\S*\} )*",
        r#""GET /v1/models\?x=y HTTP/1\.1"$"#,
    ))
    .unwrap();
    assert!(form.is_match(&line), "{line}");
}

#[test]
fn termination_says_how_it_ended() {
    let cases = [
        (Upstream::named("one"), Ask::get("/v1/fine"), "----"),
        (Upstream::named("one"), Ask::get("/v1/bad"), "PR--"),
        (Upstream::named("one"), Ask::get("/old/path"), "LR--"),
        (Upstream::failing(500), Ask::get("/v1/err"), "----"),
        (never_answers(), Ask::get("/v1/mute"), "sH--"),
        (says(""), Ask::get("/v1/empty"), "SH--"),
        (says("nonsense\r\n\r\n"), Ask::get("/v1/junk"), "PH--"),
        (says([CHUNKED_HEAD.as_bytes(), &chunk(b"x")].concat()), Ask::get("/v1/cut"), "SD--"),
    ];
    for (upstream, ask, expected) in cases {
        let edge = edge(HTTPLOG, &upstream.url());
        edge.ask(&ask);
        let line = line(&edge, &ask.target);
        assert!(line.contains(&format!(" {expected} ")), "{expected}: {line}");
    }
    let refusing = Refusing::new();
    let edge = edge(HTTPLOG, &refusing.url());
    edge.ask(&Ask::get("/v1/refused"));
    assert!(line(&edge, "/v1/refused").contains(" SC-- "), "{}", line(&edge, "/v1/refused"));
}

#[test]
fn clients_that_leave_or_stall_are_named() {
    let endless = endless_stream(std::time::Duration::from_millis(20));
    let streaming = edge(HTTPLOG, &endless.url());
    let mut client = streaming.open();
    client.send(Ask::chat(true).bytes());
    client.head().unwrap();
    client.chunk().unwrap();
    drop(client);
    assert!(line(&streaming, "/v1/chat").contains(" CD-- "), "{}", line(&streaming, "/v1/chat"));

    let one = Upstream::named("one");
    let stalled = edge(HTTPLOG, &one.url());
    let mut client: Connection = stalled.open();
    client.send("GET /v1/half HTTP/1.1\r\nHo");
    assert_eq!(client.answer().unwrap().status(), 408);
    assert!(line(&stalled, " 408 ").contains(" cR-- "), "{}", line(&stalled, " 408 "));
}

#[test]
fn malformed_request_cannot_forge_a_line() {
    let one = Upstream::named("one");
    let edge = edge(HTTPLOG, &one.url());
    let mut client = edge.open();
    client.send("GET /v1/\x1b[31m\"\\x HTTP/1.1\r\nHost: a.test\r\n\r\n");
    client.answer();
    edge.ask(&Ask::get("/v1/forged%0aline\"x"));
    edge.ask(&Ask::get("/v1/last"));
    line(&edge, "/v1/last");
    for line in edge.process.stdout() {
        assert!(line.chars().all(|c| !c.is_control()), "{line:?}");
    }
}

#[test]
fn log_may_go_to_a_file_or_nowhere() {
    let one = Upstream::named("one");
    let directory = Scratch::new();
    let file = directory.path().join("access.log");
    let to_file = edge(&format!("{{to: {}, format: json}}", file.display()), &one.url());
    to_file.ask(&Ask::get("/v1/models"));
    until("the line is in the file", || {
        std::fs::read_to_string(&file).is_ok_and(|text| text.contains("/v1/models") && text.ends_with('\n'))
    });
    assert!(to_file.process.stdout().is_empty());

    let off = edge("{to: off, format: json}", &one.url());
    off.ask(&Ask::get("/v1/models"));
    off.process.signal("TERM");
    let mut off = off;
    off.process.wait();
    assert_eq!(off.process.stdout(), Vec::<String>::new());
}

#[test]
fn every_request_has_its_line_even_when_it_stops() {
    let one = Upstream::named("one");
    let mut edge = edge(JSON, &one.url());
    edge.servers(100);
    edge.process.signal("TERM");
    edge.process.wait();
    assert_eq!(edge.log().len(), 100);
}
