//! Whose budget a call is paid from, and what its client is told when there is nothing left.

use super::{is_held, is_used_up};
use crate::support::http::{answer, ok};
use crate::support::rude::{closes_unanswered, says};
use crate::support::sse::{Gate, ROLE, begun, streams};
use crate::support::till::{Take, Terms, Till, chat, exact, message, reply};
use crate::support::upstream::Upstream;
use crate::support::wait::until;

/// A thousand micro-dollars for each key.
const EACH: Terms = Terms { app: "", plan: ", budget: {usd: 0.001}", ai: "" };

#[test]
fn a_client_spends_exactly_its_budget_and_others_go_on() {
    let till = Till::new(&EACH);
    for times in 1..=10 {
        assert_eq!(till.spends("sk-app", 100).status(), 200);
        till.comes_to("client", "app", 100 * times);
    }
    for tokens in [100, 1] {
        let refused = till.spends("sk-app", tokens);
        is_used_up(&refused);
        assert!(refused.text().contains("budget"), "it says what is used up: {}", refused.text());
    }
    assert_eq!(till.spends("sk-other", 1000).status(), 200, "each key has its own");
    assert_eq!(till.spends("sk-free", 5000).status(), 200, "this plan has none");
    assert_eq!(till.one.count(), 12, "what is refused reaches no server");

    let metrics = till.edge.metrics();
    assert_eq!(metrics.sum("tidegate_client_refused_total", &[("client", "app")]), 2.0);
    assert_eq!(metrics.sum("tidegate_denied_total", &[("reason", "budget")]), 2.0);
    let line = till.edge.logged("the refusal", |line| line["status"] == 429);
    assert_eq!((&line["client_name"], &line["reason"]), (&"app".into(), &"budget".into()));
    assert!(line["cost_usd"].is_null(), "{line}");
}

#[test]
fn what_is_left_is_spent_to_the_last_micro_dollar() {
    let till = Till::new(&EACH);
    assert_eq!(till.spends("sk-app", 950).status(), 200);
    till.comes_to("client", "app", 950);
    assert_eq!(till.spends("sk-app", 49).status(), 200);
    till.comes_to("client", "app", 999);
    assert_eq!(till.spends("sk-app", 1).status(), 200);
    till.comes_to("client", "app", 1000);
    is_used_up(&till.spends("sk-app", 1));
}

#[test]
fn the_last_call_passes_whole_and_is_spent_whole() {
    let till = Till::new(&EACH);
    assert_eq!(till.spends("sk-app", 999).status(), 200);
    till.comes_to("client", "app", 999);
    assert_eq!(till.spends("sk-app", 500).status(), 200);
    till.comes_to("client", "app", 1499);
    is_used_up(&till.spends("sk-app", 1));
}

/// Coding agents ask for the most that a model can answer, and take little of it.
#[test]
fn who_may_ask_for_much_goes_on_until_it_is_spent() {
    let till = Till::new(&Terms { plan: ", budget: {usd: 1}", ..EACH });
    // Each could cost $0.96, and costs $0.075.
    let take = Take { completion: 5000, ..Take::default() };
    let ask = chat("sk-app", "claude-sonnet-4.5", false, 64_000, take);
    for times in 1..=14 {
        assert_eq!(till.ask(&ask).status(), 200, "call {times}");
        till.comes_to("client", "app", 75_000 * times);
        assert!(times == 14 || till.marks().iter().all(|(_, to)| to != "used_up"));
    }
    is_used_up(&till.ask(&ask));
}

#[test]
fn an_estimate_above_the_whole_budget_passes_while_anything_is_left() {
    let till = Till::new(&EACH);
    for (completion, spent) in [(10, 10), (989, 999), (1, 1000)] {
        let modest = chat("sk-app", "exact", false, 100_000_000, Take { completion, ..Take::default() });
        assert_eq!(till.ask(&modest).status(), 200);
        till.comes_to("client", "app", spent);
    }
    is_used_up(&till.spends("sk-app", 1));
}

#[test]
fn an_overshoot_is_spent_all_the_same() {
    let till = Till::new(&EACH);
    let more = Take { completion: 7000, ..Take::default() };
    assert_eq!(till.ask(&chat("sk-app", "exact", true, 10, more)).status(), 200);
    till.comes_to("client", "app", 7000);
    is_used_up(&till.spends("sk-app", 1));
}

