//! Another server gets what the first one could not do: byte for byte, within the attempts, and only where the first
//! cannot have acted.

use crate::support::edge::{Edge, server_of};
use crate::support::http::{Ask, Message};
use crate::support::rude::{Deaf, Refusing, closes_at_once, closes_unanswered, never_answers, says};
use crate::support::upstream::Upstream;

const RETRY: &str = "{attempts: 3, when: [connect_failure, empty_response, timeout, 429, 500, 502, 503, 504], backoff: 1ms..5ms}";

/// Servers in the order of their tiers: a later one is reached only by a retry.
fn edge(retry: &str, urls: &[&str]) -> Edge {
    patient(retry, "20s", urls)
}

/// The same, where a connect and a first byte may take so long.
fn patient(retry: &str, patience: &str, urls: &[&str]) -> Edge {
    let servers: String = urls
        .iter()
        .enumerate()
        .map(|(index, url)| format!("      s{index}: {{url: {url}, tier: {}}}\n", index + 1))
        .collect();
    Edge::start(
        "
defaults: {max_request_body: 20m, timeouts: {connect: <patience>, first_byte: <patience>}}
frontends:
  web: {bind: [{address: 127.0.0.1:0}], default_backend: ai}
backends:
  ai:
    retry: <retry>
    servers:
<servers>",
        &[("retry", retry), ("patience", patience), ("servers", &servers)],
    )
}

#[test]
fn refused_and_unanswered_connects_go_to_the_next_server() {
    let good = Upstream::named("good");
    let refusing = Refusing::new();
    let refused = edge(RETRY, &[&refusing.url(), &good.url()]);
    assert_eq!(server_of(&refused.ask(&Ask::chat(false))), "good");
    let deaf = Deaf::new();
    let unanswered = patient(RETRY, "1s", &[&deaf.url(), &good.url()]);
    assert_eq!(server_of(&unanswered.ask(&Ask::chat(false))), "good");
}

#[test]
fn listed_statuses_go_to_the_next_server_and_others_to_the_client() {
    let good = Upstream::named("good");
    for (status, retried) in
        [(503, true), (500, true), (429, true), (502, true), (504, true), (501, false), (404, false)]
    {
        let bad = Upstream::failing(status);
        let edge = edge(RETRY, &[&bad.url(), &good.url()]);
        let answer = edge.ask(&Ask::chat(false));
        assert_eq!(answer.status(), if retried { 200 } else { status }, "{status}");
        assert_eq!(bad.count(), 1);
    }
}

#[test]
fn empty_answers_and_silence_go_to_the_next_server() {
    let good = Upstream::named("good");
    for bad in [closes_unanswered(), closes_at_once(), never_answers()] {
        let edge = patient(RETRY, "1s", &[&bad.url(), &good.url()]);
        assert_eq!(server_of(&edge.ask(&Ask::chat(false))), "good");
    }
}

#[test]
fn bodies_of_any_size_arrive_whole_at_the_next_server() {
    for size in [0, 1, 10_000, 65_535, 65_536, 65_537, 1_000_000, 10_000_000] {
        let body = noise(size);
        for ask in [
            Ask::post("/v1/chat/completions", body.clone()),
            Ask::post("/v1/chat/completions", body.clone()).chunked(),
        ] {
            let (first, second) = (Upstream::failing(503), Upstream::named("second"));
            let edge = edge(RETRY, &[&first.url(), &second.url()]);
            assert_eq!(server_of(&edge.ask(&ask)), "second", "{size}");
            for upstream in [&first, &second] {
                let request = upstream.request();
                // Not assert_eq: nobody wants to read ten megabytes.
                assert!(
                    request.whole && request.body == body,
                    "{size}: {} bytes arrived",
                    request.body.len()
                );
            }
        }
    }
}

#[test]
fn large_body_survives_a_server_that_closes_while_it_is_sent() {
    let body = noise(5_000_000);
    let good = Upstream::named("good");
    let quitter = Upstream::start(|peer| {
        if peer.connection.head().is_some() {
            let _ = peer.connection.exactly(100_000);
        }
    });
    let edge = edge(RETRY, &[&quitter.url(), &good.url()]);
    assert_eq!(server_of(&edge.ask(&Ask::post("/v1/chat/completions", body.clone()))), "good");
    assert!(good.request().body == body);
}

#[test]
fn early_refusal_while_the_body_is_sent_is_read() {
    let early = crate::support::rude::answers_early("HTTP/1.1 503 Busy");
    let good = Upstream::named("good");
    let body = noise(5_000_000);
    let edge = edge(RETRY, &[&early.url(), &good.url()]);
    assert_eq!(server_of(&edge.ask(&Ask::post("/v1/chat/completions", body.clone()))), "good");
    assert!(good.request().body == body);
}

