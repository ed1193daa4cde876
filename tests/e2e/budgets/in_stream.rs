//! `enforce: in_stream` with money alone: a stream ends in good order where its client's budget does.

use serde_json::Value;

use super::is_used_up;
use crate::support::http::chunk;
use crate::support::rude::EVENT_STREAM_HEAD;
use crate::support::sse::content;
use crate::support::till::{Take, Terms, Till, chat};
use crate::support::upstream::Upstream;
use crate::support::wait::until;

const PLAN: Terms = Terms { app: "", plan: ", budget: {usd: 0.001}, enforce: in_stream", ai: "" };

/// Talks until nobody listens, about ten tokens an event.
fn talker() -> Upstream {
    Upstream::start(|peer| {
        if peer.request().is_none() {
            return;
        }
        peer.send(EVENT_STREAM_HEAD);
        let event = chunk(content("forty bytes of words that say nothing ok").as_bytes());
        while peer.going_on() && peer.send(&event) {}
        peer.wait_until_left();
    })
}

#[test]
fn the_stream_ends_where_the_money_does() {
    let till = Till::with(&PLAN, talker());
    let answer = till.ask(&chat("sk-app", "exact", true, 10, Take::default()));
    let text = answer.text();
    assert!(
        answer.whole && text.ends_with("data: [DONE]\n\n"),
        "{}",
        &text[text.len().saturating_sub(300)..]
    );
    let events: Vec<Value> = text
        .split("\n\n")
        .filter_map(|event| event.strip_prefix("data: "))
        .filter_map(|data| serde_json::from_str(data).ok())
        .collect();
    let last = events.iter().rev().find(|event| event["choices"][0]["finish_reason"].is_string()).unwrap();
    assert_eq!(last["choices"][0]["finish_reason"], "length");
    let said = text.matches("forty bytes").count();
    assert!((90..=101).contains(&said), "{said} of a hundred: ten micro-dollars each");
    let line = till.edge.logged("the cut stream", |line| line["status"] == 200);
    assert_eq!((&line["reason"], &line["termination"]), (&"budget_in_stream".into(), &"PD--".into()));
    until("the server was stopped", || till.one.departures() == 1);
    let spent = till.spent("client", "app");
    assert!((1000..=1010).contains(&spent), "{spent}");
    is_used_up(&till.ask(&chat("sk-app", "exact", true, 200, Take::default())));
    assert_eq!(line["cost_usd"].as_f64(), Some(spent as f64 / 1e6));
}

#[test]
fn who_asks_for_usage_gets_it_at_the_cut() {
    let till = Till::with(&PLAN, talker());
    let body = r#"{"model":"exact","stream":true,"max_tokens":10,"stream_options":{"include_usage":true},"messages":[]}"#;
    let answer = till.ask(&crate::ai_usage::call("/v1/chat/completions", body).bearer("sk-app"));
    let text = answer.text();
    let usage = text.rsplit("\n\n").filter_map(|event| event.strip_prefix("data: ")).nth(1).unwrap();
    let usage: Value = serde_json::from_str(usage).unwrap();
    let told = usage["usage"]["completion_tokens"].as_u64().unwrap();
    till.comes_to("client", "app", told);
    assert!(text.ends_with("data: [DONE]\n\n"));
}

#[test]
fn streams_at_once_end_together_within_the_budget() {
    let till = Till::with(
        &Terms { plan: ", total_budget: {usd: 0.005}, enforce: in_stream", ..Terms::default() },
        talker(),
    );
    std::thread::scope(|scope| {
        for key in ["sk-app", "sk-other", "sk-app", "sk-other"] {
            let till = &till;
            scope.spawn(move || {
                let answer = till.ask(&chat(key, "exact", true, 10, Take::default()));
                assert!(answer.status() == 429 || answer.text().ends_with("data: [DONE]\n\n"));
            });
        }
    });
    until("all are settled", || {
        till.edge.log().iter().filter(|line| line["path"] == "/v1/chat/completions").count() == 4
    });
    let spent = till.spent("plan", "p");
    // Each may go over it by the part that showed that it is over.
    assert!((4500..=12_000).contains(&spent), "{spent}");
}

#[test]
fn without_it_a_stream_that_has_begun_goes_on() {
    let till = Till::with(&Terms { plan: ", budget: {usd: 0.001}", ..PLAN }, talker());
    let mut client = till.edge.open();
    client.send(chat("sk-app", "exact", true, 10, Take::default()).bytes());
    client.head().unwrap();
    let mut read = 0;
    while read < 200_000 {
        read += client.chunk().unwrap().unwrap().len();
    }
    drop(client);
    till.edge.logged("the stream that was left", |line| line["termination"] == "CD--");
    assert!(till.spent("client", "app") > 5000);
    is_used_up(&till.spends("sk-app", 1));
}
