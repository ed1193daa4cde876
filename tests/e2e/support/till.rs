//! A provider that takes what it is told to take, and a site that asks money for it.

use serde_json::{Value, json};

use super::edge::{Edge, Settings};
use super::http::{Ask, Message, answer};
use super::scratch::Scratch;
use super::sse::{END, ROLE, content, whole};
use super::upstream::Upstream;
use super::wait::{eventually, until};

/// What calls may cost, as the configuration has it. Of `exact` each token that is answered costs a micro-dollar, and the
/// prompt nothing.
const SECTIONS: &str = "
clients:
  mode: required
  keys:
    - {name: app, key: sk-app, plan: p<app>}
    - {name: other, key: sk-other, plan: p}
    - {name: free, key: sk-free, plan: q}
plans:
  p: {requests_per_minute: 1m<plan>}
  q: {requests_per_minute: 1m}
ai:<ai>
  models:
    gpt-4.1: {input: 2.00, output: 8.00, cached_input: 0.50}
    claude-sonnet-4.5: {input: 3.00, output: 15.00, cached_input: 0.30}
    exact: {input: 0, output: 1.00}
    dear: {input: 0, output: 100}
    failing: {input: 0, output: 1.00, fallback: [dear, exact]}
    gratis: {input: 0, output: 0}
    failing-gratis: {input: 0, output: 0, fallback: [dear, gratis]}
frontends:
  web: {bind: [{address: 127.0.0.1:0}], default_backend: ai}
backends:
  ai:
    retry: {attempts: 1}
    breaker: off
    eject: off
    cooldown: off
    servers: {one: {url: <one>, api_key: sk-of-one}}";

/// What one configuration has that others have not.
#[derive(Clone, Copy, Default)]
pub struct Terms<'a> {
    /// Of the key `sk-app`, after a comma.
    pub app: &'a str,
    /// Of the plan of `app` and `other`, after a comma.
    pub plan: &'a str,
    /// Of `ai`, lines that are indented by two.
    pub ai: &'a str,
}

pub struct Till {
    pub edge: Edge,
    pub one: Upstream,
}

impl Till {
    #[track_caller]
    pub fn new(terms: &Terms) -> Till {
        Till::with(terms, provider())
    }

    #[track_caller]
    pub fn with(terms: &Terms, one: Upstream) -> Till {
        Till::within(Scratch::new(), terms, one)
    }

    /// In a directory that may hold what another one left there.
    #[track_caller]
    pub fn within(directory: Scratch, terms: &Terms, one: Upstream) -> Till {
        let url = one.url();
        let settings = Settings { shutdown_grace: "1s", ..Settings::default() };
        Till { edge: Edge::start_with(&settings, directory, SECTIONS, &values(terms, &url)), one }
    }

    #[track_caller]
    pub fn reload(&self, terms: &Terms) {
        let settings = Settings { shutdown_grace: "1s", ..Settings::default() };
        self.edge.reload_with(&settings, SECTIONS, &values(terms, &self.one.url()));
    }

    /// Ends it in good order.
    #[track_caller]
    pub fn stop(mut self) -> Scratch {
        self.edge.process.signal("TERM");
        assert!(self.edge.process.wait().success(), "{}", self.edge.process.transcript());
        self.edge.into_directory()
    }

    #[track_caller]
    pub fn ask(&self, ask: &Ask) -> Message {
        self.edge.ask(ask)
    }

    /// A plain call of `exact` that takes all that it may.
    #[track_caller]
    pub fn spends(&self, key: &str, tokens: u64) -> Message {
        self.ask(&exact(key, tokens))
    }

    /// What a budget has spent, in micro-dollars. `scope`: `client`, `plan` or `all`.
    #[track_caller]
    pub fn spent(&self, scope: &str, name: &str) -> u64 {
        let labels = [("scope", scope), ("name", name)];
        (self.edge.metrics().sum("tidegate_budget_spent_usd", &labels) * 1e6).round() as u64
    }

    /// What calls in flight have reserved of a budget, in micro-dollars.
    #[track_caller]
    pub fn held(&self, scope: &str, name: &str) -> u64 {
        let report = self.edge.admin_get("/api/v1/status").json();
        let list = report["budgets"]["list"].as_array().unwrap();
        let is_it = |budget: &&Value| budget["scope"] == scope && (name.is_empty() || budget["name"] == name);
        let found = list.iter().find(is_it).unwrap_or_else(|| panic!("no {scope} {name}: {report}"));
        (found["reserved_usd"].as_f64().unwrap() * 1e6).round() as u64
    }

    /// Calls are settled a moment after their clients have the last byte.
    #[track_caller]
    pub fn comes_to(&self, scope: &str, name: &str, spent: u64) {
        let mut last = 0;
        until(&format!("{scope} {name} has spent {spent}"), || {
            last = self.spent(scope, name);
            last == spent
        });
    }

