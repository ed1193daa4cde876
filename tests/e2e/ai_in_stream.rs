//! `enforce: in_stream`: a stream ends in good order where its client's tokens do, and its server is stopped.

use serde_json::Value;

use crate::support::edge::Edge;
use crate::support::http::Ask;
use crate::support::upstream::Upstream;
use crate::support::wait::until;

const HEAD: &str = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n";

/// A server that talks until nobody listens, 40 bytes of content an event.
fn talker() -> Upstream {
    Upstream::start(|peer| {
        if peer.request().is_some() {
            peer.send(HEAD);
            let content = "forty bytes of words that say nothing ok";
            let data = format!(
                "data: {{\"id\":\"c1\",\"model\":\"m\",\"created\":7,\"choices\":[{{\"index\":0,\"delta\":{{\"content\":\"{content}\"}}}}]}}\n\n"
            );
            let chunk = format!("{:x}\r\n{data}\r\n", data.len());
            for _ in 0..20_000 {
                peer.send(&chunk);
            }
        }
    })
}

fn edge(plan: &str, upstream: &Upstream) -> Edge {
    let sections = format!(
        "
frontends:
  web: {{bind: [{{address: 127.0.0.1:0}}], default_backend: ai}}
clients: {{mode: required, keys: [{{name: app, key: sk-app, plan: p}}]}}
plans: {{p: {{tokens_per_minute: 1000{plan}}}}}
backends: {{ai: {{servers: {{one: {{url: <one>}}}}}}}}"
    );
    Edge::start(&sections, &[("one", &upstream.url())])
}

fn chat(options: &str) -> Ask {
    let body = format!("{{\"model\":\"m\",\"stream\":true,\"max_tokens\":10{options}}}");
    Ask::post("/v1/chat/completions", body).header("authorization", "Bearer sk-app")
}

fn events(text: &str) -> Vec<Value> {
    let data = text.split("\n\n").filter_map(|event| event.strip_prefix("data: "));
    data.filter(|data| *data != "[DONE]").map(|data| serde_json::from_str(data).unwrap()).collect()
}

#[test]
fn stream_ends_in_good_order_where_the_tokens_do() {
    let upstream = talker();
    let edge = edge(", enforce: in_stream", &upstream);
    let answer = edge.ask(&chat(", \"stream_options\": {\"include_usage\": true}"));
    let text = answer.text();
    assert!(text.ends_with("data: [DONE]\n\n"), "{}", &text[text.len().saturating_sub(300)..]);
    let events = events(&text);
    let [.., last, usage] = events.as_slice() else { panic!("{text}") };
    assert_eq!((&last["choices"][0]["finish_reason"], &last["id"]), (&"length".into(), &"c1".into()));
    let total = usage["usage"]["total_tokens"].as_u64().unwrap();
    assert!((900..1100).contains(&total), "{usage}");
    let line = edge.logged("the cut stream", |line| line["status"] == 200);
    assert_eq!((&line["reason"], &line["termination"]), (&"plan_tokens_in_stream".into(), &"PD--".into()));
    let next = edge.ask(&chat(""));
    assert_eq!((next.status(), next.header("x-ratelimit-limit-tokens")), (429, Some("1000")));
    until("the server was stopped", || upstream.count() == 1);
}

#[test]
fn without_it_a_stream_goes_on_and_the_next_request_waits() {
    let upstream = talker();
    let edge = edge("", &upstream);
    let mut client = edge.open();
    client.send(chat("").bytes());
    client.head().unwrap();
    let mut read = 0;
    while read < 100_000 {
        read += client.chunk().unwrap().unwrap().len();
    }
    drop(client);
    edge.logged("the stream that was left", |line| line["termination"] == "CD--");
    assert_eq!(edge.ask(&chat("")).status(), 429, "what was seen is owed");
}
