//! What an operator sees of money: the same figures in the API, the metrics and on the page.

use serde_json::{Value, json};

use super::is_used_up;
use crate::support::http::ok;
use crate::support::rude::never_answers;
use crate::support::till::{Take, Terms, Till, chat};
use crate::support::upstream::Upstream;
use crate::support::wait::until;

const TERMS: Terms =
    Terms { app: "", plan: ", budget: {usd: 0.001, per: day}, total_budget: {usd: 0.01}", ai: "" };

/// Spent, reserved and left in micro-dollars, and the state.
fn budget(till: &Till, scope: &str, name: &str) -> Value {
    let report = till.edge.admin_get("/api/v1/status").json();
    let list = report["budgets"]["list"].as_array().unwrap();
    let found = list.iter().find(|budget| budget["scope"] == scope && budget["name"] == name);
    let found = found.unwrap_or_else(|| panic!("no {scope} {name}: {report}"));
    let micro = |name: &str| (found[name].as_f64().unwrap() * 1e6).round() as u64;
    json!([
        micro("budget_usd"),
        micro("spent_usd"),
        micro("reserved_usd"),
        micro("left_usd"),
        found["state"],
        found["period"]
    ])
}

#[test]
fn spent_reserved_and_left_add_up() {
    let one = Upstream::start(|peer| {
        while let Some(request) = peer.request() {
            if request.header("x-wait").is_some() {
                return peer.wait_until_left();
            }
            peer.send(crate::support::till::reply(&request));
        }
    });
    let till = Till::with(&TERMS, one);
    assert_eq!(budget(&till, "client", "app"), json!([1000, 0, 0, 1000, "in_budget", "day"]));
    till.spends("sk-app", 700);
    till.comes_to("client", "app", 700);
    let mut waiting = till.edge.open();
    waiting.send(chat("sk-app", "exact", false, 200, Take::default()).header("x-wait", "y").bytes());
    until("it is with the server", || till.one.count() == 2);
    assert_eq!(budget(&till, "client", "app"), json!([1000, 700, 200, 100, "in_budget", "day"]));
    assert_eq!(budget(&till, "plan", "p"), json!([10_000, 700, 200, 9_100, "in_budget", "month"]));
    drop(waiting);
    until("it is given back", || budget(&till, "client", "app")[2] == 0);
    till.spends("sk-app", 100);
    till.comes_to("client", "app", 800);
    assert_eq!(budget(&till, "client", "app"), json!([1000, 800, 0, 200, "nearly_used_up", "day"]));
    till.spends("sk-app", 200);
    till.comes_to("client", "app", 1000);
    assert_eq!(budget(&till, "client", "app"), json!([1000, 1000, 0, 0, "used_up", "day"]));
    is_used_up(&till.spends("sk-app", 1));

    let report = till.edge.admin_get("/api/v1/status").json();
    let clients = report["clients"]["list"].as_array().unwrap();
    let app = clients.iter().find(|client| client["name"] == "app").unwrap();
    assert_eq!(
        (&app["refused"], &app["plan"], &app["completion_tokens"]),
        (&1.into(), &"p".into(), &1000.into())
    );
    assert_eq!((app["cost_usd"].as_f64(), app["cost_today_usd"].as_f64()), (Some(0.001), Some(0.001)));
    let page = till.edge.admin_get("/stats").text();
    assert!(page.contains("app") && page.contains("used up"), "{page}");
}

#[test]
fn costs_are_counted_by_model_and_server() {
    let till = Till::new(&Terms::default());
    let take = Take { prompt: 1200, completion: 340, cached: 1000 };
    for stream in [false, true] {
        till.ask(&chat("sk-app", "gpt-4.1", stream, 10, take));
    }
    until("both are counted", || {
        till.edge.metrics().sum("tidegate_client_cost_usd_total", &[("client", "app")]) > 0.007
    });
    let metrics = till.edge.metrics();
    let of = [("model", "gpt-4.1"), ("server", "one"), ("backend", "ai")];
    assert_eq!(metrics.sum("tidegate_request_cost_usd_count", &of), 2.0);
    assert!((metrics.sum("tidegate_request_cost_usd_sum", &of) - 0.00724).abs() < 1e-9);
    let tokens = |kind| metrics.sum("tidegate_request_tokens_sum", &[of[0], of[1], ("kind", kind)]);
    assert_eq!((tokens("prompt"), tokens("completion")), (2400.0, 680.0));
    let cost = metrics.sum("tidegate_cost_usd_total", &[("model", "gpt-4.1"), ("plan", "p")]);
    assert!((cost - 0.00724).abs() < 1e-9, "{cost}");
    let cached = metrics.sum("tidegate_client_tokens_total", &[("client", "app"), ("kind", "cached")]);
    assert_eq!(cached, 2000.0);
}

/// Clients choose their keys in passthrough: a page must not become theirs.
#[test]
fn nothing_that_clients_say_is_markup() {
    let till = Till::with(&TERMS, never_answers());
    let mut client = till.edge.open();
    let id = "<script>alert(1)</script>";
    client.send(chat("sk-app", "exact", false, 5, Take::default()).header("x-request-id", id).bytes());
    until("it is with the server", || till.one.count() == 1);
    let page = till.edge.admin_get("/stats").text();
    assert!(!page.contains("<script>alert(1)"), "{page}");
}

#[test]
fn without_a_ledger_there_is_none_to_see() {
    let till =
        Till::with(&Terms { ai: "\n  ledger: off", ..Terms::default() }, Upstream::replying(|_| ok("{}")));
    assert!(till.edge.admin_get("/api/v1/status").json()["ledger"].is_null());
    assert_eq!(till.edge.admin_get("/stats").status(), 200);
    let till = Till::new(&Terms::default());
    until("it is open", || till.edge.admin_get("/api/v1/status").json()["ledger"]["durable"] == true);
}
