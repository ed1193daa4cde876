//! What a client may not send: refused with the right status, and what is left of it never read as a request.

use crate::support::edge::Edge;
use crate::support::http::{Ask, Connection, Message};
use crate::support::upstream::Upstream;
use crate::support::wait::DEADLINE;

struct Site {
    edge: Edge,
    one: Upstream,
}

fn site() -> Site {
    let one = Upstream::named("one");
    let edge = Edge::start(
        "
defaults: {max_request_body: 100k}
frontends:
  web: {bind: [{address: 127.0.0.1:0}], default_backend: ai}
backends:
  ai: {servers: {one: {url: <one>}}}",
        &[("one", &one.url())],
    );
    Site { edge, one }
}

const SMUGGLED: &str = "GET /v1/smuggled HTTP/1.1\r\nHost: a.test\r\n\r\n";

/// Sends the bytes with another request behind them; the first answer, after making sure that there is no second one
/// and that the server saw neither.
#[track_caller]
fn refused(site: &Site, bytes: &[u8], what: &str) -> Message {
    let mut client = site.edge.open();
    let _ = client.try_send([bytes, SMUGGLED.as_bytes()].concat());
    client.finish_sending();
    let answer = client.answer().unwrap_or_else(|| panic!("no answer to {what}"));
    let rest = client.rest();
    assert!(rest.is_empty(), "{what}: and then {:?}", String::from_utf8_lossy(&rest));
    let seen = site.one.requests();
    assert!(seen.is_empty(), "{what}: the server saw {seen:?}");
    answer
}

#[test]
fn malformed_requests_are_400_and_the_end_of_the_connection() {
    let site = site();
    let ok = "Host: a.test\r\n";
    let cases: Vec<(&str, Vec<u8>)> = [
        ("garbage", "\x16\x03\x01\x02\r\n\r\n".to_owned()),
        ("no version", format!("GET /v1/x\r\n{ok}\r\n")),
        ("unknown version", format!("GET /v1/x HTTP/1.2\r\n{ok}\r\n")),
        ("lower-case version", format!("GET /v1/x http/1.1\r\n{ok}\r\n")),
        ("version 2.0 in text", format!("GET /v1/x HTTP/2.0\r\n{ok}\r\n")),
        ("no host", "GET /v1/x HTTP/1.1\r\n\r\n".to_owned()),
        ("two hosts", format!("GET /v1/x HTTP/1.1\r\n{ok}Host: b.test\r\n\r\n")),
        ("two equal hosts", format!("GET /v1/x HTTP/1.1\r\n{ok}{ok}\r\n")),
        ("host with a space", "GET /v1/x HTTP/1.1\r\nHost: a b\r\n\r\n".to_owned()),
        ("absolute form differs from host", format!("GET http://b.test/v1/x HTTP/1.1\r\n{ok}\r\n")),
        ("target without slash", format!("GET v1/x HTTP/1.1\r\n{ok}\r\n")),
        ("target with space", format!("GET /v1/x y HTTP/1.1\r\n{ok}\r\n")),
        ("target with fragment", format!("GET /v1/x#y HTTP/1.1\r\n{ok}\r\n")),
        ("asterisk for GET", format!("GET * HTTP/1.1\r\n{ok}\r\n")),
        ("bare LF", "GET /v1/x HTTP/1.1\nHost: a.test\n\n".to_owned()),
        ("bare LF inside", format!("GET /v1/x HTTP/1.1\r\n{ok}X-A: b\nX-C: d\r\n\r\n")),
        ("bare CR in a value", format!("GET /v1/x HTTP/1.1\r\n{ok}X-A: b\rc\r\n\r\n")),
        ("NUL in a value", format!("GET /v1/x HTTP/1.1\r\n{ok}X-A: b\0c\r\n\r\n")),
        ("control byte in a value", format!("GET /v1/x HTTP/1.1\r\n{ok}X-A: b\x01c\r\n\r\n")),
        ("space before colon", format!("GET /v1/x HTTP/1.1\r\n{ok}X-A : b\r\n\r\n")),
        ("no colon", format!("GET /v1/x HTTP/1.1\r\n{ok}X-A\r\n\r\n")),
        ("empty name", format!("GET /v1/x HTTP/1.1\r\n{ok}: b\r\n\r\n")),
        ("name with parenthesis", format!("GET /v1/x HTTP/1.1\r\n{ok}X(A): b\r\n\r\n")),
        ("folded header", format!("GET /v1/x HTTP/1.1\r\n{ok}X-A: b\r\n c\r\n\r\n")),
        ("folded first header", format!("GET /v1/x HTTP/1.1\r\n X-A: b\r\n{ok}\r\n")),
    ]
    .into_iter()
    .map(|(what, text)| (what, text.into_bytes()))
    .chain([
        ("eight-bit target", [b"GET /v1/\xff HTTP/1.1\r\n", ok.as_bytes(), b"\r\n"].concat()),
        ("eight-bit name", [b"GET /v1/x HTTP/1.1\r\n", ok.as_bytes(), b"X-\xe4: b\r\n\r\n"].concat()),
    ])
    .collect();
    for (what, bytes) in &cases {
        let answer = refused(&site, bytes, what);
        assert_eq!(answer.status(), 400, "{what}");
    }
}

