//! No server is left, or none may be asked: the client gets a clean error, or what the server said.

use std::time::Duration;

use super::{IMPATIENT, SITE, Site, http2, is_passed_on};
use crate::support::http::Ask;
use crate::support::rude::{says, stalls_after};
use crate::support::sse::{ROLE, begun, completion, content, streamed, streams, well};
use crate::support::wait::{timed, until};

const SERVER_ERROR: &str = "data: {\"error\":{\"message\":\"of the provider\",\"type\":\"server_error\",\"param\":null,\"code\":null}}\n\n";

#[test]
fn streams_that_all_stall_are_504() {
    let (a, b) = (stalls_after(begun(ROLE)), stalls_after(begun("")));
    let edge = IMPATIENT.before(&[&a, &b]);
    // With two servers the third attempt is on one of them again.
    let answer = edge.ask(&Ask::chat(true));
    answer.is_error(504, "upstream_timeout");
    assert_eq!(answer.header("x-tidegate-attempts"), Some("3"));
    assert_eq!(a.count() + b.count(), 3);
    let line = edge.logged("the 504", |line| line["status"] == 504);
    assert_eq!(line["attempts"], 3);
    assert!(line.get("first_content_ms").is_none(), "{line}");
    until("all of them are left", || a.departures() + b.departures() == 3);
    let failures = |edge: &crate::support::edge::Edge| {
        edge.metrics().sum("tidegate_server_failures_total", &[("kind", "first_content")])
    };
    assert_eq!(failures(&edge), 3.0);
}

#[test]
fn streams_that_are_all_cut_are_502() {
    let cut = says(begun(ROLE));
    let edge = SITE.before(&[&cut]);
    let mut client = edge.open();
    for _ in 0..2 {
        // The connection of the client is as good as before.
        let answer = client.ask(&Ask::chat(true));
        answer.is_error(502, "upstream_error");
        assert_eq!(answer.header("x-tidegate-attempts"), Some("3"));
        assert_eq!(answer.header("transfer-encoding"), None);
    }
    assert_eq!(cut.count(), 6);
}

#[test]
fn clients_of_http2_get_clean_errors_too() {
    let cut = says(begun(ROLE));
    let (edge, authority) = SITE.secured(&[&cut]);
    let mut client = http2(&edge, &authority);
    for _ in 0..2 {
        client.ask(&Ask::chat(true)).is_error(502, "upstream_error");
    }
    let stalls = stalls_after(begun(ROLE));
    let (edge, authority) = Site { retry: "{attempts: 1}", ..IMPATIENT }.secured(&[&stalls]);
    http2(&edge, &authority).ask(&Ask::chat(true)).is_error(504, "upstream_timeout");
}

#[test]
fn errors_of_messages_have_their_own_shape() {
    let cut = says(begun(""));
    let answer = SITE.before(&[&cut]).ask(&streamed("/v1/messages"));
    assert_eq!(answer.status(), 502, "{}", answer.text());
    assert!(answer.json()["error"]["message"].is_string(), "{}", answer.text());
    assert!(answer.whole);
}

#[test]
fn last_error_event_is_what_the_client_gets() {
    let (first, second) = (says(begun(ROLE)), streams(SERVER_ERROR));
    let retry = "{attempts: 2, when: [empty_response, 500], backoff: 1ms..5ms}";
    let edge = Site { retry, ..SITE }.before(&[&first, &second]);
    let answer = edge.ask(&Ask::chat(true));
    assert_eq!((answer.status(), answer.text().as_str(), answer.whole), (200, SERVER_ERROR, true));
    assert_eq!(answer.header("x-tidegate-attempts"), Some("2"));
}

#[test]
fn error_event_whose_status_is_not_listed_is_passed_on() {
    let invalid = "data: {\"error\":{\"message\":\"max_tokens\",\"type\":\"invalid_request_error\",\"param\":\"max_tokens\",\"code\":null}}\n\n";
    let anthropic = "event: error\ndata: {\"type\":\"error\",\"error\":{\"type\":\"invalid_request_error\",\"message\":\"max_tokens\"}}\n\n";
    let filtered = "data: {\"error\":{\"message\":\"no\",\"code\":\"content_filter\"}}\n\n";
    let number = "data: {\"error\":{\"message\":\"no\",\"code\":404}}\n\ndata: [DONE]\n\n";
    for (path, events) in [
        ("/v1/chat/completions", invalid),
        ("/v1/chat/completions", &[": wait\r\n\r\n", ROLE, invalid].concat()),
        ("/v1/messages", anthropic),
        ("/v1/chat/completions", filtered),
        ("/v1/chat/completions", number),
    ] {
        is_passed_on(events, &streams(events), &streamed(path), events);
    }
}

