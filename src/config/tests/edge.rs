//! What the keys of the edge become: addresses, certificates, rules of connections and answers.

use std::path::Path;
use std::time::{Duration, SystemTime};

use http::{HeaderName, HeaderValue};

use super::{Fixed, SMALL, load, wrong};
use crate::config::checked::*;
use crate::config::load_text;
use crate::config::source::Environment;

/// [`SMALL`] with more keys in its frontend, and further sections.
fn frontend(keys: &str, rest: &str) -> String {
    SMALL.replace("default_backend", &format!("{keys}, default_backend")) + rest
}

fn bind(address: &str, more: &str) -> String {
    SMALL.replace("{address: 127.0.0.1:0}", &format!("{{address: \"{address}\"{more}}}"))
}

#[test]
fn addresses_are_of_three_kinds() {
    let address = |text: &str| load(&bind(text, "")).frontends[0].binds[0].address.clone();
    assert_eq!(address("[::]:80"), BindAddress::Tcp("[::]:80".parse().unwrap()));
    assert_eq!(address("unix:run/x"), BindAddress::Unix("run/x".into()));
    assert_eq!(address("fd@7"), BindAddress::Fd(7));
}

#[test]
fn who_may_send_a_proxy_header_is_a_list() {
    let accepted = |more: &str| load(&bind("fd@3", more)).frontends[0].binds[0].accept_proxy.clone();
    assert_eq!(accepted(""), None);
    assert_eq!(accepted(", accept_proxy: false"), None);
    let all = Some(vec!["0.0.0.0/0".parse().unwrap(), "::/0".parse().unwrap()]);
    assert_eq!(accepted(", accept_proxy: true"), all);
    assert_eq!(accepted(", accept_proxy: 10.1.2.3"), Some(vec!["10.1.2.3/32".parse().unwrap()]));
}

#[test]
fn ciphers_keep_their_order_whatever_their_names() {
    let tls = |keys: &str| {
        let text = bind("127.0.0.1:0", &format!(", tls: {{certificates: a.pem{keys}}}"));
        load(&text).frontends[0].binds[0].tls.clone().unwrap()
    };
    assert_eq!(tls("").ciphers, None);
    assert!(tls("").client_ca.is_none());
    let expected = Some(vec![Cipher::EcdheEcdsaChaCha20Poly1305Sha256, Cipher::Aes128GcmSha256]);
    assert_eq!(tls(", ciphers: \"ECDHE-ECDSA-CHACHA20-POLY1305:TLS_AES_128_GCM_SHA256\"").ciphers, expected);
    let iana = ", ciphers: [TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256, TLS_AES_128_GCM_SHA256]";
    assert_eq!(tls(iana).ciphers, expected);
    assert!(!tls(", client_ca: b.pem").client_ca.unwrap().optional);
    assert!(tls(", client_ca: b.pem, client_verify: optional").client_ca.unwrap().optional);
}

#[test]
fn every_cipher_is_one_that_rustls_has() {
    let known = rustls::crypto::aws_lc_rs::DEFAULT_CIPHER_SUITES;
    assert_eq!(known.len(), Cipher::ALL.len());
    for (suite, cipher) in known.iter().zip(Cipher::ALL) {
        let name = format!("{:?}", suite.suite()).replace("TLS13_", "TLS_");
        assert_eq!((name.as_str(), suite.tls13().is_some()), (cipher.iana(), cipher.is_tls13()));
    }
}

#[test]
fn a_header_value_is_text_and_fetches() {
    let text = |value: &str| {
        let rules = format!("rules: [{{set_header: {{x-a: \"{value}\"}}}}]");
        match load(&frontend(&rules, "")).frontends[0].rules.swap_remove(0).action {
            Action::SetHeader(mut headers) => headers.swap_remove(0).1.0,
            other => panic!("{other:?}"),
        }
    };
    let plain = |text: &'static str| HeaderPart::Text(HeaderValue::from_static(text));
    assert_eq!(text(""), [plain("")]);
    assert_eq!(text("50% of %%[src]"), [plain("50% of %[src]")]);
    let parts = [HeaderPart::Fetch(HeaderFetch::Src), plain(" via "), HeaderPart::Fetch(HeaderFetch::Host)];
    assert_eq!(text("%[src] via %[host]"), parts);
    let header = HeaderFetch::Header(HeaderName::from_static("x-b"));
    assert_eq!(text("%[header(X-B)]"), [HeaderPart::Fetch(header)]);
    let secret = text("${KEY}%[plan]");
    let [HeaderPart::Text(secret), HeaderPart::Fetch(HeaderFetch::Plan)] = &secret[..] else {
        panic!("not a text and a fetch: {secret:?}")
    };
    assert!(secret == "sk-resolved" && secret.is_sensitive());
}

/// A variable that holds what looks like a fetch.
struct Odd;

impl Environment for Odd {
    fn variable(&self, _name: &str) -> Option<String> {
        Some("a%[src]".to_owned())
    }

    fn file(&self, _path: &Path) -> std::io::Result<Vec<u8>> {
        Err(std::io::ErrorKind::NotFound.into())
    }
}

