//! How a reservation ends: with the truth, with what was seen, with nothing. What was used beyond it is owed.

use super::{Limited, chat, estimate, is_out_of_tokens, number, took};
use crate::support::http::answer;
use crate::support::rude::{closes_unanswered, says, stalls_after};
use crate::support::sse::{ROLE, begun, content, streams};
use crate::support::upstream::Upstream;
use crate::support::wait::until;

const PLAN: &str = "tokens_per_minute: 1000";

#[test]
fn what_was_not_needed_is_given_back() {
    let site = Limited::new(PLAN, took(30, 12));
    for times in 1..=5 {
        assert_eq!(site.ask(&chat(false, 700)).status(), 200);
        site.comes_to(1000 - 42 * times);
    }
}

#[test]
fn an_overshoot_is_owed() {
    let site = Limited::new(PLAN, took(30, 5000));
    assert_eq!(site.ask(&chat(false, 10)).status(), 200);
    site.comes_to(0);
    for stream in [false, true] {
        let refused = site.ask(&chat(stream, 1));
        is_out_of_tokens(&refused, 1000);
        assert!(number(&refused, "retry-after") > 60, "more than the minute itself is to be waited for");
    }
    assert_eq!(site.one.count(), 1);
}

#[test]
fn what_failed_gives_everything_back() {
    for status in [400, 404, 422, 429, 500, 502, 503] {
        let one = Upstream::replying(move |_| {
            answer(status, &[("content-type", "application/json")], "{\"error\":{}}")
        });
        let site = Limited::new(PLAN, one);
        for stream in [false, true] {
            let answer = site.ask(&chat(stream, 300));
            assert_eq!(answer.status(), status);
            assert!(number(&answer, "x-ratelimit-remaining-tokens") < 700, "it was reserved");
            site.comes_to(1000);
        }
        let mut second = site.http2();
        assert_eq!(second.ask(&chat(true, 300)).status(), status);
        site.comes_to(1000);
    }
}

#[test]
fn what_no_server_answered_gives_everything_back() {
    for one in [closes_unanswered(), says("HTTP/1.1 nonsense\r\n\r\n"), says(begun(ROLE)), streams(ROLE)] {
        let site = Limited::new(PLAN, one);
        for stream in [true, false] {
            let answer = site.ask(&chat(stream, 300));
            assert!(answer.status() == 502 || answer.status() == 200, "{}", answer.text());
        }
        site.comes_to(1000);
    }
}

#[test]
fn a_client_that_leaves_before_an_answer_pays_for_its_prompt_alone() {
    let site = Limited::new(PLAN, stalls_after(Vec::new()));
    let ask = chat(true, 300);
    let prompt = ask.body.as_ref().unwrap().len().div_ceil(4) as u64;
    for times in 1..=3 {
        let mut client = site.edge.open();
        client.send(ask.bytes());
        until("it is admitted", || site.one.count() == times);
        assert!(site.left("sk-app") < 700);
        drop(client);
        site.comes_to(1000 - prompt * times as u64);
    }
}

#[test]
fn a_client_that_leaves_while_it_sends_has_nothing_reserved() {
    let site = Limited::new(PLAN, took(1, 1));
    let ask = chat(true, 300).bytes();
    for _ in 0..3 {
        let mut client = site.edge.open();
        client.send(&ask[..ask.len() - 5]);
        assert_eq!(site.left("sk-app"), 1000);
        drop(client);
    }
    site.comes_to(1000);
    assert_eq!(site.one.count(), 0);
}

/// Whoever leaves a stream just before its usage has had it nevertheless.
#[test]
fn a_client_that_leaves_in_the_middle_pays_for_what_it_saw() {
    let text = "abcdefgh".repeat(50);
    let site = Limited::new(PLAN, stalls_after(begun(&[ROLE, &content(&text)].concat())));
    let ask = chat(true, 500);
    let mut client = site.edge.open();
    client.send(ask.bytes());
    assert_eq!(client.head().unwrap().status(), 200);
    client.chunk().unwrap();
    drop(client);
    site.comes_to(1000 - estimate(&ask, 100));
}

#[test]
fn what_is_compressed_although_nobody_asked_costs_what_was_reserved() {
    let bytes =
        answer(200, &[("content-type", "application/json"), ("content-encoding", "br")], "unreadable");
    let site = Limited::new(PLAN, Upstream::replying(move |_| bytes.clone()));
    let ask = chat(false, 300).header("accept-encoding", "br");
    let reserved = estimate(&ask, 300);
    for times in 1..=2 {
        assert_eq!(site.ask(&ask).text(), "unreadable");
        assert_eq!(site.left("sk-app"), 1000 - times * reserved);
    }
}

#[test]
fn estimates_follow_what_calls_took() {
    // Of 67 bytes or so, 60 tokens; and always 5 of completion.
    let site = Limited::new("tokens_per_minute: 1m", took(60, 5));
    let silent = crate::ai_usage::call(
        "/v1/chat/completions",
        r#"{"model":"gpt-4.1","messages":[{"role":"user","content":"hello"}]}"#,
    )
    .bearer("sk-app");
    let mut client = site.edge.open();
    let mut reserved = || {
        let before = site.left("sk-app");
        let answer = client.ask(&silent);
        before - number(&answer, "x-ratelimit-remaining-tokens")
    };
    let first = reserved();
    assert_eq!(first, estimate(&silent, 300));
    for _ in 0..150 {
        reserved();
    }
    let last = reserved();
    assert!((50..=80).contains(&last), "{last} of about 65");
}

/// What it takes is known to nobody who does not ask again.
#[test]
fn a_response_in_the_background_costs_what_was_reserved() {
    let body =
        r#"{"id":"r","object":"response","status":"queued","background":true,"output":[],"usage":null}"#;
    let bytes = crate::support::http::ok(body);
    let site = Limited::new(PLAN, Upstream::replying(move |_| bytes.clone()));
    let ask = crate::ai_usage::call(
        "/v1/responses",
        r#"{"model":"gpt-4.1","background":true,"max_output_tokens":300,"input":"x"}"#,
    );
    let ask = ask.bearer("sk-app");
    for times in 1..=2 {
        assert_eq!(site.ask(&ask).text(), body);
        assert_eq!(site.left("sk-app"), 1000 - times * estimate(&ask, 300));
    }
}
