//! What is admitted, what is refused, and what the headers of both say.

use super::{Limited, chat, estimate, is_out_of_tokens, number, took};
use crate::ai_usage::call;
use crate::support::http::{Ask, Message};
use crate::support::sse::{Gate, completion, streams, whole};
use crate::support::upstream::Upstream;
use crate::support::wait::until;

const PLAN: &str = "tokens_per_minute: 1000";

#[track_caller]
fn says(answer: &Message, limit: u64, remaining: u64) {
    assert_eq!(answer.status(), 200, "{}", answer.text());
    assert_eq!(number(answer, "x-ratelimit-limit-tokens"), limit);
    assert_eq!(number(answer, "x-ratelimit-remaining-tokens"), remaining);
    let reset = answer.header("x-ratelimit-reset-tokens").unwrap();
    assert!(reset.ends_with('s') && reset != "0s", "{reset}");
    assert_eq!(answer.header("x-ratelimit-limit-requests"), None);
}

#[test]
fn plain_and_streamed_answers_say_what_is_left() {
    for stream in [false, true] {
        let ask = chat(stream, 100);
        let left = 1000 - estimate(&ask, 100);
        let one = || if stream { streams(&completion("hi")) } else { took(10, 5) };
        says(&Limited::new(PLAN, one()).ask(&ask), 1000, left);
        says(&Limited::new(PLAN, one()).http2().ask(&ask), 1000, left);
    }
}

