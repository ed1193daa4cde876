//! `rewrite_path`: the server and later rules see the new path, the log the old one, and no disguise gets around it.

use crate::support::edge::Edge;
use crate::support::http::Ask;
use crate::support::scratch::Scratch;
use crate::support::site::Site;
use crate::support::upstream::Upstream;

fn site(sections: &str, base: &str, rules: &[&str]) -> Site {
    let rules: String = rules.iter().map(|rule| format!("      - {rule}\n")).collect();
    Site::within(Scratch::new(), sections, &format!("    rules:\n{rules}"), base, Upstream::named("one"))
}

/// Asks for the first of each pair; the server must see the second.
#[track_caller]
fn check(site: &Site, cases: &[(&str, &str)]) {
    let mut http2 = site.http2();
    for (asked, seen) in cases {
        for http1 in [true, false] {
            let ask = Ask::get(asked);
            let answer = if http1 { site.ask(&ask) } else { http2.ask(&ask) };
            assert_eq!(answer.status(), 200, "{asked}: {}", answer.text());
            assert_eq!(site.one.requests().pop().unwrap().head.target(), *seen, "{asked} by HTTP/1: {http1}");
        }
    }
}

#[test]
fn prefix_is_replaced_and_the_query_kept() {
    let site = site("", "", &["{rewrite_path: {prefix: /openai/v1, to: /v1}}"]);
    check(
        &site,
        &[
            ("/openai/v1/models?a=/openai/v1&b=%2F", "/v1/models?a=/openai/v1&b=%2F"),
            ("/openai/v1", "/v1"),
            ("/openai/v1?", "/v1?"),
            ("/openai/v11/models", "/openai/v11/models"),
            ("/v1/openai/v1", "/v1/openai/v1"),
            ("/OpenAI/v1", "/OpenAI/v1"),
        ],
    );
}

#[test]
fn disguises_of_a_prefix_are_seen_through() {
    let site = site("", "", &["{rewrite_path: {prefix: /a, to: /b}}"]);
    check(
        &site,
        &[
            ("/%61/x%2Fy", "/b/x%2Fy"),
            ("/z/../a/x", "/b/x"),
            ("/./a", "/b"),
            ("//a/x", "/b/x"),
            ("/a/%2e%2e/c", "/c"),
        ],
    );
}

#[test]
fn groups_of_an_expression_are_put_in() {
    let rules = [
        "{rewrite_path: {regex: \"^/v1/engines/([^/]+)/(?<call>.*)$\", to: \"/v1/$call/$1\"}}",
        "{rewrite_path: {regex: \"-\", to: \"_\"}}",
    ];
    let site = site("", "", &rules);
    check(
        &site,
        &[
            ("/v1/engines/gpt/chat?x=-", "/v1/chat/gpt?x=-"),
            ("/v1/engines/gpt/a-b-c", "/v1/a_b-c/gpt"),
            ("/v1/%65ngines/gpt/chat", "/v1/chat/gpt"),
            ("/v2/engines", "/v2/engines"),
            // What a group holds cannot climb.
            ("/v1/engines/x/..%2f..%2fsecret", "/v1/..%2F..%2Fsecret/x"),
        ],
    );
}

#[test]
fn later_rules_see_the_new_path_and_earlier_ones_the_old() {
    let sections = "acls: {old: {path_beg: /old}, new: {path_beg: /new}}";
    let rules = [
        "{set_header: {x-early: old}, if: old}",
        "{set_header: {x-early: new}, if: new}",
        "{rewrite_path: {prefix: /old, to: /new}, if: old}",
        "{set_header: {x-late: old}, if: old}",
        "{set_header: {x-late: new}, if: new}",
        "{rewrite_path: {prefix: /new, to: /newer}}",
    ];
    let site = site(sections, "", &rules);
    assert_eq!(site.ask(&Ask::get("/old/x?q")).status(), 200);
    let request = site.one.request();
    assert_eq!(request.head.target(), "/newer/x?q");
    assert_eq!((request.header("x-early"), request.header("x-late")), (Some("old"), Some("new")));
}

