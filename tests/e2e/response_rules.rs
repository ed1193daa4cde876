//! `response_rules`: they act on every answer that goes to a client, whoever made it.

use crate::support::edge::Edge;
use crate::support::http::{Ask, Message, answer, ok};
use crate::support::rude::{EVENT_STREAM_HEAD, event};
use crate::support::site::Site;
use crate::support::upstream::Upstream;

const SECTIONS: &str = "
clients: {mode: optional, keys: [{name: app, key: sk-app}]}
acls:
  failed: {status: 5xx}
  missing: {status: [404, 410-411]}
  fine: {status: 200}
  redirected: {status: 3xx}
  post: {method: POST}
  secret: {path_beg: /v1/secret}
  old: {path_beg: /old}
  moved: {path_beg: /moved}
  robots: {path: /robots.txt}";

const FRONTEND: &str = "
    monitor: /alive
    rules:
      - {deny: {status: 403}, if: secret}
      - {redirect: {location: \"https://a.test/\", status: 302}, if: moved}
      - {return: {status: 200, content_type: text/plain, body: none}, if: robots}
      - {rewrite_path: {prefix: /old, to: /v1}}
    response_rules:
      - {set_header: {strict-transport-security: max-age=1, x-status: \"%[status]\"}}
      - {add_header: {x-who: \"%[method] %[path] %[api_key] %[request_id]\"}}
      - {remove_header: [server, x-powered-by]}
      - {set_header: {x-failed: \"1\"}, if: failed}
      - {set_header: {x-missing: \"1\"}, if: missing}
      - {set_header: {x-fine: \"1\"}, if: fine and not post}
      - {set_header: {x-redirected: \"1\"}, if: redirected}
      - {set_header: {x-old: \"1\"}, if: old}";

/// Answers with the status that the path names.
fn scripted() -> Upstream {
    Upstream::replying(|request| {
        let status = request.head.target().rsplit('/').next().and_then(|last| last.parse().ok());
        match (status, request.head.method()) {
            (Some(304), _) => b"HTTP/1.1 304 Same\r\netag: a\r\nserver: rude\r\n\r\n".to_vec(),
            (Some(204), _) => b"HTTP/1.1 204 None\r\nserver: rude\r\n\r\n".to_vec(),
            (_, "HEAD") => b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\nserver: rude\r\n\r\n".to_vec(),
            (status, _) => {
                let fields = [
                    ("server", "rude"),
                    ("Server", "twice"),
                    ("x-powered-by", "php"),
                    ("x-status", "forged"),
                    ("strict-transport-security", "forged"),
                ];
                answer(status.unwrap_or(200), &fields, "{}")
            }
        }
    })
}

fn site() -> Site {
    Site::new(SECTIONS, FRONTEND, scripted())
}

/// Asserts what every answer has, and which of the conditional fields.
#[track_caller]
fn check(answer: &Message, status: u16, marks: &[&str]) {
    assert_eq!(answer.status(), status, "{}", answer.text());
    assert_eq!(answer.header("strict-transport-security"), Some("max-age=1"));
    assert_eq!(answer.header("x-status"), Some(status.to_string().as_str()));
    assert_eq!((answer.header("server"), answer.header("x-powered-by")), (None, None));
    for mark in ["x-failed", "x-missing", "x-fine", "x-redirected", "x-old"] {
        assert_eq!(answer.header(mark).is_some(), marks.contains(&mark), "{mark} of {status}");
    }
}

#[test]
fn answers_of_servers_are_changed_by_status_and_request() {
    let site = site();
    let cases: [(Ask, u16, &[&str]); 12] = [
        (Ask::get("/v1/models"), 200, &["x-fine"]),
        (Ask::post("/v1/chat/completions", "{}"), 200, &[]),
        (Ask::new("HEAD", "/v1/models"), 200, &["x-fine"]),
        (Ask::get("/v1/201"), 201, &[]),
        (Ask::get("/v1/204"), 204, &[]),
        (Ask::get("/v1/304"), 304, &["x-redirected"]),
        (Ask::get("/v1/404"), 404, &["x-missing"]),
        (Ask::get("/v1/409"), 409, &[]),
        (Ask::get("/v1/411"), 411, &["x-missing"]),
        (Ask::get("/v1/412"), 412, &[]),
        (Ask::get("/v1/500"), 500, &["x-failed"]),
        (Ask::get("/v1/599"), 599, &["x-failed"]),
    ];
    for (ask, status, marks) in cases {
        for answer in site.everywhere(&ask) {
            check(&answer, status, marks);
            let who = answer.header("x-who").unwrap();
            assert!(who.starts_with(&format!("{} {} ", ask.method, ask.target)), "{who}");
            assert!(who.ends_with(answer.header("x-request-id").unwrap()), "{who}");
        }
    }
}

#[test]
fn answers_of_our_own_are_changed_too() {
    let site = site();
    let wrong = Ask::get("/v1/models").bearer("wrong");
    let two_keys = Ask::get("/v1/models").bearer("a").header("x-api-key", "b");
    let cases: [(Ask, u16, &[&str]); 8] = [
        (Ask::get("/alive"), 200, &["x-fine"]),
        (Ask::get("/v1/secret"), 403, &[]),
        (Ask::get("/moved"), 302, &["x-redirected"]),
        (Ask::get("/robots.txt"), 200, &["x-fine"]),
        (Ask::new("HEAD", "/robots.txt"), 200, &["x-fine"]),
        (wrong, 401, &[]),
        (two_keys, 400, &[]),
        (Ask::new("TRACE", "/v1/models"), 405, &[]),
    ];
    for (ask, status, marks) in cases {
        for answer in site.everywhere(&ask) {
            check(&answer, status, marks);
        }
    }
    assert_eq!(site.one.count(), 0);
}

#[test]
fn conditions_see_the_request_as_the_rules_left_it() {
    let site = site();
    let answer = site.ask(&Ask::get("/old/models").bearer("sk-app"));
    check(&answer, 200, &["x-fine"]);
    assert!(answer.header("x-who").unwrap().starts_with("GET /v1/models app "));
}

#[test]
fn malformed_request_gets_what_every_answer_gets() {
    let site = site();
    let mut client = site.open();
    client.send("GET /v1/old HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n");
    let answer = client.answer().unwrap();
    assert_eq!(answer.status(), 400);
    assert_eq!(answer.header("strict-transport-security"), Some("max-age=1"));
    assert_eq!(answer.header("x-status"), Some("400"));
    answer.is_error(400, "bad_request");
}

#[test]
fn failures_of_servers_are_answers_of_our_own() {
    let one = Upstream::named("one");
    let edge = Edge::start(
        "
acls: {failed: {status: 5xx}}
frontends:
  web:
    bind: [{address: 127.0.0.1:0}]
    response_rules: [{add_header: {retry-after: \"7\", x-failed: \"%[status]\"}, if: failed}]
    default_backend: ai
backends: {ai: {retry: {attempts: 1}, breaker: off, cooldown: off, servers: {one: {url: <one>}}}}",
        &[("one", &one.url())],
    );
    assert_eq!(edge.ask(&Ask::get("/v1/models")).header("x-failed"), None);
    drop(one);
    let answer = edge.ask(&Ask::get("/v1/models"));
    assert_eq!((answer.status(), answer.header("x-failed")), (503, Some("503")));
    assert_eq!(answer.head.all("retry-after").last(), Some(&"7"));
}

#[test]
fn streams_are_changed_in_their_head_alone() {
    let stream = Upstream::replying(|_| {
        [EVENT_STREAM_HEAD.as_bytes(), &event("{}"), &event("[DONE]"), b"0\r\n\r\n"].concat()
    });
    let rules =
        "    response_rules: [{set_header: {x-accel-buffering: \"no\"}}, {remove_header: [content-type]}]";
    let site = Site::new("", rules, stream);
    for answer in site.everywhere(&Ask::chat(true)) {
        assert_eq!((answer.status(), answer.header("x-accel-buffering")), (200, Some("no")));
        assert_eq!(answer.header("content-type"), None);
        assert_eq!((answer.text().as_str(), answer.whole), ("data: {}\n\ndata: [DONE]\n\n", true));
    }
}

#[test]
fn framing_is_out_of_reach() {
    use crate::support::edge::{check, configuration};
    use crate::support::scratch::Scratch;
    let directory = Scratch::new();
    for action in [
        "set_header: {content-length: \"0\"}",
        "add_header: {Transfer-Encoding: chunked}",
        "set_header: {connection: close}",
        "remove_header: [content-length]",
        "remove_header: [x-a, Connection]",
        "remove_header: [transfer-encoding]",
    ] {
        let sections = format!(
            "frontends: {{web: {{bind: [{{address: 127.0.0.1:0}}], response_rules: [{{{action}}}], default_backend: b}}}}
backends: {{b: {{servers: {{s: {{url: \"http://127.0.0.1:9\"}}}}}}}}"
        );
        let config = configuration(&Default::default(), directory.path(), &sections, &[]);
        let output = check(&directory.write("a.yaml", &config));
        let told = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(64), "{action}: {told}");
        assert!(told.contains("frames the message"), "{told}");
    }
}

#[test]
fn answers_of_pipelined_requests_keep_their_own_fields() {
    let rules = "    response_rules: [{set_header: {x-path: \"%[path]\"}}]";
    let site = Site::new("", rules, Upstream::replying(|_| ok("{}")));
    let mut client = site.open();
    let both: Vec<u8> = ["/v1/a", "/v1/b", "/v1/c"].iter().flat_map(|path| Ask::get(path).bytes()).collect();
    client.send(both);
    for path in ["/v1/a", "/v1/b", "/v1/c"] {
        assert_eq!(client.answer().unwrap().header("x-path"), Some(path));
    }
}
