//! What is a call, what is not, and whose it is.

use serde_json::{Value, json};

use crate::support::edge::Edge;
use crate::support::http::{Ask, Message};
use crate::support::till::{Take, Terms, Till, chat, exact, provider, reply};
use crate::support::upstream::Upstream;
use crate::support::usage_db::UsageDb;

const TAKE: Take = Take { prompt: 10, completion: 5, cached: 0 };

fn ask(id: &str) -> Ask {
    chat("sk-app", "gpt-4.1", false, 5, TAKE).header("x-request-id", id)
}

#[test]
fn what_no_server_was_asked_for_is_no_call() {
    let till = Till::new(&Terms { plan: ", budget: {usd: 0.001}", ..Terms::default() });
    let refused: Vec<Message> = vec![
        till.ask(&Ask::get("/v1/models").bearer("sk-app")),
        till.ask(&exact("sk-nobody", 5)),
        till.ask(&chat("sk-app", "nobody", false, 5, TAKE)),
        till.spends("sk-app", 1000),
    ];
    assert_eq!(refused.iter().map(Message::status).collect::<Vec<_>>(), [200, 401, 404, 200]);
    till.comes_to("client", "app", 1000);
    assert_eq!(till.spends("sk-app", 1).status(), 429);
    till.ask(&ask("last").header("x-other", "y")).status();
    till.ask(&chat("sk-free", "gpt-4.1", false, 5, TAKE).header("x-request-id", "end"));
    let book = UsageDb::of(&till.edge);
    book.call("1", "request_id = 'end'");
    assert_eq!(book.calls(), 2, "{:?}", book.rows("SELECT * FROM calls"));
    book.is_sound();
}

#[test]
fn a_failure_is_a_call_that_cost_nothing() {
    let till = Till::with(&Terms::default(), Upstream::failing(503));
    assert_eq!(till.ask(&ask("failed")).status(), 503);
    let book = UsageDb::of(&till.edge);
    let kept = book.call("status, prompt_tokens, completion_tokens, cost, model", "request_id = 'failed'");
    assert_eq!(json!(kept), json!([503, null, null, null, "gpt-4.1"]));
    assert_eq!(
        json!(book.rows("SELECT requests, failed, cost, unpriced FROM totals")),
        json!([[1, 1, null, 0]])
    );
}

#[test]
fn ids_are_the_clients_and_prove_nothing() {
    let till = Till::new(&Terms::default());
    for _ in 0..3 {
        till.ask(&ask("same"));
    }
    let book = UsageDb::of(&till.edge);
    book.comes_to(3);
    assert_eq!(book.number("SELECT sum(cost) FROM calls WHERE request_id = 'same'"), 3 * 60);
    book.is_sound();
}

#[test]
fn a_call_is_kept_once_however_often_it_was_tried() {
    let (one, two) = (Upstream::failing(503), provider());
    let edge = Edge::start(
        "
ai: {models: {gpt-4.1: {input: 2.00, output: 8.00}}}
frontends:
  web: {bind: [{address: 127.0.0.1:0}], default_backend: ai}
backends:
  ai:
    breaker: off
    eject: off
    retry: {attempts: 3, backoff: 1ms..5ms}
    servers: {one: {url: <one>}, two: {url: <two>, tier: 2}}",
        &[("one", &one.url()), ("two", &two.url())],
    );
    let answer = edge.ask(&ask("tried"));
    assert_eq!((answer.status(), answer.header("x-tidegate-attempts")), (200, Some("2")));
    let kept = UsageDb::of(&edge).call("attempts, server, prompt_tokens, cost", "1");
    assert_eq!(json!(kept), json!([2, "two", 10, 60]));
}

