//! `tidegate mock` behind tidegate: what the demo and the SDK tests stand on.

use serde_json::json;

use crate::support::edge::Edge;
use crate::support::http::{Ask, Connection};
use crate::support::mock::Mock;
use crate::support::wait::until;

fn edge(servers: &[(&str, &Mock)]) -> Edge {
    let servers: String =
        servers.iter().map(|(name, mock)| format!("      {name}: {{url: {}/v1}}\n", mock.url())).collect();
    Edge::start(
        "
frontends:
  web: {bind: [{address: 127.0.0.1:0}], default_backend: ai}
backends:
  ai:
    retry: {attempts: 3, when: [connect_failure, empty_response, 500, 503], backoff: 1ms..5ms}
    check: {http: {method: GET, path: /models}, interval: 200ms, fast_interval: 50ms, timeout: 1s, rise: 1, fall: 2}
    servers:
<servers>",
        &[("servers", &servers)],
    )
}

#[test]
fn api_is_there() {
    let mock = Mock::start("alpha");
    let edge = edge(&[("alpha", &mock)]);
    let models = edge.ask(&Ask::get("/v1/models"));
    assert_eq!((models.status(), models.json()["object"].as_str()), (200, Some("list")));
    let chat = edge.ask(&Ask::chat(false));
    assert!(chat.json()["choices"][0]["message"]["content"].as_str().is_some_and(|text| !text.is_empty()));
    assert!(chat.json()["usage"]["total_tokens"].as_u64().is_some_and(|count| count > 0));
    let embedding = edge.ask(
        &Ask::post("/v1/embeddings", r#"{"model":"m","input":["a","b"]}"#)
            .header("content-type", "application/json"),
    );
    assert_eq!(embedding.json()["data"].as_array().map(Vec::len), Some(2));
    let stream = edge.ask(&Ask::chat(true));
    assert_eq!(stream.header("content-type").map(|kind| kind.starts_with("text/event-stream")), Some(true));
    assert!(stream.whole && stream.text().ends_with("data: [DONE]\n\n"), "{}", stream.text());
}

#[test]
fn faults_are_survived_while_another_provider_is_well() {
    let (alpha, beta) = (Mock::start("alpha"), Mock::start("beta"));
    let edge = edge(&[("alpha", &alpha), ("beta", &beta)]);
    for fault in
        [json!({"status": 503}), json!({"cut_before_head": true}), json!({"status": 500, "error_rate": 0.5})]
    {
        alpha.faults(&fault);
        let mut client: Connection = edge.open();
        for _ in 0..3 {
            assert_eq!(client.ask(&Ask::chat(false)).status(), 200, "{fault}");
        }
    }
}

#[test]
fn failing_check_takes_it_out_and_a_good_one_brings_it_back() {
    let (alpha, beta) = (Mock::start("alpha"), Mock::start("beta"));
    let edge = edge(&[("alpha", &alpha), ("beta", &beta)]);
    let both = || {
        let mut client = edge.open();
        let servers: std::collections::BTreeSet<String> = (0..4)
            .map(|_| client.ask(&Ask::chat(false)).header("x-mock-server").unwrap().to_owned())
            .collect();
        servers.len() == 2
    };
    until("both serve", both);
    alpha.faults(&json!({"models_status": 500}));
    until("one serves", || !both());
    alpha.faults(&json!({}));
    until("both serve again", both);
}

#[test]
fn cut_stream_of_the_mock_does_not_look_complete() {
    let mock = Mock::start("alpha");
    mock.faults(&json!({"cut_after_chunks": 2}));
    let edge = edge(&[("alpha", &mock)]);
    let text = edge.ask(&Ask::chat(true)).text();
    assert!(text.contains("\"error\"") && !text.contains("[DONE]"), "{text}");
}

#[test]
fn journal_tells_what_reached_it() {
    let mock = Mock::start("alpha");
    let edge = edge(&[("alpha", &mock)]);
    edge.ask(&Ask::chat(false).header("x-mark", "here"));
    let journal = mock.requests();
    let found =
        journal["requests"].as_array().unwrap().iter().any(|entry| entry["headers"]["x-mark"][0] == "here");
    assert!(found, "{journal}");
}
