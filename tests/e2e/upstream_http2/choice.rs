//! Which version is spoken: what ALPN says, as far as the file allows it.

use super::well;
use crate::support::edge::server_of;
use crate::support::h2_front::{Front, Ground};
use crate::support::h2_server::{H2Server, Speaks};
use crate::support::http::Ask;

/// A server that knows these, behind tidegate with this after the `ca_file` of its `tls`.
fn site(alpn: &'static [&'static str], tls: &'static str) -> (Front, H2Server) {
    let ground = Ground { tls, ..Ground::new() };
    let server = H2Server::start(&ground.config, &Speaks { alpn, ..Speaks::default() }, well);
    let front = ground.front("    retry: {attempts: 1}", &server.url());
    (front, server)
}

#[track_caller]
fn speaks(alpn: &'static [&'static str], tls: &'static str, expected: &str, chosen: Option<&str>) {
    let (front, server) = site(alpn, tls);
    let mut client = front.open();
    for _ in 0..3 {
        assert_eq!(server_of(&client.ask(&Ask::chat(false))), expected);
        assert_eq!(server_of(&client.ask(&Ask::get("/v1/models"))), expected);
    }
    assert_eq!(server.protocols(), [chosen.map(str::to_owned)], "the connection is used again");
}

#[test]
fn http2_is_spoken_where_a_server_chooses_it() {
    speaks(&["h2", "http/1.1"], "", "h2", Some("h2"));
    speaks(&["h2"], "", "h2", Some("h2"));
    speaks(&["h2"], ", alpn: [h2]", "h2", Some("h2"));
}

#[test]
fn http1_is_spoken_where_a_server_knows_nothing_else() {
    speaks(&["http/1.1"], "", "h1", Some("http/1.1"));
    speaks(&[], "", "h1", None);
}

#[test]
fn http1_is_spoken_where_the_file_wants_it() {
    speaks(&["h2", "http/1.1"], ", alpn: [http/1.1]", "h1", Some("http/1.1"));
}

#[test]
fn http2_alone_and_a_server_without_it_is_an_error_that_says_so() {
    for alpn in [&[][..], &["http/1.1"]] {
        let (front, server) = site(alpn, ", alpn: [h2]");
        front.ask(&Ask::chat(false)).is_error(503, "no_server_available");
        assert_eq!(server.count(), 0);
        if alpn.is_empty() {
            let said = front.edge.process.stderr().join("\n");
            assert!(said.contains("does not speak HTTP/2"), "{said}");
        }
    }
}

#[test]
fn an_upgrade_goes_over_http1_beside_http2() {
    let (front, server) = site(&["h2", "http/1.1"], "");
    assert_eq!(server_of(&front.ask(&Ask::get("/v1/models"))), "h2");
    let mut client = front.open();
    let ask = Ask::get("/v1/realtime")
        .header("Connection", "Upgrade")
        .header("Upgrade", "websocket")
        .header("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==")
        .header("Sec-WebSocket-Version", "13");
    client.send(ask.bytes());
    assert_eq!(client.head().unwrap().status(), 101);
    assert_eq!(client.exactly(5).unwrap(), b"hello");
    client.send("abcd");
    assert_eq!(client.exactly(4).unwrap(), b"abcd");
    assert_eq!(server_of(&front.ask(&Ask::get("/v1/models"))), "h2");
    assert_eq!(server.protocols(), [Some("h2".to_owned()), Some("http/1.1".to_owned())]);
}
