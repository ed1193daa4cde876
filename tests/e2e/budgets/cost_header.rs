//! `ai.cost_header`: plain answers tell what they cost, and for that they are held until they are whole.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde_json::json;

use crate::support::edge::Edge;
use crate::support::http::{Message, answer, chunk};
use crate::support::sse::Gate;
use crate::support::till::{Take, Terms, Till, chat, message, reply};
use crate::support::upstream::Upstream;
use crate::support::wait::until;

const TOLD: Terms = Terms { app: "", plan: "", ai: "\n  cost_header: true" };
const TAKE: Take = Take { prompt: 1200, completion: 340, cached: 1000 };

fn cost(answer: &Message) -> Option<&str> {
    answer.header("x-tidegate-cost")
}

/// 1 MB and a little more or less, with the usage at its end.
fn of_size(size: usize) -> Vec<u8> {
    let usage = r#"],"usage":{"prompt_tokens":1200,"completion_tokens":340,"total_tokens":1540}}"#;
    let head = r#"{"object":"chat.completion","filling":""#;
    let filling = "x".repeat(size - head.len() - usage.len() - r#"","choices":["#.len());
    [head, &filling, r#"","choices":["#, usage].concat().into_bytes()
}

fn chunked(body: &[u8], each: usize) -> Vec<u8> {
    let head = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n";
    let mut bytes = head.as_bytes().to_vec();
    body.chunks(each).for_each(|part| bytes.extend(chunk(part)));
    bytes.extend_from_slice(b"0\r\n\r\n");
    bytes
}

#[test]
fn plain_answers_tell_what_they_cost_and_streams_do_not() {
    let till = Till::new(&TOLD);
    let mut client = till.edge.open();
    for _ in 0..3 {
        let plain = client.ask(&chat("sk-app", "gpt-4.1", false, 10, TAKE));
        assert_eq!((plain.status(), cost(&plain)), (200, Some("0.003620")));
        assert_eq!(plain.json()["usage"]["prompt_tokens"], 1200);
        let stream = client.ask(&chat("sk-app", "gpt-4.1", true, 10, TAKE));
        assert_eq!((stream.status(), cost(&stream), stream.whole), (200, None, true));
        let anthropic =
            client.ask(&message("sk-app", false, Take { prompt: 100, completion: 7, cached: 40 }));
        assert_eq!(cost(&anthropic), Some("0.000297"));
        let free = client.ask(&chat("sk-app", "gratis", false, 10, TAKE));
        assert_eq!(cost(&free), Some("0.000000"));
    }
    let dear = Take { prompt: 1_000_000, completion: 1_500_000, cached: 0 };
    assert_eq!(cost(&client.ask(&chat("sk-app", "gpt-4.1", false, 10, dear))), Some("14.000000"));
    till.reload(&Terms::default());
    let plain = till.ask(&chat("sk-app", "gpt-4.1", false, 10, TAKE));
    assert_eq!((plain.status(), cost(&plain)), (200, None));
}

#[test]
fn what_costs_nothing_tells_nothing() {
    let till = Till::with(&TOLD, Upstream::failing(500));
    let failed = till.ask(&chat("sk-app", "gpt-4.1", false, 10, TAKE));
    assert_eq!((failed.status(), cost(&failed)), (500, None));
    let unknown = till.ask(&chat("sk-app", "nobody", false, 10, TAKE));
    assert_eq!((unknown.status(), cost(&unknown)), (404, None));
}

#[test]
fn larger_answers_pass_without_it() {
    const MEGABYTE: usize = 1 << 20;
    let till = Till::with(
        &TOLD,
        Upstream::replying(|request| {
            let asked = request.json()["metadata"]["prompt"].as_u64().unwrap() as usize;
            let body = of_size(asked);
            match asked % 2 {
                0 => answer(200, &[("content-type", "application/json")], body),
                _ => chunked(&body, 60_000),
            }
        }),
    );
    let mut client = till.edge.open();
    for (size, told) in [
        (MEGABYTE - 100_000, true),
        (MEGABYTE - 99_999, true),
        (3 * MEGABYTE, false),
        (3 * MEGABYTE + 1, false),
    ] {
        let take = Take { prompt: size as u64, ..Take::default() };
        let answer = client.ask(&chat("sk-app", "gpt-4.1", false, 10, take));
        assert_eq!((answer.status(), answer.whole), (200, true));
        assert_eq!(answer.body, of_size(size));
        assert_eq!(cost(&answer), told.then_some("0.005120"), "{size}");
    }
    for line in till.edge.log() {
        assert_eq!(line["cost_usd"].as_f64(), Some(0.00512), "counted all the same: {line}");
    }
}

#[test]
fn an_answer_that_trickles_is_held_to_its_end() {
    let gate = Gate::default();
    let door = gate.clone();
    let one = Upstream::start(move |peer| {
        let Some(request) = peer.request() else { return };
        let bytes = reply(&request);
        let (first, last) = bytes.split_at(bytes.len() - 1);
        if !first.chunks(7).all(|part| peer.send(part)) || !door.passed_by(peer) {
            return;
        }
        peer.send(last);
    });
    let till = Till::with(&TOLD, one);
    let mut client = till.edge.open();
    client.send(chat("sk-app", "gpt-4.1", false, 10, TAKE).bytes());
    until("it has come", || till.one.count() == 1);
    assert!(client.silent_for(Duration::from_millis(100)), "nothing of it is seen before its end");
    gate.open();
    let answer = client.answer().unwrap();
    assert_eq!((answer.status(), cost(&answer), answer.whole), (200, Some("0.003620"), true));
}

/// Two servers, the first of which is asked first.
fn pair(one: &Upstream, two: &Upstream) -> Edge {
    Edge::start(
        "
ai: {cost_header: true, models: {gpt-4.1: {input: 2.00, output: 8.00, cached_input: 0.50}}}
frontends:
  web: {bind: [{address: 127.0.0.1:0}], default_backend: ai}
backends:
  ai:
    breaker: off
    eject: off
    servers: {one: {url: <one>}, two: {url: <two>, tier: 2}}",
        &[("one", &one.url()), ("two", &two.url())],
    )
}

#[test]
fn an_answer_that_is_cut_while_it_is_held_is_asked_for_elsewhere() {
    for how in 0..3 {
        let one = Upstream::start(move |peer| {
            let Some(request) = peer.request() else { return };
            let bytes = match how {
                0 => reply(&request),
                1 => chunked(&of_size(200_000), 1000),
                _ => answer(200, &[("content-type", "application/json; charset=utf-8")], of_size(500_000)),
            };
            peer.send(&bytes[..bytes.len() * 2 / 3]);
        });
        let two = Upstream::replying(reply);
        let edge = pair(&one, &two);
        let answer = edge.ask(&chat("", "gpt-4.1", false, 10, TAKE));
        assert_eq!((answer.status(), answer.whole), (200, true), "{how}");
        assert_eq!(answer.json()["usage"]["completion_tokens"], 340, "the second server's, and nothing else");
        assert_eq!((cost(&answer), answer.header("x-tidegate-attempts")), (Some("0.003620"), Some("2")));
        let line = edge.logged("the call", |line| line["status"] == 200);
        assert_eq!((&line["server"], line["cost_usd"].as_f64()), (&"two".into(), Some(0.00362)));
    }
}

#[test]
fn one_that_is_cut_everywhere_is_a_clean_error() {
    let cut = || {
        Upstream::start(|peer| {
            if let Some(request) = peer.request() {
                let bytes = reply(&request);
                peer.send(&bytes[..bytes.len() - 1]);
            }
        })
    };
    let (one, two) = (cut(), cut());
    let edge = pair(&one, &two);
    let answer = edge.ask(&chat("", "gpt-4.1", false, 10, TAKE));
    assert_eq!((answer.status(), cost(&answer), answer.whole), (502, None, true), "{}", answer.text());
    assert_eq!(answer.json()["error"]["code"], "upstream_error");
}

#[test]
fn a_client_that_leaves_while_it_is_held_stops_the_server() {
    static LEFT: AtomicBool = AtomicBool::new(false);
    let one = Upstream::start(|peer| {
        if let Some(request) = peer.request() {
            let bytes = reply(&request);
            peer.send(&bytes[..bytes.len() - 1]);
            peer.wait_until_left();
            LEFT.store(true, Ordering::SeqCst);
        }
    });
    let till =
        Till::with(&Terms { ai: "\n  cost_header: true\n  budget: {usd: 1}", ..Terms::default() }, one);
    let ask = chat("sk-app", "gpt-4.1", false, 10, TAKE);
    let mut client = till.edge.open();
    client.send(ask.bytes());
    until("it has come", || till.one.count() == 1);
    drop(client);
    until("the server is left too", || LEFT.load(Ordering::SeqCst));
    // What it has read is paid.
    let prompt = ask.body.unwrap().len().div_ceil(4) as u64;
    till.comes_to("all", "", prompt * 2);
}

#[test]
fn what_is_no_answer_in_json_passes_as_it_comes() {
    let till = Till::with(
        &TOLD,
        Upstream::replying(|_| answer(200, &[("content-type", "audio/mpeg")], vec![7; 300_000])),
    );
    let body = json!({"model": "gpt-4.1", "input": "say it", "voice": "alloy"}).to_string();
    let ask = crate::ai_usage::call("/v1/audio/speech", &body).bearer("sk-app");
    let answer = till.ask(&ask);
    assert_eq!((answer.status(), answer.whole, answer.body.len()), (200, true, 300_000));
}
