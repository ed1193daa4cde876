//! A model that cannot be had is stood in for, in the order of its chain, within one request.

use std::time::Duration;

use super::{CHAT, ONCE, asked, call, edge, is_of};
use crate::support::edge::Edge;
use crate::support::fickle::{Does, Fickle};
use crate::support::http::{Ask, answer, ok};
use crate::support::rude::Refusing;
use crate::support::sse;
use crate::support::upstream::Upstream;
use crate::support::wait::until;

const AI: &str = "
  models:
    alpha: {input: 2, output: 8, fallback: [beta, gamma]}
    beta: {input: 1, output: 1}
    gamma: {input: 1, output: 1}
    lost: {input: 1, output: 1, fallback: [alpha]}
  tasks: {code: {model: alpha, fallback: [gamma]}}";

/// One server for `alpha`, and one for `beta`, which calls it `b-2`.
fn pair(lines: &str, alpha: &str, beta: &Upstream) -> Edge {
    edge(AI, lines, &[("alpha", alpha, "models: [alpha]"), ("beta", &beta.url(), "models: {beta: b-2}")])
}

#[test]
fn model_whose_servers_cannot_be_reached_is_stood_in_for() {
    let (gone, beta) = (Refusing::new(), Upstream::named("beta"));
    let edge = pair(ONCE, &gone.url(), &beta);
    let answer = edge.ask(&call("alpha"));
    is_of(&answer, "beta", "beta");
    assert_eq!(answer.header("x-tidegate-attempts"), Some("2"));
    assert_eq!(beta.request().body, call("b-2").body.unwrap());
}

#[test]
fn model_whose_servers_fail_is_stood_in_for() {
    for status in [500, 503, 429] {
        let (failing, beta) = (Upstream::failing(status), Upstream::named("beta"));
        let edge =
            pair("cooldown: off\n    retry: {attempts: 1, when: [500, 503, 429]}", &failing.url(), &beta);
        is_of(&edge.ask(&call("alpha")), "beta", "beta");
        assert_eq!((failing.count(), asked(&beta)), (1, vec!["b-2".to_owned()]));
    }
}

#[test]
fn what_is_not_tried_again_is_not_stood_in_for() {
    for status in [400, 403, 404, 413, 422] {
        let (failing, beta) = (Upstream::failing(status), Upstream::named("beta"));
        let edge = pair(ONCE, &failing.url(), &beta);
        let answer = edge.ask(&call("alpha"));
        assert_eq!((answer.status(), answer.header("x-tidegate-model")), (status, Some("alpha")));
        assert_eq!(answer.json()["error"]["message"], "scripted");
        assert_eq!(beta.count(), 0);
    }
}

#[test]
fn model_whose_servers_are_in_maintenance_is_stood_in_for_without_an_attempt() {
    let [alpha, beta] = ["alpha", "beta"].map(Upstream::named);
    let edge = pair(ONCE, &alpha.url(), &beta);
    edge.command("set server ai/alpha state maint");
    let answer = edge.ask(&call("alpha"));
    is_of(&answer, "beta", "beta");
    assert_eq!((answer.header("x-tidegate-attempts"), alpha.count()), (Some("1"), 0));
    edge.command("set server ai/alpha state ready");
    is_of(&edge.ask(&call("alpha")), "alpha", "alpha");
}

#[test]
fn model_whose_server_cools_down_is_stood_in_for_at_once() {
    let limited = Upstream::replying(|_| answer(429, &[("retry-after", "60")], "{}"));
    let beta = Upstream::named("beta");
    let servers = [
        ("alpha", &*limited.url(), "models: [alpha], api_key: ours"),
        ("beta", &*beta.url(), "models: {beta: b-2}"),
    ];
    let edge = edge(AI, "retry: {attempts: 2, when: [429]}", &servers);
    for attempts in ["2", "1", "1"] {
        let answer = edge.ask(&call("alpha"));
        is_of(&answer, "beta", "beta");
        assert_eq!(
            (answer.header("x-tidegate-attempts"), answer.header("retry-after")),
            (Some(attempts), None)
        );
    }
    assert_eq!((limited.count(), beta.count()), (1, 3));
}

