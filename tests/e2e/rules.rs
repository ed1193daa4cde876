//! Rules of a frontend: every action, and conditions over names, `and`, `or`, `not` and parentheses.

use std::time::Duration;

use crate::support::edge::{Edge, server_of};
use crate::support::http::Ask;
use crate::support::upstream::Upstream;
use crate::support::wait::timed;

/// Servers `one` (backend `ai`, the default) and `two` (backend `other`) behind these rules.
struct Site {
    edge: Edge,
    one: Upstream,
    two: Upstream,
}

fn site(acls: &str, rules: &[&str]) -> Site {
    let (one, two) = (Upstream::named("one"), Upstream::named("two"));
    let rules: String = rules.iter().map(|rule| format!("      - {rule}\n")).collect();
    let edge = Edge::start(
        "
acls:
  never: {method: [BREW]}
<acls>
frontends:
  web:
    bind: [{address: 127.0.0.1:0}]
    rules:
<rules>
    default_backend: ai
backends:
  ai: {servers: {one: {url: <one>}}}
  other: {servers: {two: {url: <two>}}}",
        &[("acls", acls), ("rules", &rules), ("one", &one.url()), ("two", &two.url())],
    );
    Site { edge, one, two }
}

#[test]
fn deny_answers_its_status_in_the_shape_of_the_contract() {
    for (status, code) in [(403, "forbidden"), (401, "invalid_api_key"), (429, "rate_limit_exceeded")] {
        let site = site("  bad: {path_beg: /v1/bad}", &[&format!("{{deny: {{status: {status}}}, if: bad}}")]);
        site.edge.ask(&Ask::get("/v1/bad/x")).is_error(status, code);
        assert_eq!(site.edge.ask(&Ask::get("/v1/good")).status(), 200);
        assert_eq!(site.one.count(), 1, "the denied request was sent on");
    }
}

#[test]
fn denied_request_with_a_body_leaves_nothing_behind() {
    let site = site("  bad: {path_beg: /v1/bad}", &["{deny: {status: 403}, if: bad}"]);
    let mut client = site.edge.open();
    let smuggled = "GET /v1/smuggled HTTP/1.1\r\nHost: a.test\r\n\r\n";
    client.ask(&Ask::post("/v1/bad", smuggled)).is_error(403, "forbidden");
    if client.try_send(Ask::get("/v1/next").bytes()).is_ok() {
        let _ = client.answer();
    }
    assert!(site.one.requests().iter().all(|request| request.head.target() == "/v1/next"));
}

#[test]
fn delay_holds_the_request_back() {
    let site = site("  slow: {path_beg: /v1/slow}", &["{delay: 400ms, if: slow}"]);
    let mut client = site.edge.open();
    let (answer, took) = timed(|| client.ask(&Ask::get("/v1/slow")));
    assert_eq!(answer.status(), 200);
    assert!(took >= Duration::from_millis(400), "{took:?}");
    let (_, quick) = timed(|| client.ask(&Ask::get("/v1/quick")));
    assert!(quick < Duration::from_millis(400), "{quick:?}");
}

#[test]
fn delayed_client_holds_up_nobody_else() {
    let site = site("  slow: {path_beg: /v1/slow}", &["{delay: 10s, if: slow}"]);
    let mut held: Vec<_> = (0..16).map(|_| site.edge.open()).collect();
    for client in &mut held {
        client.send(Ask::get("/v1/slow").bytes());
    }
    let (_, took) = timed(|| assert_eq!(site.edge.ask(&Ask::get("/v1/quick")).status(), 200));
    assert!(took < Duration::from_secs(5), "{took:?}");
}

#[test]
fn headers_are_set_and_removed_toward_the_server() {
    let rules = ["{set_header: {x-forwarded-proto: https, X-New: a b}}", "{remove_header: [x-gone, cookie]}"];
    let site = site("", &rules);
    let ask = Ask::get("/v1/models")
        .header("X-Forwarded-Proto", "http")
        .header("x-forwarded-proto", "spdy")
        .header("X-Gone", "1")
        .header("Cookie", "a=b")
        .header("X-Stays", "1");
    assert_eq!(site.edge.ask(&ask).status(), 200);
    let request = site.one.request();
    assert_eq!(request.head.all("x-forwarded-proto"), ["https"]);
    assert_eq!(request.header("x-new"), Some("a b"));
    assert_eq!((request.header("x-gone"), request.header("cookie")), (None, None));
    assert_eq!(request.header("x-stays"), Some("1"));
}

#[test]
fn use_backend_sends_it_elsewhere() {
    let site = site("  there: {path_beg: [/v1/there, /there]}", &["{use_backend: other, if: there}"]);
    assert_eq!(server_of(&site.edge.ask(&Ask::get("/v1/there/x"))), "two");
    assert_eq!(server_of(&site.edge.ask(&Ask::get("/v1/here"))), "one");
    assert_eq!(site.two.count(), 1);
}

