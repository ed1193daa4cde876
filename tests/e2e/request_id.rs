//! x-request-id: kept if it is fit to be, else made; the same toward server, client and log.

use crate::support::edge::Edge;
use crate::support::http::{Ask, answer};
use crate::support::upstream::Upstream;

const SECTIONS: &str = "
frontends:
  web: {bind: [{address: 127.0.0.1:0}], default_backend: ai}
backends:
  ai: {servers: {one: {url: <one>}}}";

#[test]
fn clients_id_is_kept_toward_both_sides() {
    let one = Upstream::named("one");
    let edge = Edge::start(SECTIONS, &[("one", &one.url())]);
    let answer = edge.ask(&Ask::get("/v1/models").header("X-Request-Id", "abc-123_~!"));
    assert_eq!(answer.header("x-request-id"), Some("abc-123_~!"));
    assert_eq!(one.request().header("x-request-id"), Some("abc-123_~!"));
    edge.logged("with the id", |line| line.to_string().contains("abc-123_~!"));
}

#[test]
fn missing_id_is_made_and_differs() {
    let one = Upstream::named("one");
    let edge = Edge::start(SECTIONS, &[("one", &one.url())]);
    let mut client = edge.open();
    let made: Vec<String> = (0..50)
        .map(|_| client.ask(&Ask::get("/v1/models")).header("x-request-id").unwrap().to_owned())
        .collect();
    let toward_server: Vec<String> =
        one.requests().iter().map(|request| request.header("x-request-id").unwrap().to_owned()).collect();
    assert_eq!(made, toward_server);
    let distinct: std::collections::HashSet<&String> = made.iter().collect();
    assert_eq!(distinct.len(), made.len());
    assert!(made.iter().all(|id| id.len() >= 16), "{made:?}");
}

#[test]
fn unfit_ids_are_replaced() {
    let one = Upstream::named("one");
    let edge = Edge::start(SECTIONS, &[("one", &one.url())]);
    let long = "x".repeat(129);
    for unfit in ["", "with space", "tab\there", long.as_str()] {
        let answer = edge.ask(&Ask::get("/v1/models").header("x-request-id", unfit));
        let made = answer.header("x-request-id").unwrap();
        assert!(made != unfit && !made.is_empty() && !made.contains(' '), "{unfit:?} -> {made:?}");
    }
    let longest = "x".repeat(128);
    let answer = edge.ask(&Ask::get("/v1/models").header("x-request-id", &longest));
    assert_eq!(answer.header("x-request-id"), Some(longest.as_str()));
}

#[test]
fn two_ids_are_never_both_passed_on() {
    let one = Upstream::named("one");
    let edge = Edge::start(SECTIONS, &[("one", &one.url())]);
    let answer =
        edge.ask(&Ask::get("/v1/models").header("x-request-id", "first").header("x-request-id", "second"));
    let answered = answer.head.all("x-request-id");
    assert_eq!(answered.len(), 1, "{answered:?}");
    assert_eq!(one.request().head.all("x-request-id"), answered);
}

#[test]
fn upstreams_own_id_comes_back_under_another_name() {
    let one = Upstream::replying(|_| answer(200, &[("X-Request-Id", "req_of_the_provider")], "{}"));
    let edge = Edge::start(SECTIONS, &[("one", &one.url())]);
    let answer = edge.ask(&Ask::get("/v1/models").header("x-request-id", "mine"));
    assert_eq!(answer.header("x-request-id"), Some("mine"));
    assert_eq!(answer.header("x-upstream-request-id"), Some("req_of_the_provider"));
}

#[test]
fn answers_made_here_carry_an_id_too() {
    let edge = Edge::start(SECTIONS, &[("one", "http://127.0.0.1:1")]);
    let answer = edge.ask(&Ask::get("/v1/models").header("x-request-id", "mine"));
    assert_eq!((answer.status(), answer.header("x-request-id")), (503, Some("mine")));
}
