//! Calls that are not easily ended: nobody reads, several servers work on them, they wait for their next attempt.

use std::time::Duration;

use super::{in_flight, lines, till};
use crate::support::edge::Edge;
use crate::support::http::{Ask, answer, chunk};
use crate::support::rude::{EVENT_STREAM_HEAD, never_answers, stalls_after};
use crate::support::site::Site;
use crate::support::sse::{END, Gate, ROLE, begun, content};
use crate::support::till::{Take, chat};
use crate::support::upstream::Upstream;
use crate::support::wait::{timed, until};

/// Talks until nobody listens.
fn talker() -> Upstream {
    Upstream::start(|peer| {
        if peer.request().is_none() {
            return;
        }
        peer.send(EVENT_STREAM_HEAD);
        let event = chunk(content(&"words ".repeat(2000)).as_bytes());
        while peer.going_on() && peer.send(&event) {}
        peer.wait_until_left();
    })
}

#[test]
fn a_client_that_reads_nothing_does_not_keep_its_server() {
    let till = till(talker());
    let mut client = till.edge.open();
    client.send(chat("sk-app", "gpt-4.1", true, 500, Take::default()).header("x-request-id", "deaf").bytes());
    assert_eq!(client.head().unwrap().status(), 200);
    // Nothing moves any more: all buffers are full.
    let sent = || in_flight(&till.edge, 1)[0]["completion_tokens"].as_u64().unwrap_or(0);
    let mut before = 0;
    until("it is stuck", || {
        std::thread::sleep(Duration::from_millis(100));
        let now = sent();
        std::mem::replace(&mut before, now) == now && now > 0
    });
    let ((), took) = timed(|| {
        till.edge.command("kill stream deaf");
        until("its server is left", || till.one.departures() == 1);
        until("it is gone", || lines(&till.edge).is_empty());
    });
    assert!(took < Duration::from_secs(5), "{took:?}");
    let line = till.edge.logged("the killed one", |line| line["request_id"] == "deaf");
    assert_eq!(line["termination"], "KD--");
}

#[test]
fn other_streams_of_the_same_connection_go_on() {
    let gate = Gate::default();
    let door = gate.clone();
    let one = Upstream::start(move |peer| {
        if peer.request().is_none() {
            return;
        }
        peer.send(begun(&[ROLE, &content("begun")].concat()));
        if door.passed_by(peer) {
            peer.send([chunk(END.as_bytes()), b"0\r\n\r\n".to_vec()].concat());
            peer.wait_until_left();
        }
    });
    let site = Site::new("ai: {models: {gpt-4.1: {input: 2.00, output: 8.00}}}", "", one);
    let mut client = site.http2();
    let ask = |id| Ask::chat(true).header("x-request-id", id);
    let (first, second) = (client.start(&ask("first")), client.start(&ask("second")));
    until("both have begun", || {
        let list = in_flight(&site.edge, 2);
        list.iter().all(|stream| stream["streamed"] == true)
    });
    site.edge.command("kill stream first");
    assert!(first.answer().is_err(), "no clean end");
    until("its server is left", || site.one.departures() == 1);
    gate.open();
    let second = second.answer().unwrap();
    assert!(
        second.text().ends_with("data: [DONE]\n\n") && !second.text().contains("error"),
        "{}",
        second.text()
    );
    assert!(!client.has_ended());
}

fn two(one: &Upstream, two: &Upstream, lines: &str) -> Edge {
    Edge::start(
        "
ai: {models: {gpt-4.1: {input: 2.00, output: 8.00}}}
frontends:
  web: {bind: [{address: 127.0.0.1:0}], default_backend: ai}
backends:
  ai:
    breaker: off
    eject: off
    cooldown: off
    <lines>
    servers: {one: {url: <one>}, two: {url: <two>, tier: 2}}",
        &[("one", &one.url()), ("two", &two.url()), ("lines", lines)],
    )
}

#[test]
fn both_attempts_of_a_hedge_end() {
    let late = Upstream::start(|peer| {
        for request in 0.. {
            let Some(_) = peer.request() else { return };
            if request >= 20 {
                return peer.wait_until_left();
            }
            peer.send(crate::support::sse::whole(&crate::support::sse::completion("hi")));
        }
    });
    let never = never_answers();
    let edge = two(&late, &never, "hedge: {quantile: 95%, at_least: 20ms, budget: 50%}");
    let mut client = edge.open();
    for _ in 0..20 {
        assert_eq!(client.ask(&Ask::chat(true)).status(), 200);
    }
    client.send(Ask::chat(true).header("x-request-id", "hedged").bytes());
    until("both have it", || never.count() == 1);
    edge.command("kill stream hedged");
    client.answer().unwrap().is_error(503, "stream_killed");
    until("both are left", || (late.departures(), never.departures()) == (1, 1));
    until("it is gone", || lines(&edge).is_empty());
}

/// Between two attempts no server has it.
#[test]
fn one_that_waits_for_its_next_attempt_ends_at_once() {
    let busy = Upstream::replying(|_| answer(503, &[("retry-after", "4")], "busy"));
    let edge = Edge::start(
        "
ai: {models: {gpt-4.1: {input: 2.00, output: 8.00}}}
frontends:
  web: {bind: [{address: 127.0.0.1:0}], default_backend: ai}
backends:
  ai:
    breaker: off
    eject: off
    cooldown: off
    retry: {attempts: 3, when: [503], backoff: 5s..5s}
    servers: {one: {url: <one>}}",
        &[("one", &busy.url())],
    );
    let mut client = edge.open();
    client.send(Ask::chat(false).header("x-request-id", "pausing").bytes());
    until("it was tried once", || busy.count() == 1);
    edge.command("kill stream pausing");
    let (answer, took) = timed(|| client.answer().unwrap());
    answer.is_error(503, "stream_killed");
    assert!(took < Duration::from_secs(3), "{took:?}");
    assert_eq!(busy.count(), 1);
}

/// The server has read it, and will want its money.
#[test]
fn a_call_that_is_ended_before_its_answer_costs_the_prompt() {
    for one in [never_answers(), stalls_after(begun(ROLE))] {
        let till = till(one);
        let ask = chat("sk-app", "gpt-4.1", true, 500, Take::default()).header("x-request-id", "slow");
        let mut client = till.edge.open();
        client.send(ask.bytes());
        until("the server has it", || till.one.count() == 1);
        till.edge.command("kill stream slow");
        assert_eq!(client.answer().unwrap().status(), 503);
        let prompt = ask.body.unwrap().len().div_ceil(4) as u64;
        till.comes_to("all", "", prompt * 2);
    }
}