#[test]
fn what_is_not_listed_in_when_is_not_made_again() {
    let good = well("good");
    let site = Site { retry: "{attempts: 3, when: [connect_failure]}", ..IMPATIENT };
    let cut = says(begun(ROLE));
    site.before(&[&cut, &good]).ask(&Ask::chat(true)).is_error(502, "upstream_error");
    let stalls = stalls_after(begun(ROLE));
    site.before(&[&stalls, &good]).ask(&Ask::chat(true)).is_error(504, "upstream_timeout");
    let error = streams(SERVER_ERROR);
    assert_eq!(site.before(&[&error, &good]).ask(&Ask::chat(true)).text(), SERVER_ERROR);
    assert_eq!((cut.count(), stalls.count(), error.count(), good.count()), (1, 1, 1, 0));
}

#[test]
fn error_event_about_our_key_is_never_shown() {
    let refused = "data: {\"error\":{\"message\":\"Incorrect API key provided: sk-of-us\",\"type\":\"invalid_request_error\",\"code\":\"invalid_api_key\"}}\n\n";
    let bad = streams(refused);
    let edge = crate::support::edge::Edge::start(
        "
frontends:
  web: {bind: [{address: 127.0.0.1:0}], default_backend: ai}
backends:
  ai: {servers: {one: {url: <one>, api_key: sk-of-us}}}",
        &[("one", &bad.url())],
    );
    let answer = edge.ask(&Ask::chat(true));
    answer.is_error(503, "no_server_available");
    assert!(!answer.text().contains("sk-of-us"), "{}", answer.text());
}

#[test]
fn total_bounds_the_hold() {
    let (stalls, good) = (stalls_after(begun(ROLE)), well("good"));
    let site = Site { timeouts: "{first_content: 19s, total: 1s}", ..SITE };
    let edge = site.before(&[&stalls, &good]);
    let (answer, took) = timed(|| edge.ask(&Ask::chat(true)));
    answer.is_error(504, "upstream_timeout");
    assert!(took >= Duration::from_millis(900) && took < Duration::from_secs(10), "{took:?}");
    assert_eq!((stalls.count(), good.count()), (1, 0));
    until("the server is left", || stalls.departures() == 1);
}

#[test]
fn total_bounds_all_attempts_together() {
    let stalls = stalls_after(begun(ROLE));
    let site = Site {
        timeouts: "{first_content: 600ms, total: 1500ms}",
        retry: "{attempts: 10, when: [timeout], backoff: 1ms..5ms}",
    };
    let edge = site.before(&[&stalls]);
    let (answer, took) = timed(|| edge.ask(&Ask::chat(true)));
    answer.is_error(504, "upstream_timeout");
    assert!(took >= Duration::from_millis(1400) && took < Duration::from_secs(10), "{took:?}");
    assert!((2..=3).contains(&stalls.count()), "{}", stalls.count());
}

#[test]
fn total_goes_on_behind_the_commit() {
    let began = [ROLE, &content("some")].concat();
    let (stalls, spare) = (stalls_after(begun(&began)), well("spare"));
    let edge = Site { timeouts: "{total: 1s}", ..SITE }.before(&[&stalls, &spare]);
    let text = edge.ask(&Ask::chat(true)).text();
    assert!(text.starts_with(&began) && text.contains("\"upstream_timeout\""), "{text}");
    assert_eq!(spare.count(), 0);
}

#[test]
fn stream_that_came_within_its_time_is_whole_and_counted() {
    let good = well("good");
    let edge = SITE.before(&[&good]);
    assert_eq!(edge.ask(&Ask::chat(true)).text(), completion("good"));
    let line = edge.logged("the stream", |line| line["status"] == 200);
    assert!(line["first_content_ms"].as_f64().is_some() && line["attempts"] == 1, "{line}");
    assert!(line.get("hedged").is_none_or(|hedged| hedged == false), "{line}");
    until("the content is in the metrics", || {
        edge.metrics().sum("tidegate_first_content_seconds_count", &[]) == 1.0
    });
}
