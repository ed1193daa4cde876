//! After the commit: nothing is asked again, and what breaks is told inside of the stream.

use std::time::Duration;

use super::{IMPATIENT, SITE, Site, http2, is_passed_on};
use crate::support::http::{Ask, Cut, Message, chunk};
use crate::support::rude::{says, stalls_after};
use crate::support::sse::{END, Gate, ROLE, begun, content, streams, well};
use crate::support::upstream::Upstream;
use crate::support::wait::until;

/// The stream began so and ended with an error event of that code; no other server was asked.
#[track_caller]
fn broke(answer: &Message, began: &str, code: &str, spare: &Upstream) {
    let text = answer.text();
    assert_eq!(answer.status(), 200);
    let rest = text.strip_prefix(began).unwrap_or_else(|| panic!("{text}"));
    let data =
        rest.trim_start().strip_prefix("data: ").unwrap_or_else(|| panic!("no event at the end: {text}"));
    let error: serde_json::Value = serde_json::from_str(data.trim_end()).unwrap();
    assert_eq!(error["error"]["code"], code, "{error}");
    assert!(!text.contains("[DONE]") && text.ends_with("\n\n"), "{text}");
    assert_eq!(spare.count(), 0);
    assert_eq!(answer.header("x-tidegate-attempts"), Some("1"));
}

#[test]
fn cut_behind_content_ends_with_an_error_event() {
    let began = [ROLE, &content("some")].concat();
    for (tail, seen) in [("", ""), ("zz\r\n", ""), ("ff\r\ndata: {\"cho", "data: {\"cho")] {
        let gate = Gate::default();
        let (opened, events) = (gate.clone(), begun(&began));
        let cut = Upstream::start(move |peer| {
            if peer.request().is_some() {
                peer.send(&events);
                if opened.passed_by(peer) {
                    peer.send(tail);
                }
            }
        });
        let spare = well("spare");
        let edge = SITE.before(&[&cut, &spare]);
        let mut client = edge.open();
        client.send(Ask::chat(true).bytes());
        let head = client.head().unwrap();
        gate.open();
        let mut body = Vec::new();
        let end = loop {
            match client.chunk() {
                Ok(Some(data)) => body.extend(data),
                end => break end,
            }
        };
        assert_eq!(end, Err(Cut), "the transfer itself must not look complete");
        let answer = Message { head, body, whole: false };
        broke(&answer, &(began.clone() + seen), "upstream_error", &spare);
    }
}

#[test]
fn cut_behind_content_ends_with_an_error_event_on_http2_too() {
    let began = [ROLE, &content("some")].concat();
    let (cut, spare) = (says(begun(&began)), well("spare"));
    let (edge, authority) = SITE.secured(&[&cut, &spare]);
    let failed = http2(&edge, &authority).start(&Ask::chat(true)).answer();
    assert!(failed.is_err(), "the stream looks complete");
    assert_eq!(spare.count(), 0);
}

#[test]
fn silence_behind_content_ends_with_an_error_event() {
    let began = [ROLE, &content("some")].concat();
    let (stalls, spare) = (stalls_after(begun(&began)), well("spare"));
    let site = Site { timeouts: "{first_content: 20s, server: 1s}", ..SITE };
    let edge = site.before(&[&stalls, &spare]);
    broke(&edge.ask(&Ask::chat(true)), &began, "upstream_timeout", &spare);
    until("the server is left", || stalls.departures() == 1);
}

#[test]
fn time_for_first_content_is_for_the_first_only() {
    let gate = Gate::default();
    let opened = gate.clone();
    let upstream = Upstream::start(move |peer| {
        if peer.request().is_some() {
            peer.send(begun(&[ROLE, &content("one")].concat()));
            if opened.passed_by(peer) {
                peer.send(chunk([&content("two"), END].concat().as_bytes()));
                peer.send("0\r\n\r\n");
                peer.wait_until_left();
            }
        }
    });
    let edge = IMPATIENT.before(&[&upstream]);
    let mut client = edge.open();
    client.send(Ask::chat(true).bytes());
    let head = client.head().unwrap();
    assert_eq!(head.status(), 200);
    let first = client.chunk().unwrap().unwrap();
    assert_eq!(String::from_utf8(first).unwrap(), [ROLE, &content("one")].concat());
    assert!(client.silent_for(Duration::from_millis(1500)), "more than first_content");
    gate.open();
    let second = client.chunk().unwrap().unwrap();
    assert_eq!(String::from_utf8(second).unwrap(), [&content("two"), END].concat());
    assert_eq!(client.chunk(), Ok(None));
}

#[test]
fn error_behind_content_is_passed_on() {
    let error = "data: {\"error\":{\"message\":\"no\",\"type\":\"server_error\",\"code\":500}}\n\n";
    let events = [ROLE, &content("some"), error].concat();
    is_passed_on("late error", &streams(&events), &Ask::chat(true), &events);
    // In one event with it.
    let both =
        "data: {\"choices\":[{\"delta\":{\"content\":\"x\"}}]}\n\ndata: {\"error\":{\"code\":500}}\n\n";
    is_passed_on("the same segment", &streams(both), &Ask::chat(true), both);
}
