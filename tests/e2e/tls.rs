//! TLS at the edge: certificates by name, the least version, ALPN, and both protocols by curl.

use rustls::ProtocolVersion;
use rustls::version::{TLS12, TLS13};

use crate::support::certificates::{Authority, Identity};
use crate::support::curl;
use crate::support::edge::{Edge, Settings};
use crate::support::http::Ask;
use crate::support::scratch::Scratch;
use crate::support::tls::{Offer, connect, der};
use crate::support::upstream::Upstream;

struct Site {
    edge: Edge,
    authority: Authority,
    one: Identity,
    two: Identity,
    _upstream: Upstream,
}

fn site(more: &str) -> Site {
    let directory = Scratch::new();
    let authority = Authority::new("edge authority");
    let (one, two) =
        (authority.issue(&["one.test", "127.0.0.1"]), authority.issue(&["two.test", "*.wild.test"]));
    let (first, second) = (one.write(&directory, "one.pem"), two.write(&directory, "two.pem"));
    authority.write(&directory, "ca.pem");
    let upstream = Upstream::named("one");
    let edge = Edge::start_with(
        &Settings::default(),
        directory,
        "
frontends:
  web:
    bind:
      - address: 127.0.0.1:0
        tls: {certificates: [<first>, <second>]<more>}
    default_backend: ai
backends:
  ai: {servers: {one: {url: <one>}}}",
        &[
            ("first", &first.display().to_string()),
            ("second", &second.display().to_string()),
            ("more", more),
            ("one", &upstream.url()),
        ],
    );
    Site { edge, authority, one, two, _upstream: upstream }
}

#[test]
fn server_name_picks_the_certificate() {
    let site = site("");
    for (name, expected) in [
        ("one.test", &site.one),
        ("two.test", &site.two),
        ("any.wild.test", &site.two),
        ("TWO.test", &site.two),
    ] {
        let agreed = connect(site.edge.address("web"), &site.authority, &Offer::http1(name)).unwrap();
        assert_eq!(agreed.certificate, der(expected).to_vec(), "{name}");
    }
}

#[test]
fn unknown_or_absent_server_name_gets_the_first_certificate() {
    let site = site("");
    // An address is never sent as a server name; the first certificate is valid for this one.
    let agreed = connect(site.edge.address("web"), &site.authority, &Offer::http1("127.0.0.1")).unwrap();
    assert_eq!(agreed.certificate, der(&site.one).to_vec());
    let unknown = connect(site.edge.address("web"), &site.authority, &Offer::http1("unknown.test"));
    assert!(unknown.is_err(), "no certificate is valid for that name: the client must notice");
}

#[test]
fn request_over_tls_is_proxied_and_kept_alive() {
    let site = site("");
    let offer = Offer::http1("one.test");
    let mut agreed = connect(site.edge.address("web"), &site.authority, &offer).unwrap();
    for _ in 0..3 {
        let answer = agreed.connection.ask(&Ask::get("/v1/models").header("host", "one.test"));
        assert_eq!(answer.json()["server"], "one");
    }
}

#[test]
fn least_version_is_honoured() {
    let strict = site(", min_version: \"1.3\"");
    let old = Offer { versions: &[&TLS12], ..Offer::http1("one.test") };
    assert!(connect(strict.edge.address("web"), &strict.authority, &old).is_err());
    let new = Offer { versions: &[&TLS13], ..Offer::http1("one.test") };
    let agreed = connect(strict.edge.address("web"), &strict.authority, &new).unwrap();
    assert_eq!(agreed.version, ProtocolVersion::TLSv1_3);

    let lenient = site(", min_version: \"1.2\"");
    let agreed = connect(lenient.edge.address("web"), &lenient.authority, &old).unwrap();
    assert_eq!(agreed.version, ProtocolVersion::TLSv1_2);
}

#[test]
fn alpn_agrees_on_what_both_have() {
    let both = site(", alpn: [h2, http/1.1]");
    for (offered, agreed) in
        [(&["h2", "http/1.1"][..], Some("h2")), (&["http/1.1"], Some("http/1.1")), (&[], None)]
    {
        let offer = Offer { alpn: offered, ..Offer::http1("one.test") };
        let got = connect(both.edge.address("web"), &both.authority, &offer).unwrap();
        assert_eq!(got.alpn.as_deref(), agreed, "{offered:?}");
    }
    let old = site(", alpn: [http/1.1]");
    let offer = Offer { alpn: &["h2", "http/1.1"], ..Offer::http1("one.test") };
    assert_eq!(
        connect(old.edge.address("web"), &old.authority, &offer).unwrap().alpn.as_deref(),
        Some("http/1.1")
    );
}

#[test]
fn curl_speaks_both_protocols_over_verified_tls() {
    let site = site("");
    let authority = site.edge.directory.path().join("ca.pem");
    for (flag, version) in [("--http2", "2"), ("--http1.1", "1.1")] {
        let got = curl::https(site.edge.address("web"), "one.test", &authority, "/v1/models", &[flag]);
        assert_eq!((got.exit, got.status, got.version.as_str()), (0, 200, version), "{got:?}");
        assert_eq!(got.body, r#"{"server":"one"}"#);
    }
}

#[test]
fn plain_request_on_a_tls_port_harms_nobody() {
    let site = site("");
    let mut plain = site.edge.open();
    plain.send(Ask::get("/v1/models").bytes());
    let answer = plain.rest();
    assert!(!answer.starts_with(b"HTTP/1.1 200"), "{:?}", String::from_utf8_lossy(&answer));
    let agreed = connect(site.edge.address("web"), &site.authority, &Offer::http1("one.test"));
    assert_eq!(
        agreed.unwrap().connection.ask(&Ask::get("/v1/models").header("host", "one.test")).status(),
        200
    );
}

#[test]
fn handshake_that_never_comes_is_ended() {
    let directory = Scratch::new();
    let pem = Authority::new("a").issue(&["one.test"]).write(&directory, "one.pem");
    let edge = Edge::start_with(
        &Settings::default(),
        directory,
        "
defaults: {timeouts: {request_head: 300ms}}
frontends:
  web:
    bind: [{address: 127.0.0.1:0, tls: {certificates: [<pem>]}}]
    default_backend: ai
backends:
  ai: {servers: {one: {url: http://127.0.0.1:1}}}",
        &[("pem", &pem.display().to_string())],
    );
    let mut silent = edge.open();
    assert!(silent.ended_within(crate::support::wait::DEADLINE), "a connection without a handshake lives on");
}