    /// Events of budgets, the oldest first, as subject and mark.
    pub fn marks(&self) -> Vec<(String, String)> {
        let word = |event: &Value, name: &str| event[name].as_str().unwrap_or_default().to_owned();
        let events = self.edge.events().into_iter().filter(|event| event["kind"] == "budget");
        events.map(|event| (word(&event, "subject"), word(&event, "to"))).collect()
    }

    /// Waits for so many events of budgets.
    #[track_caller]
    pub fn awaits_marks(&self, count: usize) -> Vec<(String, String)> {
        eventually("events of budgets", || Some(self.marks()).filter(|marks| marks.len() >= count))
    }
}

fn values<'a>(terms: &Terms<'a>, url: &'a str) -> [(&'static str, &'a str); 4] {
    [("app", terms.app), ("plan", terms.plan), ("ai", terms.ai), ("one", url)]
}

/// What a call is to take.
#[derive(Clone, Copy, Default)]
pub struct Take {
    /// Cached tokens included.
    pub prompt: u64,
    pub completion: u64,
    pub cached: u64,
}

/// A chat that may be answered with `most` tokens, and that the provider of this module takes `take` for.
pub fn chat(key: &str, model: &str, stream: bool, most: u64, take: Take) -> Ask {
    let body = json!({
        "model": model, "stream": stream, "max_tokens": most, "messages": [{"role": "user", "content": "hello"}],
        "metadata": {"prompt": take.prompt, "completion": take.completion, "cached": take.cached},
    });
    post("/v1/chat/completions", &body).bearer(key)
}

/// A plain chat with `exact` that takes all that it may.
pub fn exact(key: &str, tokens: u64) -> Ask {
    chat(key, "exact", false, tokens, Take { completion: tokens, ..Take::default() })
}

/// A call of Anthropic's API.
pub fn message(key: &str, stream: bool, take: Take) -> Ask {
    let body = json!({
        "model": "claude-sonnet-4.5", "stream": stream, "max_tokens": 1000, "messages": [],
        "metadata": {"prompt": take.prompt, "completion": take.completion, "cached": take.cached},
    });
    post("/v1/messages", &body).header("x-api-key", key)
}

fn post(path: &str, body: &Value) -> Ask {
    Ask::post(path, body.to_string()).header("content-type", "application/json")
}

/// Takes what it is told, and answers in the shape that the call has.
pub fn provider() -> Upstream {
    Upstream::replying(reply)
}

/// The answer to a call; a call of a model `failing` finds the provider overloaded.
pub fn reply(request: &Message) -> Vec<u8> {
    let body = request.json();
    let number = |name: &str| body["metadata"][name].as_u64().unwrap_or(0);
    let take = Take { prompt: number("prompt"), completion: number("completion"), cached: number("cached") };
    if body["model"].as_str().is_some_and(|model| model.starts_with("failing")) {
        return answer(503, &[("content-type", "application/json")], r#"{"error":{"message":"busy"}}"#);
    }
    let stream = body["stream"] == true;
    let bytes = match (request.head.target().starts_with("/v1/messages"), stream) {
        (true, true) => return whole(&message_events(take)),
        (false, true) => return whole(&chat_events(take)),
        (true, false) => json!({
            "type": "message", "role": "assistant", "content": [{"type": "text", "text": "hi"}],
            "stop_reason": "end_turn", "usage": anthropic(take, take.completion),
        }),
        (false, false) => json!({
            "object": "chat.completion", "model": body["model"],
            "choices": [{"index": 0, "message": {"role": "assistant", "content": "hi"}, "finish_reason": "stop"}],
            "usage": openai(take),
        }),
    };
    answer(200, &[("content-type", "application/json")], bytes.to_string())
}

fn openai(take: Take) -> Value {
    json!({
        "prompt_tokens": take.prompt, "completion_tokens": take.completion,
        "total_tokens": take.prompt + take.completion, "prompt_tokens_details": {"cached_tokens": take.cached},
    })
}

fn anthropic(take: Take, completion: u64) -> Value {
    json!({
        "input_tokens": take.prompt - take.cached, "cache_read_input_tokens": take.cached,
        "cache_creation_input_tokens": 0, "output_tokens": completion,
    })
}

fn chat_events(take: Take) -> String {
    let (stop, done) = END.split_once("\n\n").unwrap();
    let usage = json!({"id": "c", "object": "chat.completion.chunk", "choices": [], "usage": openai(take)});
    [ROLE, &content("hi"), stop, "\n\n", &format!("data: {usage}\n\n"), done].concat()
}

fn message_events(take: Take) -> String {
    let event = |data: Value| format!("event: {}\ndata: {data}\n\n", data["type"].as_str().unwrap());
    let text = json!({"type": "text", "text": ""});
    [
        event(json!({"type": "message_start", "message": {"type": "message", "usage": anthropic(take, 1)}})),
        event(json!({"type": "content_block_start", "index": 0, "content_block": text})),
        event(json!({"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "hi"}})),
        event(json!({"type": "content_block_stop", "index": 0})),
        event(json!({
            "type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": take.completion}
        })),
        event(json!({"type": "message_stop"})),
    ]
    .concat()
}
