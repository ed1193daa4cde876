//! A server that breaks the protocol: 502 where nothing was said yet, and the next one tried first.

use crate::support::edge::{Edge, server_of};
use crate::support::http::Ask;
use crate::support::rude::says;
use crate::support::upstream::Upstream;

fn edge(attempts: usize, urls: &[&str]) -> Edge {
    let servers: String = urls
        .iter()
        .enumerate()
        .map(|(index, url)| format!("      s{index}: {{url: {url}, tier: {}}}\n", index + 1))
        .collect();
    Edge::start(
        "
defaults: {timeouts: {first_byte: 2s}}
frontends:
  web: {bind: [{address: 127.0.0.1:0}], default_backend: ai}
backends:
  ai:
    retry: {attempts: <attempts>, when: [connect_failure, empty_response, timeout, 500, 502, 503, 504], backoff: 1ms..5ms}
    servers:
<servers>",
        &[("attempts", &attempts.to_string()), ("servers", &servers)],
    )
}

/// What no server should say.
const NONSENSE: [(&str, &str); 12] = [
    ("junk", "SSH-2.0-OpenSSH_9.2\r\n"),
    ("no status", "HTTP/1.1\r\n\r\n"),
    ("status of letters", "HTTP/1.1 OK fine\r\ncontent-length: 0\r\n\r\n"),
    ("head cut", "HTTP/1.1 200 OK\r\ncontent-le"),
    ("line without colon", "HTTP/1.1 200 OK\r\nnonsense\r\n\r\n"),
    ("name with a space", "HTTP/1.1 200 OK\r\nbad name: x\r\ncontent-length: 0\r\n\r\n"),
    ("lengths that differ", "HTTP/1.1 200 OK\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nab"),
    ("length of letters", "HTTP/1.1 200 OK\r\ncontent-length: abc\r\n\r\nabc"),
    ("negative length", "HTTP/1.1 200 OK\r\ncontent-length: -1\r\n\r\n"),
    ("unknown coding", "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked, gzip\r\n\r\n0\r\n\r\n"),
    (
        "length and chunks",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\ncontent-length: 5\r\n\r\n0\r\n\r\n",
    ),
    ("html without a head", "<html>hello</html>"),
];

#[test]
fn nonsense_is_502() {
    for (what, bytes) in NONSENSE {
        let server = says(bytes);
        let edge = edge(1, &[&server.url()]);
        let answer = edge.ask(&Ask::chat(false));
        assert_eq!(answer.status(), 502, "{what}: {}", answer.text());
        answer.is_error(502, "upstream_error");
    }
}

#[test]
fn next_server_is_tried_after_nonsense() {
    let good = Upstream::named("good");
    for (what, bytes) in NONSENSE {
        let server = says(bytes);
        let edge = edge(2, &[&server.url(), &good.url()]);
        assert_eq!(server_of(&edge.ask(&Ask::chat(false))), "good", "{what}");
    }
}

#[test]
fn bad_chunks_after_the_head_break_visibly() {
    for body in ["zz\r\nabc\r\n0\r\n\r\n", "3\r\nabcdef\r\n0\r\n\r\n", "-1\r\n\r\n"] {
        let server =
            says(format!("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n4\r\nsome\r\n{body}"));
        let edge = edge(1, &[&server.url()]);
        let answer = edge.ask(&Ask::chat(false));
        assert!(answer.status() == 502 || !answer.whole, "{body:?} ended as if whole: {answer:?}");
    }
}

#[test]
fn bytes_after_an_answer_never_become_the_next_one() {
    let leaking = Upstream::start(|peer| {
        while peer.request().is_some() {
            let extra = "HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\nleaked";
            peer.send(format!("HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nmine{extra}"));
        }
    });
    let edge = edge(2, &[&leaking.url()]);
    for _ in 0..10 {
        let answer = edge.ask(&Ask::chat(false));
        assert_eq!(answer.text(), "mine");
    }
}

#[test]
fn interim_answers_do_not_confuse() {
    let server = Upstream::replying(|_| {
        [
            &b"HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n"[..],
            &crate::support::http::ok("{\"server\":\"one\"}"),
        ]
        .concat()
    });
    let edge = edge(1, &[&server.url()]);
    assert_eq!(edge.servers(3), ["one"; 3]);
}

#[test]
fn answers_without_a_body_have_none() {
    let server = Upstream::replying(|request| {
        if request.head.method() == "HEAD" {
            return b"HTTP/1.1 200 OK\r\ncontent-length: 1234\r\n\r\n".to_vec();
        }
        let status = request.head.target().trim_start_matches("/v1/").to_owned();
        format!("HTTP/1.1 {status} None\r\n\r\n").into_bytes()
    });
    let edge = edge(1, &[&server.url()]);
    let mut client = edge.open();
    for _ in 0..2 {
        let head = client.ask(&Ask::new("HEAD", "/v1/models"));
        assert_eq!((head.status(), head.header("content-length")), (200, Some("1234")));
        assert_eq!(client.ask(&Ask::get("/v1/204")).status(), 204);
        assert_eq!(client.ask(&Ask::get("/v1/304")).status(), 304);
    }
}

#[test]
fn answer_that_ends_with_the_connection_is_whole() {
    let server = says("HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\n\r\nuntil the end");
    let edge = edge(1, &[&server.url()]);
    let answer = edge.ask(&Ask::get("/v1/models"));
    assert_eq!((answer.text().as_str(), answer.whole), ("until the end", true));
}
