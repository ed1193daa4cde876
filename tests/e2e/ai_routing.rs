//! Where calls go by their model: to servers that know it, under the name they know it by, and to a model that stands in
//! when none of them can serve it.

mod among;
mod choice;
mod crowd;
mod fallback;
mod hedged;
mod task;

use crate::support::edge::Edge;
use crate::support::http::{Ask, Message};
use crate::support::upstream::Upstream;

pub const CHAT: &str = "/v1/chat/completions";

/// A call for that model.
pub fn call(model: &str) -> Ask {
    Ask::post(CHAT, format!(r#"{{"model":"{model}","messages":[{{"role":"user","content":"hi"}}]}}"#))
}

/// The models that a server was asked for, in order.
pub fn asked(server: &Upstream) -> Vec<String> {
    server.requests().iter().map(model_of).collect()
}

fn model_of(request: &Message) -> String {
    request.json()["model"].as_str().unwrap_or("none").to_owned()
}

/// The models of `ai`, the lines of the backend, its servers with their URLs and what else each has.
fn edge(ai: &str, lines: &str, servers: &[(&str, &str, &str)]) -> Edge {
    let (lines, servers) = (lines.to_owned(), written(servers));
    Edge::start(SECTIONS, &[("ai", ai), ("lines", &lines), ("servers", &servers)])
}

/// Servers as a backend has them.
fn written(servers: &[(&str, &str, &str)]) -> String {
    let line = |(name, url, more): &(&str, &str, &str)| format!("      {name}: {{url: {url}, {more}}}\n");
    servers.iter().map(line).collect()
}

const SECTIONS: &str = "
ai:
<ai>
frontends:
  web: {bind: [{address: 127.0.0.1:0}], default_backend: ai}
backends:
  ai:
    breaker: off
    eject: off
    <lines>
    servers:
<servers>";

const ONCE: &str = "retry: {attempts: 1}";

/// The answer of that server for that model.
#[track_caller]
fn is_of(answer: &Message, server: &str, model: &str) {
    assert_eq!(answer.status(), 200, "{}", answer.text());
    assert_eq!(answer.json()["server"], server);
    assert_eq!(answer.header("x-tidegate-model"), Some(model));
}