#[test]
fn attempts_count_all_tries() {
    let all: Vec<Upstream> = (0..4).map(|_| Upstream::failing(503)).collect();
    let urls: Vec<String> = all.iter().map(Upstream::url).collect();
    let urls: Vec<&str> = urls.iter().map(String::as_str).collect();
    let three = edge(RETRY, &urls);
    assert_eq!(three.ask(&Ask::chat(false)).status(), 503);
    assert_eq!(all.iter().map(Upstream::count).collect::<Vec<_>>(), [1, 1, 1, 0]);
    let one = edge("{attempts: 1, when: [503]}", &urls);
    assert_eq!(one.ask(&Ask::chat(false)).status(), 503);
    assert_eq!(all.iter().map(Upstream::count).sum::<usize>(), 4);
}

#[test]
fn last_answer_of_a_server_is_what_the_client_gets() {
    let bad = Upstream::failing(503);
    let edge = edge(RETRY, &[&bad.url()]);
    let answer = edge.ask(&Ask::chat(false));
    assert_eq!((answer.status(), answer.json()["error"]["message"].as_str()), (503, Some("scripted")));
}

#[test]
fn nothing_usable_is_503() {
    let (a, b) = (Refusing::new(), Refusing::new());
    let edge = edge(RETRY, &[&a.url(), &b.url()]);
    edge.ask(&Ask::chat(false)).is_error(503, "no_server_available");
}

#[test]
fn post_off_the_api_is_not_sent_twice_after_the_server_may_have_acted() {
    let good = Upstream::named("good");
    let post = Ask::post("/orders", "{}");
    let bad = closes_unanswered();
    let acted = edge(RETRY, &[&bad.url(), &good.url()]);
    assert_eq!(acted.ask(&post).status(), 502);
    assert_eq!(good.count(), 0);

    let refusing = Refusing::new();
    let not_acted = edge(RETRY, &[&refusing.url(), &good.url()]);
    assert_eq!(server_of(&not_acted.ask(&post)), "good", "nothing was sent, so it may be sent elsewhere");

    let idempotent = edge(RETRY, &[&bad.url(), &good.url()]);
    assert_eq!(server_of(&idempotent.ask(&Ask::get("/orders/1"))), "good");
}

#[test]
fn nothing_is_retried_after_a_byte_reached_the_client() {
    let good = Upstream::named("good");
    let cut = says("HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nsome");
    let edge = edge(RETRY, &[&cut.url(), &good.url()]);
    let answer: Message = edge.ask(&Ask::chat(false));
    assert_eq!((answer.status(), answer.text().as_str(), answer.whole), (200, "some", false));
    assert_eq!(good.count(), 0);
}

#[test]
fn other_server_of_the_same_tier_comes_first() {
    let (bad, good, spare) = (Upstream::failing(503), Upstream::named("good"), Upstream::named("spare"));
    let edge = Edge::start(
        "
frontends:
  web: {bind: [{address: 127.0.0.1:0}], default_backend: ai}
backends:
  ai:
    retry: <retry>
    servers:
      bad: {url: <bad>, tier: 1}
      good: {url: <good>, tier: 1}
      spare: {url: <spare>, tier: 2}",
        &[("retry", RETRY), ("bad", &bad.url()), ("good", &good.url()), ("spare", &spare.url())],
    );
    assert_eq!(edge.servers(6), ["good"; 6]);
    assert!(bad.count() >= 1);
}

#[test]
fn retries_are_counted() {
    let (bad, good) = (Upstream::failing(503), Upstream::named("good"));
    let edge = edge(RETRY, &[&bad.url(), &good.url()]);
    edge.ask(&Ask::chat(false));
    crate::support::wait::until("the retry is in the metrics", || {
        edge.metrics().sum("tidegate_retries_total", &[]) == 1.0
    });
}

#[test]
fn connection_that_the_server_closed_while_idle_is_never_the_clients_problem() {
    // Answers one request on each connection and closes it right after, without saying so.
    let one = Upstream::start(|peer| {
        if peer.request().is_some() {
            peer.send(crate::support::http::ok(r#"{"server":"one"}"#));
        }
    });
    let edge = edge("{attempts: 2, when: [connect_failure]}", &[&one.url()]);
    let mut client = edge.open();
    for _ in 0..50 {
        assert_eq!(server_of(&client.ask(&Ask::chat(false))), "one");
    }
}

/// Bytes without a pattern that a lost or repeated block could hide in.
fn noise(size: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut out = Vec::with_capacity(size + 8);
    while out.len() < size {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        out.extend_from_slice(&state.to_le_bytes());
    }
    out.truncate(size);
    out
}
