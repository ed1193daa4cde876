//! What a bind's `tls` says is what is spoken there, each bind for itself: versions, cipher suites and their order, the
//! certificate for a client's kind of key, ALPN. And handshakes that fail: counted, in time, without harm to others.

use std::process::{Command, Stdio};
use std::time::Duration;

use rustls::CipherSuite;
use rustls::ProtocolVersion::{TLSv1_2, TLSv1_3};
use rustls::version::{TLS12, TLS13};

use crate::support::certificates::{Authority, Identity};
use crate::support::edge::{Edge, Settings};
use crate::support::http::{Ask, Connection};
use crate::support::scratch::Scratch;
use crate::support::tls::{Offer, connect, der};
use crate::support::tls_client::{Client, Wish};
use crate::support::upstream::Upstream;
use crate::support::wait::{DEADLINE, timed, until};

struct Site {
    edge: Edge,
    authority: Authority,
    ecdsa: Identity,
    rsa: Identity,
    one: Upstream,
}

/// A frontend with one bind for each of `binds` (what `tls` has besides `certificates`), and a plain one behind them. Both
/// certificates are for `one.test`.
fn site(binds: &[&str]) -> Site {
    site_of("[<ecdsa>, <rsa>]", binds)
}

fn site_of(certificates: &str, binds: &[&str]) -> Site {
    let directory = Scratch::new();
    let authority = Authority::new("edge authority");
    let ecdsa = authority.issue(&["one.test", "*.wild.test"]);
    let rsa = authority.issue_rsa(&["one.test", "exact.wild.test"]);
    let paths = [ecdsa.write(&directory, "ecdsa.pem"), rsa.write(&directory, "rsa.pem")];
    let one = Upstream::named("one");
    let tls =
        |more: &&str| format!("{{address: 127.0.0.1:0, tls: {{certificates: {certificates}{more}}}}}, ");
    let binds: String = binds.iter().map(tls).collect();
    let edge = Edge::start_with(
        &Settings::default(),
        directory,
        &format!(
            "
defaults: {{timeouts: {{request_head: 400ms}}}}
frontends:
  web: {{bind: [{binds}{{address: 127.0.0.1:0}}], default_backend: ai}}
backends:
  ai: {{servers: {{one: {{url: <one>}}}}}}"
        ),
        &[
            ("ecdsa", &paths[0].display().to_string()),
            ("rsa", &paths[1].display().to_string()),
            ("one", &one.url()),
        ],
    );
    Site { edge, authority, ecdsa, rsa, one }
}

impl Site {
    /// Version and suite that a client with this wish gets on a bind, a request served; `None` if it is refused.
    fn agreed(&self, bind: usize, wish: &Wish) -> Option<(rustls::ProtocolVersion, CipherSuite)> {
        let client = Client::new(&self.authority, wish);
        let ask = Ask::get("/v1/models").header("host", "one.test");
        let (answer, session) = client.ask(self.edge.addresses("web")[bind], "one.test", &ask)?;
        assert_eq!(answer.status(), 200);
        Some((session.version, session.suite))
    }

    fn failures(&self) -> f64 {
        self.edge.metrics().sum("tidegate_tls_failures_total", &[("frontend", "web")])
    }

    /// What `openssl s_client` says; it reads its input to the end and then leaves.
    fn openssl(&self, bind: usize, more: &[&str]) -> String {
        let output = Command::new("openssl")
            .args(["s_client", "-servername", "one.test", "-connect"])
            .arg(self.edge.addresses("web")[bind].to_string())
            .args(more)
            .stdin(Stdio::null())
            .output()
            .unwrap();
        format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
    }
}

const OLD: Wish<'static> = Wish { identity: None, versions: &[&TLS12], suites: &[] };
const NEW: Wish<'static> = Wish { identity: None, versions: &[&TLS13], suites: &[] };

