//! What calls took: in the log, in the metrics and in the status, by model and plan.

use std::time::Duration;

use serde_json::{Value, json};

use crate::support::edge::Edge;
use crate::support::http::{Ask, Message, chunk, ok};
use crate::support::sse::{END, begun, content};
use crate::support::upstream::Upstream;
use crate::support::wait::{eventually, until};

/// Answers a call that it was asked with 100 tokens of prompt, 40 of them cached, and 20 of completion, 5 of them
/// reasoning; without `usage` for the model `silent`.
fn provider() -> Upstream {
    Upstream::replying(|request: &Message| {
        let asked: Value = request.json();
        let choices =
            json!([{"index": 0, "message": {"role": "assistant", "content": "four tokens at most"}}]);
        let mut answer = json!({"object": "chat.completion", "model": asked["model"], "choices": choices});
        if asked["model"] != "silent" {
            answer["usage"] = json!({
                "prompt_tokens": 100, "completion_tokens": 20, "total_tokens": 120,
                "prompt_tokens_details": {"cached_tokens": 40},
                "completion_tokens_details": {"reasoning_tokens": 5},
            });
        }
        ok(answer.to_string())
    })
}

fn edge(provider: &Upstream, ai: &str) -> Edge {
    Edge::start(
        &format!(
            "
{ai}
tables: {{spent: {{key: src, expire: 1m, counters: [tokens_cnt]}}}}
clients: {{mode: optional, keys: [{{name: app, key: key-of-app, plan: premium}}]}}
plans: {{premium: {{}}}}
frontends:
  web: {{bind: [{{address: 127.0.0.1:0}}], rules: [{{track: spent}}], default_backend: ai}}
backends:
  ai: {{servers: {{one: {{url: <one>}}}}}}"
        ),
        &[("one", &provider.url())],
    )
}

const PRICED: &str = "ai: {models: {gpt: {input: 2, output: 8, cached_input: 0.5}, silent: {input: 1, output: 1}}, aliases: {fast: gpt}}";

fn call(model: &str, id: &str) -> Ask {
    let body = json!({"model": model, "messages": [{"role": "user", "content": "hello"}]});
    Ask::post("/v1/chat/completions", body.to_string())
        .header("content-type", "application/json")
        .header("x-request-id", id)
}

fn line(edge: &Edge, id: &str) -> Value {
    let line = eventually(&format!("the log line of {id}"), || {
        edge.process.stdout().into_iter().find(|line| line.contains(id))
    });
    serde_json::from_str(&line).unwrap()
}

#[test]
fn tokens_and_cost_are_told_by_model_and_plan() {
    let provider = provider();
    let edge = edge(&provider, PRICED);
    assert_eq!(edge.ask(&call("gpt", "anonymous")).status(), 200);
    assert_eq!(edge.ask(&call("fast", "of-the-app").bearer("key-of-app")).status(), 200);
    let entry = line(&edge, "of-the-app");
    for (key, expected) in [
        ("model", json!("gpt")),
        ("plan", json!("premium")),
        ("prompt_tokens", json!(100)),
        ("completion_tokens", json!(20)),
        ("cached_tokens", json!(40)),
        ("reasoning_tokens", json!(5)),
        ("tokens_estimated", Value::Null),
        // 60 at 2, 40 at 0.5 and 20 at 8 dollars for a million.
        ("cost_usd", json!(0.0003)),
    ] {
        assert_eq!(entry[key], expected, "{key}");
    }
    line(&edge, "anonymous");
    let metrics = edge.metrics();
    let tokens = |kind| metrics.sum("tidegate_tokens_total", &[("model", "gpt"), ("kind", kind)]);
    assert_eq!(["prompt", "completion", "cached", "reasoning"].map(tokens), [200.0, 40.0, 80.0, 10.0]);
    for plan in ["", "premium"] {
        assert_eq!(
            metrics.sum("tidegate_cost_usd_total", &[("model", "gpt"), ("plan", plan)]),
            0.0003,
            "{plan}"
        );
    }
    let status = edge.admin_get("/api/v1/status").json();
    let models = status["models"].as_array().unwrap();
    let gpt = models.iter().find(|model| model["name"] == "gpt").unwrap();
    assert_eq!(
        (&gpt["requests"], &gpt["prompt_tokens"], &gpt["cost_usd"]),
        (&json!(2), &json!(200), &json!(0.0006))
    );
    assert_eq!(models.len(), 2, "{models:?}");
    assert!(edge.admin_get("/stats").text().contains("<h2>Models</h2>"));
}

#[test]
fn what_a_provider_does_not_tell_is_marked_as_reckoned() {
    let provider = provider();
    let edge = edge(&provider, PRICED);
    assert_eq!(edge.ask(&call("silent", "untold")).status(), 200);
    let entry = line(&edge, "untold");
    assert_eq!((&entry["tokens_estimated"], &entry["cached_tokens"]), (&json!(true), &Value::Null));
    assert!(
        entry["prompt_tokens"].as_u64() > Some(0) && entry["completion_tokens"].as_u64() > Some(0),
        "{entry}"
    );
}

#[test]
fn models_that_the_file_does_not_list_are_one_in_the_metrics() {
    let provider = provider();
    let edge = edge(&provider, "");
    for (at, model) in ["a", "b", "c"].iter().enumerate() {
        assert_eq!(edge.ask(&call(model, &format!("id-{at}"))).status(), 200);
    }
    until("all are counted", || {
        edge.metrics().sum("tidegate_tokens_total", &[("model", "other"), ("kind", "prompt")]) == 300.0
    });
    let metrics = edge.metrics();
    assert_eq!(metrics.matching("tidegate_tokens_total", &[]).count(), 4);
    assert_eq!(metrics.matching("tidegate_cost_usd_total", &[]).count(), 0);
    let entry = line(&edge, "id-1");
    assert_eq!((&entry["model"], &entry["cost_usd"]), (&json!("b"), &Value::Null));
    let status = edge.admin_get("/api/v1/status").json();
    assert_eq!(
        (&status["models"][0]["name"], &status["models"][0]["cost_usd"]),
        (&json!("other"), &Value::Null)
    );
}

#[test]
fn the_time_of_a_token_is_that_after_the_first_content() {
    let usage = "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":3,\"completion_tokens\":5,\"total_tokens\":8}}\n\n";
    let slow = Upstream::start(move |peer| {
        while peer.request().is_some() {
            peer.send(begun(&content("one")));
            std::thread::sleep(Duration::from_millis(200));
            peer.send(chunk([&content("two"), usage, END].concat().as_bytes()));
            peer.send("0\r\n\r\n");
        }
    });
    let edge = edge(&slow, PRICED);
    let body = json!({"model": "gpt", "stream": true, "messages": []});
    assert_eq!(edge.ask(&Ask::post("/v1/chat/completions", body.to_string())).status(), 200);
    let of_gpt = [("model", "gpt")];
    until("it is counted", || edge.metrics().sum("tidegate_output_token_seconds_count", &of_gpt) == 1.0);
    // 200 ms for the four tokens after the first; a busy machine takes longer.
    let seconds = edge.metrics().sum("tidegate_output_token_seconds_sum", &of_gpt);
    assert!((0.045..2.0).contains(&seconds), "{seconds}");
}
