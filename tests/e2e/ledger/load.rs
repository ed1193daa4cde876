//! Hundreds of calls at once: the book has what the clients were told.

use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use serde_json::{Value, json};

use crate::support::till::{Take, Terms, Till, chat};
use crate::support::usage_db::UsageDb;

const CLIENTS: u64 = 12;
const CALLS: u64 = 40;

#[test]
fn sums_are_those_that_clients_saw() {
    let till = Till::new(&Terms::default());
    let seen: [AtomicU64; 4] = Default::default();
    thread::scope(|scope| {
        for client in 0..CLIENTS {
            let (till, seen) = (&till, &seen);
            scope.spawn(move || {
                let mut connection = till.edge.open();
                for call in 0..CALLS {
                    let number = client * CALLS + call;
                    let key = ["sk-app", "sk-other", "sk-free"][(number % 3) as usize];
                    let take = Take { prompt: number + 7, completion: number % 11, cached: number % 5 };
                    let ask = if number.is_multiple_of(2) {
                        chat(key, "gpt-4.1", false, 20, take)
                    } else {
                        let body = json!({
                            "model": "gpt-4.1", "stream": true, "stream_options": {"include_usage": true}, "messages": [],
                            "metadata": {"prompt": take.prompt, "completion": take.completion, "cached": take.cached},
                        });
                        crate::ai_usage::call("/v1/chat/completions", &body.to_string()).bearer(key)
                    };
                    let answer = connection.ask(&ask);
                    assert_eq!((answer.status(), answer.whole), (200, true));
                    let usage = told(&answer.text());
                    let of = |name: &str| usage[name].as_u64().unwrap();
                    let cached = usage["prompt_tokens_details"]["cached_tokens"].as_u64().unwrap();
                    for (sum, value) in seen.iter().zip([1, of("prompt_tokens"), of("completion_tokens"), cached]) {
                        sum.fetch_add(value, Ordering::SeqCst);
                    }
                }
            });
        }
    });
    let seen = seen.map(AtomicU64::into_inner);
    assert_eq!(seen[0], CLIENTS * CALLS);
    let book = UsageDb::of(&till.edge);
    book.comes_to((CLIENTS * CALLS) as i64);
    let kept = book.rows(
        "SELECT count(*), sum(prompt_tokens), sum(completion_tokens), sum(cached_tokens), sum(estimated), count(DISTINCT \
         writer || '/' || number) FROM calls",
    );
    assert_eq!(json!(kept), json!([[seen[0], seen[1], seen[2], seen[3], 0, seen[0]]]));
    let by_client = book.rows("SELECT client, sum(requests) FROM totals GROUP BY 1 ORDER BY 1");
    assert_eq!(json!(by_client), json!([["app", 160], ["free", 160], ["other", 160]]));
    book.is_sound();
    let metrics = till.edge.metrics();
    let tokens = metrics.sum("tidegate_client_tokens_total", &[("kind", "completion")]);
    assert_eq!(tokens as u64, seen[2]);
    assert_eq!(metrics.sum("tidegate_ledger_lost_total", &[]), 0.0);
}

/// The usage that an answer tells, plain or streamed.
fn told(text: &str) -> Value {
    let plain: Option<Value> = serde_json::from_str(text).ok();
    let of_stream = || {
        let events = text.split("\n\n").filter_map(|event| event.strip_prefix("data: "));
        let mut events = events.filter_map(|data| serde_json::from_str::<Value>(data).ok());
        events.find(|event| event["usage"].is_object()).unwrap()
    };
    plain.unwrap_or_else(of_stream)["usage"].clone()
}
