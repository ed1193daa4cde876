//! A server that refuses our key is asked last, and that is told loudly, once.

use crate::support::edge::{Edge, server_of};
use crate::support::fickle::Fickle;
use crate::support::http::{Ask, answer};
use crate::support::upstream::Upstream;
use crate::support::wait::until;

const KEY: &str = "sk-ours-and-secret";
const LINE: &str = "server ai/one refuses our api_key";

fn sections(extra: &str, servers: &str) -> String {
    format!(
        "
frontends:
  web: {{bind: [{{address: 127.0.0.1:0}}], default_backend: ai}}
backends:
  ai: {{retry: {{attempts: 2, when: [connect_failure], budget: 100%}}, {extra} servers: {{{servers}}}}}"
    )
}

const KEYED: &str = "one: {url: <one>, api_key: sk-ours-and-secret}, two: {url: <two>, tier: 2}";

fn pair(servers: &str) -> (Edge, Fickle, Upstream) {
    let (one, two) = (Fickle::new("one"), Upstream::named("two"));
    let edge = Edge::start(&sections("", servers), &[("one", &one.url()), ("two", &two.url())]);
    (edge, one, two)
}

#[test]
fn refused_key_is_told_once_and_another_server_answers() {
    let (edge, one, two) = pair(KEYED);
    one.fails(401);
    let answer = edge.ask(&Ask::chat(false));
    assert_eq!(server_of(&answer), "two");
    assert_eq!(answer.header("x-tidegate-attempts"), Some("2"));
    assert_eq!(edge.state("one"), "misconfigured");
    assert_eq!(edge.servers(20), ["two"; 20]);
    assert_eq!((one.count(), two.count()), (1, 21), "it is not asked again");

    edge.says(LINE);
    let told: Vec<String> = edge.process.stderr().into_iter().filter(|line| line.contains(LINE)).collect();
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(told[0].to_lowercase().contains("error"), "loud: {}", told[0]);
    assert!(told[0].contains("backends.ai.servers.one.api_key"), "where to put it right: {}", told[0]);
    let metrics = edge.metrics();
    let labels = [("server", "one"), ("state", "misconfigured")];
    assert_eq!(metrics.sum("tidegate_server_state", &labels), 1.0);
    let labels = [("server", "one"), ("to", "misconfigured")];
    assert_eq!(metrics.sum("tidegate_server_changes_total", &labels), 1.0);
    let events = edge.events_to("one", "misconfigured");
    assert_eq!((events.len(), events[0]["tone"].as_str()), (1, Some("alarm")));
    let attention = edge.status()["attention"].to_string();
    assert!(attention.contains("ai/one"), "{attention}");
    for text in [edge.process.transcript(), attention, edge.admin_get("/stats").text()] {
        assert!(!text.contains(KEY), "the key is told");
    }
}

#[test]
fn alone_the_client_never_reads_what_the_provider_says_of_our_key() {
    let one = Fickle::new("one");
    let edge =
        Edge::start(&sections("", "one: {url: <one>, api_key: sk-ours-and-secret}"), &[("one", &one.url())]);
    one.does(crate::support::fickle::Does::Says(answer(
        401,
        &[("content-type", "application/json"), ("www-authenticate", "Bearer realm=\"the-provider\"")],
        r#"{"error":{"message":"Incorrect API key provided: sk-ours-and-secret"}}"#,
    )));
    for count in 1..=3 {
        let refused = edge.ask(&Ask::chat(false));
        refused.is_error(503, "no_server_available");
        assert!(!refused.text().contains("sk-ours") && refused.header("www-authenticate").is_none());
        assert_eq!(one.count(), count, "last in line is not out: it is asked, once for each request");
    }
    assert_eq!(edge.events_to("one", "misconfigured").len(), 1);
    assert_eq!(edge.told(LINE), 1);
}