#[test]
fn keys_of_a_plan_share_what_the_plan_has_together() {
    let till = Till::new(&Terms { plan: ", total_budget: {usd: 0.001}", ..Terms::default() });
    assert_eq!(till.spends("sk-app", 600).status(), 200);
    till.comes_to("plan", "p", 600);
    assert_eq!(till.spends("sk-other", 400).status(), 200);
    till.comes_to("plan", "p", 1000);
    for key in ["sk-app", "sk-other"] {
        is_used_up(&till.spends(key, 1));
    }
    assert_eq!(till.spends("sk-free", 500).status(), 200);
}

#[test]
fn all_calls_together_have_an_end_too() {
    let till = Till::new(&Terms { ai: "\n  budget: {usd: 0.001}", ..Terms::default() });
    for (key, tokens) in [("sk-app", 300), ("sk-other", 300), ("sk-free", 400)] {
        assert_eq!(till.spends(key, tokens).status(), 200);
    }
    till.comes_to("all", "", 1000);
    for key in ["sk-app", "sk-other", "sk-free"] {
        is_used_up(&till.spends(key, 1));
    }
}

#[test]
fn a_key_has_its_own_budget_instead_of_the_plans() {
    for (own, passes) in [("0.002", 2000), ("0.0005", 500)] {
        let app = format!(", budget: {{usd: {own}, per: day}}");
        let till = Till::new(&Terms {
            app: &app,
            plan: ", budget: {usd: 0.001}, total_budget: {usd: 0.0025}",
            ai: "",
        });
        assert_eq!(till.spends("sk-app", passes).status(), 200);
        till.comes_to("client", "app", passes);
        is_used_up(&till.spends("sk-app", 1));
        // The one that they have together holds beside it.
        let left = 2500 - passes;
        let other = left.min(1000);
        assert_eq!(till.spends("sk-other", other).status(), 200);
        till.comes_to("plan", "p", passes + other);
        is_used_up(&till.spends("sk-other", 1));
    }
}

#[test]
fn a_client_of_anthropics_api_is_told_in_its_own_shape() {
    let till = Till::new(&EACH);
    // 60 x 3 + 60 x 15 = 1080
    let take = Take { prompt: 60, completion: 60, ..Take::default() };
    assert_eq!(till.ask(&message("sk-app", false, take)).status(), 200);
    till.comes_to("client", "app", 1080);
    for stream in [false, true] {
        let refused = till.ask(&message("sk-app", stream, take));
        assert_eq!((refused.status(), refused.header("x-should-retry")), (429, Some("false")));
        assert_eq!(refused.header("retry-after"), None);
        let body = refused.json();
        assert_eq!((&body["type"], &body["error"]["type"]), (&"error".into(), &"rate_limit_error".into()));
        assert!(body["error"]["message"].as_str().unwrap().contains("budget"), "{body}");
    }
}

#[test]
fn what_calls_in_flight_may_need_is_held_and_comes_back() {
    let gate = Gate::default();
    let door = gate.clone();
    let one = Upstream::start(move |peer| {
        while let Some(request) = peer.request() {
            if !door.passed_by(peer) || !peer.send(reply(&request)) {
                return;
            }
        }
    });
    let till = Till::with(&EACH, one);
    let mut first = till.edge.open();
    first.send(chat("sk-app", "exact", false, 1500, Take { completion: 100, ..Take::default() }).bytes());
    until("it is in flight", || till.one.count() == 1);
    for tokens in [1, 1000, 100_000_000] {
        is_held(&till.spends("sk-app", tokens));
    }
    assert_eq!(till.marks(), [], "nothing is used up");
    gate.open();
    assert_eq!(first.answer().unwrap().status(), 200);
    till.comes_to("client", "app", 100);
    assert_eq!(till.spends("sk-app", 401).status(), 200);
}

#[test]
fn what_failed_costs_nothing() {
    for status in [400, 404, 422, 429, 500, 502, 503] {
        let one = Upstream::replying(move |_| answer(status, &[("content-type", "application/json")], "{}"));
        costs_nothing(one, status);
    }
    for one in [closes_unanswered(), says("HTTP/1.1 nonsense\r\n\r\n"), says(begun(ROLE))] {
        costs_nothing(one, 502);
    }
}