#[test]
fn denied_path_cannot_be_reached_by_a_rewrite_of_another() {
    let sections = "acls: {admin: {path_beg: /admin}}";
    let site =
        site(sections, "", &["{rewrite_path: {prefix: /x, to: /}}", "{deny: {status: 403}, if: admin}"]);
    for path in ["/admin", "/x/admin", "/%78/%61dmin", "/x//admin/", "/x/./admin", "/x/y/../admin"] {
        assert_eq!(site.ask(&Ask::get(path)).status(), 403, "{path}");
    }
    assert_eq!(site.one.count(), 0);
}

#[test]
fn base_path_of_the_url_applies_to_the_new_path() {
    let site = site("", "/api/v1", &["{rewrite_path: {prefix: /openai, to: /v1}}"]);
    check(
        &site,
        &[
            ("/openai/models?a", "/api/v1/models?a"),
            // With a base path dots are resolved before anything is put in its place.
            ("/openai/%2e%2e/secret", "/secret"),
            ("/other", "/other"),
        ],
    );
}

#[test]
fn log_shows_what_the_client_sent() {
    let rules = ["{rewrite_path: {prefix: /a, to: /b}}", "{rewrite_path: {prefix: /b, to: /c}}"];
    let site = site("", "", &rules);
    for answer in site.everywhere(&Ask::get("/%61/x?key=secret&q=1")) {
        assert_eq!(answer.status(), 200);
    }
    let lines = || site.edge.log().iter().filter(|line| line["path"] == "/%61/x?key=***&q=1").count();
    crate::support::wait::until("three lines with the old path", || lines() == 3);
    assert_eq!(site.one.requests()[0].head.target(), "/c/x?key=secret&q=1");
}

#[test]
fn absolute_targets_are_rewritten_and_sent_as_paths() {
    let site = site("", "", &["{rewrite_path: {prefix: /a, to: /b}}"]);
    let ask = Ask::get("http://tidegate.test/a/x?q=1");
    assert_eq!(site.ask(&ask).status(), 200);
    let request = site.one.request();
    assert_eq!(request.head.target(), "/b/x?q=1");
    assert_eq!(request.header("host"), Some(site.one.address().to_string().as_str()));
}

#[test]
fn asterisk_of_options_is_left_alone() {
    let site = site("", "", &["{rewrite_path: {prefix: /, to: /b}}"]);
    let answer = site.ask(&Ask::new("OPTIONS", "*"));
    assert_eq!(answer.status(), 200, "{}", answer.text());
    assert_eq!(site.one.request().head.target(), "*");
}

#[test]
fn retries_send_the_same_path() {
    let (bad, good) = (Upstream::failing(503), Upstream::named("good"));
    let edge = Edge::start(
        "
frontends:
  web:
    bind: [{address: 127.0.0.1:0}]
    rules: [{rewrite_path: {regex: \"^/v1\", to: \"/v1/v1\"}}]
    default_backend: ai
backends:
  ai:
    retry: {attempts: 2, when: [503], backoff: 1ms..2ms}
    servers: {bad: {url: <bad>/base}, good: {url: <good>, tier: 2}}",
        &[("bad", &bad.url()), ("good", &good.url())],
    );
    assert_eq!(edge.ask(&Ask::get("/v1/models?q")).status(), 200);
    assert_eq!(bad.request().head.target(), "/base/v1/models?q");
    assert_eq!(good.request().head.target(), "/v1/v1/models?q");
}

#[test]
fn path_that_grows_too_long_is_left_alone() {
    let site = site("", "", &["{rewrite_path: {regex: \"^/(.*)$\", to: \"/$1$1$1$1$1$1$1$1\"}}"]);
    let long = format!("/{}", "a".repeat(12_000));
    let answer = site.ask(&Ask::get(&long));
    assert!([200, 400, 414].contains(&answer.status()), "{}", answer.status());
    assert_eq!(site.ask(&Ask::get("/ab")).status(), 200);
    assert_eq!(site.one.requests().pop().unwrap().head.target(), "/abababababababab");
}