#[test]
fn refusal_of_a_clients_own_key_is_the_clients() {
    let (edge, one, two) = pair("one: {url: <one>}, two: {url: <two>, tier: 2}");
    for status in [401, 403] {
        one.fails(status);
        for _ in 0..7 {
            let answer = edge.ask(&Ask::chat(false).bearer("sk-of-a-client"));
            assert_eq!(
                (answer.status(), answer.json()["error"]["message"].as_str()),
                (status, Some("scripted"))
            );
        }
    }
    assert_eq!((edge.state("one").as_str(), two.count()), ("up", 0));
}

#[test]
fn forbidden_counts_at_once_where_the_key_was_never_good() {
    let (edge, one, _two) = pair(KEYED);
    one.fails(403);
    assert_eq!(edge.ask(&Ask::chat(false)).status(), 403, "what the server said");
    assert_eq!(edge.state("one"), "misconfigured");
    assert_eq!(edge.servers(3), ["two"; 3]);
}

#[test]
fn forbidden_counts_at_the_fifth_in_a_row_where_the_key_was_good() {
    let (edge, one, two) = pair(KEYED);
    let forbidden = |times: usize| {
        one.fails(403);
        for _ in 0..times {
            assert_eq!(edge.ask(&Ask::chat(false)).status(), 403);
        }
    };
    assert_eq!(edge.servers(1), ["one"]);
    forbidden(4);
    one.recovers();
    assert_eq!(edge.servers(1), ["one"], "the row is broken");
    forbidden(4);
    assert_eq!((edge.state("one").as_str(), two.count()), ("up", 0));
    forbidden(1);
    assert_eq!(edge.state("one"), "misconfigured");
    assert_eq!(edge.servers(3), ["two"; 3]);
}

#[test]
fn last_in_line_is_asked_when_nobody_else_is_there_and_an_answer_ends_it() {
    let (edge, one, _two) = pair(KEYED);
    one.fails(401);
    assert_eq!(edge.servers(2), ["two"; 2]);
    one.recovers();
    edge.command("disable server ai/two");
    assert_eq!(edge.servers(1), ["one"]);
    assert_eq!(edge.state("one"), "up");
    edge.command("enable server ai/two");
    assert_eq!(edge.servers(3), ["one"; 3]);
}

#[test]
fn operators_ready_ends_it() {
    let (edge, one, _two) = pair(KEYED);
    one.fails(401);
    assert_eq!(edge.servers(2), ["two"; 2]);
    one.recovers();
    edge.command("set server ai/one state ready");
    assert_eq!(edge.state("one"), "up");
    assert_eq!(edge.servers(2), ["one"; 2]);
}

/// What it asks for may need no key.
#[test]
fn passed_check_does_not_end_it() {
    let one = Upstream::replying(|request| match request.head.target() {
        "/health" => answer(200, &[], ""),
        _ => answer(401, &[], ""),
    });
    let two = Upstream::named("two");
    let check = "check: {http: {path: /health}, interval: 50ms, fast_interval: 50ms, timeout: 2s},";
    let edge = Edge::start(&sections(check, KEYED), &[("one", &one.url()), ("two", &two.url())]);
    assert_eq!(edge.servers(1), ["two"]);
    let before = one.count();
    until("some more checks have passed", || one.count() > before + 3);
    assert_eq!(edge.state("one"), "misconfigured");
    assert_eq!(edge.servers(3), ["two"; 3]);
}

#[test]
fn reload_with_another_key_ends_it_and_any_other_does_not() {
    let (one, two) = (Fickle::new("one"), Upstream::named("two"));
    let urls = [("one", one.url()), ("two", two.url())];
    let values = urls.each_ref().map(|(name, url)| (*name, url.as_str()));
    let edge = Edge::start(&sections("", KEYED), &values);
    one.fails(401);
    assert_eq!(edge.servers(2), ["two"; 2]);
    one.recovers();
    edge.reload(&sections("", &KEYED.replace("tier: 2", "tier: 3")), &values);
    assert_eq!((edge.state("one").as_str(), edge.servers(2)), ("misconfigured", vec!["two".to_owned(); 2]));
    edge.reload(&sections("", &KEYED.replace(KEY, "sk-a-good-one")), &values);
    assert_eq!((edge.state("one").as_str(), edge.servers(2)), ("up", vec!["one".to_owned(); 2]));
}
