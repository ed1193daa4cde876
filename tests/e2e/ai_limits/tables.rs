//! Limits that are made of tables: by client, by model, by plan, in tokens and in money.

use super::took;
use crate::ai_usage::call;
use crate::support::edge::Edge;
use crate::support::http::{Ask, Message};
use crate::support::upstream::Upstream;
use crate::support::wait::until;

fn edge(table: &str, acl: &str, one: &Upstream) -> Edge {
    Edge::start(
        "
clients:
  mode: required
  keys: [{name: app, key: sk-app, plan: p}, {name: other, key: sk-other, plan: q}]
plans: {p: {concurrent: 100}, q: {concurrent: 100}}
ai:
  models:
    gpt-4.1: {input: 2.00, output: 8.00}
    deepseek-v3.2: {input: 0.42, output: 0.42}
  aliases: {fast: deepseek-v3.2}
tables:
  t: {<table>}
acls:
  above: {table: t, <acl>}
frontends:
  web:
    bind: [{address: 127.0.0.1:0}]
    rules:
      - {track: t}
      - {deny: {status: 429}, if: above}
    default_backend: ai
backends:
  ai: {retry: {attempts: 1}, breaker: off, servers: {one: {url: <one>, api_key: sk-of-one}}}",
        &[("table", table), ("acl", acl), ("one", &one.url())],
    )
}

fn ask(model: &str, key: &str) -> Ask {
    call("/v1/chat/completions", &format!(r#"{{"model":"{model}","messages":[]}}"#)).bearer(key)
}

/// Asks until it is refused: how often it was not. What was answered is counted before the next one.
fn admitted(edge: &Edge, ask: &Ask) -> (usize, Message) {
    let tokens = || {
        let shown = edge.command("show table t");
        shown
            .split_whitespace()
            .filter_map(|word| word.strip_prefix("tokens_cnt="))
            .map(str::to_owned)
            .collect::<Vec<_>>()
    };
    for times in 0..50 {
        let before = tokens();
        let answer = edge.ask(ask);
        if answer.status() != 200 {
            return (times, answer);
        }
        until("it is counted", || tokens() != before);
    }
    panic!("never refused");
}

#[test]
fn a_rate_of_tokens_denies_above_it() {
    let one = took(30, 12);
    let edge = edge(
        "key: api_key, size: 100, expire: 1h, counters: [tokens_cnt, tokens_rate(60s)]",
        "counter: tokens_rate, above: 126",
        &one,
    );
    let (times, refused) = admitted(&edge, &ask("gpt-4.1", "sk-app"));
    assert_eq!(times, 4, "126 is not above 126");
    refused.is_error(429, "rate_limit_exceeded");
    let wait: u64 = refused.header("retry-after").unwrap().parse().unwrap();
    assert!((1..=120).contains(&wait), "{wait}");
    assert_eq!(edge.ask(&ask("gpt-4.1", "sk-other")).status(), 200, "another key has its own count");
}

#[test]
fn a_total_of_tokens_denies_above_it() {
    let one = took(30, 12);
    let edge = edge(
        "key: api_key, size: 100, expire: 1h, counters: [tokens_cnt]",
        "counter: tokens_cnt, above: 41",
        &one,
    );
    assert_eq!(admitted(&edge, &ask("gpt-4.1", "sk-app")).0, 1);
}

#[test]
fn a_rate_of_money_denies_above_it() {
    // 60 and 96 micro-dollars.
    let one = took(30, 12);
    let edge = edge(
        "key: api_key, size: 100, expire: 1h, counters: [tokens_cnt, cost_rate(1h)]",
        "counter: cost_rate, above: 311",
        &one,
    );
    assert_eq!(admitted(&edge, &ask("gpt-4.1", "sk-app")).0, 2);
}

#[test]
fn models_are_limited_each_by_its_own_name() {
    let one = took(30, 12);
    let edge = edge(
        "key: model, size: 100, expire: 1h, counters: [tokens_cnt, tokens_rate(60s)]",
        "counter: tokens_rate, above: 100",
        &one,
    );
    assert_eq!(admitted(&edge, &ask("gpt-4.1", "sk-app")).0, 3);
    // An alias is its model.
    assert_eq!(edge.ask(&ask("deepseek-v3.2", "sk-app")).status(), 200);
    until("it is counted", || edge.command("show table t").contains("tokens_cnt=42 "));
    assert_eq!(admitted(&edge, &ask("fast", "sk-app")).0, 2);
    assert_eq!(edge.ask(&ask("gpt-4.1", "sk-other")).status(), 429, "whoever asks");
}

#[test]
fn plans_are_limited_as_one() {
    let one = took(30, 12);
    let edge = edge(
        "key: plan, size: 100, expire: 1h, counters: [tokens_cnt, tokens_rate(60s)]",
        "counter: tokens_rate, above: 100",
        &one,
    );
    assert_eq!(admitted(&edge, &ask("gpt-4.1", "sk-app")).0, 3);
    assert_eq!(admitted(&edge, &ask("gpt-4.1", "sk-other")).0, 3);
}

#[test]
fn what_failed_does_not_count() {
    let one = Upstream::failing(500);
    let edge = edge(
        "key: api_key, size: 100, expire: 1h, counters: [tokens_cnt, tokens_rate(60s)]",
        "counter: tokens_rate, above: 0",
        &one,
    );
    for _ in 0..5 {
        assert_eq!(edge.ask(&ask("gpt-4.1", "sk-app")).status(), 500);
    }
}
