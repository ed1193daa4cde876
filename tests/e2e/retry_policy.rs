//! How a retry is made: when, how often, on which server, and what the client learns of it.

mod key;
mod wait;

use std::time::Duration;

use crate::support::edge::{Edge, server_of};
use crate::support::http::{Ask, Connection, answer};
use crate::support::rude::{Refusing, closes_unanswered};
use crate::support::upstream::Upstream;
use crate::support::wait::until;

/// A backend with these lines, its servers in the order of their tiers; to each URL may be added what else a server has.
fn edge(lines: &str, urls: &[&str]) -> Edge {
    let servers: String = urls
        .iter()
        .enumerate()
        .map(|(index, url)| format!("      s{index}: {{url: {url}, tier: {}}}\n", index + 1))
        .collect();
    Edge::start(
        "
defaults: {max_request_body: 20m}
frontends:
  web: {bind: [{address: 127.0.0.1:0}], default_backend: ai}
backends:
  ai:
    breaker: off
    eject: off
    <lines>
    servers:
<servers>",
        &[("lines", lines), ("servers", &servers)],
    )
}

const RETRY: &str = "retry: {attempts: 3, when: [connect_failure, empty_response, timeout, 429, 500, 502, 503, 504], backoff: 1ms..5ms}";

#[test]
fn attempts_are_exact_on_one_server_too() {
    for attempts in [1, 2, 3, 7] {
        let bad = Upstream::failing(503);
        let edge =
            edge(&format!("retry: {{attempts: {attempts}, when: [503], backoff: 1ms..2ms}}"), &[&bad.url()]);
        let got = edge.ask(&Ask::chat(false));
        assert_eq!((got.status(), bad.count()), (503, attempts));
        assert_eq!(got.header("x-tidegate-attempts"), Some(attempts.to_string().as_str()));
        let line = edge.logged("the request", |line| line["status"] == 503);
        assert_eq!((&line["attempts"], &line["retries"]), (&attempts.into(), &(attempts - 1).into()));
    }
}

#[test]
fn attempts_are_told_on_errors_of_ours_and_on_good_answers() {
    let (refusing, good) = (Refusing::new(), Upstream::named("good"));
    let served = edge(RETRY, &[&refusing.url(), &good.url()]);
    assert_eq!(served.ask(&Ask::chat(false)).header("x-tidegate-attempts"), Some("2"));
    let empty = closes_unanswered();
    let failed = edge(RETRY, &[&empty.url()]);
    let got = failed.ask(&Ask::chat(false));
    got.is_error(502, "upstream_error");
    assert_eq!(got.header("x-tidegate-attempts"), Some("3"));
    assert_eq!(empty.count(), 3);
}

#[test]
fn budget_bounds_retries() {
    let bad = Upstream::failing(503);
    let edge = edge("retry: {attempts: 2, when: [503], backoff: 1ms..2ms, budget: 10%}", &[&bad.url()]);
    let mut client = edge.open();
    for _ in 0..30 {
        assert_eq!(client.ask(&Ask::chat(false)).status(), 503);
    }
    // Ten are always afforded, in ten seconds.
    assert_eq!(bad.count(), 40);
    let metrics = edge.metrics();
    assert_eq!(metrics.sum("tidegate_retries_total", &[]), 10.0);
    assert_eq!(metrics.sum("tidegate_retries_refused_total", &[]), 20.0);
}

#[test]
fn who_was_never_reached_costs_no_budget() {
    let (refusing, good) = (Refusing::new(), Upstream::named("good"));
    let edge =
        edge("retry: {attempts: 2, when: [connect_failure], budget: 1%}", &[&refusing.url(), &good.url()]);
    let mut client = edge.open();
    for _ in 0..25 {
        assert_eq!(server_of(&client.ask(&Ask::chat(false))), "good");
    }
}

