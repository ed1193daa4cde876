//! TLS toward servers: verified, against the authority of the configuration.

use std::sync::Arc;

use crate::support::certificates::Authority;
use crate::support::edge::{Edge, Settings, server_of};
use crate::support::http::{Ask, ok};
use crate::support::scratch::Scratch;
use crate::support::tls::server_config;
use crate::support::upstream::{Upstream, serve};

struct Site {
    edge: Edge,
    server: Upstream,
}

/// A server whose certificate is for `names`, signed by the authority that lies in `<ca>`; `<other>` signed nothing.
fn site(names: &[&str], host: &str, tls: &str) -> Site {
    let directory = Scratch::new();
    let authority = Authority::new("upstream authority");
    let ca = authority.write(&directory, "ca.pem");
    let other = Authority::new("another authority").write(&directory, "other.pem");
    let config = server_config(&authority.issue(names));
    let server = Upstream::start_tls(Arc::clone(&config), serve(|_| ok(r#"{"server":"one"}"#)));
    let edge = Edge::start_with(
        &Settings::default(),
        directory,
        "
frontends:
  web: {bind: [{address: 127.0.0.1:0}], default_backend: ai}
backends:
  ai:
    retry: {attempts: 1}
    servers: {one: {url: \"https://<host>:<port>/v1\"<tls>}}",
        &[
            ("tls", tls),
            ("host", host),
            ("port", &server.address().port().to_string()),
            ("ca", &ca.display().to_string()),
            ("other", &other.display().to_string()),
        ],
    );
    Site { edge, server }
}

#[track_caller]
fn works(site: &Site) {
    let mut client = site.edge.open();
    for _ in 0..3 {
        assert_eq!(server_of(&client.ask(&Ask::chat(false))), "one");
    }
}

#[track_caller]
fn is_not_trusted(site: &Site) {
    let answer = site.edge.ask(&Ask::chat(false).bearer("secret"));
    assert!(matches!(answer.status(), 502 | 503), "{}", answer.status());
    assert!(answer.json()["error"]["code"].is_string());
    assert_eq!(site.server.count(), 0, "a request went to a server that nobody vouches for");
}

#[test]
fn own_authority_is_trusted_and_connections_are_reused() {
    let site = site(&["localhost"], "localhost", ", tls: {ca_file: <ca>}");
    works(&site);
    assert_eq!(site.server.connections(), 1);
}

#[test]
fn address_in_the_certificate_is_verified_too() {
    works(&site(&["127.0.0.1"], "127.0.0.1", ", tls: {ca_file: <ca>}"));
}

#[test]
fn wrong_authority_is_refused() {
    is_not_trusted(&site(&["localhost"], "localhost", ", tls: {ca_file: <other>}"));
}

#[test]
fn systems_store_does_not_know_it() {
    is_not_trusted(&site(&["localhost"], "localhost", ""));
}

#[test]
fn wrong_name_is_refused() {
    is_not_trusted(&site(&["other.test"], "localhost", ", tls: {ca_file: <ca>}"));
}

#[test]
fn other_name_may_be_expected() {
    works(&site(&["other.test"], "127.0.0.1", ", tls: {ca_file: <ca>, sni: other.test}"));
}

#[test]
fn verification_can_be_switched_off() {
    works(&site(&["other.test"], "localhost", ", tls: {verify: false}"));
}

#[test]
fn plain_server_where_tls_was_meant_is_refused() {
    let plain = Upstream::start(|peer| {
        // As web servers do when a handshake comes to a plain port.
        if peer.connection.exactly(5).is_ok() {
            peer.send("HTTP/1.1 400 Bad Request\r\nconnection: close\r\ncontent-length: 0\r\n\r\n");
        }
    });
    let edge = Edge::start(
        "
frontends:
  web: {bind: [{address: 127.0.0.1:0}], default_backend: ai}
backends:
  ai:
    retry: {attempts: 1}
    servers: {one: {url: \"https://<address>\"}}",
        &[("address", &plain.address().to_string())],
    );
    let answer = edge.ask(&Ask::chat(false));
    assert!(matches!(answer.status(), 502 | 503), "{}", answer.status());
}
