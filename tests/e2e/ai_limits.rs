//! Limits of tokens, seen from outside: what is reserved, what is settled, what is owed, and who is told so.

mod admission;
mod crowd;
mod settling;
mod tables;

use crate::ai_usage::{call, usage};
use crate::support::certificates::Authority;
use crate::support::edge::{Edge, Settings};
use crate::support::http::{Ask, Message, answer};
use crate::support::http2::Http2;
use crate::support::scratch::Scratch;
use crate::support::upstream::Upstream;
use crate::support::wait::until;

const NAME: &str = "tidegate.test";

/// A frontend with keys of two plans, plain and over TLS. `<plan>` is what the plan `p` has; `q` has no limit.
const SECTIONS: &str = "
clients:
  mode: required
  keys:
    - {name: app, key: sk-app, plan: p}
    - {name: other, key: sk-other, plan: p}
    - {name: free, key: sk-free, plan: q}
plans:
  p: {<plan>}
  q: {requests_per_minute: 1m}
ai:
  models:
    gpt-4.1: {input: 2.00, output: 8.00}
    claude-sonnet-4.5: {input: 3.00, output: 15.00}
frontends:
  web:
    bind: [{address: 127.0.0.1:0}, {address: 127.0.0.1:0, tls: {certificates: [<pem>]}}]
    default_backend: ai
backends:
  ai: {retry: {attempts: 1}, breaker: off, eject: off, cooldown: off, servers: {one: {url: <one>, api_key: sk-of-one}}}";

struct Limited {
    edge: Edge,
    one: Upstream,
    authority: Authority,
    pem: String,
}

impl Limited {
    /// The plan's lines; what serves.
    #[track_caller]
    fn new(plan: &str, one: Upstream) -> Limited {
        let directory = Scratch::new();
        let authority = Authority::new("a");
        let pem = authority.issue(&[NAME]).write(&directory, "site.pem").display().to_string();
        let values = [("plan", plan), ("pem", pem.as_str()), ("one", &one.url())];
        let edge = Edge::start_with(&Settings::default(), directory, SECTIONS, &values);
        Limited { edge, one, authority, pem }
    }

    #[track_caller]
    fn reload(&self, plan: &str) {
        self.edge.reload(SECTIONS, &[("plan", plan), ("pem", &self.pem), ("one", &self.one.url())]);
    }

    #[track_caller]
    fn ask(&self, ask: &Ask) -> Message {
        self.edge.ask(ask)
    }

    #[track_caller]
    fn http2(&self) -> Http2 {
        Http2::connect(self.edge.addresses("web")[1], &self.authority, NAME)
    }

    /// The tokens that a key has left now. Asking for it takes none.
    #[track_caller]
    fn left(&self, key: &str) -> u64 {
        number(&self.ask(&Ask::get("/v1/models").bearer(key)), "x-ratelimit-remaining-tokens")
    }

    #[track_caller]
    fn comes_to(&self, left: u64) {
        until(&format!("{left} tokens are left"), || self.left("sk-app") == left);
    }
}

#[track_caller]
fn number(answer: &Message, name: &str) -> u64 {
    let value = answer.header(name).unwrap_or_else(|| panic!("no {name}: {answer:?}"));
    value.parse().unwrap_or_else(|_| panic!("{name}: {value}"))
}

/// A chat of the client `app` whose answer may have so many tokens.
fn chat(stream: bool, most: u64) -> Ask {
    let body = format!(r#"{{"model":"gpt-4.1","stream":{stream},"max_tokens":{most},"messages":[]}}"#);
    call("/v1/chat/completions", &body).bearer("sk-app")
}

/// What is reserved for it, while nothing is known of its model: a token for four bytes of its body, and its most.
fn estimate(ask: &Ask, most: u64) -> u64 {
    (ask.body.as_ref().unwrap().len() as u64).div_ceil(4) + most
}

/// Answers everything with a completion that took so much.
fn took(prompt: u64, completion: u64) -> Upstream {
    let body = format!(
        r#"{{"choices":[{{"index":0,"message":{{"content":"hi"}},"finish_reason":"stop"}}],"usage":{}}}"#,
        usage(prompt, completion)
    );
    Upstream::replying(move |_| answer(200, &[("content-type", "application/json")], &body))
}

/// A 429 that says which limit it was, and when to come back.
#[track_caller]
fn is_out_of_tokens(answer: &Message, limit: u64) {
    answer.is_error(429, "rate_limit_exceeded");
    assert!((1..=120).contains(&number(answer, "retry-after")), "{answer:?}");
    assert_eq!(number(answer, "x-ratelimit-limit-tokens"), limit);
    assert!(number(answer, "x-ratelimit-remaining-tokens") < limit);
    assert_ne!(answer.header("x-ratelimit-reset-tokens"), Some("0s"));
    assert!(answer.text().contains("okens"), "it says which limit: {}", answer.text());
}
