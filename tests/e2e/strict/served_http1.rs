//! HTTP/1 requests in raw bytes that are served, and what of them the server got: no field of the connection, and the
//! body that was sent.

use super::requests_http1::{site, with_framing, with_lines, with_request_line};
use super::{PATIENCE, Site, Table, Verdict, raw, same, shown_requests};
use crate::support::http::Message;
use crate::support::upstream::Upstream;

/// What a case that is served asks of the request that the server got.
type Look = fn(&Message) -> Verdict;

/// None of these fields reached the server.
fn without(request: &Message, names: &[&str]) -> Verdict {
    match names.iter().find(|name| !request.head.all(name).is_empty()) {
        Some(name) => {
            Err(format!("{name} reached the server: {}", shown_requests(std::slice::from_ref(request))))
        }
        None => Ok(()),
    }
}

fn first_line(request: &Message, expected: &str) -> Verdict {
    same("request line", request.head.first_line.as_str(), expected)
}

fn body(request: &Message, expected: &str) -> Verdict {
    same("body", request.text().as_str(), expected)
}

/// Sends the bytes: a 200, and exactly one whole request at the server, which `look` finds good.
pub fn served(site: &Site, origin: &Upstream, sent: &[u8], look: impl Fn(&Message) -> Verdict) -> Verdict {
    let before = origin.count();
    let mut client = site.open();
    client.send(sent);
    if client.silent_for(PATIENCE) {
        return Err("no answer, and no end".to_owned());
    }
    let Some(answer) = client.answer() else { return Err("the end, without an answer".to_owned()) };
    same("status", answer.status(), 200)?;
    match &origin.requests()[before..] {
        [request] if request.whole => look(request),
        others => Err(format!("the server got {}", shown_requests(others))),
    }
}

fn judge_services(name: &'static str, cases: &[(&str, String, Look)]) {
    let origin = Upstream::named("one");
    let site = site(&origin);
    let mut table = Table::new(name);
    for (name, text, look) in cases {
        let sent = raw(text);
        table.case(name, &sent, || served(&site, &origin, &sent, look));
    }
    table.conclude();
}

#[test]
fn unusual_but_sound_requests_are_served() {
    let path = "x".repeat(15_000);
    let cases: [(&str, String, Look); 18] = [
        ("coding in mixed case", with_framing("Transfer-Encoding: Chunked"), |r| body(r, "")),
        ("coding with spaces around", with_framing("Transfer-Encoding: \t chunked \t"), |r| body(r, "")),
        ("length with zeros before", with_framing("Content-Length: 00005"), |r| body(r, "0\r\n\r\n")),
        ("no space behind the colon", with_lines("X-A:b"), |r| same("x-a", r.header("x-a"), Some("b"))),
        ("empty value", with_lines("X-A:"), |r| same("x-a", r.header("x-a"), Some(""))),
        ("tab in a value", with_lines("X-A: b\tc"), |r| same("x-a", r.header("x-a"), Some("b\tc"))),
        ("every byte that a name may have", with_lines("!#$%&'*+-.^_`|~09aZ: b"), |r| {
            same("field", r.header("!#$%&'*+-.^_`|~09az"), Some("b"))
        }),
        ("host in capitals", "GET /v1/x HTTP/1.1\r\nHOST: A.TEST:80\r\n\r\n".to_owned(), |r| {
            first_line(r, "GET /v1/x HTTP/1.1")
        }),
        ("host that is an address", "GET /v1/x HTTP/1.1\r\nHost: [::1]:80\r\n\r\n".to_owned(), |r| {
            first_line(r, "GET /v1/x HTTP/1.1")
        }),
        ("absolute form with the same host", with_request_line("GET http://a.test/v1/x HTTP/1.1"), |r| {
            first_line(r, "GET /v1/x HTTP/1.1")
        }),
        ("absolute form without a path", with_request_line("GET http://a.test HTTP/1.1"), |r| {
            first_line(r, "GET / HTTP/1.1")
        }),
        ("asterisk for OPTIONS", with_request_line("OPTIONS * HTTP/1.1"), |r| {
            first_line(r, "OPTIONS * HTTP/1.1")
        }),
        ("two empty lines before", format!("\r\n\r\n{}", with_lines("X-A: b")), |r| {
            first_line(r, "GET /v1/x HTTP/1.1")
        }),
        ("HTTP/1.0 without a host", "GET /v1/x HTTP/1.0\r\n\r\n".to_owned(), |r| {
            first_line(r, "GET /v1/x HTTP/1.1")
        }),
        (
            "POST of HTTP/1.0 with a body",
            "POST /v1/x HTTP/1.0\r\nContent-Length: 4\r\n\r\nbody".to_owned(),
            |r| body(r, "body"),
        ),
        (
            "GET with a body",
            "GET /v1/x HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nbody".to_owned(),
            |r| body(r, "body"),
        ),
        ("target below 16 KB", with_request_line(&format!("GET /{path} HTTP/1.1")), |r| {
            same("length of the target", r.head.target().len(), 15_001)
        }),
        (
            "100 header fields",
            with_lines((1..100).map(|number| format!("X-{number}: y\r\n")).collect::<String>().trim_end()),
            |r| same("x-99", r.header("x-99"), Some("y")),
        ),
    ];
    judge_services("sound requests", &cases);
}

