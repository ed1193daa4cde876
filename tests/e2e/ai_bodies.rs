//! Bodies of AI calls: read to know their model, changed only where they must be, and every other byte as it came.

mod bounds;
mod forms;
mod refused;
mod unread;

use crate::support::certificates::Authority;
use crate::support::edge::{Edge, Settings};
use crate::support::http::Ask;
use crate::support::http2::Http2;
use crate::support::scratch::Scratch;
use crate::support::upstream::Upstream;

const CHAT: &str = "/v1/chat/completions";
const NAME: &str = "tidegate.test";

/// One server that knows `gpt-4.1` and `whisper-1`, and calls the first something else where `there` says so.
pub fn edge(there: &str, one: &Upstream) -> Edge {
    Edge::start(
        "
ai:
  models: {gpt-4.1: {input: 2, output: 8}, whisper-1: {input: 1, output: 1}}
frontends:
  web: {bind: [{address: 127.0.0.1:0}], default_backend: ai}
backends:
  ai:
    retry: {attempts: 1}
    breaker: off
    cooldown: off
    servers: {one: {url: <one>, models: {gpt-4.1: <there>, whisper-1: whisper-1}}}",
        &[("one", &one.url()), ("there", there)],
    )
}

/// Whole bodies with `MODEL` where the value of `model` stands.
const ODD: [&str; 12] = [
    r#"{"model":MODEL}"#,
    "\r\n\t {  \"messages\" :\n[ ] ,\t\"model\"\r\n:  MODEL  \n}\t \n",
    r#"{"mod\u0065l":MODEL,"messages":[]}"#,
    r#"{"z":1,"a":2,"model":MODEL,"m":3,"a":4,"A":5}"#,
    r#"{"seed":123456789012345678901234567890,"t":1e400,"u":-0.0,"v":1E+2,"model":MODEL}"#,
    r#"{"messages":[{"role":"user","content":"\ud83d\ude00 \/ \u0000 \\\" é ü 漢"}],"model":MODEL,"user":"ä"}"#,
    r#"{"metadata":{"model":"other","stream":true},"tools":[{"model":"another"}],"model":MODEL}"#,
    r#"{"model":MODEL,"x":"\"model\":\"other\"","y":"}{][","stream":false}"#,
    r#"{"model":MODEL,"messages":[{"content":"{\"model\": \"other\"}\\"}],"stream":null}"#,
    r#"{"stream_options":null,"model":MODEL,"stream":"true"}"#,
    r#"{"":{},"model":MODEL,"modell":"other","odel":"m","é":[[[[[[[[]]]]]]]]}"#,
    r#"{"stream":true,"model":MODEL,"stream_options":{"x": 1 , "include_usage" : true}}"#,
];

#[test]
fn body_that_is_right_already_arrives_as_it_came() {
    let one = Upstream::named("one");
    let edge = edge("gpt-4.1", &one);
    let mut client = edge.open();
    let mut sent = Vec::new();
    for odd in ODD {
        for spelt in [r#""gpt-4.1""#, r#""\u0067pt\u002D4.1""#] {
            let body = odd.replace("MODEL", spelt);
            for ask in [Ask::post(CHAT, body.as_str()), Ask::post(CHAT, body.as_str()).chunked()] {
                assert_eq!(client.ask(&ask).status(), 200, "{body}");
                sent.push(body.clone());
            }
        }
    }
    let arrived: Vec<String> = one.requests().iter().map(|request| request.text()).collect();
    assert_eq!(arrived, sent);
}