#[track_caller]
fn costs_nothing(one: Upstream, status: u16) {
    let till = Till::with(&EACH, one);
    for _ in 0..3 {
        for stream in [false, true] {
            // Each needs the whole budget: nothing of it may be missing.
            let answer = till.ask(&chat("sk-app", "exact", stream, 1000, Take::default()));
            assert_eq!(answer.status(), status, "{}", answer.text());
        }
    }
    assert_eq!(till.spent("client", "app"), 0);
}

#[test]
fn a_stream_that_says_nothing_costs_no_answer() {
    let till = Till::with(&EACH, streams(ROLE));
    for _ in 0..3 {
        till.ask(&chat("sk-app", "exact", true, 1000, Take::default()));
        till.comes_to("client", "app", 0);
    }
}

#[test]
fn only_what_is_free_passes_an_empty_budget() {
    let till = Till::new(&Terms { ai: "\n  budget: {usd: 0.001}", ..EACH });
    assert_eq!(till.spends("sk-app", 1000).status(), 200);
    till.comes_to("all", "", 1000);
    for key in ["sk-app", "sk-free"] {
        let gratis = chat(key, "gratis", true, 1000, Take { prompt: 500, completion: 500, cached: 0 });
        assert_eq!(till.ask(&gratis).status(), 200);
        is_used_up(&till.ask(&chat(key, "exact", false, 0, Take::default())));
    }
}

#[test]
fn a_list_of_models_needs_no_money() {
    let till = Till::new(&EACH);
    assert_eq!(till.spends("sk-app", 1000).status(), 200);
    till.comes_to("client", "app", 1000);
    let models = crate::support::http::Ask::get("/v1/models").bearer("sk-app");
    assert_eq!(till.ask(&models).status(), 200);
}

#[test]
fn a_dearer_model_stands_in_while_anything_is_left() {
    let till = Till::new(&EACH);
    let failing = |key| chat(key, "failing", false, 100, Take { completion: 4, ..Take::default() });
    // `dear` is next: 100 x 100 micro-dollars of the 1000 are held as far as they are there, and 4 x 100 spent.
    for spent in [400, 800, 1200] {
        let answer = till.ask(&failing("sk-app"));
        assert_eq!((answer.status(), answer.header("x-tidegate-model")), (200, Some("dear")));
        till.comes_to("client", "app", spent);
    }
    is_used_up(&till.ask(&failing("sk-app")));
    assert_eq!(till.ask(&failing("sk-free")).header("x-tidegate-model"), Some("dear"));
}

/// One that costs nothing passes where all is spent; those that cost something may not stand in for it then.
#[test]
fn a_model_that_stands_in_for_a_free_one_needs_money() {
    let till = Till::new(&EACH);
    let failing = chat("sk-app", "failing-gratis", false, 100, Take { completion: 9, ..Take::default() });
    assert_eq!(till.ask(&failing).header("x-tidegate-model"), Some("dear"));
    till.comes_to("client", "app", 900);
    assert_eq!(till.spends("sk-app", 100).status(), 200);
    till.comes_to("client", "app", 1000);
    let answer = till.ask(&failing);
    assert_eq!((answer.status(), answer.header("x-tidegate-model")), (200, Some("gratis")));
    till.comes_to("client", "app", 1000);
}

#[test]
fn what_cannot_be_read_costs_what_is_typical() {
    let one = Upstream::replying(|_| {
        answer(200, &[("content-type", "application/json"), ("content-encoding", "br")], "unreadable")
    });
    let till = Till::with(&EACH, one);
    let ask = exact("sk-app", 400).header("accept-encoding", "br");
    // Of the 400 that it may be, 300 are typical of an answer that nobody has seen the like of. For the last one only 100
    // could be held.
    for spent in [300, 600, 900, 1200] {
        assert_eq!(till.ask(&ask).text(), "unreadable");
        till.comes_to("client", "app", spent);
    }
    is_used_up(&till.ask(&ask));
}

/// What it takes nobody tells, and there is nothing to reckon it from.
#[test]
fn an_answer_without_content_and_usage_costs_nothing() {
    let till = Till::with(&EACH, Upstream::replying(|_| ok("{}")));
    for _ in 0..3 {
        assert_eq!(till.spends("sk-app", 1000).status(), 200);
        till.comes_to("client", "app", 0);
    }
}