#[test]
fn fields_of_the_connection_never_reach_the_server() {
    let cases: [(&str, String, Look); 14] = [
        ("named by Connection", with_lines("Connection: X-A\r\nX-A: b"), |r| without(r, &["x-a"])),
        ("named in a list", with_lines("Connection: close, x-a ,,X-B\r\nX-A: 1\r\nX-B: 2"), |r| {
            without(r, &["x-a", "x-b"])
        }),
        ("named in two lines", with_lines("Connection: x-a\r\nX-A: 1\r\nX-B: 2\r\nConnection: x-b"), |r| {
            without(r, &["x-a", "x-b"])
        }),
        ("named, and there twice", with_lines("Connection: x-a\r\nX-A: 1\r\nX-A: 2"), |r| {
            without(r, &["x-a"])
        }),
        ("named before keep-alive", with_lines("Connection: x-a, keep-alive\r\nX-A: 1"), |r| {
            without(r, &["x-a"])
        }),
        ("Keep-Alive", with_lines("Keep-Alive: timeout=5"), |r| without(r, &["keep-alive"])),
        ("Proxy-Connection", with_lines("Proxy-Connection: close"), |r| without(r, &["proxy-connection"])),
        ("TE of a coding", with_lines("Connection: TE\r\nTE: gzip"), |r| without(r, &["te"])),
        ("Trailer", with_lines("Trailer: X-A"), |r| without(r, &["trailer"])),
        ("Proxy-Authorization", with_lines("Proxy-Authorization: Basic YTpi"), |r| {
            without(r, &["proxy-authorization"])
        }),
        (
            "upgrade to HTTP/2",
            with_lines(
                "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA",
            ),
            |r| without(r, &["upgrade", "http2-settings"]),
        ),
        ("upgrade to TLS", with_lines("Connection: Upgrade\r\nUpgrade: TLS/1.2"), |r| {
            without(r, &["upgrade"])
        }),
        ("Expect", with_framing("Expect: 100-continue\r\nContent-Length: 5"), |r| without(r, &["expect"])),
        ("Connection that names what is not there", with_lines("Connection: x-forwarded-for"), |r| {
            same("x-forwarded-for", r.header("x-forwarded-for"), Some("127.0.0.1"))
        }),
    ];
    judge_services("fields of the connection", &cases);
}

/// A POST that expects to be told to go on.
const EXPECTING: &str = "POST /v1/x HTTP/1.1\r\nHost: a.test\r\nExpect: 100-continue\r\n";

#[test]
fn expectations_are_met_once_and_only_where_they_are_known() {
    let origin = Upstream::named("one");
    let site = site(&origin);
    let sized = format!("{EXPECTING}Content-Length: 4\r\n\r\n");
    let chunked = format!("{EXPECTING}Transfer-Encoding: chunked\r\n\r\n");
    let old = sized.replace("HTTP/1.1", "HTTP/1.0");
    let capitals = sized.replace("100-continue", "100-CONTINUE");
    // Head, then what is sent at once, then what is sent once the client was told to go on.
    let cases = [
        ("client that waits", &sized, "", "body", &[100, 200][..]),
        ("client that waits with chunks", &chunked, "", "4\r\nbody\r\n0\r\n\r\n", &[100, 200]),
        ("client that waits with half a body sent", &sized, "bo", "dy", &[100, 200]),
        ("expectation in capitals", &capitals, "", "body", &[100, 200]),
        ("HTTP/1.0 is not told to go on", &old, "body", "", &[200]),
    ];
    let mut table = Table::new("expectations");
    for (name, head, early, late, statuses) in cases {
        let sent = format!("{head}{early}{late}");
        table.case(name, sent.as_bytes(), || {
            let before = origin.count();
            let mut client = site.open();
            client.send(format!("{head}{early}"));
            let mut heard = Vec::new();
            for _ in statuses {
                if client.silent_for(PATIENCE) {
                    break;
                }
                let Some(head) = client.head() else { break };
                heard.push(head.status());
                if head.status() == 100 {
                    client.send(late);
                }
            }
            same("statuses", heard.as_slice(), statuses)?;
            let seen = &origin.requests()[before..];
            same("bodies", seen.iter().map(Message::text).collect(), vec!["body".to_owned()])
        });
    }
    table.case("client that does not wait", sized.as_bytes(), || {
        let sent = format!("{sized}body");
        served(&site, &origin, sent.as_bytes(), |request| body(request, "body"))
    });
    table.conclude();
}