#[test]
fn full_server_is_waited_for_and_not_stood_in_for() {
    let (alpha, beta) = (Fickle::new("alpha"), Upstream::named("beta"));
    let servers = [
        ("alpha", &*alpha.url(), "models: [alpha], max_concurrent: 1"),
        ("beta", &*beta.url(), "models: [beta]"),
    ];
    let edge = edge(AI, ONCE, &servers);
    alpha.holds();
    let (mut held, mut waits) = (edge.open(), edge.open());
    held.send(call("alpha").bytes());
    until("the server is full", || alpha.count() == 1);
    waits.send(call("alpha").bytes());
    until("it waits", || edge.metrics().sum("tidegate_queue_length", &[]) == 1.0);
    alpha.recovers();
    for client in [&mut held, &mut waits] {
        is_of(&client.answer().unwrap(), "alpha", "alpha");
    }
    assert_eq!((alpha.count(), beta.count()), (2, 0));
}

#[test]
fn chain_is_followed_to_its_end() {
    let [one, two] = [500, 503].map(Upstream::failing);
    let gamma = Upstream::named("gamma");
    let servers = [
        ("one", &*one.url(), "models: [alpha]"),
        ("two", &*two.url(), "models: [beta]"),
        ("gamma", &*gamma.url(), "models: [gamma]"),
    ];
    let edge = edge(AI, ONCE, &servers);
    let answer = edge.ask(&call("alpha"));
    is_of(&answer, "gamma", "gamma");
    assert_eq!(answer.header("x-tidegate-attempts"), Some("3"));
    // Of a task its own comes first; of a model that nobody knows what stands in for it, and for that.
    is_of(&edge.ask(&call("auto").header("x-task", "code")), "gamma", "gamma");
    is_of(&edge.ask(&call("lost")), "gamma", "gamma");
    assert_eq!((one.count(), two.count(), gamma.count()), (3, 2, 3));
}

#[test]
fn when_all_models_fail_the_last_one_s_answer_is_passed_on() {
    let (one, two) = (Upstream::failing(500), Upstream::failing(503));
    let edge = pair(ONCE, &one.url(), &two);
    let answer = edge.ask(&call("alpha"));
    assert_eq!((answer.status(), answer.json()["error"]["message"].as_str()), (503, Some("scripted")));
    assert_eq!(answer.header("x-tidegate-model"), Some("beta"));
    assert_eq!((one.count(), two.count()), (1, 1));
}

#[test]
fn when_no_model_can_be_had_the_client_may_come_back() {
    let [alpha, beta] = ["alpha", "beta"].map(Upstream::named);
    let edge = pair(ONCE, &alpha.url(), &beta);
    for server in ["alpha", "beta"] {
        edge.command(&format!("set server ai/{server} state maint"));
    }
    let answer = edge.ask(&call("alpha"));
    answer.is_error(503, "no_server_available");
    assert!(answer.header("retry-after").is_some());
}

#[test]
fn attempts_begin_anew_with_each_model() {
    let [one, two] = [500, 500].map(Upstream::failing);
    let beta = Upstream::failing(500);
    let servers = [
        ("one", &*one.url(), "models: [alpha]"),
        ("two", &*two.url(), "models: [alpha]"),
        ("beta", &*beta.url(), "models: [beta]"),
    ];
    let edge = edge(AI, "retry: {attempts: 2, backoff: 1ms..2ms, budget: 100%}", &servers);
    let answer = edge.ask(&call("alpha"));
    assert_eq!((answer.status(), answer.header("x-tidegate-attempts")), (500, Some("4")));
    assert_eq!((one.count(), two.count(), beta.count()), (1, 1, 2));
}

