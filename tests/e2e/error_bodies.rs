//! `error_bodies`: pages of the operator's own in place of the errors that are made here.

use crate::support::http::{Ask, Message, answer};
use crate::support::rude::never_answers;
use crate::support::scratch::Scratch;
use crate::support::site::Site;
use crate::support::upstream::Upstream;

/// The files, one for each of these statuses.
fn files() -> (Scratch, String) {
    let directory = Scratch::new();
    let mut list = String::new();
    for (status, ending) in [
        (400, "html"),
        (401, "json"),
        (403, "txt"),
        (408, "htm"),
        (413, "xml"),
        (414, "txt"),
        (429, "txt"),
        (431, "html"),
        (503, "json"),
        (504, "txt"),
    ] {
        let text =
            if ending == "json" { format!("{{\"own\":{status}}}\n") } else { format!("own {status}\n") };
        directory.write(&format!("{status}.{ending}"), &text);
        list.push_str(&format!("      {status}: <dir>/{status}.{ending}\n"));
    }
    (directory, list)
}

const SECTIONS: &str = "
defaults: {max_request_body: 1k, timeouts: {request_head: 400ms, first_byte: 300ms, client: 300ms}}
clients: {mode: optional, keys: [{name: app, key: sk-app}]}
acls: {secret: {path_beg: /secret}, busy: {path_beg: /busy}, absent: {path_beg: /absent}, tar: {path_beg: /tar}}";

fn site(one: Upstream) -> Site {
    let (directory, list) = files();
    let frontend = format!(
        "    error_bodies:
{list}    rules:
      - {{deny: {{status: 403}}, if: secret}}
      - {{deny: {{status: 429}}, if: busy}}
      - {{deny: {{status: 404}}, if: absent}}
      - {{tarpit: {{for: 1ms, status: 503}}, if: tar}}"
    );
    Site::within(directory, SECTIONS, &frontend, "", one)
}

#[track_caller]
fn own(answer: &Message, status: u16, content_type: &str) {
    assert_eq!(answer.status(), status, "{}", answer.text());
    let expected = if content_type.contains("json") {
        format!("{{\"own\":{status}}}\n")
    } else {
        format!("own {status}\n")
    };
    assert_eq!(answer.text(), expected);
    assert_eq!(answer.header("content-length"), Some(expected.len().to_string().as_str()));
    let kind = answer.header("content-type").unwrap();
    assert!(kind.starts_with(content_type), "{status}: {kind}");
    assert!(answer.header("x-request-id").is_some());
}

#[test]
fn refusals_of_rules_and_keys_have_them_on_every_protocol() {
    let site = site(Upstream::named("one"));
    let cases = [
        (Ask::get("/secret"), 403, "text/plain"),
        (Ask::get("/busy"), 429, "text/plain"),
        (Ask::get("/tar"), 503, "application/json"),
        (Ask::get("/v1/models").bearer("wrong"), 401, "application/json"),
        (Ask::post("/v1/chat/completions", vec![b'x'; 1001]), 413, "application/xml"),
        (Ask::get("/v1/models").bearer("a").header("x-api-key", "b"), 400, "text/html"),
    ];
    for (ask, status, content_type) in cases {
        for answer in site.everywhere(&ask) {
            own(&answer, status, content_type);
            assert_eq!(answer.header("retry-after").is_some(), status == 429 || status == 503);
            assert_eq!(answer.header("www-authenticate").is_some(), status == 401);
        }
    }
    for answer in site.everywhere(&Ask::get("/absent")) {
        answer.is_error(404, "not_found");
    }
    assert_eq!(site.one.count(), 0);
}

#[test]
fn requests_that_never_were_one_have_them() {
    let site = site(Upstream::named("one"));
    let long = "a".repeat(200_000);
    let cases = [
        ("GET /v1/x HTTP/1.1\r\n\r\n".to_owned(), 400, "text/html"),
        (format!("GET /{long} HTTP/1.1\r\nHost: a\r\n\r\n"), 414, "text/plain"),
        (format!("GET /v1/x HTTP/1.1\r\nHost: a\r\nx-a: {long}\r\n\r\n"), 431, "text/html"),
        ("GET /v1/x HTTP/1.1\r\nHost: ".to_owned(), 408, "text/html"),
    ];
    for (bytes, status, content_type) in cases {
        let mut client = site.open();
        let _ = client.try_send(&bytes);
        let answer = client.answer().unwrap_or_else(|| panic!("no answer with {status}"));
        own(&answer, status, content_type);
        assert!(client.ended_within(crate::support::wait::DEADLINE));
    }
}

#[test]
fn bodies_that_grow_too_large_or_too_slowly_have_them() {
    let site = site(never_answers());
    let large = Ask::post("/v1/chat/completions", vec![b'x'; 5000]).chunked();
    for answer in site.everywhere(&large) {
        own(&answer, 413, "application/xml");
    }
    let mut client = site.open_tls();
    client.send("POST /v1/x HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\n12345");
    own(&client.answer().unwrap(), 408, "text/html");
    let mut http2 = site.http2();
    let mut slow = http2.begin(&Ask::post("/v1/x", "1234567890"));
    slow.send(b"12345", false);
    own(&slow.answer().unwrap(), 408, "text/html");
}

#[test]
fn failures_of_servers_have_them_but_answers_of_servers_pass() {
    let one = Upstream::start(|peer| {
        while let Some(request) = peer.request() {
            match request.head.target() {
                "/v1/503" => peer.send(answer(503, &[("content-type", "text/csv")], "their own")),
                _ => return peer.wait_until_left(),
            };
        }
    });
    let site = site(one);
    for answer in site.everywhere(&Ask::get("/v1/503")) {
        assert_eq!((answer.status(), answer.text().as_str()), (503, "their own"));
        assert_eq!(answer.header("content-type"), Some("text/csv"));
    }
    for answer in site.everywhere(&Ask::get("/v1/silent")) {
        own(&answer, 504, "text/plain");
    }
}

#[test]
fn no_server_at_all_has_its_page() {
    let site = site(Upstream::named("one"));
    let Site { edge, one, .. } = site;
    drop(one);
    own(&edge.ask(&Ask::get("/v1/models")), 503, "application/json");
}

#[test]
fn head_requests_have_the_length_and_no_body() {
    let site = site(Upstream::named("one"));
    let mut client = site.open();
    for _ in 0..2 {
        let answer = client.ask(&Ask::new("HEAD", "/secret"));
        assert_eq!((answer.status(), answer.body.len()), (403, 0));
        assert_eq!(answer.header("content-length"), Some("8"));
    }
    assert_eq!(client.ask(&Ask::get("/v1/models")).status(), 200, "nothing is left on the connection");
    let mut http2 = site.http2();
    let answer = http2.ask(&Ask::new("HEAD", "/secret"));
    assert_eq!((answer.status(), answer.body.len()), (403, 0));
}

#[test]
fn anthropic_clients_get_the_same_file() {
    let site = site(Upstream::named("one"));
    own(&site.ask(&Ask::post("/v1/messages", "{}").bearer("wrong")), 401, "application/json");
}

#[test]
fn files_are_read_once_at_the_start() {
    let site = site(Upstream::named("one"));
    site.edge.directory.write("403.txt", "changed\n");
    own(&site.ask(&Ask::get("/secret")), 403, "text/plain");
    std::fs::remove_file(site.edge.directory.path().join("403.txt")).unwrap();
    own(&site.ask(&Ask::get("/secret")), 403, "text/plain");
}
