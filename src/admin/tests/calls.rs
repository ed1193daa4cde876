//! Calls in flight, clients and money, seen through both doors.

use std::net::Ipv4Addr;
use std::time::Duration;

use super::doors::{Node, ask, node, run};
use crate::ledger;
use crate::observe::access_log::Tokens;
use crate::observe::stats::Times;
use crate::runtime::streams::{Beginning, Live, Way};

const CONFIG: &str = "
tables:
  by_ip: {key: src, size: 100, expire: 30s, counters: [http_req_rate(10s), http_req_cnt, conn_cur]}
frontends:
  web: {bind: [{address: 127.0.0.1:0}], default_backend: ai}
plans:
  premium: {requests_per_minute: 100, tokens_per_minute: 10k, concurrent: 4, total_budget: {usd: 10, per: month}}
clients:
  keys:
    - {name: mobile, key: mobile-key, plan: premium, budget: {usd: 2, per: day, alert_at: 50%}}
    - {name: batch, key: batch-key, plan: premium}
ai:
  models: {gpt: {input: 1, output: 2}}
backends:
  ai:
    check: {http: {path: /models}}
    servers:
      one: {url: http://127.0.0.1:9001/v1, max_concurrent: 20}
      two: {url: http://127.0.0.1:9002/v1, tier: 2}
";

fn begin(node: &Node, id: &str, client: Option<&str>, model: &str) -> Live {
    let state = &node.view.state;
    let live = state.streams.begin(Beginning {
        request_id: id.into(),
        client: client.map(Into::into),
        plan: client.map(|_| "premium".into()),
        frontend: "web".into(),
        src: Ipv4Addr::new(192, 0, 2, 7).into(),
        at: state.clock.now(),
    });
    live.goes(Way {
        model: model.into(),
        place: Some(("ai".into(), "one".into())),
        attempts: 1,
        streamed: None,
        gauge: None,
    });
    live
}

#[test]
fn streams_are_shown_and_one_of_them_is_killed() {
    run(async {
        let node = node(CONFIG);
        assert_eq!(node.command("show streams\n").await, "No call and no event stream is in flight.\n\n");
        let (one, two) = (begin(&node, "a b", Some("mobile"), "gpt"), begin(&node, "c", None, ""));
        one.answers(true);
        node.view.state.clock.advance(Duration::from_secs(63));
        let expected = "\
# number age  client plan    model server attempts streamed prompt_tokens completion_tokens cost_usd request_id
1        1m3s mobile premium gpt   ai/one 1        yes      -             -                 -        a?b
2        1m3s -      -       -     ai/one 1        -        -             -                 -        c

";
        assert_eq!(node.command("show streams\n").await, expected);
        let body = ask(node.http().await, "GET", "/api/v1/streams", "").await.body;
        let known: serde_json::Value = serde_json::from_str(&body).unwrap();
        assert_eq!((&known["total"], &known["list"][0]["request_id"]), (&2.into(), &"a b".into()));
        assert_eq!((&known["list"][0]["streamed"], &known["list"][1]["client"]), (&true.into(), &().into()));

        assert_eq!(
            node.command("kill stream 2\n").await,
            "Ended stream 2 (request c on ai/one, 1m 3s old). What it took until now is counted and paid.\n\n"
        );
        two.killed().await;
        let told = node.command("kill stream nobody\n").await;
        assert!(told.starts_with("No such stream: nobody. 'kill stream' takes the number"), "{told}");
        assert!(node.command("kill stream\n").await.starts_with("Which one?"));
        drop((one, two));
        assert!(node.command("kill stream 1\n").await.starts_with("No such stream: 1."));
    });
}

/// Two calls of one client and a stream that is no call have ended.
fn ended(node: &Node) {
    let state = &node.view.state;
    let now = state.clock.now();
    let tokens = Tokens { prompt: Some(1000), completion: Some(200), cost: Some(1_400), ..Tokens::default() };
    let times =
        Times { first_content: Some(Duration::from_millis(300)), token: Some(Duration::from_millis(20)) };
    let client = state.client_stats("mobile");
    for _ in 0..2 {
        drop(client.request(now));
        client.taken.add(&tokens, now);
        state.call_stats("gpt", "ai", "one").ended(Some(&tokens), times, now);
    }
    client.refused.one();
    state.call_stats("", "ai", "two").timed(Times { token: None, ..times });
}

#[test]
fn calls_count_for_their_model_their_server_and_their_client() {
    run(async {
        let node = node(CONFIG);
        ended(&node);
        let _live = begin(&node, "a", Some("mobile"), "gpt");
        let page = ask(node.http().await, "GET", "/metrics", "").await.body;
        for line in [
            "tidegate_tokens_total{model=\"gpt\",kind=\"prompt\"} 2000",
            "tidegate_first_content_seconds_count{backend=\"ai\",server=\"one\",model=\"gpt\"} 2",
            "tidegate_first_content_seconds_count{backend=\"ai\",server=\"two\",model=\"\"} 1",
            "tidegate_output_token_seconds_count{backend=\"ai\",server=\"one\",model=\"gpt\"} 2",
            "tidegate_request_tokens_bucket{backend=\"ai\",server=\"one\",model=\"gpt\",kind=\"completion\",le=\"64\"} 0",
            "tidegate_request_tokens_sum{backend=\"ai\",server=\"one\",model=\"gpt\",kind=\"prompt\"} 2000",
            "tidegate_request_cost_usd_sum{backend=\"ai\",server=\"one\",model=\"gpt\"} 0.0028",
            "tidegate_client_requests_total{client=\"mobile\",plan=\"premium\"} 2",
            "tidegate_client_refused_total{client=\"mobile\"} 1",
            "tidegate_client_tokens_total{client=\"mobile\",kind=\"completion\"} 400",
            "tidegate_client_cost_usd_total{client=\"mobile\"} 0.0028",
            "tidegate_budget_usd{scope=\"plan\",name=\"premium\",period=\"month\"} 10",
            "tidegate_budget_usd{scope=\"client\",name=\"mobile\",period=\"day\"} 2",
            "tidegate_budget_spent_usd{scope=\"client\",name=\"mobile\",period=\"day\"} 0",
            "tidegate_streams 1",
        ] {
            assert!(page.contains(&format!("{line}\n")), "no {line} in\n{page}");
        }
        assert!(!page.contains("\ntidegate_ledger_pending "), "it is off");
    });
}

#[test]
fn a_client_stands_beside_what_its_plan_and_its_budget_allow() {
    run(async {
        let mut node = node(CONFIG);
        ended(&node);
        let figures = ledger::Figures { pending: 2, lost: 0, written: 7, durable: false };
        let view = std::sync::Arc::into_inner(node.view).unwrap();
        node.view = std::sync::Arc::new(view.with_ledger("state/usage.db".as_ref(), move || Some(figures)));
        let body = ask(node.http().await, "GET", "/api/v1/status", "").await.body;
        let status: serde_json::Value = serde_json::from_str(&body).unwrap();
        let mobile = &status["clients"]["list"][0];
        assert_eq!((&mobile["name"], &mobile["plan"]), (&"mobile".into(), &"premium".into()));
        assert_eq!(
            (&mobile["tokens_last_minute"], &mobile["limits"]["tokens_per_minute"]),
            (&2400.into(), &10_000.into())
        );
        assert_eq!((&mobile["requests_last_minute"], &mobile["refused"]), (&2.into(), &1.into()));
        assert_eq!((&mobile["cost_usd"], &mobile["cost_today_usd"]), (&0.0028.into(), &0.0.into()));
        assert_eq!(mobile["budget"]["left_usd"], 2.0);
        let budgets = status["budgets"]["list"].as_array().unwrap();
        let scopes: Vec<_> = budgets.iter().map(|budget| budget["scope"].as_str().unwrap()).collect();
        assert_eq!(scopes, ["plan", "client"]);
        assert_eq!((&status["ledger"]["durable"], &status["ledger"]["pending"]), (&false.into(), &2.into()));
        let model = &status["models"][0];
        assert_eq!((&model["requests"], &model["prompt_tokens"]), (&2.into(), &2000.into()));
        assert!(model["first_content"]["p50"].as_f64().unwrap() > 0.25);
        let notices = status["attention"].as_array().unwrap();
        assert!(
            notices.iter().any(|n| n["message"].as_str().unwrap().contains("2 wait in memory")),
            "{body}"
        );
    });
}