#[test]
fn ambiguous_framing_is_400_and_nothing_is_smuggled() {
    let site = site();
    for framing in [
        "Content-Length: 5\r\nContent-Length: 6",
        "Content-Length: 5, 6",
        "Content-Length: +5",
        "Content-Length: -5",
        "Content-Length: 0x5",
        "Content-Length: ",
        "Content-Length: 5,",
        "Content-Length: 18446744073709551616",
        "Content-Length: 5\r\nTransfer-Encoding: chunked",
        "Transfer-Encoding: chunked\r\nContent-Length: 5",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked",
        "Transfer-Encoding: chunked, chunked",
        "Transfer-Encoding: chunked, identity",
        "Transfer-Encoding: gzip",
        "Transfer-Encoding: \x0bchunked",
        "Transfer-Encoding : chunked",
        "Transfer-Encoding: xchunked",
    ] {
        let request =
            format!("POST /v1/chat/completions HTTP/1.1\r\nHost: a.test\r\n{framing}\r\n\r\n0\r\n\r\n");
        let status = refused(&site, request.as_bytes(), framing).status();
        let expected: &[u16] =
            if framing.ends_with("18446744073709551616") { &[400, 413] } else { &[400, 501] };
        assert!(expected.contains(&status), "{framing}: {status}");
    }
}

#[test]
fn bad_chunks_are_refused() {
    let site = site();
    for body in [
        "0x3\r\nabc\r\n0\r\n\r\n",
        "-3\r\nabc\r\n0\r\n\r\n",
        "zz\r\n",
        "ffffffffffffffffff\r\nabc",
        "3\r\nabcdef\r\n0\r\n\r\n",
        "3\nabc\n0\n\n",
    ] {
        let mut client = site.edge.open();
        client.send(format!(
            "POST /v1/chat/completions HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\n\r\n{body}"
        ));
        client.finish_sending();
        let answer = client.answer();
        let status = answer.map_or(0, |answer| answer.status());
        assert!(matches!(status, 0 | 400 | 413), "{body:?}: {status}");
        assert!(client.ended_within(DEADLINE), "{body:?}");
        assert!(site.one.requests().iter().all(|request| !request.whole), "{body:?} was passed on as whole");
    }
}

#[test]
fn too_large_bodies_are_413() {
    let site = site();
    let announced = "POST /v1/chat/completions HTTP/1.1\r\nHost: a.test\r\nContent-Length: 100001\r\n\r\n";
    let mut client = site.edge.open();
    client.send(announced);
    let answer = client.answer().unwrap();
    assert_eq!(answer.status(), 413, "{}", answer.text());
    assert!(answer.json()["error"]["message"].is_string());
    assert!(client.ended_within(DEADLINE), "a connection with an unread body goes on");
    assert_eq!(site.one.count(), 0);

    let long = vec![b'x'; 200_000];
    assert_eq!(site.edge.ask(&Ask::post("/v1/chat/completions", long.clone())).status(), 413);
    assert_eq!(site.edge.ask(&Ask::post("/v1/chat/completions", long).chunked()).status(), 413);
    assert!(
        site.one.requests().iter().all(|request| !request.whole),
        "a body above the limit went through whole"
    );
}

