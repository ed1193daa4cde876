//! A second attempt beside a late one is for the same model, under the name that its server knows.

use super::{CHAT, asked, edge};
use crate::support::edge::Edge;
use crate::support::http::Ask;
use crate::support::sse::{Gate, ROLE, begun, completion, whole};
use crate::support::upstream::Upstream;

const AI: &str = "
  models: {alpha: {input: 2, output: 8}, beta: {input: 1, output: 1}}";
const ON: &str = "cooldown: off\n    hedge: {quantile: 95%, at_least: 20ms, budget: 50%}";

/// Answers with its name, or says its role and nothing more while the gate is shut.
fn gated(name: &'static str) -> (Upstream, Gate) {
    let gate = Gate::default();
    gate.open();
    let waits = gate.clone();
    let upstream = Upstream::start(move |peer| {
        while peer.request().is_some() {
            let answer = whole(&completion(name));
            // After the role come chunks of their own; that it is said twice is nothing to a client.
            let rest = &answer[begun("").len()..];
            if !peer.send(begun(ROLE)) || !waits.passed_by(peer) || !peer.send(rest) {
                return;
            }
        }
    });
    (upstream, gate)
}

fn ask() -> Ask {
    Ask::post(
        CHAT,
        r#"{"stream_options":{"include_usage":true},"model":"alpha","stream":true,"messages":[]}"#,
    )
}

fn learn(edge: &Edge) {
    let mut client = edge.open();
    for _ in 0..20 {
        assert_eq!(client.ask(&ask()).status(), 200);
    }
}

#[test]
fn late_stream_is_hedged_on_a_server_of_its_model() {
    let ((first, gate), (second, _open), other) = (gated("first"), gated("second"), Upstream::named("other"));
    let servers = [
        ("first", &*first.url(), "models: {alpha: name-at-first}, tier: 1"),
        ("other", &*other.url(), "models: [beta], tier: 2"),
        ("second", &*second.url(), "models: {alpha: name-at-second}, tier: 3"),
    ];
    let edge = edge(AI, ON, &servers);
    learn(&edge);
    gate.shut();
    let answer = edge.ask(&ask());
    assert!(answer.text().contains("second"), "{}", answer.text());
    assert_eq!(answer.header("x-tidegate-model"), Some("alpha"));
    assert_eq!(asked(&first), vec!["name-at-first"; 21]);
    assert_eq!((asked(&second), other.count()), (vec!["name-at-second".to_owned()], 0));
}

#[test]
fn late_stream_is_not_hedged_on_a_server_of_another_model() {
    let ((first, gate), other) = (gated("first"), Upstream::named("other"));
    let servers = [
        ("first", &*first.url(), "models: {alpha: name-at-first}"),
        ("other", &*other.url(), "models: [beta]"),
    ];
    let edge = edge(AI, ON, &servers);
    learn(&edge);
    gate.shut();
    let mut client = edge.open();
    client.send(ask().bytes());
    assert!(client.silent_for(std::time::Duration::from_millis(200)));
    gate.open();
    assert!(client.answer().unwrap().text().contains("first"));
    assert_eq!((first.count(), other.count()), (21, 0));
}
