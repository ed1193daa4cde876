//! `set_header`, `add_header` and `remove_header` of requests, with values put together from what is known of them.

use crate::support::edge::Edge;
use crate::support::http::{Ask, Message};
use crate::support::site::Site;
use crate::support::upstream::Upstream;

fn site(sections: &str, rules: &[&str]) -> Site {
    let rules: String = rules.iter().map(|rule| format!("      - {rule}\n")).collect();
    Site::new(sections, &format!("    rules:\n{rules}"), Upstream::named("one"))
}

/// What the server got of the request that this client sent last.
#[track_caller]
fn seen(site: &Site, ask: &Ask) -> Message {
    assert_eq!(site.ask(ask).status(), 200);
    site.one.requests().pop().unwrap()
}

#[test]
fn fetches_find_what_they_name() {
    let sections = "
clients:
  mode: optional
  keys: [{name: mobile-app, key: sk-mobile, plan: gold}, {name: planless, key: sk-planless}]
plans: {gold: {requests_per_minute: 1000}}";
    let rules = [
        "{set_header: {x-src: \"%[src]\", x-version: \"%[tls_version]\", x-cipher: \"%[tls_cipher]\"}}",
        "{set_header: {x-host: \"%[host]\", x-path: \"%[path]\", x-method: \"%[method]\"}}",
        "{set_header: {x-key: \"%[api_key]\", x-plan: \"%[plan]\", x-id: \"%[request_id]\"}}",
        "{set_header: {x-copy: \"%[header(x-Name)]\", x-all: \"<%[method] %[host]%[path]> 100% %%[src] %[plan]\"}}",
    ];
    let site = site(sections, &rules);
    let ask = Ask::post("/v1/chat/completions?a=b", "{}")
        .header("host", "api.test:8080")
        .header("x-request-id", "mine")
        .header("X-NAME", "one")
        .header("x-name", "two")
        .bearer("sk-mobile");
    let answers = site.everywhere(&ask);
    for ((answer, request), tls) in answers.iter().zip(site.one.requests()).zip([false, true, true]) {
        assert_eq!(answer.status(), 200, "{}", answer.text());
        let expected = [
            ("x-src", Some("127.0.0.1")),
            ("x-host", Some("api.test")),
            ("x-path", Some("/v1/chat/completions")),
            ("x-method", Some("POST")),
            ("x-key", Some("mobile-app")),
            ("x-plan", Some("gold")),
            ("x-id", Some("mine")),
            ("x-request-id", Some("mine")),
            ("x-copy", Some("one, two")),
            ("x-all", Some("<POST api.test/v1/chat/completions> 100% %[src] gold")),
            ("x-version", tls.then_some("TLSv1.3")),
        ];
        for (name, value) in expected {
            assert_eq!(request.header(name), value, "{name} with TLS {tls}");
        }
        let cipher = request.header("x-cipher");
        assert_eq!(
            cipher.is_some_and(|name| name.starts_with("TLS_") && name.contains("_SHA")),
            tls,
            "{cipher:?}"
        );
        assert!(!format!("{request:?}").contains("sk-mobile"), "the key went on");
    }
    let planless = seen(&site, &Ask::get("/v1/models").bearer("sk-planless"));
    assert_eq!((planless.header("x-key"), planless.header("x-plan")), (Some("planless"), None));
}

#[test]
fn value_that_is_not_known_takes_away_what_the_client_sent() {
    let rules = [
        "{set_header: {x-client-cn: \"%[client_cn]\", x-client-dn: \"%[client_dn]\"}}",
        "{set_header: {x-tls: \"%[tls_version]%[tls_cipher]\", x-who: \"%[api_key]\", x-plan: \"%[plan]\"}}",
        "{set_header: {x-copy: \"%[header(x-none)]\", x-text: \"cn=%[client_cn]\"}}",
        "{add_header: {x-added: \"%[client_cn]\"}}",
    ];
    let site = site("", &rules);
    let names = ["x-client-cn", "x-client-dn", "x-tls", "x-who", "x-plan", "x-copy", "x-text"];
    let forged = names.iter().fold(Ask::get("/v1/models"), |ask, name| {
        ask.header(&name.to_uppercase(), "root").header(name, "admin")
    });
    let request = seen(&site, &forged.header("x-added", "kept"));
    for name in &names[..6] {
        assert_eq!(request.head.all(name), Vec::<&str>::new(), "{name}");
    }
    assert_eq!(request.header("x-text"), Some("cn="), "text beside a fetch without a value");
    assert_eq!(request.header("x-added"), Some("kept"), "an added header replaces nothing");
    let encrypted = site.open_tls().ask(&Ask::get("/v1/models").header("x-client-cn", "root"));
    assert_eq!(encrypted.status(), 200);
    let request = site.one.requests().pop().unwrap();
    assert_eq!(request.header("x-client-cn"), None, "TLS without a certificate");
}