#[test]
fn what_a_variable_holds_is_never_a_fetch() {
    let text = frontend("rules: [{set_header: {x-a: \"${ODD}\"}}]", "");
    let c = load_text(Path::new("x.yaml"), &text, &Odd).unwrap();
    let Action::SetHeader(headers) = &c.frontends[0].rules[0].action else { panic!("another action") };
    assert_eq!(headers[0].1.0, [HeaderPart::Text(HeaderValue::from_static("a%[src]"))]);
}

#[test]
fn counters_that_rules_raise_are_found_in_their_table() {
    let tables = "tables: {o: {key: src, expire: 1m, counters: conn_cur}, t: {key: src, expire: 1m, counters: [gpt0, gpc1_rate(1m), gpc0, gpc0_rate(1m)]}}\n";
    let rules = "connection_rules: [{track: o}, {track: t}, {raise: {table: t, counter: gpc1}}], \
                 rules: [{raise: {table: t, counter: gpc0}}, {set_gpt0: {table: t, value: 9}}]";
    let c = load(&frontend(rules, tables));
    assert_eq!(c.warnings.to_string(), "");
    let f = &c.frontends[0];
    assert_eq!(f.connection_rules[2].action, ConnectionAction::Raise(CounterRef { table: 1, counter: 1 }));
    assert!(matches!(f.rules[0].action, Action::Raise(CounterRef { table: 1, counter: 2 })));
    assert!(matches!(f.rules[1].action, Action::SetGpt0(CounterRef { table: 1, counter: 0 }, 9)));
}

#[test]
fn paths_are_rewritten_by_prefix_or_pattern() {
    let rules = "rules: [{rewrite_path: {prefix: /a, to: /}}, {rewrite_path: {regex: \"^/v1/(.)\", to: \"/$${1}x\"}}]";
    let c = load(&frontend(rules, ""));
    let rewrites: Vec<_> = c.frontends[0]
        .rules
        .iter()
        .map(|r| match &r.action {
            Action::RewritePath(rewrite) => rewrite.clone(),
            other => panic!("{other:?}"),
        })
        .collect();
    let by_prefix = PathRewrite::Prefix { from: "/a".into(), to: "/".into() };
    let by_pattern = PathRewrite::Regex { regex: "^/v1/(.)".into(), to: "/${1}x".into() };
    assert_eq!(rewrites, [by_prefix, by_pattern]);
}

#[test]
fn error_bodies_have_the_type_of_their_ending() {
    let c = load(&frontend("error_bodies: {503: e.json}", ""));
    let body = &c.frontends[0].error_bodies[0];
    assert_eq!((body.status, body.content_type.to_str().unwrap()), (503, "application/json"));
    assert_eq!(body.body, b"{}");
}

#[test]
fn a_rule_of_answers_may_ask_for_the_status() {
    let rules = "response_rules: [{remove_header: server, if: bad}]";
    let c = load(&frontend(rules, "acls: {bad: {status: [404, 5xx]}}\n"));
    assert_eq!(c.acls[0].test, Test::Status(vec![404..=404, 500..=599]));
    assert_eq!(c.frontends[0].response_rules.len(), 1);
    let message = wrong(&frontend("rules: [{deny: {}, if: bad}]", "acls: {bad: {status: 404}}\n"));
    assert!(message.contains("acl `bad` asks for the status of the answer"), "{message}");
}

/// [`Fixed`] at another time.
struct At(SystemTime);

impl Environment for At {
    fn variable(&self, name: &str) -> Option<String> {
        Fixed.variable(name)
    }

    fn file(&self, path: &Path) -> std::io::Result<Vec<u8>> {
        Fixed.file(path)
    }

    fn now(&self) -> SystemTime {
        self.0
    }
}

#[test]
fn certificates_are_judged_by_the_time() {
    let text = bind("127.0.0.1:0", ", tls: {certificates: a.pem}");
    let said = |now: SystemTime| match load_text(Path::new("x.yaml"), &text, &At(now)) {
        Ok(c) => c.warnings.to_string(),
        Err(d) => panic!("{d}"),
    };
    assert_eq!(said(SystemTime::now()), "");
    // The development certificates are good for some years.
    let century = Duration::from_secs(100 * 365 * 86_400);
    assert!(said(SystemTime::now() + century).contains("certificate 1 in `a.pem` expired on 20"));
    let past = said(SystemTime::UNIX_EPOCH);
    assert!(past.contains("is not valid before 20") && past.contains("(and 1 more of this file)"), "{past}");
}

#[test]
fn a_long_condition_and_many_rules_are_checked_in_no_time() {
    let condition = vec!["a"; 50_000].join(" and ");
    let rules = vec!["{raise: {table: t, counter: gpc0}, if: b}"; 5_000].join(", ");
    let text = frontend(
        &format!("rules: [{{delay: 1s, if: {condition}}}, {rules}]"),
        "acls: {a: {src: 10.0.0.1}, b: {src: 10.0.0.2}}\ntables: {t: {key: src, expire: 1m, counters: gpc0}}\n",
    );
    let begun = SystemTime::now();
    let c = load(&text);
    assert_eq!(c.warnings.warnings(), 5_001, "and a table that is never tracked");
    assert!(begun.elapsed().unwrap() < Duration::from_secs(20));
}
