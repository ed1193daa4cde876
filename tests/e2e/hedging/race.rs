//! How two attempts end that run at once.

use super::{Actor, ENOUGH, ON, edge, hedges, is_stream_of, learn, learned};
use crate::support::admin::column;
use crate::support::http::{Ask, answer};
use crate::support::sse::{begun, completion, streamed, whole};
use crate::support::wait::until;

#[test]
fn second_server_that_is_faster_wins() {
    let (first, second, edge) = learned();
    first.is_late();
    is_stream_of(&edge.ask(&Ask::chat(true)), "second", "2");
    first.was_left(1);
    assert_eq!((first.count(), second.count()), (ENOUGH + 1, 1));
    let line = edge.logged("the hedged one", |line| line["hedged"] == true);
    assert_eq!((&line["server"], &line["attempts"]), (&"second".into(), &2.into()));
    assert!(line["first_content_ms"].as_f64() >= Some(20.0), "{line}");
    assert_eq!(hedges(&edge), [1.0, 1.0, 0.0]);
    assert_eq!(edge.log().iter().filter(|line| line["hedged"] == true).count(), 1);
}

#[test]
fn first_server_that_is_faster_after_all_wins() {
    let (first, second, edge) = learned();
    let gate = first.is_late();
    second.is_late();
    let mut client = edge.open();
    client.send(Ask::chat(true).bytes());
    until("the second server is asked", || second.count() == 1);
    gate.open();
    is_stream_of(&client.answer().unwrap(), "first", "2");
    second.was_left(1);
    assert_eq!(hedges(&edge), [1.0, 0.0, 0.0]);
    let line = edge.logged("the hedged one", |line| line["hedged"] == true);
    assert_eq!(line["server"], "first");
    // The connection of the client is as good as before.
    first.answers();
    assert_eq!(client.ask(&Ask::chat(true)).text(), completion("first"));
}

#[test]
fn first_server_may_fail_while_the_second_runs() {
    let (first, second, edge) = learned();
    let fails = first.stalls(|_| false);
    let goes_on = second.is_late();
    let mut client = edge.open();
    client.send(Ask::chat(true).bytes());
    until("the second server is asked", || second.count() == 1);
    fails.open();
    until("the failure is counted", || {
        edge.metrics().sum("tidegate_server_failures_total", &[("server", "first")]) == 1.0
    });
    goes_on.open();
    is_stream_of(&client.answer().unwrap(), "second", "2");
    assert_eq!((first.count(), second.count()), (ENOUGH + 1, 1));
}

#[test]
fn second_server_may_fail_while_the_first_runs() {
    let (first, second, edge) = learned();
    for (round, part) in [
        answer(503, &[("content-type", "application/json")], "{}"),
        whole("data: {\"error\":{\"message\":\"no\",\"code\":500}}\n\n"),
        b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n".to_vec(),
        Vec::new(),
    ]
    .into_iter()
    .enumerate()
    {
        let gate = first.is_late();
        second.plays(move |peer| {
            peer.send(&part);
            false
        });
        let mut client = edge.open();
        client.send(Ask::chat(true).bytes());
        until("the second server is asked", || second.count() == round + 1);
        until("the failure is counted", || {
            let failures = edge.metrics().sum("tidegate_server_failures_total", &[("server", "second")]);
            failures == round as f64 + 1.0
        });
        gate.open();
        is_stream_of(&client.answer().unwrap(), "first", "2");
    }
    assert_eq!(hedges(&edge), [4.0, 0.0, 0.0]);
}

#[test]
fn when_both_fail_a_third_server_is_asked() {
    let (first, second, third) = (Actor::new("first"), Actor::new("second"), Actor::new("third"));
    let edge = edge(ON, &[&first, &second, &third]);
    learn(&edge, ENOUGH);
    let fails = first.stalls(|_| false);
    second.plays(|_| false);
    let mut client = edge.open();
    client.send(Ask::chat(true).bytes());
    until("the second server failed", || {
        edge.metrics().sum("tidegate_server_failures_total", &[("server", "second")]) == 1.0
    });
    assert_eq!(third.count(), 0, "the first one still runs");
    fails.open();
    is_stream_of(&client.answer().unwrap(), "third", "3");
    assert_eq!((first.count(), second.count(), third.count()), (ENOUGH + 1, 1, 1));
}

#[test]
fn when_all_fail_the_error_is_clean() {
    let (first, second, edge) = learned();
    let fails = first.stalls(|_| false);
    second.plays(|_| false);
    let mut client = edge.open();
    client.send(Ask::chat(true).bytes());
    until("the second server is asked", || second.count() == 1);
    fails.open();
    let answer = client.answer().unwrap();
    answer.is_error(502, "upstream_error");
    assert_eq!(answer.header("x-tidegate-attempts"), Some("3"));
    assert_eq!(first.count() + second.count(), ENOUGH + 3);
}

#[test]
fn answer_that_is_nobodys_failure_ends_the_race() {
    let (first, second, edge) = learned();
    let invalid = "data: {\"error\":{\"message\":\"max_tokens\",\"type\":\"invalid_request_error\"}}\n\n";
    first.is_late();
    let bytes = whole(invalid);
    second.plays(move |peer| peer.send(&bytes));
    let got = edge.ask(&Ask::chat(true));
    assert_eq!((got.status(), got.text().as_str()), (200, invalid));
    first.was_left(1);
    second.plays(|peer| peer.send(answer(400, &[("content-type", "application/json")], "{\"error\":{}}")));
    let got = edge.ask(&Ask::chat(true));
    assert_eq!((got.status(), got.text().as_str()), (400, "{\"error\":{}}"));
    first.was_left(2);
}

#[test]
fn client_that_leaves_in_the_race_takes_both_with_it() {
    let (first, second, edge) = learned();
    first.is_late();
    second.is_late();
    let mut client = edge.open();
    client.send(Ask::chat(true).bytes());
    until("the second server is asked", || second.count() == 1);
    drop(client);
    first.was_left(1);
    second.was_left(1);
    until("nobody is counted there any more", || {
        edge.show_stat().iter().all(|row| {
            let server = ["first", "second"].contains(&column(row, "svname"));
            !server || column(row, "scur") == "0"
        })
    });
    assert_eq!(edge.metrics().sum("tidegate_server_failures_total", &[]), 0.0);
}

#[test]
fn every_streaming_api_is_hedged() {
    let (first, second, edge) = learned();
    for (round, path) in ["/v1/messages", "/v1/completions"].into_iter().enumerate() {
        first.plays(|peer| {
            peer.send(begun(""));
            peer.wait_until_left();
            false
        });
        let events = "data: {\"type\":\"x\",\"choices\":[{\"text\":\"Hi\"}]}\n\n";
        let bytes = whole(events);
        second.plays(move |peer| peer.send(&bytes));
        assert_eq!(edge.ask(&streamed(path)).text(), events, "{path}");
        first.was_left(round + 1);
    }
}