#[test]
fn largest_allowed_body_passes() {
    let site = site();
    let body = vec![b'x'; 100_000];
    for ask in [
        Ask::post("/v1/chat/completions", body.clone()),
        Ask::post("/v1/chat/completions", body.clone()).chunked(),
    ] {
        assert_eq!(site.edge.ask(&ask).status(), 200);
    }
    assert!(site.one.requests().iter().all(|request| request.whole && request.body == body));
}

#[test]
fn too_large_heads_are_refused_by_what_is_too_large() {
    let site = site();
    let long = "x".repeat(40_000);
    let target = site.edge.ask(&Ask::get(&format!("/v1/{long}")));
    assert_eq!(target.status(), 414, "{}", target.text());
    let header = site.edge.ask(&Ask::get("/v1/models").header("x-long", &long));
    assert_eq!(header.status(), 431, "{}", header.text());
    let many = (0..500).fold(Ask::get("/v1/models"), |ask, number| ask.header(&format!("x-{number}"), "1"));
    assert_eq!(site.edge.ask(&many).status(), 431);
    assert_eq!(site.one.count(), 0);
}

#[test]
fn endless_head_is_ended() {
    let site = site();
    let mut client = site.edge.open();
    client.send("GET /v1/models HTTP/1.1\r\nHost: a.test\r\n");
    let line = format!("X-A: {}\r\n", "y".repeat(1000));
    let mut sent = 0;
    while sent < 5_000_000 && client.try_send(&line).is_ok() {
        sent += line.len();
    }
    assert!(sent < 5_000_000, "a head of five megabytes was read");
}

#[test]
fn bad_request_harms_no_other_connection() {
    let site = site();
    let mut good: Connection = site.edge.open();
    assert_eq!(good.ask(&Ask::get("/v1/models")).status(), 200);
    for _ in 0..20 {
        let mut bad = site.edge.open();
        bad.send("\r\n\r\n\x00\x01\x02 nonsense\r\n\r\n");
        bad.finish_sending();
        bad.rest();
    }
    assert_eq!(good.ask(&Ask::get("/v1/models")).status(), 200);
}

#[test]
fn pipelined_requests_are_answered_in_order() {
    let site = site();
    let mut client = site.edge.open();
    let two = [
        Ask::get("/v1/first").bytes(),
        Ask::post("/v1/second", "body").bytes(),
        Ask::get("/v1/third").bytes(),
    ];
    client.send(two.concat());
    for _ in 0..3 {
        assert_eq!(client.answer().unwrap().status(), 200);
    }
    let targets: Vec<String> =
        site.one.requests().iter().map(|request| request.head.target().to_owned()).collect();
    assert_eq!(targets, ["/v1/first", "/v1/second", "/v1/third"]);
}

#[test]
fn http10_client_is_served_and_closed() {
    let site = site();
    let mut client = site.edge.open();
    client.send("GET /v1/models HTTP/1.0\r\nHost: a.test\r\n\r\n");
    let answer = client.answer().unwrap();
    assert_eq!((answer.status(), answer.json()["server"].as_str()), (200, Some("one")));
    assert!(answer.header("transfer-encoding").is_none());
    assert!(client.ended_within(DEADLINE));
}

#[test]
fn connection_close_is_honoured() {
    let site = site();
    let mut client = site.edge.open();
    let answer = client.ask(&Ask::get("/v1/models").header("Connection", "close"));
    assert_eq!(answer.status(), 200);
    assert!(client.ended_within(DEADLINE));
}

#[test]
fn connect_and_trace_are_not_for_strangers() {
    let site = site();
    let mut client = site.edge.open();
    client.send("CONNECT a.test:443 HTTP/1.1\r\nHost: a.test:443\r\n\r\n");
    let status = client.answer().unwrap().status();
    assert!((400..600).contains(&status), "{status}");
    assert_eq!(site.one.count(), 0);
}