const AES_256: CipherSuite = CipherSuite::TLS13_AES_256_GCM_SHA384;
const AES_128: CipherSuite = CipherSuite::TLS13_AES_128_GCM_SHA256;
const CHACHA: CipherSuite = CipherSuite::TLS13_CHACHA20_POLY1305_SHA256;
const ECDSA_AES_128: CipherSuite = CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256;
const ECDSA_CHACHA: CipherSuite = CipherSuite::TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256;
const RSA_AES_128: CipherSuite = CipherSuite::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256;
const RSA_AES_256: CipherSuite = CipherSuite::TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384;

#[test]
fn each_bind_of_a_frontend_has_its_own_versions_and_protocols() {
    let site = site(&[", min_version: \"1.3\", alpn: [http/1.1]", ", min_version: \"1.2\", alpn: [h2]"]);
    assert_eq!(site.agreed(0, &OLD), None);
    assert_eq!(site.agreed(0, &NEW).unwrap().0, TLSv1_3);
    let both = Offer { alpn: &["h2", "http/1.1"], ..Offer::http1("one.test") };
    for (bind, protocol) in [(0, "http/1.1"), (1, "h2")] {
        let agreed = connect(site.edge.addresses("web")[bind], &site.authority, &both).unwrap();
        assert_eq!(agreed.alpn.as_deref(), Some(protocol));
    }
    let old = Offer { versions: &[&TLS12], alpn: &["h2"], ..Offer::http1("one.test") };
    assert_eq!(connect(site.edge.addresses("web")[1], &site.authority, &old).unwrap().version, TLSv1_2);
    // A client that wants nothing that the bind has is refused, not served something else (RFC 7301 3.2).
    assert!(connect(site.edge.addresses("web")[1], &site.authority, &Offer::http1("one.test")).is_err());
    let plain = site.edge.addresses("web")[2];
    assert_eq!(Connection::open(plain).ask(&Ask::get("/")).status(), 200);
}

#[test]
fn versions_before_1_2_are_never_spoken() {
    let site = site(&[", min_version: \"1.2\"", ""]);
    for bind in [0, 1] {
        for version in ["-tls1", "-tls1_1"] {
            let said = site.openssl(bind, &[version, "-cipher", "ALL:@SECLEVEL=0"]);
            assert!(said.contains("SSL alert number"), "not refused by the server: {said}");
        }
        assert!(site.openssl(bind, &["-tls1_2"]).contains("Protocol  : TLSv1.2"));
    }
    until("both are counted", || site.failures() == 4.0);
}

#[test]
fn only_listed_suites_are_spoken() {
    let site = site(&[
        ", ciphers: [TLS_CHACHA20_POLY1305_SHA256, ECDHE-ECDSA-AES128-GCM-SHA256]",
        ", ciphers: \"ECDHE-RSA-AES128-GCM-SHA256:TLS_AES_128_GCM_SHA256\"",
        "",
    ]);
    assert_eq!(site.agreed(0, &NEW), Some((TLSv1_3, CHACHA)));
    assert_eq!(site.agreed(0, &OLD), Some((TLSv1_2, ECDSA_AES_128)));
    for suites in [&[AES_256, AES_128][..], &[ECDSA_CHACHA, RSA_AES_128], &[RSA_AES_256]] {
        let versions = rustls::ALL_VERSIONS;
        let versions = if suites[0] == AES_256 { &versions[..1] } else { &[&TLS12] };
        let wish = Wish { suites, versions, ..Wish::default() };
        assert_eq!(site.agreed(0, &wish), None, "{suites:?}");
        assert!(site.agreed(2, &wish).is_some(), "{suites:?} by default");
    }
    assert_eq!(site.agreed(1, &NEW), Some((TLSv1_3, AES_128)));
    let old = Wish { suites: &[ECDSA_AES_128, RSA_AES_128], ..OLD };
    assert_eq!(
        site.agreed(1, &old),
        Some((TLSv1_2, RSA_AES_128)),
        "with the certificate that the suite wants"
    );
    until("refusals are counted", || site.failures() == 3.0);
}

