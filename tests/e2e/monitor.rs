//! The monitor path: answered by the frontend itself, for a load balancer in front, and kept out of the log.

use crate::support::edge::Edge;
use crate::support::http::Ask;
use crate::support::upstream::Upstream;

fn edge(upstream: &Upstream) -> Edge {
    Edge::start(
        "
clients: {mode: required, keys: [{name: app, key: the-key-of-the-app}]}
frontends:
  web:
    bind: [{address: 127.0.0.1:0}]
    monitor: /health
    default_backend: ai
backends:
  ai: {servers: {one: {url: <one>}}}",
        &[("one", &upstream.url())],
    )
}

#[test]
fn monitor_answers_200_without_a_key_and_without_a_server() {
    let one = Upstream::named("one");
    let edge = edge(&one);
    let mut client = edge.open();
    for ask in [Ask::get("/health"), Ask::get("/health?x=1"), Ask::new("HEAD", "/health")] {
        assert_eq!(client.ask(&ask).status(), 200, "{}", ask.target);
    }
    assert_eq!(client.ask(&Ask::get("/healthy")).status(), 401, "a longer path is not the monitor");
    assert_eq!(one.count(), 0);
}

#[test]
fn monitor_is_not_logged() {
    let one = Upstream::named("one");
    let edge = edge(&one);
    let mut client = edge.open();
    client.ask(&Ask::get("/health"));
    client.ask(&Ask::get("/v1/models").bearer("the-key-of-the-app"));
    edge.logged("the request after it", |line| line.to_string().contains("/v1/models"));
    assert!(
        !edge.process.stdout().iter().any(|line| line.contains("/health")),
        "{:?}",
        edge.process.stdout()
    );
}
