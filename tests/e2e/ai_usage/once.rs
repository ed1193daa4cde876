//! One count for each request, whatever it took to answer it; none for what failed.

use std::sync::atomic::{AtomicUsize, Ordering};

use super::{Counted, SECTIONS, call, chat, counted, counted_since, is_whole, json, site, told, usage};
use crate::support::edge::Edge;
use crate::support::http::{Ask, answer};
use crate::support::sse::{Gate, ROLE, begun, streams, whole};
use crate::support::upstream::Upstream;
use crate::support::wait::until;

fn edge(lines: &str, servers: &[(&str, &Upstream, &str)]) -> Edge {
    let servers: String = (servers.iter().enumerate())
        .map(|(tier, (name, upstream, more))| {
            format!("\n      {name}: {{url: {}, tier: {}{more}}}", upstream.url(), tier + 1)
        })
        .collect();
    Edge::start(
        &format!(
            "{SECTIONS}
frontends:
  web: {{bind: [{{address: 127.0.0.1:0}}], rules: [{{track: t}}], default_backend: ai}}
backends:
  ai:
    breaker: off
    eject: off
    cooldown: off
    retry: {{attempts: 3, when: [connect_failure, empty_response, timeout, 429, 500, 503], backoff: 1ms..5ms, budget: 100%}}
    {lines}
    servers:{servers}"
        ),
        &[],
    )
}