#[test]
fn the_order_of_the_list_counts_not_that_of_the_client() {
    let site = site(&[
        ", ciphers: [TLS_CHACHA20_POLY1305_SHA256, TLS_AES_128_GCM_SHA256, TLS_AES_256_GCM_SHA384]",
        ", ciphers: [TLS_AES_128_GCM_SHA256, TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256, ECDHE-ECDSA-AES128-GCM-SHA256]",
        "",
    ]);
    let wish = |suites| Wish { suites, ..Wish::default() };
    assert_eq!(site.agreed(0, &wish(&[AES_256, AES_128, CHACHA])), Some((TLSv1_3, CHACHA)));
    assert_eq!(site.agreed(0, &wish(&[AES_256, AES_128])), Some((TLSv1_3, AES_128)));
    let old = Wish { versions: &[&TLS12], suites: &[ECDSA_AES_128, ECDSA_CHACHA], identity: None };
    assert_eq!(site.agreed(1, &old), Some((TLSv1_2, ECDSA_CHACHA)));
    assert_eq!(
        site.agreed(2, &wish(&[CHACHA, AES_128, AES_256])),
        Some((TLSv1_3, AES_256)),
        "strongest first"
    );
}

#[test]
fn list_without_suites_of_a_version_switches_it_off() {
    let site = site(&[", ciphers: [ECDHE-ECDSA-AES128-GCM-SHA256]", ", ciphers: [TLS_AES_128_GCM_SHA256]"]);
    assert_eq!(site.agreed(0, &NEW), None);
    assert_eq!(site.agreed(0, &Wish::default()), Some((TLSv1_2, ECDSA_AES_128)));
    assert_eq!(site.agreed(1, &OLD), None);
    assert_eq!(site.agreed(1, &Wish::default()), Some((TLSv1_3, AES_128)));
}

#[test]
fn client_that_cannot_verify_ecdsa_gets_the_rsa_certificate() {
    for order in ["[<ecdsa>, <rsa>]", "[<rsa>, <ecdsa>]"] {
        let site = site_of(order, &[""]);
        for suites in [&[RSA_AES_128][..], &[ECDSA_AES_128]] {
            let wish = Wish { versions: &[&TLS12], suites, ..Wish::default() };
            let client = Client::new(&site.authority, &wish);
            let session = client.connect(site.edge.address("web"), "one.test").unwrap();
            let expected = if suites == [RSA_AES_128] { &site.rsa } else { &site.ecdsa };
            assert_eq!(session.certificate, der(expected).to_vec(), "{order} {suites:?}");
        }
        // With TLS 1.3 the suite says nothing about the key, the signature algorithms do.
        for (algorithm, kind) in [("rsa_pss_rsae_sha256", "RSA-PSS"), ("ecdsa_secp256r1_sha256", "ECDSA")] {
            let said = site.openssl(0, &["-tls1_3", "-sigalgs", algorithm]);
            assert!(said.contains(&format!("Peer signature type: {kind}")), "{order} {algorithm}: {said}");
        }
    }
}

#[test]
fn wildcard_stands_for_one_label_and_yields_to_the_exact_name() {
    // The first certificate is what an unknown name gets: the RSA one here.
    let site = site_of("[<rsa>, <ecdsa>]", &[""]);
    for (name, expected) in [
        ("a.wild.test", &site.ecdsa),
        ("A.Wild.Test", &site.ecdsa),
        ("exact.wild.test", &site.rsa),
        ("a.b.wild.test", &site.rsa),
        ("wild.test", &site.rsa),
        ("unknown.test", &site.rsa),
    ] {
        let said = site.openssl(0, &["-servername", name]);
        let (_, from) = said.split_once("-----BEGIN CERTIFICATE-----").unwrap();
        let (pem, _) = from.split_once("-----END CERTIFICATE-----").unwrap();
        let compact = |text: &str| text.chars().filter(|c| !c.is_whitespace()).collect::<String>();
        assert!(compact(&expected.certificate).contains(&compact(pem)), "{name}");
    }
}