#[test]
fn silent_server_is_stood_in_for_within_the_whole_time() {
    let (alpha, beta) = (Fickle::new("alpha"), Upstream::named("beta"));
    alpha.holds();
    let edge = pair("retry: {attempts: 1}\n    timeouts: {first_byte: 100ms}", &alpha.url(), &beta);
    is_of(&edge.ask(&call("alpha")), "beta", "beta");
    let edge = pair("retry: {attempts: 1}\n    timeouts: {total: 200ms}", &alpha.url(), &beta);
    edge.ask(&call("alpha")).is_error(504, "upstream_timeout");
    assert_eq!(beta.count(), 1, "there is no time left for another model");
}

#[test]
fn server_that_refuses_our_key_is_stood_in_for() {
    let (alpha, beta) = (Upstream::failing(401), Upstream::named("beta"));
    let servers = [
        ("alpha", &*alpha.url(), "models: [alpha], api_key: ours"),
        ("beta", &*beta.url(), "models: [beta]"),
    ];
    let edge = edge(AI, ONCE, &servers);
    is_of(&edge.ask(&call("alpha")), "beta", "beta");
}

fn streamed(model: &str) -> Ask {
    Ask::post(CHAT, format!(r#"{{"model":"{model}","stream":true,"messages":[]}}"#))
}

#[test]
fn stream_that_fails_before_its_content_is_stood_in_for_and_none_after_it() {
    let (alpha, beta) = (Fickle::new("alpha"), sse::well("beta"));
    let edge = pair("cooldown: off\n    retry: {attempts: 1}", &alpha.url(), &beta);
    let error = "data: {\"error\":{\"message\":\"busy\",\"type\":\"server_error\",\"code\":503}}\n\n";
    for beginning in [sse::begun(""), sse::begun(sse::ROLE), sse::whole(&[sse::ROLE, error].concat())] {
        alpha.does(Does::Ends(beginning));
        let answer = edge.ask(&streamed("alpha"));
        assert_eq!((answer.status(), answer.text()), (200, sse::completion("beta")));
        assert_eq!(answer.header("x-tidegate-model"), Some("beta"));
    }
    assert_eq!(beta.count(), 3);
    alpha.does(Does::Ends(sse::begun(&[sse::ROLE, &sse::content("alpha")].concat())));
    let answer = edge.ask(&streamed("alpha"));
    assert_eq!((answer.status(), answer.header("x-tidegate-model")), (200, Some("alpha")));
    assert_eq!(beta.count(), 3, "what the client has seen is not said again");
}

#[test]
fn stand_in_that_no_server_of_the_backend_knows_is_passed_over() {
    let (alpha, gamma) = (Upstream::failing(500), Upstream::named("gamma"));
    let servers = [("alpha", &*alpha.url(), "models: [alpha]"), ("gamma", &*gamma.url(), "models: [gamma]")];
    let edge = edge(AI, ONCE, &servers);
    let answer = edge.ask(&call("alpha"));
    is_of(&answer, "gamma", "gamma");
    assert_eq!(answer.header("x-tidegate-attempts"), Some("2"));
}

#[test]
fn one_server_may_stand_in_with_another_model() {
    let busy = Upstream::replying(|request| match request.json()["model"].as_str() {
        Some("a") => answer(503, &[], "{}"),
        _ => ok(r#"{"server":"one"}"#),
    });
    let edge = edge(AI, ONCE, &[("one", &busy.url(), "models: {alpha: a, beta: b}")]);
    is_of(&edge.ask(&call("alpha")), "one", "beta");
    assert_eq!(asked(&busy), ["a", "b"]);
}

#[test]
fn client_that_leaves_while_it_is_stood_in_for_is_let_go() {
    let alpha = Upstream::failing(500);
    let beta = Upstream::start(|peer| {
        peer.request();
        peer.wait_until_left();
    });
    let edge = pair(ONCE, &alpha.url(), &beta);
    let mut client = edge.open();
    client.send(call("alpha").bytes());
    until("the second model is asked", || beta.count() == 1);
    assert!(client.silent_for(Duration::from_millis(1)));
    drop(client);
    until("its server is let go", || beta.departures() == 1);
}