#[test]
fn rules_act_in_their_order() {
    let rules = [
        "{add_header: {x-a: first}}",
        "{add_header: {x-a: \"%[header(x-a)] again\"}}",
        "{set_header: {x-b: one}}",
        "{set_header: {x-b: two}}",
        "{add_header: {x-b: three}}",
        "{set_header: {x-c: gone}}",
        "{remove_header: [x-c, x-d]}",
        "{add_header: {x-d: back}}",
        "{set_header: {x-e: \"%[method]\"}, if: post}",
        "{use_backend: ai}",
    ];
    let site = site("acls: {post: {method: POST}}", &rules);
    let request =
        seen(&site, &Ask::get("/v1/models").header("x-a", "own").header("x-d", "own").header("x-e", "own"));
    // A fetch sees the request as the client sent it, not what other rules add for the server.
    assert_eq!(request.head.all("x-a"), ["own", "first", "own again"]);
    assert_eq!(request.head.all("x-b"), ["two", "three"]);
    assert_eq!(request.head.all("x-c"), Vec::<&str>::new());
    assert_eq!(request.head.all("x-d"), ["back"]);
    assert_eq!(request.head.all("x-e"), ["own"], "the condition did not hold");
    let posted = seen(&site, &Ask::post("/v1/models", "{}").header("x-e", "own"));
    assert_eq!(posted.head.all("x-e"), ["POST"]);
}

#[test]
fn path_is_the_one_at_the_time_of_the_rule() {
    let rules = [
        "{set_header: {x-before: \"%[path]\"}}",
        "{rewrite_path: {prefix: /old, to: /new}}",
        "{set_header: {x-after: \"%[path]\"}}",
    ];
    let site = site("", &rules);
    for _ in site.everywhere(&Ask::get("/old/x?q=/old")) {}
    assert_eq!(site.one.count(), 3);
    for request in site.one.requests() {
        assert_eq!(request.head.target(), "/new/x?q=/old");
        assert_eq!((request.header("x-before"), request.header("x-after")), (Some("/old/x"), Some("/new/x")));
    }
}

#[test]
fn nothing_that_is_fetched_ends_its_line() {
    let rules =
        ["{set_header: {x-path: \"%[path]\", x-copy: \"%[header(x-in)]\"}}", "{add_header: {x-copy: end}}"];
    let site = site("", &rules);
    let ask = Ask::get("/v1/%0d%0aX-Smuggled:%201").header("x-in", "a%0d%0aX-Smuggled: 1 \t\u{e9}");
    for answer in site.everywhere(&ask) {
        assert_eq!(answer.status(), 200);
    }
    for request in site.one.requests() {
        assert_eq!(request.header("x-smuggled"), None);
        assert_eq!(request.header("x-path"), Some("/v1/%0D%0AX-Smuggled:%201"));
        assert_eq!(request.head.all("x-copy"), ["a%0d%0aX-Smuggled: 1 \t\u{e9}", "end"]);
    }
}

#[test]
fn overlong_value_is_no_value() {
    let site = site("", &["{set_header: {x-copy: \"%[header(x-in)]%[header(x-in)]\"}}"]);
    let long = "a".repeat(4096);
    let request = seen(&site, &Ask::get("/v1/models").header("x-in", &long));
    assert_eq!(request.header("x-copy").map(str::len), Some(8192));
    let longer = Ask::get("/v1/models").header("x-in", &format!("{long}a")).header("x-copy", "forged");
    assert_eq!(seen(&site, &longer).header("x-copy"), None);
}

#[test]
fn what_a_server_must_trust_is_not_in_the_reach_of_connection() {
    let site = site("", &["{set_header: {x-client: \"%[src]\"}}"]);
    let request =
        seen(&site, &Ask::get("/v1/models").header("connection", "x-client, close").header("x-client", "a"));
    assert_eq!(request.header("x-client"), Some("127.0.0.1"));
}

#[test]
fn every_attempt_carries_the_same() {
    let (bad, good) = (Upstream::failing(503), Upstream::named("good"));
    let edge = Edge::start(
        "
frontends:
  web:
    bind: [{address: 127.0.0.1:0}]
    rules: [{set_header: {x-host: \"x.%[host]\", x-path: \"%[path]\"}}, {add_header: {x-added: \"%[method]\"}}]
    default_backend: ai
backends:
  ai:
    retry: {attempts: 2, when: [503], backoff: 1ms..2ms}
    servers: {bad: {url: <bad>}, good: {url: <good>, tier: 2}}",
        &[("bad", &bad.url()), ("good", &good.url())],
    );
    assert_eq!(edge.ask(&Ask::get("/v1/models").header("host", "a.test:99")).status(), 200);
    for request in [bad.request(), good.request()] {
        assert_eq!(request.header("x-host"), Some("x.a.test"));
        assert_eq!((request.header("x-path"), request.header("x-added")), (Some("/v1/models"), Some("GET")));
    }
}