/// The first bytes of a ClientHello of 200.
const HALF_A_HELLO: &[u8] = &[0x16, 3, 1, 0, 204, 1, 0, 0, 200, 3, 3, 1, 2, 3];

#[test]
fn stalled_handshake_is_cut_after_request_head_and_counted() {
    let site = site(&[""]);
    for bytes in [&b""[..], &HALF_A_HELLO[..3], HALF_A_HELLO] {
        let mut client = Connection::open(site.edge.address("web"));
        client.send(bytes);
        let (ended, took) = timed(|| client.ended_within(DEADLINE));
        assert!(ended, "still there after {took:?}");
        assert!(took >= Duration::from_millis(300), "{took:?}");
    }
    until("three are counted", || site.failures() == 3.0);
    assert_eq!(site.agreed(0, &NEW).unwrap().0, TLSv1_3);
}

#[test]
fn dripping_handshake_is_cut_however_steadily_it_drips() {
    let site = site(&[""]);
    let mut client = Connection::open(site.edge.address("web"));
    let (_, took) = timed(|| {
        for byte in HALF_A_HELLO.iter().chain(&[0; 190]) {
            if client.try_send([*byte]).is_err() || !client.silent_for(Duration::from_millis(20)) {
                break;
            }
        }
    });
    assert!(took >= Duration::from_millis(300), "{took:?}");
    assert!(client.ended_within(DEADLINE));
    until("it is counted", || site.failures() == 1.0);
}

#[test]
fn stalled_handshakes_hold_nobody_up() {
    let site = site(&[""]);
    let mut stalled: Vec<_> = (0..50).map(|_| Connection::open(site.edge.address("web"))).collect();
    stalled.iter_mut().for_each(|client| client.send(HALF_A_HELLO));
    let (agreed, took) = timed(|| site.agreed(0, &NEW));
    assert!(agreed.is_some() && took < Duration::from_secs(5), "{took:?}");
    until("all are cut", || site.failures() == 50.0);
}

#[test]
fn plain_request_on_a_tls_port_gets_an_alert_and_is_counted() {
    let site = site(&[""]);
    let mut plain = Connection::open(site.edge.address("web"));
    plain.send(Ask::get("/v1/models").bytes());
    let answer = plain.rest();
    assert_eq!(answer.first(), Some(&0x15), "no alert: {answer:?}");
    until("it is counted", || site.failures() == 1.0);
    assert_eq!(site.one.count(), 0);
    let line = site.edge.logged("the handshake", |line| line["reason"] == "tls_handshake");
    assert!(line["request_id"].is_null() && line["detail"].is_string(), "{line}");
}

#[test]
fn handshake_on_a_plain_port_is_a_bad_request() {
    let site = site(&[""]);
    let plain = site.edge.addresses("web")[1];
    let mut client = Connection::open(plain);
    client.send(HALF_A_HELLO);
    client.send([b'\n'; 200]);
    let answer = client.answer().unwrap();
    assert_eq!(answer.status(), 400);
    assert!(client.ended_within(DEADLINE));
    let line = site.edge.logged("of the refusal", |line| line["status"] == 400);
    assert_eq!(line["termination"], "PR--", "{line}");
    assert!(connect(plain, &site.authority, &Offer::http1("one.test")).is_err());
    assert_eq!(site.one.count(), 0);
}

#[test]
fn client_that_leaves_in_the_handshake_harms_nobody() {
    let site = site(&[""]);
    for bytes in [&b""[..], HALF_A_HELLO] {
        let mut client = Connection::open(site.edge.address("web"));
        client.reset_when_dropped();
        client.send(bytes);
    }
    assert!(site.agreed(0, &NEW).is_some());
    until("no connection is left", || {
        site.edge.metrics().sum("tidegate_connections", &[("frontend", "web")]) == 0.0
    });
}
