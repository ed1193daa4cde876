//! Counting, seen from outside: what the tables hold after answers of every API, in every shape and any pieces.

mod absurd;
mod cut;
mod once;
mod shapes;
mod stripped;

use crate::support::edge::Edge;
use crate::support::http::{Ask, Message, answer, chunk};
use crate::support::rude::EVENT_STREAM_HEAD;
use crate::support::site::Site;
use crate::support::sse::{END, ROLE, content};
use crate::support::upstream::{Peer, Upstream, serve};
use crate::support::wait::eventually;

/// Prices, a table that counts, and nothing that limits.
pub const SECTIONS: &str = "
clients: {mode: passthrough}
ai:
  models:
    gpt-4.1: {input: 2.00, output: 8.00, cached_input: 0.50}
    deepseek-v3.2: {input: 0.42, output: 0.42}
    claude-sonnet-4.5: {input: 3.00, output: 15.00, cached_input: 0.30}
    text-embedding-3-small: {input: 0.02, output: 0}
tables:
  t: {key: src, size: 100, expire: 1h, counters: [tokens_cnt, tokens_rate(1h), cost_rate(1h)]}";

const TRACK: &str = "    rules: [{track: t}]";

fn site(one: Upstream) -> Site {
    Site::new(SECTIONS, TRACK, one)
}

/// What a table holds of its only client: tokens, and micro-dollars.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counted {
    pub tokens: u64,
    pub cost: u64,
}

/// What the table `t` holds now; nothing, when it knows nobody.
#[track_caller]
pub fn counted(edge: &Edge) -> Counted {
    let shown = edge.command("show table t");
    let number = |name: &str| {
        let value = shown.split_whitespace().find_map(|word| word.strip_prefix(name)?.split_once('='));
        value.map_or(0, |(_, value)| value.parse().unwrap())
    };
    let counted = Counted { tokens: number("tokens_cnt"), cost: number("cost_rate") };
    assert_eq!(number("tokens_rate"), counted.tokens, "{shown}");
    counted
}

/// What is counted beyond `before`, once anything is.
#[track_caller]
pub fn counted_since(edge: &Edge, before: Counted) -> Counted {
    let now = eventually("something is counted", || Some(counted(edge)).filter(|now| *now != before));
    Counted { tokens: now.tokens - before.tokens, cost: now.cost - before.cost }
}

/// What is counted once anything is.
#[track_caller]
pub fn counts(edge: &Edge, tokens: u64) {
    assert_eq!(counted_since(edge, Counted::default()).tokens, tokens);
}

/// A call of an API, by JSON.
pub fn call(path: &str, body: &str) -> Ask {
    Ask::post(path, body).header("content-type", "application/json")
}

/// A streamed chat that does or does not ask for its usage.
pub fn chat(asks_usage: bool) -> Ask {
    call("/v1/chat/completions", if asks_usage { ASKING } else { SILENT })
}

const SILENT: &str = r#"{"model":"gpt-4.1","stream":true,"messages":[{"role":"user","content":"hello"}]}"#;
const ASKING: &str = r#"{"model":"gpt-4.1","stream":true,"stream_options":{"include_usage":true},"messages":[{"role":"user","content":"hello"}]}"#;

/// The chunk that only tells usage.
pub fn usage_chunk(prompt: u64, completion: u64) -> String {
    format!(
        "data: {{\"id\":\"c\",\"object\":\"chat.completion.chunk\",\"choices\":[],\"usage\":{}}}\n\n",
        usage(prompt, completion)
    )
}

/// A usage object as OpenAI's chat has it.
pub fn usage(prompt: u64, completion: u64) -> String {
    let total = prompt + completion;
    format!(
        r#"{{"prompt_tokens":{prompt},"completion_tokens":{completion},"total_tokens":{total},"prompt_tokens_details":{{"cached_tokens":0}}}}"#
    )
}

/// The events of a chat completion up to its end, the usage chunk after the last piece, and `[DONE]`.
fn told(text: &str, prompt: u64, completion: u64) -> (String, String) {
    let (stop, done) = END.split_once("\n\n").unwrap();
    let begin = [ROLE, &content(text), stop, "\n\n"].concat();
    ([&begin, &usage_chunk(prompt, completion), done].concat(), [&begin, done].concat())
}

/// A plain answer.
pub fn json(body: &str) -> Upstream {
    let bytes = answer(200, &[("content-type", "application/json")], body);
    Upstream::replying(move |_| bytes.clone())
}

/// Writes a chunked event stream byte by byte.
fn dripped(events: &str) -> Upstream {
    let events = events.to_owned();
    Upstream::start(move |peer| {
        while peer.request().is_some_and(|request| request.whole) {
            if !drip(peer, EVENT_STREAM_HEAD.as_bytes(), events.as_bytes()) {
                return;
            }
        }
    })
}

fn drip(peer: &mut Peer, head: &[u8], body: &[u8]) -> bool {
    peer.send(head) && body.chunks(1).all(|byte| peer.send(chunk(byte))) && peer.send("0\r\n\r\n")
}

/// An event stream with a Content-Length.
fn with_length(events: &str) -> Upstream {
    let bytes = answer(200, &[("content-type", "text/event-stream")], events);
    Upstream::start(serve(move |_| bytes.clone()))
}

/// A whole 200.
#[track_caller]
fn is_whole(answer: &Message, body: &str) {
    assert_eq!((answer.status(), answer.text().as_str()), (200, body));
    assert!(answer.whole);
}