#[test]
fn plans_without_the_limit_say_nothing_of_it() {
    let site = Limited::new(PLAN, took(10, 5));
    let answer =
        site.ask(&call("/v1/chat/completions", r#"{"model":"gpt-4.1","messages":[]}"#).bearer("sk-free"));
    assert_eq!((answer.status(), answer.header("x-ratelimit-limit-tokens")), (200, None));
    assert_eq!(number(&answer, "x-ratelimit-limit-requests"), 1_000_000);
}

#[test]
fn what_is_no_call_takes_no_tokens() {
    let site = Limited::new(PLAN, Upstream::named("one"));
    for ask in [Ask::get("/v1/models"), Ask::get("/v1/files"), Ask::post("/v1/files", vec![b'x'; 50_000])] {
        let answer = site.ask(&ask.bearer("sk-app"));
        assert_eq!((answer.status(), number(&answer, "x-ratelimit-remaining-tokens")), (200, 1000));
    }
}

#[test]
fn most_of_the_answer_counts_by_each_of_its_names() {
    for (path, body, most) in [
        ("/v1/chat/completions", r#"{"model":"gpt-4.1","max_completion_tokens":70}"#, 70),
        ("/v1/chat/completions", r#"{"model":"gpt-4.1","max_tokens":900,"max_completion_tokens":70}"#, 70),
        ("/v1/responses", r#"{"model":"gpt-4.1","max_output_tokens":60,"input":"x"}"#, 60),
        ("/v1/completions", r#"{"model":"gpt-4.1","max_tokens":50,"prompt":"x"}"#, 50),
        ("/v1/messages", r#"{"model":"claude-sonnet-4.5","max_tokens":40,"messages":[]}"#, 40),
        // Nothing is written.
        ("/v1/embeddings", r#"{"model":"gpt-4.1","input":"x"}"#, 0),
        // What is usual, as long as nothing is known.
        ("/v1/chat/completions", r#"{"model":"gpt-4.1","messages":[]}"#, 300),
        ("/v1/chat/completions", r#"{"model":"gpt-4.1","max_tokens":null}"#, 300),
    ] {
        let site = Limited::new(PLAN, took(10, 5));
        let ask = call(path, body).bearer("sk-app");
        says(&site.ask(&ask), 1000, 1000 - estimate(&ask, most));
    }
}

#[test]
fn a_maximum_that_is_absurd_is_no_way_around() {
    for most in ["99999999999999999999999999", "18446744073709551615", "1e30", "-1", "\"9\"", "[]", "0"] {
        let gate = Gate::default();
        let opened = gate.clone();
        let bytes = whole(&completion("hi"));
        let one = Upstream::start(move |peer| {
            if peer.request().is_some() && opened.passed_by(peer) {
                peer.send(&bytes);
            }
        });
        let site = Limited::new("tokens_per_minute: 20", one);
        let body = format!(
            r#"{{"model":"gpt-4.1","stream":true,"messages":[{{"role":"user","content":"a text of some length, more than eighty bytes of it"}}],"max_tokens":{most}}}"#
        );
        let ask = call("/v1/chat/completions", &body).bearer("sk-app");
        // The prompt alone is more than the limit: one passes, a second one beside it does not.
        let mut first = site.edge.open();
        first.send(ask.bytes());
        until("the first is admitted", || site.one.count() == 1);
        is_out_of_tokens(&site.ask(&ask), 20);
        gate.open();
        assert_eq!(first.answer().unwrap().status(), 200, "{most}");
    }
}

#[test]
fn refusals_are_the_same_on_plain_and_streamed_calls() {
    let site = Limited::new("tokens_per_minute: 50", took(30, 30));
    assert_eq!(site.ask(&chat(false, 20)).status(), 200);
    site.comes_to(0);
    let mut second = site.http2();
    for stream in [false, true] {
        is_out_of_tokens(&site.ask(&chat(stream, 20)), 50);
        is_out_of_tokens(&second.ask(&chat(stream, 20)), 50);
    }
    let messages = call("/v1/messages", r#"{"model":"claude-sonnet-4.5","max_tokens":9,"messages":[]}"#);
    let refused = site.ask(&messages.header("x-api-key", "sk-app"));
    assert_eq!((refused.status(), &refused.json()["type"]), (429, &"error".into()));
    assert_eq!(refused.json()["error"]["type"], "rate_limit_error");
    assert!((1..=120).contains(&number(&refused, "retry-after")));
    assert_eq!(site.one.count(), 1, "what is refused reaches no server");
}

#[test]
fn a_refusal_takes_nothing_and_another_key_is_not_concerned() {
    let site = Limited::new(PLAN, took(600, 0));
    let ask = chat(false, 600);
    assert_eq!(site.ask(&ask).status(), 200);
    site.comes_to(400);
    for _ in 0..5 {
        is_out_of_tokens(&site.ask(&ask), 1000);
        assert_eq!(site.left("sk-app"), 400);
    }
    assert_eq!(site.left("sk-other"), 1000);
    // A smaller one fits.
    assert_eq!(site.ask(&chat(false, 100)).status(), 200);
}

#[test]
fn an_estimate_beyond_the_limit_passes_when_nothing_else_runs() {
    let gate = Gate::default();
    let opened = gate.clone();
    let bytes = whole(&completion("hi"));
    let site = Limited::new(
        PLAN,
        Upstream::start(move |peer| {
            while peer.request().is_some() {
                if !opened.passed_by(peer) || !peer.send(&bytes) {
                    return;
                }
            }
        }),
    );
    let mut first = site.edge.open();
    first.send(chat(true, 5000).bytes());
    until("the first is admitted", || site.one.count() == 1);
    assert_eq!(site.left("sk-app"), 0);
    is_out_of_tokens(&site.ask(&chat(true, 5000)), 1000);
    is_out_of_tokens(&site.ask(&chat(true, 1)), 1000);
    gate.open();
    let answer = first.answer().unwrap();
    says(&answer, 1000, 0);
    until("it is settled with what it took", || site.left("sk-app") > 900);
    assert_eq!(site.ask(&chat(true, 10)).status(), 200);
    // Something was used by now.
    is_out_of_tokens(&site.ask(&chat(true, 5000)), 1000);
}

#[test]
fn limits_are_checked_together_and_take_together_or_not_at_all() {
    let gate = Gate::default();
    let opened = gate.clone();
    let bytes = whole(&completion("hi"));
    let site = Limited::new(
        "tokens_per_minute: 1000, concurrent: 2, requests_per_minute: 50",
        Upstream::start(move |peer| {
            while peer.request().is_some() {
                if !opened.passed_by(peer) || !peer.send(&bytes) {
                    return;
                }
            }
        }),
    );
    let ask = chat(true, 100);
    let reserved = estimate(&ask, 100);
    let mut first = site.edge.open();
    first.send(ask.bytes());
    until("the first is admitted", || site.one.count() == 1);
    // By tokens: neither a request nor a place is taken.
    let refused = site.ask(&chat(true, 950));
    is_out_of_tokens(&refused, 1000);
    assert_eq!(number(&refused, "x-ratelimit-remaining-requests"), 49);
    assert_eq!(number(&refused, "x-ratelimit-remaining-tokens"), 1000 - reserved);
    let mut second = site.edge.open();
    second.send(ask.bytes());
    until("the second is admitted", || site.one.count() == 2);
    // By concurrency: no tokens are taken.
    for _ in 0..3 {
        let refused = site.ask(&ask);
        refused.is_error(429, "rate_limit_exceeded");
        assert_eq!(number(&refused, "x-ratelimit-remaining-requests"), 48);
        assert_eq!(number(&refused, "x-ratelimit-remaining-tokens"), 1000 - 2 * reserved);
    }
    gate.open();
    assert_eq!(first.answer().unwrap().status(), 200);
    assert_eq!(second.answer().unwrap().status(), 200);
    until("both are settled", || site.left("sk-app") > 900);
}

#[test]
fn requests_that_run_out_take_no_tokens() {
    let site = Limited::new("tokens_per_minute: 1000, requests_per_minute: 1", took(10, 5));
    assert_eq!(site.ask(&chat(false, 100)).status(), 200);
    let refused = site.ask(&chat(false, 100));
    refused.is_error(429, "rate_limit_exceeded");
    assert_eq!(number(&refused, "x-ratelimit-remaining-requests"), 0);
    assert_eq!(number(&refused, "x-ratelimit-remaining-tokens"), 985);
}

#[test]
fn a_reload_keeps_what_was_used_and_applies_what_changed() {
    let site = Limited::new(PLAN, took(300, 100));
    assert_eq!(site.ask(&chat(false, 500)).status(), 200);
    site.comes_to(600);
    site.reload(PLAN);
    assert_eq!(site.left("sk-app"), 600);
    site.reload("tokens_per_minute: 2000");
    assert_eq!(site.left("sk-app"), 1600);
    site.reload("tokens_per_minute: 300");
    assert_eq!(site.left("sk-app"), 0);
    is_out_of_tokens(&site.ask(&chat(false, 10)), 300);
}

#[test]
fn a_reload_with_a_call_in_flight_settles_it_once() {
    let gate = Gate::default();
    let opened = gate.clone();
    let body = format!(r#"{{"choices":[],"usage":{}}}"#, crate::ai_usage::usage(30, 12));
    let bytes = crate::support::http::ok(body);
    let site = Limited::new(
        PLAN,
        Upstream::start(move |peer| {
            while peer.request().is_some() {
                if !opened.passed_by(peer) || !peer.send(&bytes) {
                    return;
                }
            }
        }),
    );
    let mut first = site.edge.open();
    first.send(chat(false, 500).bytes());
    until("the first is admitted", || site.one.count() == 1);
    site.reload("tokens_per_minute: 2000");
    assert_eq!(site.left("sk-app"), 2000 - estimate(&chat(false, 500), 500));
    gate.open();
    assert_eq!(first.answer().unwrap().status(), 200);
    site.comes_to(1958);
}

#[test]
fn a_client_of_anthropics_api_has_the_same_limit() {
    let site = Limited::new(PLAN, took(300, 100));
    let ask = call("/v1/messages", r#"{"model":"claude-sonnet-4.5","max_tokens":40,"messages":[]}"#);
    assert_eq!(site.ask(&ask.header("x-api-key", "sk-app")).status(), 200);
    site.comes_to(600);
}

#[test]
fn a_key_that_is_not_known_has_nothing_reserved() {
    let site = Limited::new(PLAN, took(300, 100));
    let mut ask = chat(false, 10);
    ask.headers.retain(|(name, _)| name != "authorization");
    for key in ["sk-unknown", "sk-app2"] {
        site.ask(&ask.clone().bearer(key)).is_error(401, "invalid_api_key");
    }
    assert_eq!((site.left("sk-app"), site.one.count()), (1000, 0));
}

#[test]
fn a_file_is_no_prompt() {
    let site = Limited::new(PLAN, Upstream::replying(|_| crate::support::http::ok(r#"{"text":"12345678"}"#)));
    let form = [
        &b"--b\r\nContent-Disposition: form-data; name=\"model\"\r\n\r\ngpt-4.1\r\n"[..],
        b"--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.mp3\"\r\n\r\n",
        &[b'x'; 100_000],
        b"\r\n--b--\r\n",
    ]
    .concat();
    let ask = Ask::post("/v1/audio/transcriptions", form)
        .header("content-type", "multipart/form-data; boundary=b")
        .bearer("sk-app");
    let answer = site.ask(&ask);
    assert_eq!(answer.status(), 200, "{}", answer.text());
    assert!(number(&answer, "x-ratelimit-remaining-tokens") >= 990);
    until("what was written is counted, if anything", || site.left("sk-app") >= 990);
}