#[test]
fn return_answers_without_a_server() {
    let rule = "{return: {status: 200, content_type: text/plain, body: \"User-agent: *\"}, if: robots}";
    let site = site("  robots: {path: /robots.txt}", &[rule]);
    let answer = site.edge.ask(&Ask::get("/robots.txt"));
    assert_eq!((answer.status(), answer.text().as_str()), (200, "User-agent: *"));
    assert_eq!(answer.header("content-type"), Some("text/plain"));
    let head = site.edge.ask(&Ask::new("HEAD", "/robots.txt"));
    assert_eq!((head.status(), head.body.len()), (200, 0));
    assert_eq!(site.edge.ask(&Ask::get("/robots.txt2")).json()["server"], "one");
}

#[test]
fn return_is_the_same_on_every_protocol() {
    use crate::support::site::Site;
    let rules = "
    rules:
      - {return: {status: 418, content_type: application/problem+json, body: '{\"teapot\":\"é\"}'}, if: teapot}
      - {return: {status: 200}, if: empty}";
    let acls = "acls: {teapot: {path_beg: /teapot}, empty: {path: /empty}}";
    let site = Site::new(acls, rules, Upstream::named("one"));
    let body = "{\"teapot\":\"é\"}";
    let asks = [Ask::get("/teapot"), Ask::new("HEAD", "/teapot"), Ask::post("/teapot", vec![b'x'; 200_000])];
    for ask in &asks {
        for answer in site.everywhere(ask) {
            assert_eq!(answer.status(), 418);
            assert_eq!(answer.header("content-type"), Some("application/problem+json"));
            assert_eq!(answer.header("content-length"), Some(body.len().to_string().as_str()));
            assert_eq!(answer.text(), if ask.method == "HEAD" { "" } else { body });
        }
    }
    for answer in site.everywhere(&Ask::get("/empty")) {
        assert_eq!(
            (answer.status(), answer.body.len(), answer.header("content-length")),
            (200, 0, Some("0"))
        );
    }
    let line = site.edge.logged("a return", |line| line["path"] == "/teapot" && line["method"] == "GET");
    assert_eq!((line["termination"].as_str(), line["status"].as_u64()), (Some("LR--"), Some(418)));
    assert_eq!(site.one.count(), 0);
}

#[test]
fn redirect_may_be_conditional() {
    let site = site("  old: {path_beg: /old}", &["{redirect: {scheme: https, status: 302}, if: old}"]);
    let answer = site.edge.ask(&Ask::get("/old/x?y").header("host", "a.test"));
    assert_eq!((answer.status(), answer.header("location")), (302, Some("https://a.test/old/x?y")));
    assert_eq!(site.edge.ask(&Ask::get("/new")).status(), 200);
}

#[test]
fn conditions_combine_as_they_read() {
    let acls = "
  a: {header: x-a, present: true}
  b: {header: x-b, present: true}
  c: {header: x-c, present: true}";
    // (expression, headers sent, denied)
    let table: [(&str, &[&str], bool); 12] = [
        ("a and b", &["x-a"], false),
        ("a and b", &["x-a", "x-b"], true),
        ("a or b", &["x-b"], true),
        ("a or b", &[], false),
        ("not a", &[], true),
        ("not a", &["x-a"], false),
        ("a and not b", &["x-a"], true),
        ("a or b and c", &["x-a"], true),
        ("(a or b) and c", &["x-a"], false),
        ("(a or b) and c", &["x-b", "x-c"], true),
        ("not (a or b)", &["x-c"], true),
        ("not (a or b) and not c", &["x-c"], false),
    ];
    for (expression, headers, denied) in table {
        let site = site(acls, &[&format!("{{deny: {{status: 403}}, if: {expression}}}")]);
        let ask = headers.iter().fold(Ask::get("/v1/x"), |ask, name| ask.header(name, "1"));
        assert_eq!(site.edge.ask(&ask).status() == 403, denied, "{expression} with {headers:?}");
    }
}

#[test]
fn fetches_see_what_they_name() {
    let acls = "
  beg: {path_beg: [/v1/Chat], ignore_case: true}
  end: {path_end: .php}
  reg: {path_reg: \"^/v1/[0-9]+$\"}
  verb: {method: [DELETE, PUT]}
  host: {host: internal.test}
  local: {src: [127.0.0.0/8]}
  foreign: {src: [10.0.0.0/8]}";
    let rules = "beg or end or reg or verb or host or foreign";
    let site = site(acls, &[&format!("{{deny: {{status: 403}}, if: local and ({rules})}}")]);
    let cases = [
        (Ask::get("/v1/chat/completions"), 403),
        (Ask::get("/x/index.php?a"), 403),
        (Ask::get("/v1/123"), 403),
        (Ask::get("/v1/123a"), 200),
        (Ask::new("DELETE", "/v1/files/1"), 403),
        (Ask::get("/v1/x").header("host", "internal.test:80"), 403),
        (Ask::get("/v1/x").header("host", "INTERNAL.test"), 403),
        (Ask::get("/v1/x?p=.php"), 200),
        (Ask::get("/v1/x"), 200),
    ];
    for (ask, status) in cases {
        assert_eq!(site.edge.ask(&ask).status(), status, "{} {} {:?}", ask.method, ask.target, ask.headers);
    }
}

#[test]
fn first_rule_that_decides_wins() {
    let acls = "  bad: {path_beg: /v1/bad}";
    let site = site(acls, &["{return: {status: 204}, if: bad}", "{deny: {status: 403}, if: bad}"]);
    assert_eq!(site.edge.ask(&Ask::get("/v1/bad")).status(), 204);
}
