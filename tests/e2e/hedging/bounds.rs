//! When nothing is hedged.

use std::time::Duration;

use super::{Actor, ENOUGH, ON, SECTIONS, edge, hedges, is_stream_of, learn, learned, servers, values};
use crate::support::http::{Ask, ok};
use crate::support::sse::{Gate, streamed};
use crate::support::wait::{timed, until};

/// Longer than anything is late by here, by far.
const LONG: Duration = Duration::from_millis(400);

#[test]
fn without_the_key_a_slow_stream_has_one_attempt() {
    for lines in ["", "hedge: off", "hedge: false"] {
        let (first, second) = (Actor::new("first"), Actor::new("second"));
        let edge = edge(lines, &[&first, &second]);
        learn(&edge, ENOUGH + 5);
        let gate = first.is_late();
        let mut client = edge.open();
        client.send(Ask::chat(true).bytes());
        assert!(client.silent_for(LONG));
        gate.open();
        is_stream_of(&client.answer().unwrap(), "first", "1");
        assert_eq!(second.count(), 0);
        assert_eq!(hedges(&edge), [0.0; 3]);
    }
}

#[test]
fn nothing_is_late_before_20_streams_have_begun() {
    let (first, second) = (Actor::new("first"), Actor::new("second"));
    let edge = edge("hedge: {quantile: 50%, at_least: 20ms, budget: 50%}", &[&first, &second]);
    learn(&edge, ENOUGH - 1);
    let gate = first.is_late();
    let mut client = edge.open();
    client.send(Ask::chat(true).bytes());
    assert!(client.silent_for(LONG));
    assert_eq!(second.count(), 0);
    gate.open();
    is_stream_of(&client.answer().unwrap(), "first", "1");
    // That was the twentieth.
    first.is_late();
    is_stream_of(&client.ask(&Ask::chat(true)), "second", "2");
    assert_eq!(hedges(&edge), [1.0, 1.0, 0.0]);
}

#[test]
fn nothing_is_late_before_at_least() {
    let (first, second) = (Actor::new("first"), Actor::new("second"));
    let edge = edge("hedge: {at_least: 600ms}", &[&first, &second]);
    learn(&edge, ENOUGH);
    first.is_late();
    let (answer, took) = timed(|| edge.ask(&Ask::chat(true)));
    is_stream_of(&answer, "second", "2");
    assert!(took >= Duration::from_millis(600), "{took:?}");
}

#[test]
fn what_was_learned_survives_a_reload() {
    let (first, second, edge) = learned();
    edge.reload(SECTIONS, &values(ON, &servers(&[&first, &second])));
    first.is_late();
    is_stream_of(&edge.ask(&Ask::chat(true)), "second", "2");
}

#[test]
fn budget_bounds_hedges() {
    let (first, second) = (Actor::new("first"), Actor::new("second"));
    let edge = edge("hedge: {at_least: 10ms, budget: 1%}", &[&first, &second]);
    learn(&edge, ENOUGH);
    // Ten are always afforded, in ten seconds.
    for round in 1..=10 {
        first.is_late();
        is_stream_of(&edge.ask(&Ask::chat(true)), "second", "2");
        first.was_left(round);
    }
    let gate = first.is_late();
    let mut client = edge.open();
    client.send(Ask::chat(true).bytes());
    until("it is refused", || hedges(&edge) == [10.0, 10.0, 1.0]);
    gate.open();
    is_stream_of(&client.answer().unwrap(), "first", "1");
    assert_eq!(second.count(), 10);
    let line = edge.logged("the refused one", |line| {
        line["server"] == "first" && line["duration_ms"].as_f64() > Some(10.0)
    });
    assert!(line.get("hedged").is_none_or(|hedged| hedged == false), "{line}");
}

#[test]
fn plain_requests_are_not_hedged() {
    let (first, second, edge) = learned();
    let plain = Ask::post("/v1/chat/completions", r#"{"metadata":{"stream":true},"stream":false}"#);
    let elsewhere = Ask::post("/orders", r#"{"stream":true}"#);
    for ask in [Ask::chat(false), plain, Ask::get("/v1/models"), elsewhere] {
        let gate = Gate::default();
        let opened = gate.clone();
        first.plays(move |peer| opened.passed_by(peer) && peer.send(ok(r#"{"server":"first"}"#)));
        let mut client = edge.open();
        client.send(ask.bytes());
        assert!(client.silent_for(LONG), "{}", ask.target);
        gate.open();
        assert_eq!(client.answer().unwrap().json()["server"], "first");
    }
    assert_eq!(second.count(), 0);
    assert_eq!(hedges(&edge), [0.0; 3]);
}

#[test]
fn large_streamed_requests_are_whole_at_both_servers() {
    let (first, second, edge) = learned();
    let body = format!(r#"{{"messages":"{}","stream":true}}"#, "a b c ".repeat(20_000));
    first.is_late();
    let ask = Ask::post("/v1/chat/completions", body.clone());
    for (round, ask) in [ask.clone(), ask.chunked()].into_iter().enumerate() {
        is_stream_of(&edge.ask(&ask), "second", "2");
        assert_eq!(second.count(), round + 1);
        for actor in [&first, &second] {
            let last = actor.upstream.requests().pop().unwrap();
            assert!(last.whole && last.body == body.as_bytes(), "{}", actor.name);
        }
    }
}

#[test]
fn nothing_is_hedged_without_another_server() {
    let first = Actor::new("first");
    let edge = edge(ON, &[&first]);
    learn(&edge, ENOUGH);
    let gate = first.is_late();
    let mut client = edge.open();
    client.send(Ask::chat(true).bytes());
    assert!(client.silent_for(LONG));
    assert_eq!(first.count(), ENOUGH + 1);
    gate.open();
    is_stream_of(&client.answer().unwrap(), "first", "1");
    assert_eq!(hedges(&edge), [0.0; 3]);
}

#[test]
fn nothing_is_hedged_on_a_server_that_takes_no_new_requests() {
    for state in ["maint", "drain"] {
        let (first, second, edge) = learned();
        edge.command(&format!("set server ai/second state {state}"));
        let gate = first.is_late();
        let mut client = edge.open();
        client.send(streamed("/v1/chat/completions").bytes());
        assert!(client.silent_for(LONG));
        gate.open();
        is_stream_of(&client.answer().unwrap(), "first", "1");
        assert_eq!(second.count(), 0);
    }
}

#[test]
fn body_that_is_still_coming_is_not_hedged() {
    let (first, second, edge) = learned();
    let gate = first.is_late();
    let bytes = Ask::chat(true).bytes();
    let mut client = edge.open();
    client.send(&bytes[..bytes.len() - 10]);
    assert!(client.silent_for(LONG));
    client.send(&bytes[bytes.len() - 10..]);
    assert!(client.silent_for(LONG));
    assert_eq!((first.count(), second.count()), (ENOUGH + 1, 0));
    gate.open();
    is_stream_of(&client.answer().unwrap(), "first", "1");
}