/// Both servers have read it, but the client has one answer, and one is paid.
#[test]
fn a_hedged_call_is_kept_once() {
    let late = Upstream::start(|peer| {
        for request in 0.. {
            let Some(message) = peer.request() else { return };
            if request >= 20 {
                return peer.wait_until_left();
            }
            peer.send(reply(&message));
        }
    });
    let two = provider();
    let edge = Edge::start(
        "
ai: {models: {gpt-4.1: {input: 2.00, output: 8.00}}}
frontends:
  web: {bind: [{address: 127.0.0.1:0}], default_backend: ai}
backends:
  ai:
    breaker: off
    eject: off
    hedge: {quantile: 95%, at_least: 20ms, budget: 50%}
    servers: {one: {url: <one>}, two: {url: <two>, tier: 2}}",
        &[("one", &late.url()), ("two", &two.url())],
    );
    let mut client = edge.open();
    for _ in 0..20 {
        assert_eq!(client.ask(&chat("", "gpt-4.1", true, 5, TAKE)).status(), 200);
    }
    let hedged = client.ask(&chat("", "gpt-4.1", true, 5, TAKE).header("x-request-id", "hedged"));
    assert_eq!((hedged.status(), hedged.header("x-tidegate-attempts")), (200, Some("2")));
    let book = UsageDb::of(&edge);
    let kept = book.call("attempts, server, prompt_tokens, cost", "request_id = 'hedged'");
    assert_eq!(json!(kept), json!([2, "two", 10, 60]));
    book.comes_to(21);
    book.is_sound();
}

const PASSTHROUGH: &str = "
clients: {mode: passthrough}
ai: {models: {gpt-4.1: {input: 2.00, output: 8.00}}}
frontends:
  web: {bind: [{address: 127.0.0.1:0}], default_backend: ai}
backends:
  ai: {servers: {one: {url: <one>}}}";

#[test]
fn clients_that_only_their_server_knows_are_a_digest() {
    let one = provider();
    let edge = Edge::start(PASSTHROUGH, &[("one", &one.url())]);
    for key in ["sk-one-of-many", "sk-another", "sk-one-of-many"] {
        assert_eq!(edge.ask(&chat(key, "gpt-4.1", false, 5, TAKE)).status(), 200);
    }
    let body = r#"{"model":"gpt-4.1","messages":[]}"#;
    assert_eq!(edge.ask(&crate::ai_usage::call("/v1/chat/completions", body)).status(), 200);
    let book = UsageDb::of(&edge);
    book.comes_to(4);
    let clients = book.rows("SELECT client, count(*) FROM calls GROUP BY 1 ORDER BY 2 DESC, 1");
    let name = |row: usize| clients[row][0].as_str().unwrap().to_owned();
    // printf %s sk-one-of-many | sha256sum
    let digest = std::process::Command::new("sh")
        .args(["-c", "printf %s sk-one-of-many | sha256sum | cut -c 1-12"])
        .output()
        .unwrap();
    let digest = String::from_utf8(digest.stdout).unwrap();
    assert_eq!((name(0), &clients[0][1]), (format!("key:{}", digest.trim()), &json!(2)));
    let mut others = [name(1), name(2)];
    others.sort();
    assert!(others[0].is_empty() && others[1].starts_with("key:"), "{others:?}");
}

/// As people do it, with a tool that we did not write.
#[test]
fn it_can_be_asked_while_it_is_written() {
    let till = Till::new(&Terms::default());
    for number in 0..5 {
        till.ask(&ask(&format!("call-{number}")));
    }
    let book = UsageDb::of(&till.edge);
    book.comes_to(5);
    let script = "
import json, sqlite3, sys
book = sqlite3.connect('file:' + sys.argv[1] + '?mode=ro', uri=True)
asked = ['SELECT count(*), round(sum(usd), 9) FROM calls_in_words', 'SELECT client, model, requests, usd FROM usage_by_day',
         'SELECT sum(requests) FROM usage_by_month', 'SELECT sum(requests) FROM usage_by_hour']
print(json.dumps([book.execute(query).fetchall() for query in asked]))";
    let out = std::process::Command::new("python3").args(["-c", script]).arg(&book.path).output().unwrap();
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    let told: Value = serde_json::from_slice(&out.stdout).unwrap();
    assert_eq!(told, json!([[[5, 0.0003]], [["app", "gpt-4.1", 5, 0.0003]], [[5]], [[5]]]));
}
