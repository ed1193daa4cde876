//! Known counts cost exact micro-dollars, and every place tells the same.

use serde_json::{Value, json};

use crate::support::http::Ask;
use crate::support::till::{Take, Terms, Till, chat, message};
use crate::support::usage_db::UsageDb;

/// A call, its tokens, and what they cost in micro-dollars.
fn cases() -> Vec<(Ask, Take, u64)> {
    let take = |prompt, completion, cached| Take { prompt, completion, cached };
    let mut cases = Vec::new();
    for stream in [false, true] {
        for (model, take, cost) in [
            ("gpt-4.1", take(1200, 340, 0), 2400 + 2720),
            // 200 at 2, 1000 at 0.50, 340 at 8
            ("gpt-4.1", take(1200, 340, 1000), 400 + 500 + 2720),
            ("gpt-4.1", take(7, 0, 7), 4),
            ("gpt-4.1", take(1, 0, 1), 1),
            ("gpt-4.1", take(4_000_000, 1_000_000, 0), 16_000_000),
            ("exact", take(999, 1, 0), 1),
            ("gratis", take(999, 999, 0), 0),
        ] {
            cases.push((chat("sk-free", model, stream, 10, take), take, cost));
        }
        // 60 at 3, 40 at 0.30, 7 at 15
        for (take, cost) in [(take(100, 7, 40), 180 + 12 + 105), (take(3, 1, 0), 24)] {
            cases.push((message("sk-free", stream, take), take, cost));
        }
    }
    cases
}

#[test]
fn log_ledger_budget_and_metrics_agree() {
    let till = Till::new(&Terms { ai: "\n  budget: {usd: 1000}", ..Terms::default() });
    let mut sum = 0;
    for (number, (ask, take, cost)) in cases().into_iter().enumerate() {
        let id = format!("case-{number}");
        let answer = till.ask(&ask.clone().header("x-request-id", &id));
        assert_eq!((answer.status(), answer.whole), (200, true));
        assert_eq!(answer.header("x-tidegate-cost"), None, "nobody asked for it");
        sum += cost;
        till.comes_to("all", "", sum);
        let line = till.edge.logged("the call", |line| line["request_id"] == id.as_str());
        let logged = ["prompt_tokens", "completion_tokens", "cached_tokens", "cost_usd"]
            .map(|name| line[name].clone());
        let cached = if line["cached_tokens"].is_null() { Value::Null } else { take.cached.into() };
        let dollars = json!(cost as f64 / 1e6);
        assert_eq!(logged[..3], [take.prompt.into(), take.completion.into(), cached], "{line}");
        assert_eq!(logged[3].as_f64(), dollars.as_f64(), "{line}");
        assert!(line["tokens_estimated"].is_null(), "{line}");
        let kept = UsageDb::of(&till.edge).call(
            "prompt_tokens, completion_tokens, coalesce(cached_tokens, 0), cost, estimated, stream, client, plan, model, \
             backend, server, status, attempts",
            &format!("request_id = '{id}'"),
        );
        let stream = i64::from(ask.body.as_ref().is_some_and(|body| json_of(body)["stream"] == true));
        let wanted = json!([
            take.prompt,
            take.completion,
            take.cached,
            cost,
            0,
            stream,
            "free",
            "q",
            json_of(ask.body.as_ref().unwrap())["model"],
            "ai",
            "one",
            200,
            1
        ]);
        assert_eq!(Value::from(kept), wanted);
    }
    let metrics = till.edge.metrics();
    let spent = metrics.sum("tidegate_client_cost_usd_total", &[("client", "free")]);
    assert_eq!((spent * 1e6).round() as u64, sum);
    UsageDb::of(&till.edge).is_sound();
}

fn json_of(body: &[u8]) -> Value {
    serde_json::from_slice(body).unwrap()
}
