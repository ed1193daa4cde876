//! Servers by name.

use crate::support::edge::Edge;
use crate::support::http::Ask;
use crate::support::upstream::Upstream;
use crate::support::wait::until;

fn edge(servers: &str, values: &[(&str, &str)]) -> Edge {
    let sections = "
frontends:
  web: {bind: [{address: 127.0.0.1:0}], default_backend: ai}
backends:
  ai: {servers: <servers>}"
        .replace("<servers>", servers);
    Edge::start(&sections, values)
}

#[test]
fn server_by_name_works_and_gets_its_name_as_host() {
    let one = Upstream::named("one");
    let port = one.address().port().to_string();
    let edge = edge("{one: {url: \"http://localhost:<port>/v1\"}}", &[("port", &port)]);
    assert_eq!(edge.servers(3), ["one"; 3]);
    assert_eq!(one.requests()[0].header("host"), Some(format!("localhost:{port}").as_str()));
}

#[test]
fn name_that_does_not_resolve_is_a_server_that_is_down() {
    let one = Upstream::named("one");
    let lone = edge("{gone: {url: \"http://does-not-exist.invalid/v1\"}}", &[]);
    lone.ask(&Ask::chat(false)).is_error(503, "no_server_available");
    let both = edge(
        "{gone: {url: \"http://does-not-exist.invalid/v1\"}, one: {url: <one>}}",
        &[("one", &one.url())],
    );
    assert_eq!(both.servers(6), ["one"; 6]);
    until("it is shown as down", || {
        both.show_stat().iter().any(|row| {
            let is = |name: &str, value: &str| {
                row.iter().any(|(key, have)| key == name && have.starts_with(value))
            };
            is("svname", "gone") && is("status", "DOWN")
        })
    });
}
