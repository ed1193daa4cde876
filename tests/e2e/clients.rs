//! Client keys in their three modes, and the plans behind them.

use std::time::Duration;

use crate::support::edge::Edge;
use crate::support::http::{Ask, Message};
use crate::support::rude::{EVENT_STREAM_HEAD, event, stalls_after};
use crate::support::upstream::Upstream;
use crate::support::wait::{eventually, until};

/// sha256 of `the-key-that-is-hashed`.
const HASHED: &str = "the-key-that-is-hashed";

fn edge(mode: &str, one: &Upstream) -> Edge {
    Edge::start(
        "
clients:
  mode: <mode>
  keys:
    - {name: app, key: the-key-of-the-app, plan: free}
    - {name: other, key: the-key-of-another, plan: free}
    - {name: hashed, key_sha256: \"<hash>\", plan: premium}
plans:
  free: {requests_per_minute: 3, concurrent: 2}
  premium: {requests_per_minute: 1000, concurrent: 50}
frontends:
  web: {bind: [{address: 127.0.0.1:0}], default_backend: ai}
backends:
  ai: {servers: {one: {url: <one>, api_key: sk-of-the-server}}}",
        &[("mode", mode), ("hash", &hex_digest(HASHED)), ("one", &one.url())],
    )
}

fn hex_digest(text: &str) -> String {
    use sha2::{Digest, Sha256};
    Sha256::digest(text.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect()
}

fn asked(edge: &Edge, key: Option<&str>) -> Message {
    let ask = Ask::get("/v1/models");
    edge.ask(&key.into_iter().fold(ask, |ask, key| ask.bearer(key)))
}

#[test]
fn required_refuses_missing_and_unknown_keys() {
    let one = Upstream::named("one");
    let edge = edge("required", &one);
    for key in [None, Some("unknown"), Some(""), Some("the-key-of-the-app2"), Some("the-key-of-the-ap")] {
        let refused = asked(&edge, key);
        refused.is_error(401, "invalid_api_key");
        assert!(!refused.text().contains("the-key-of"), "the error tells a key: {}", refused.text());
    }
    edge.ask(&Ask::get("/v1/models").header("authorization", "Basic dGhlLWtleQ=="))
        .is_error(401, "invalid_api_key");
    assert_eq!(one.count(), 0);
    assert_eq!(asked(&edge, Some("the-key-of-the-app")).status(), 200);
    assert_eq!(asked(&edge, Some(HASHED)).status(), 200);
}

#[test]
fn scheme_is_case_insensitive() {
    let one = Upstream::named("one");
    let edge = edge("required", &one);
    let ask = Ask::get("/v1/models").header("Authorization", "bearer the-key-of-the-app");
    assert_eq!(edge.ask(&ask).status(), 200);
}

#[test]
fn two_keys_are_refused() {
    let one = Upstream::named("one");
    let edge = edge("required", &one);
    let ask = Ask::get("/v1/models").bearer("the-key-of-the-app").bearer("the-key-of-another");
    let status = edge.ask(&ask).status();
    assert!(matches!(status, 400 | 401), "{status}");
    assert_eq!(one.count(), 0);
}

#[test]
fn optional_admits_the_anonymous_but_no_wrong_key() {
    let one = Upstream::named("one");
    let edge = edge("optional", &one);
    assert_eq!(asked(&edge, None).status(), 200);
    assert_eq!(asked(&edge, Some("the-key-of-the-app")).status(), 200);
    asked(&edge, Some("unknown")).is_error(401, "invalid_api_key");
}

#[test]
fn passthrough_admits_any_key() {
    let one = Upstream::named("one");
    let edge = Edge::start(
        "
clients: {mode: passthrough}
frontends:
  web: {bind: [{address: 127.0.0.1:0}], default_backend: ai}
backends:
  ai: {servers: {one: {url: <one>}}}",
        &[("one", &one.url())],
    );
    assert_eq!(asked(&edge, Some("whatever")).status(), 200);
    assert_eq!(asked(&edge, None).status(), 200);
    let seen: Vec<_> =
        one.requests().iter().map(|request| request.header("authorization").map(str::to_owned)).collect();
    assert_eq!(seen, [Some("Bearer whatever".to_owned()), None]);
}

#[test]
fn plan_admits_its_requests_per_minute_and_says_what_is_left() {
    let one = Upstream::named("one");
    let edge = edge("required", &one);
    let mut client = edge.open();
    for left in ["2", "1", "0"] {
        let answer = client.ask(&Ask::get("/v1/models").bearer("the-key-of-the-app"));
        assert_eq!(answer.status(), 200);
        assert_eq!(answer.header("x-ratelimit-limit-requests"), Some("3"));
        assert_eq!(answer.header("x-ratelimit-remaining-requests"), Some(left));
        assert_duration(answer.header("x-ratelimit-reset-requests"));
    }
    let refused = asked(&edge, Some("the-key-of-the-app"));
    refused.is_error(429, "rate_limit_exceeded");
    assert_eq!(refused.header("x-ratelimit-limit-requests"), Some("3"));
    assert_eq!(refused.header("x-ratelimit-remaining-requests"), Some("0"));
    let wait: u64 = refused.header("retry-after").expect("a retry-after").parse().unwrap();
    assert!((1..=120).contains(&wait), "{wait}");
    assert_eq!(
        asked(&edge, Some("the-key-of-another")).status(),
        200,
        "keys of one plan do not share its limit"
    );
    assert_eq!(one.count(), 4);
}

#[test]
fn servers_own_rate_headers_are_not_passed_on() {
    let one = Upstream::replying(|_| {
        crate::support::http::answer(
            200,
            &[("x-ratelimit-remaining-requests", "9999"), ("x-ratelimit-limit-tokens", "7")],
            "{}",
        )
    });
    let edge = edge("required", &one);
    let answer = asked(&edge, Some("the-key-of-the-app"));
    assert_eq!(answer.head.all("x-ratelimit-remaining-requests"), ["2"]);
    assert_ne!(answer.header("x-ratelimit-limit-tokens"), Some("7"));
}

#[test]
fn concurrent_requests_are_bounded_and_given_back() {
    let stream = stalls_after([EVENT_STREAM_HEAD.as_bytes(), &event("{}")].concat());
    let edge = Edge::start(
        "
clients: {mode: required, keys: [{name: app, key: the-key-of-the-app, plan: free}]}
plans: {free: {requests_per_minute: 100000, concurrent: 2}}
frontends:
  web: {bind: [{address: 127.0.0.1:0}], default_backend: ai}
backends:
  ai: {servers: {one: {url: <one>}}}",
        &[("one", &stream.url())],
    );
    let ask = Ask::chat(true).bearer("the-key-of-the-app");
    let mut open = Vec::new();
    for _ in 0..2 {
        let mut client = edge.open();
        client.send(ask.bytes());
        assert_eq!(client.head().unwrap().status(), 200);
        open.push(client);
    }
    let refused = edge.ask(&ask);
    refused.is_error(429, "rate_limit_exceeded");
    assert!(refused.header("retry-after").is_some());
    open.pop();
    until("a place is free again", || {
        let mut client = edge.open();
        client.send(ask.bytes());
        client.head().unwrap().status() == 200
    });
}

/// Asserts a duration as Go writes it: `1s`, `6m0s`, `12ms`, `1.5s`.
#[track_caller]
fn assert_duration(value: Option<&str>) {
    let value = value.expect("a duration");
    let form = regex::Regex::new(r"^(\d+h)?(\d+m)?(\d+(\.\d+)?s|\d+(\.\d+)?ms)?$").unwrap();
    assert!(!value.is_empty() && form.is_match(value), "{value}");
}

#[test]
fn limit_falls_back_as_the_minute_passes() {
    // The arithmetic is tested with a fake clock beside the code; here only that the wait it tells is honest for a
    // short table, so that no test lasts a minute.
    let one = Upstream::named("one");
    let edge = Edge::start(
        "
tables: {t: {key: src, size: 10, expire: 10s, counters: [http_req_rate(1s)]}}
acls: {above: {table: t, counter: http_req_rate, above: 2}}
frontends:
  web:
    bind: [{address: 127.0.0.1:0}]
    rules: [{track: t}, {deny: {status: 429}, if: above}]
    default_backend: ai
backends:
  ai: {servers: {one: {url: <one>}}}",
        &[("one", &one.url())],
    );
    let mut client = edge.open();
    let refused = eventually("a refusal", || {
        let answer = client.ask(&Ask::get("/v1/models"));
        (answer.status() == 429).then_some(answer)
    });
    let wait: u64 = refused.header("retry-after").unwrap().parse().unwrap();
    std::thread::sleep(Duration::from_secs(wait));
    assert_eq!(edge.ask(&Ask::get("/v1/models")).status(), 200, "came back after {wait} s, as told");
}
