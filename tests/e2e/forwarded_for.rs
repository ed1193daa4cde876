//! X-Forwarded-For toward the server.

use crate::support::edge::Edge;
use crate::support::http::Ask;
use crate::support::upstream::Upstream;

/// All X-Forwarded-For values that reach the server, joined as a server would.
fn forwarded(frontend: &str, sent: &[&str]) -> String {
    let one = Upstream::named("one");
    let edge = Edge::start(
        "
frontends:
  web:
    bind: [{address: 127.0.0.1:0}]
<frontend>
    default_backend: ai
backends:
  ai: {servers: {one: {url: <one>}}}",
        &[("frontend", frontend), ("one", &one.url())],
    );
    let ask = sent.iter().fold(Ask::get("/v1/models"), |ask, value| ask.header("X-Forwarded-For", value));
    assert_eq!(edge.ask(&ask).status(), 200);
    one.request().head.all("x-forwarded-for").join(", ")
}

#[test]
fn address_of_the_connection_is_there_by_default() {
    assert_eq!(forwarded("", &[]), "127.0.0.1");
}

#[test]
fn address_is_appended_to_what_the_client_sent() {
    assert_eq!(forwarded("", &["203.0.113.7"]), "203.0.113.7, 127.0.0.1");
    assert_eq!(forwarded("", &["203.0.113.7", "198.51.100.1"]), "203.0.113.7, 198.51.100.1, 127.0.0.1");
}

#[test]
fn excepted_networks_are_not_appended() {
    assert_eq!(forwarded("    forwarded_for: {except: [127.0.0.0/8]}", &[]), "");
    assert_eq!(forwarded("    forwarded_for: {except: [127.0.0.0/8]}", &["203.0.113.7"]), "203.0.113.7");
    assert_eq!(forwarded("    forwarded_for: {except: [10.0.0.0/8]}", &[]), "127.0.0.1");
}