#[test]
fn methods_that_act_are_sent_once_unless_the_server_cannot_have_acted() {
    for (method, path, twice) in [
        ("GET", "/orders", true),
        ("HEAD", "/orders", true),
        ("PUT", "/orders/1", true),
        ("DELETE", "/orders/1", true),
        ("OPTIONS", "/orders", true),
        ("POST", "/orders", false),
        ("PATCH", "/orders/1", false),
        ("POST", "/v1/files", false),
        ("POST", "/v1/batches", false),
        ("POST", "/v1/fine_tuning/jobs", false),
        ("POST", "/v1/chat/completionsx", false),
        ("POST", "/v1/chat/completions", true),
        ("POST", "/v1/embeddings", true),
        ("POST", "/v1/messages", true),
        ("POST", "/v1/responses", true),
    ] {
        let good = Upstream::named("good");
        let body =
            if matches!(method, "GET" | "HEAD" | "OPTIONS" | "DELETE") { None } else { Some(b"{}".to_vec()) };
        let mut ask = Ask::new(method, path);
        ask.body = body;
        let bad = Upstream::failing(500);
        let got = edge(RETRY, &[&bad.url(), &good.url()]).ask(&ask);
        assert_eq!(got.status(), if twice { 200 } else { 500 }, "{method} {path}");
        assert_eq!((bad.count(), good.count()), (1, usize::from(twice)), "{method} {path}");
    }
    let (refusing, good) = (Refusing::new(), Upstream::named("good"));
    let edge = edge(RETRY, &[&refusing.url(), &good.url()]);
    for ask in [Ask::post("/orders", "{}"), Ask::post("/v1/files", "{}"), Ask::get("/orders")] {
        assert_eq!(server_of(&edge.ask(&ask)), "good", "{}", ask.target);
    }
}

#[test]
fn bodies_are_the_same_in_each_of_three_attempts() {
    for size in [1, 70_000, 3_000_000] {
        let body: Vec<u8> = (0..size as u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 23) as u8).collect();
        let post = Ask::post("/v1/chat/completions", body.clone());
        for ask in [post.clone(), post.chunked()] {
            let (first, second) = (Upstream::failing(503), closes_unanswered());
            let third = Upstream::named("third");
            let edge = edge(RETRY, &[&first.url(), &second.url(), &third.url()]);
            let got = edge.ask(&ask);
            assert_eq!(server_of(&got), "third");
            assert_eq!(got.header("x-tidegate-attempts"), Some("3"));
            for upstream in [&first, &second, &third] {
                let request = upstream.request();
                assert!(request.whole && request.body == body, "{size}: {}", request.body.len());
            }
        }
    }
}

#[test]
fn body_that_comes_slowly_is_the_same_in_each_attempt() {
    // The first server refuses before it has all of it, the second one gets what came and what comes.
    let first = crate::support::rude::answers_early("HTTP/1.1 503 Busy");
    let good = Upstream::named("good");
    let edge = edge(RETRY, &[&first.url(), &good.url()]);
    let body: Vec<u8> = (0..30_000_u32).map(|n| (n % 251) as u8).collect();
    let bytes = Ask::post("/v1/chat/completions", body.clone()).bytes();
    let mut client = edge.open();
    let head = bytes.len() - body.len();
    client.send(&bytes[..head + 10]);
    until("the first server refused", || first.count() == 1);
    for part in bytes[head + 10..].chunks(9_000) {
        client.send(part);
        assert!(client.silent_for(Duration::from_millis(10)) || part.len() < 9_000);
    }
    assert_eq!(server_of(&client.answer().unwrap()), "good");
    assert!(good.request().body == body);
}

#[test]
fn client_that_leaves_while_a_retry_waits_ends_it() {
    let bad = Upstream::failing(503);
    let edge = edge("retry: {attempts: 5, when: [503], backoff: 10s..20s}", &[&bad.url()]);
    let mut client: Connection = edge.open();
    client.send(Ask::chat(false).bytes());
    until("the first attempt failed", || bad.count() == 1);
    drop(client);
    let line = edge.logged("the client that left", |line| line["attempts"] == 1);
    assert!(line["duration_ms"].as_f64() < Some(9_000.0), "{line}");
    assert_eq!(bad.count(), 1);
}

/// A 429 with these fields once, from then on `good`.
fn limited_once(headers: &'static [(&'static str, &'static str)]) -> Upstream {
    let first = std::sync::atomic::AtomicBool::new(true);
    Upstream::replying(move |_| match first.swap(false, std::sync::atomic::Ordering::SeqCst) {
        true => answer(429, headers, r#"{"error":{"message":"of the provider"}}"#),
        false => crate::support::http::ok(r#"{"server":"good"}"#),
    })
}