fn plain() -> Ask {
    call("/v1/chat/completions", r#"{"model":"gpt-4.1","messages":[]}"#)
}

fn answered(prompt: u64, completion: u64) -> String {
    format!(
        r#"{{"choices":[{{"index":0,"message":{{"content":"hello"}},"finish_reason":"stop"}}],"usage":{}}}"#,
        usage(prompt, completion)
    )
}

#[test]
fn a_failed_answer_counts_nothing_whatever_it_tells() {
    for status in [400, 401, 403, 404, 422, 429, 500, 503] {
        let body = format!(r#"{{"error":{{"message":"no"}},"usage":{}}}"#, usage(500, 500));
        let site =
            site(Upstream::replying(move |_| answer(status, &[("content-type", "application/json")], &body)));
        for answer in site.everywhere(&plain()) {
            assert!(answer.status() >= 400);
        }
        assert_eq!(counted(&site.edge), Counted::default(), "{status}");
    }
}

#[test]
fn what_is_retried_is_counted_once() {
    let tries = AtomicUsize::new(0);
    let body = answered(30, 12);
    let flaky = Upstream::replying(move |_| match tries.fetch_add(1, Ordering::SeqCst) % 3 {
        2 => answer(200, &[("content-type", "application/json")], &body),
        _ => answer(503, &[("content-type", "application/json")], answered(700, 700)),
    });
    let edge = edge("", &[("one", &flaky, "")]);
    for times in 1..=3 {
        let answer = edge.ask(&plain());
        is_whole(&answer, &answered(30, 12));
        assert_eq!(answer.header("x-tidegate-attempts"), Some("3"));
        until("it is counted", || counted(&edge).tokens >= 42 * times);
        assert_eq!(counted(&edge), Counted { tokens: 42 * times, cost: (60 + 96) * times });
    }
}

#[test]
fn a_stream_that_fails_over_before_its_content_is_counted_once() {
    let (sent, seen) = told("hello", 30, 12);
    let dying = Upstream::start(|peer| {
        peer.request();
        peer.send(begun(ROLE));
    });
    let well = streams(&sent);
    let edge = edge("", &[("one", &dying, ""), ("two", &well, "")]);
    is_whole(&edge.ask(&chat(false)), &seen);
    is_whole(&edge.ask(&chat(true)), &sent);
    until("both are counted", || counted(&edge).tokens >= 84);
    assert_eq!(counted(&edge).tokens, 84);
    let asked: Vec<_> =
        dying.requests().iter().chain(&well.requests()).map(|request| request.json()).collect();
    assert_eq!(asked.len(), 4);
    assert!(asked.iter().all(|body| body["stream_options"]["include_usage"] == true), "{asked:?}");
}

#[test]
fn a_hedged_stream_is_counted_once() {
    let (sent, seen) = told("hello", 30, 12);
    let (bytes, gate) = (whole(&sent), Gate::default());
    gate.open();
    let opened = gate.clone();
    let one = Upstream::start(move |peer| {
        while peer.request().is_some() {
            if !opened.passed_by(peer) || !peer.send(&bytes) {
                return;
            }
        }
    });
    let two = streams(&sent);
    let edge =
        edge("hedge: {quantile: 95%, at_least: 20ms, budget: 50%}", &[("one", &one, ""), ("two", &two, "")]);
    let mut client = edge.open();
    for _ in 0..20 {
        is_whole(&client.ask(&chat(false)), &seen);
    }
    gate.shut();
    is_whole(&client.ask(&chat(false)), &seen);
    assert_eq!(two.count(), 1);
    gate.open();
    until("the loser is left", || one.departures() == 1);
    until("all are counted", || counted(&edge).tokens >= 21 * 42);
    assert_eq!(counted(&edge).tokens, 21 * 42);
}

#[test]
fn the_model_that_answered_is_what_is_paid() {
    let (dear, cheap) = (Upstream::failing(503), json(&answered(100_000, 200_000)));
    let sections = SECTIONS.replace("cached_input: 0.50}", "cached_input: 0.50, fallback: [deepseek-v3.2]}");
    let edge = Edge::start(
        &format!(
            "{sections}
frontends:
  web: {{bind: [{{address: 127.0.0.1:0}}], rules: [{{track: t}}], default_backend: ai}}
backends:
  ai:
    breaker: off
    eject: off
    cooldown: off
    retry: {{attempts: 1, when: [503]}}
    servers:
      dear: {{url: <dear>, models: [gpt-4.1]}}
      cheap: {{url: <cheap>, models: [deepseek-v3.2]}}"
        ),
        &[("dear", &dear.url()), ("cheap", &cheap.url())],
    );
    let answer = edge.ask(&plain());
    assert_eq!((answer.status(), answer.header("x-tidegate-model")), (200, Some("deepseek-v3.2")));
    assert_eq!(counted_since(&edge, Counted::default()), Counted { tokens: 300_000, cost: 126_000 });
}

#[test]
fn many_at_once_are_all_counted() {
    let (sent, seen) = told("hello", 30, 12);
    let site = site(streams(&sent));
    std::thread::scope(|scope| {
        for _ in 0..20 {
            scope.spawn(|| {
                let mut client = site.open();
                for _ in 0..10 {
                    is_whole(&client.ask(&chat(false)), &seen);
                }
            });
        }
    });
    until("all are counted", || counted(&site.edge).tokens >= 200 * 42);
    assert_eq!(counted(&site.edge), Counted { tokens: 200 * 42, cost: 200 * (60 + 96) });
}

#[test]
fn a_reload_in_the_middle_of_a_stream_does_not_lose_its_count() {
    let (sent, _) = told("hello", 30, 12);
    let (head, rest) = sent.split_at(ROLE.len() + 60);
    let (first, rest, gate) = (begun(head), crate::support::http::chunk(rest.as_bytes()), Gate::default());
    let opened = gate.clone();
    let one = Upstream::start(move |peer| {
        while peer.request().is_some() {
            if !peer.send(&first) || !opened.passed_by(peer) || !peer.send([&rest[..], b"0\r\n\r\n"].concat())
            {
                return;
            }
        }
    });
    let sections = format!(
        "{SECTIONS}
frontends:
  web: {{bind: [{{address: 127.0.0.1:0}}], rules: [{{track: t}}], default_backend: ai}}
backends:
  ai: {{servers: {{one: {{url: <one>}}}}}}"
    );
    let url = one.url();
    let edge = Edge::start(&sections, &[("one", &url)]);
    let mut client = edge.open();
    client.send(chat(true).bytes());
    assert!(one.request().whole);
    // Prices of what is in flight are those under which it came.
    edge.reload(&sections.replace("2.00", "4.00"), &[("one", &url)]);
    gate.open();
    is_whole(&client.answer().unwrap(), &sent);
    assert_eq!(counted_since(&edge, Counted::default()), Counted { tokens: 42, cost: 60 + 96 });
}
