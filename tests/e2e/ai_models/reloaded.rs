//! Models that change while requests run: what runs ends as it began, what comes next is new.

use super::listed;
use crate::ai_routing::{CHAT, asked, call};
use crate::support::edge::Edge;
use crate::support::fickle::Fickle;
use crate::support::http::Ask;
use crate::support::upstream::Upstream;
use crate::support::wait::until;

const SECTIONS: &str = "
<ai>
frontends:
  web: {bind: [{address: 127.0.0.1:0}], default_backend: ai}
backends:
  ai: {retry: {attempts: 2, when: [500], backoff: 1ms..2ms, budget: 100%}, breaker: off, eject: off, servers: {one: {url: <one>, tier: 1, <its>}, two: {url: <two>, tier: 2, <its>}}}";

const OLD: &str = "ai: {models: {alpha: {input: 2, output: 8}, beta: {input: 1, output: 1}}}";
const NEW: &str =
    "ai: {models: {gamma: {input: 1, output: 1}, alpha: {input: 1, output: 1, fallback: [gamma]}}}";

fn values<'a>(ai: &'a str, its: &'a str, one: &'a str, two: &'a str) -> [(&'static str, &'a str); 4] {
    [("ai", ai), ("its", its), ("one", one), ("two", two)]
}

#[test]
fn request_in_flight_ends_with_the_names_it_began_with() {
    let (one, two) = (Fickle::new("one"), Upstream::named("two"));
    let (first, second) = (one.url(), two.url());
    let edge = Edge::start(SECTIONS, &values(OLD, "models: {alpha: old-a, beta: old-b}", &first, &second));
    one.holds();
    let mut client = edge.open();
    client.send(call("alpha").bytes());
    until("it is under way", || one.count() == 1);
    edge.reload(SECTIONS, &values(NEW, "models: {gamma: new-g, alpha: new-a}", &first, &second));
    // Fails only now: its second attempt is made after the change.
    one.fails(500);
    let answer = client.answer().unwrap();
    assert_eq!((answer.status(), answer.header("x-tidegate-model")), (200, Some("alpha")));
    assert_eq!(asked(&two), ["old-a"]);
    one.recovers();
    let mut next = edge.open();
    assert_eq!(next.ask(&call("alpha")).header("x-tidegate-model"), Some("alpha"));
    next.ask(&call("beta")).is_error(404, "model_not_found");
    assert_eq!(asked(&one.upstream), ["old-a", "new-a"]);
    assert_eq!(listed(&next.ask(&Ask::get("/v1/models"))), ["gamma", "alpha"]);
}

#[test]
fn half_sent_call_is_read_by_the_configuration_it_began_with() {
    let [one, two] = ["one", "two"].map(Upstream::named);
    let (first, second) = (one.url(), two.url());
    let edge = Edge::start(SECTIONS, &values(OLD, "models: {alpha: a, beta: old-b}", &first, &second));
    let mut client = edge.open();
    let bytes = call("beta").bytes();
    let (begin, rest) = bytes.split_at(bytes.len() - 20);
    client.send(begin);
    until("it has begun", || {
        edge.metrics().sum("tidegate_in_flight", &[("frontend", "web")]) > 0.0
            || edge.ask(&call("alpha")).status() == 200
    });
    edge.reload(SECTIONS, &values(NEW, "models: {gamma: g, alpha: new-a}", &first, &second));
    client.send(rest);
    let answer = client.answer().unwrap();
    // Whichever configuration its head has met, all of the request meets the same.
    match answer.status() {
        200 => assert_eq!(asked(&one).last().map(String::as_str), Some("old-b")),
        status => assert_eq!(status, 404),
    }
}

#[test]
fn models_that_come_and_go_change_whether_calls_are_read() {
    let [one, two] = ["one", "two"].map(Upstream::named);
    let (first, second) = (one.url(), two.url());
    let edge = Edge::start(SECTIONS, &values("", "weight: 1", &first, &second));
    let mut client = edge.open();
    let not_json = Ask::post(CHAT, "not json");
    assert_eq!(client.ask(&not_json).status(), 200);
    edge.reload(SECTIONS, &values(OLD, "models: {alpha: a, beta: b}", &first, &second));
    edge.ask(&not_json).is_error(400, "bad_request");
    assert_eq!(edge.ask(&call("alpha")).status(), 200);
    edge.reload(SECTIONS, &values("", "weight: 1", &first, &second));
    assert_eq!(edge.ask(&not_json).status(), 200);
    let answer = edge.ask(&call("alpha"));
    assert_eq!((answer.status(), answer.header("x-tidegate-model")), (200, None));
    assert_eq!(asked_texts(&one), ["not json", &text("a"), "not json", &text("alpha")]);
}

fn text(model: &str) -> String {
    String::from_utf8(call(model).body.unwrap()).unwrap()
}

fn asked_texts(server: &Upstream) -> Vec<String> {
    server.requests().iter().map(|request| request.text()).collect()
}