#[test]
fn only_the_value_of_the_model_is_replaced() {
    let one = Upstream::named("one");
    let edge = edge(r#""a\"new\"\\name""#, &one);
    let mut client = edge.open();
    let mut expected = Vec::new();
    for odd in ODD {
        for spelt in [r#""gpt-4.1""#, r#""\u0067pt\u002D4.1""#] {
            let body = odd.replace("MODEL", spelt);
            for ask in [Ask::post(CHAT, body.as_str()), Ask::post(CHAT, body.as_str()).chunked()] {
                assert_eq!(client.ask(&ask).status(), 200, "{body}");
                expected.push(odd.replace("MODEL", r#""a\"new\"\\name""#));
            }
        }
    }
    let arrived: Vec<String> = one.requests().iter().map(|request| request.text()).collect();
    assert_eq!(arrived, expected);
    for request in one.requests() {
        let length = request.body.len().to_string();
        assert_eq!(request.header("content-length"), Some(length.as_str()));
        assert_eq!(request.header("transfer-encoding"), None);
    }
}

#[test]
fn usage_of_a_stream_is_asked_for_and_nothing_else_changes() {
    let one = Upstream::named("one");
    let edge = edge("gpt-4.1", &one);
    let mut client = edge.open();
    let cases = [
        (
            r#"{"model":"gpt-4.1","stream":true}"#,
            r#"{"model":"gpt-4.1","stream":true,"stream_options":{"include_usage":true}}"#,
        ),
        (
            r#"{ "stream" : true , "model":"gpt-4.1" }"#,
            r#"{ "stream" : true , "model":"gpt-4.1" ,"stream_options":{"include_usage":true}}"#,
        ),
        (
            r#"{"stream_options":{},"model":"gpt-4.1","stream":true}"#,
            r#"{"stream_options":{"include_usage":true},"model":"gpt-4.1","stream":true}"#,
        ),
        (
            r#"{"stream_options":null,"model":"gpt-4.1","stream":true}"#,
            r#"{"stream_options":{"include_usage":true},"model":"gpt-4.1","stream":true}"#,
        ),
        (
            r#"{"stream_options":{"include_usage":false,"o":[1]},"model":"gpt-4.1","stream":true}"#,
            r#"{"stream_options":{"include_usage":true,"o":[1]},"model":"gpt-4.1","stream":true}"#,
        ),
        (
            r#"{"stream_options":{"o":{"include_usage":false}},"model":"gpt-4.1","stream":true}"#,
            r#"{"stream_options":{"include_usage":true,"o":{"include_usage":false}},"model":"gpt-4.1","stream":true}"#,
        ),
    ];
    for path in [CHAT, "/v1/completions"] {
        for (body, _) in cases {
            assert_eq!(client.ask(&Ask::post(path, body)).status(), 200, "{body}");
        }
    }
    for (request, (body, expected)) in one.requests().iter().zip(cases.iter().chain(&cases)) {
        assert_eq!(request.text(), *expected, "{body}");
    }
}

#[test]
fn usage_is_asked_for_only_where_it_is_missing() {
    let one = Upstream::named("one");
    let edge = edge("gpt-4.1", &one);
    let mut client = edge.open();
    let cases = [
        (CHAT, r#"{"model":"gpt-4.1","stream":false}"#),
        (CHAT, r#"{"model":"gpt-4.1"}"#),
        (CHAT, r#"{"model":"gpt-4.1","stream":true,"stream_options":{"include_usage":true}}"#),
        (CHAT, r#"{"model":"gpt-4.1","stream":true,"stream":false}"#),
        (CHAT, r#"{"model":"gpt-4.1","stream":1}"#),
        ("/v1/responses", r#"{"model":"gpt-4.1","stream":true,"input":"x"}"#),
        ("/v1/messages", r#"{"model":"gpt-4.1","stream":true,"messages":[]}"#),
        ("/v1/embeddings", r#"{"model":"gpt-4.1","stream":true}"#),
        ("/v1/images/generations", r#"{"model":"gpt-4.1","stream":true}"#),
        ("/v1/audio/speech", r#"{"model":"gpt-4.1","stream":true}"#),
    ];
    for (path, body) in cases {
        assert_eq!(client.ask(&Ask::post(path, body)).status(), 200, "{body}");
    }
    for (request, (path, body)) in one.requests().iter().zip(cases) {
        assert_eq!((request.head.target(), request.text()), (path, body.to_owned()));
    }
}

/// A call of more than two megabytes, its model last.
fn large(model: &str) -> Vec<u8> {
    let line = "All work and no \\\"play\\\" makes Jack \\u00e4 dull boy, {[]} \\\\. ";
    let words = line.repeat(2 * 1024 * 1024 / line.len() + 1);
    let tail = format!(r#""}}],"model":"{model}" }}"#);
    [br#"{"messages":[{"role":"user","content":""#, words.as_bytes(), tail.as_bytes()].concat()
}

#[test]
fn large_body_is_whole_however_it_comes() {
    let one = Upstream::named("one");
    let edge = edge("new", &one);
    assert_eq!(edge.ask(&Ask::post(CHAT, large("gpt-4.1"))).status(), 200);
    assert_eq!(edge.ask(&Ask::post(CHAT, large("gpt-4.1")).chunked()).status(), 200);
    let expected = large("new");
    for request in one.requests() {
        assert!(request.body == expected, "{} bytes of {}", request.body.len(), expected.len());
    }
    assert_eq!(one.count(), 2);
}

#[test]
fn body_over_http2_is_whole() {
    let one = Upstream::named("one");
    let (directory, authority) = (Scratch::new(), Authority::new("a"));
    let pem = authority.issue(&[NAME]).write(&directory, "site.pem").display().to_string();
    let edge = Edge::start_with(
        &Settings::default(),
        directory,
        "
ai: {models: {gpt-4.1: {input: 2, output: 8}}}
frontends:
  web: {bind: [{address: 127.0.0.1:0, tls: {certificates: [<pem>]}}], default_backend: ai}
backends:
  ai: {servers: {one: {url: <one>, models: {gpt-4.1: new}}}}",
        &[("one", &one.url()), ("pem", &pem)],
    );
    let mut client = Http2::connect(edge.address("web"), &authority, NAME);
    let whole = large("gpt-4.1");
    assert_eq!(client.ask(&Ask::post(CHAT, whole.clone())).status(), 200);
    // In pieces, the last of them empty, and with other requests between them.
    let mut slow = client.begin(&Ask::post(CHAT, ""));
    for piece in whole.chunks(300_000) {
        slow.send(piece, false);
        assert_eq!(client.ask(&Ask::get("/v1/files")).status(), 200);
    }
    slow.send(b"", true);
    assert_eq!(slow.answer().unwrap().status(), 200);
    let expected = large("new");
    let posts: Vec<_> = one.requests().into_iter().filter(|one| one.head.method() == "POST").collect();
    assert_eq!(posts.len(), 2);
    assert!(posts.iter().all(|request| request.body == expected));
}

#[test]
fn client_that_waits_to_go_on_is_told_to_before_its_call_is_read() {
    let one = Upstream::named("one");
    let edge = edge("new", &one);
    let body = r#"{"model":"gpt-4.1"}"#;
    let mut client = edge.open();
    let ask = Ask::post(CHAT, body).header("expect", "100-continue").bytes();
    let (head, rest) = ask.split_at(ask.len() - body.len());
    client.send(head);
    assert_eq!(client.head().unwrap().status(), 100);
    assert_eq!(one.count(), 0);
    client.send(rest);
    assert_eq!(client.head().unwrap().status(), 200);
    let request = one.request();
    assert_eq!((request.text(), request.header("expect")), (r#"{"model":"new"}"#.to_owned(), None));
}

#[test]
fn body_in_single_bytes_is_read() {
    let one = Upstream::named("one");
    let edge = edge("new", &one);
    let mut client = edge.open();
    let body = r#"{"a":"\u0041","model":"gpt-4.1"}"#;
    client.send(format!("POST {CHAT} HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\n\r\n"));
    for byte in body.chars() {
        client.send(format!("1\r\n{byte}\r\n"));
    }
    client.send("0\r\n\r\n");
    assert_eq!(client.answer().unwrap().status(), 200);
    assert_eq!(one.request().text(), r#"{"a":"\u0041","model":"new"}"#);
}

#[test]
fn call_whose_client_leaves_in_the_middle_reaches_nobody() {
    let one = Upstream::named("one");
    let edge = edge("new", &one);
    let mut leaving = edge.open();
    leaving.send(format!(
        "POST {CHAT} HTTP/1.1\r\nHost: a.test\r\nContent-Length: 100\r\n\r\n{{\"model\":\"gpt-4.1\""
    ));
    drop(leaving);
    edge.logged("it left", |line| line["path"] == CHAT);
    assert_eq!(edge.ask(&Ask::post(CHAT, r#"{"model":"gpt-4.1"}"#)).status(), 200);
    assert_eq!(one.count(), 1);
}
