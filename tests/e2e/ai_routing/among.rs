//! Retries and queues among the servers of one model: others neither help nor stand in the way.

use super::{ONCE, asked, call, edge, is_of};
use crate::support::fickle::Fickle;
use crate::support::http::Connection;
use crate::support::upstream::Upstream;
use crate::support::wait::until;

const AI: &str = "
  models: {alpha: {input: 2, output: 8}, beta: {input: 1, output: 1}}";

#[test]
fn retries_stay_among_servers_that_know_the_model_each_by_its_name() {
    let (bad, good, other) = (Upstream::failing(500), Upstream::named("good"), Upstream::named("other"));
    let servers = [
        ("bad", &*bad.url(), "models: {alpha: name-at-bad}, tier: 1"),
        ("other", &*other.url(), "models: [beta], tier: 2"),
        ("good", &*good.url(), "models: {alpha: name-at-good}, tier: 3"),
    ];
    let edge = edge(AI, "retry: {attempts: 3, when: [500], backoff: 1ms..2ms, budget: 100%}", &servers);
    let mut client = edge.open();
    for _ in 0..5 {
        let answer = client.ask(&call("alpha"));
        is_of(&answer, "good", "alpha");
        assert_eq!(answer.header("x-tidegate-attempts"), Some("2"));
    }
    assert_eq!(other.count(), 0);
    assert_eq!(
        (asked(&bad), asked(&good)),
        (vec!["name-at-bad".to_owned(); 5], vec!["name-at-good".to_owned(); 5])
    );
}

#[test]
fn without_another_server_of_its_model_a_request_fails() {
    let (bad, other) = (Upstream::failing(500), Upstream::named("other"));
    let servers = [("bad", &*bad.url(), "models: [alpha]"), ("other", &*other.url(), "models: [beta]")];
    let edge = edge(AI, "retry: {attempts: 2, when: [500], backoff: 1ms..2ms, budget: 100%}", &servers);
    assert_eq!(edge.ask(&call("alpha")).status(), 500);
    assert_eq!((bad.count(), other.count()), (2, 0));
}

/// Sends a call and waits until a server has it or it waits in the queue.
fn waiting(edge: &crate::support::edge::Edge, model: &str, places: usize) -> Vec<Connection> {
    let queued = || edge.metrics().sum("tidegate_queue_length", &[]);
    let before = queued();
    let clients: Vec<Connection> = (0..places)
        .map(|_| {
            let mut client = edge.open();
            client.send(call(model).bytes());
            client
        })
        .collect();
    until("they wait", || queued() == before + places as f64);
    clients
}

#[test]
fn full_servers_of_one_model_hold_up_no_other() {
    let (alpha, beta) = (Fickle::new("alpha"), Fickle::new("beta"));
    let servers = [
        ("alpha", &*alpha.url(), "models: [alpha], max_concurrent: 1"),
        ("beta", &*beta.url(), "models: [beta], max_concurrent: 1"),
    ];
    let edge = edge(AI, ONCE, &servers);
    alpha.holds();
    let mut held = edge.open();
    held.send(call("alpha").bytes());
    until("the server is full", || alpha.count() == 1);
    let waits = waiting(&edge, "alpha", 3);
    for _ in 0..5 {
        is_of(&edge.ask(&call("beta")), "beta", "beta");
    }
    // Now both are full, and each line moves by itself.
    beta.holds();
    let mut also_held = edge.open();
    also_held.send(call("beta").bytes());
    until("the other is full", || beta.count() == 6);
    let also_wait = waiting(&edge, "beta", 2);
    beta.recovers();
    for mut client in std::iter::once(also_held).chain(also_wait) {
        is_of(&client.answer().unwrap(), "beta", "beta");
    }
    assert_eq!(alpha.count(), 1);
    alpha.recovers();
    for mut client in std::iter::once(held).chain(waits) {
        is_of(&client.answer().unwrap(), "alpha", "alpha");
    }
    assert_eq!((alpha.count(), beta.count()), (4, 8));
}

#[test]
fn place_on_a_server_of_two_models_goes_to_either_line() {
    let both = Fickle::new("both");
    let servers = [
        ("both", &*both.url(), "models: [alpha, beta], max_concurrent: 1"),
        ("gone", "http://127.0.0.1:9", "models: [beta], max_concurrent: 1"),
    ];
    let edge = edge(AI, ONCE, &servers);
    edge.command("set server ai/gone state maint");
    both.holds();
    let mut held = edge.open();
    held.send(call("alpha").bytes());
    until("the server is full", || both.count() == 1);
    let (alpha, beta) = (waiting(&edge, "alpha", 2), waiting(&edge, "beta", 2));
    both.recovers();
    for (clients, model) in [(vec![held], "alpha"), (alpha, "alpha"), (beta, "beta")] {
        for mut client in clients {
            is_of(&client.answer().unwrap(), "both", model);
        }
    }
    assert_eq!(both.count(), 5);
}
