//! HTTP/1 requests in raw bytes that are refused, each with another one behind it that must never be read.

use super::{PATIENCE, Site, Table, Verdict, raw, same, shown_requests};
use crate::support::http::{Connection, Message};
use crate::support::upstream::Upstream;

/// What stands behind every refused request on the same connection.
const SMUGGLED: &str = "GET /v1/smuggled HTTP/1.1\r\nHost: a.test\r\n\r\n";

/// `max_request_body` of these tests.
const LARGEST_BODY: usize = 100_000;

pub fn site(origin: &Upstream) -> Site {
    Site::new("max_request_body: 100k", origin)
}

/// Sends the bytes and the smuggled request: one answer with that status, the end, and nothing at the server.
pub fn refused(site: &Site, origin: &Upstream, sent: &[u8], status: u16) -> Verdict {
    let before = origin.count();
    let mut client = site.open();
    let _ = client.try_send([sent, SMUGGLED.as_bytes()].concat());
    let answer = only_answer(&mut client)?;
    let seen = &origin.requests()[before..];
    if let Some(whole) = seen.iter().find(|request| request.whole) {
        return Err(format!(
            "{}; the server got {}",
            answer.status(),
            shown_requests(std::slice::from_ref(whole))
        ));
    }
    same("status", answer.status(), status)
}

/// The one answer on a connection that must end behind it.
fn only_answer(client: &mut Connection) -> Result<Message, String> {
    if client.silent_for(PATIENCE) {
        return Err("no answer, and no end".to_owned());
    }
    let Some(answer) = client.answer() else { return Err("the end, without an answer".to_owned()) };
    if !client.ended_within(PATIENCE) {
        return Err(format!("{}, and the connection goes on", answer.status()));
    }
    let rest = client.rest();
    match rest.is_empty() {
        true => Ok(answer),
        false => Err(format!("{}, and then {}", answer.status(), rest.escape_ascii())),
    }
}

/// The head of a GET with these lines beside its Host.
pub fn with_lines(lines: &str) -> String {
    format!("GET /v1/x HTTP/1.1\r\nHost: a.test\r\n{lines}\r\n\r\n")
}

/// A GET with that request line and a Host.
pub fn with_request_line(line: &str) -> String {
    format!("{line}\r\nHost: a.test\r\n\r\n")
}

/// A POST with these framing lines and a body that is empty if it is chunked.
pub fn with_framing(lines: &str) -> String {
    format!("POST /v1/chat/completions HTTP/1.1\r\nHost: a.test\r\n{lines}\r\n\r\n0\r\n\r\n")
}

fn judge_refusals(name: &'static str, cases: &[(&str, String, u16)]) {
    let origin = Upstream::named("one");
    let site = site(&origin);
    let mut table = Table::new(name);
    for (name, text, status) in cases {
        let sent = raw(text);
        table.case(name, &sent, || refused(&site, &origin, &sent, *status));
    }
    table.case_if_all_is_well("every refusal is counted by reason and logged as PR--", || {
        site.refusals_are_told(cases.len(), cases.len())
    });
    table.conclude();
}

#[test]
fn framing_that_could_be_read_two_ways_is_refused() {
    let cases = [
        ("two lengths that differ", "Content-Length: 5\r\nContent-Length: 6"),
        ("two lengths that agree", "Content-Length: 5\r\nContent-Length: 5"),
        ("list of lengths that differ", "Content-Length: 5, 6"),
        ("list of lengths that agree", "Content-Length: 5, 5"),
        ("list of lengths with an empty member", "Content-Length: 5,"),
        ("list of lengths that begins empty", "Content-Length: ,5"),
        ("length that Connection takes away", "Connection: content-length\r\nContent-Length: 5"),
        ("host that Connection takes away", "Connection: host\r\nContent-Length: 5"),
        ("sender that Connection takes away", "Connection: x-forwarded-for\r\nX-Forwarded-For: 192.0.2.1"),
        ("length under another name", "Content_Length: 5"),
        ("coding under another name", "Transfer_Encoding: chunked"),
        ("length with a plus", "Content-Length: +5"),
        ("length with a minus", "Content-Length: -5"),
        ("negative nothing", "Content-Length: -0"),
        ("hexadecimal length", "Content-Length: 0x5"),
        ("length with a letter", "Content-Length: 5a"),
        ("length with a fraction", "Content-Length: 5.0"),
        ("length with an underscore", "Content-Length: 1_0"),
        ("length with a space inside", "Content-Length: 5 5"),
        ("length with a vertical tab", "Content-Length: \x0b5"),
        ("length in quotes", "Content-Length: \"5\""),
        ("empty length", "Content-Length:"),
        ("length of spaces", "Content-Length:   "),
        ("length of 2^64", "Content-Length: 18446744073709551616"),
        ("length of 30 digits", "Content-Length: 999999999999999999999999999999"),
        ("length, then chunked", "Content-Length: 5\r\nTransfer-Encoding: chunked"),
        ("chunked, then length", "Transfer-Encoding: chunked\r\nContent-Length: 5"),
        ("length of nothing beside chunked", "Content-Length: 0\r\nTransfer-Encoding: chunked"),
        ("chunked twice in lines", "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked"),
        ("chunked twice in a list", "Transfer-Encoding: chunked, chunked"),
        ("chunked, then identity, in lines", "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity"),
        ("chunked is not the last coding", "Transfer-Encoding: chunked, identity"),
        ("identity before chunked", "Transfer-Encoding: identity, chunked"),
        ("gzip before chunked", "Transfer-Encoding: gzip, chunked"),
        ("chunked and an empty member", "Transfer-Encoding: chunked,"),
        ("empty member and chunked", "Transfer-Encoding: , chunked"),
        ("unknown coding", "Transfer-Encoding: gzip"),
        ("identity alone", "Transfer-Encoding: identity"),
        ("coding that contains chunked", "Transfer-Encoding: xchunked"),
        ("coding that begins with chunked", "Transfer-Encoding: chunkedx"),
        ("coding with a parameter", "Transfer-Encoding: chunked;q=1"),
        ("coding in quotes", "Transfer-Encoding: \"chunked\""),
        ("coding behind a vertical tab", "Transfer-Encoding: \x0bchunked"),
        ("coding before a vertical tab", "Transfer-Encoding: chunked\x0b"),
        ("coding behind a no-break space", "Transfer-Encoding: \u{a0}chunked"),
        ("coding before a NUL", "Transfer-Encoding: chunked\0"),
        ("coding folded onto the next line", "Transfer-Encoding:\r\n chunked"),
        ("coding folded behind another field", "X-A: b\r\n Transfer-Encoding: chunked"),
        ("coding behind a bare CR", "X-A: b\rTransfer-Encoding: chunked"),
        ("coding behind a bare LF", "X-A: b\nTransfer-Encoding: chunked"),
        ("space before the colon of the coding", "Transfer-Encoding : chunked"),
        ("tab before the colon of the coding", "Transfer-Encoding\t: chunked"),
        ("space before the colon of the length", "Content-Length : 5"),
        ("empty coding", "Transfer-Encoding:"),
        ("name of the coding with a NUL", "Transfer-\0Encoding: chunked"),
        ("name of the length with an eight-bit byte", "Content-Length\u{ff}: 5"),
    ];
    let cases: Vec<_> = cases.iter().map(|(name, lines)| (*name, with_framing(lines), 400)).collect();
    judge_refusals("framing", &cases);
}

#[test]
fn heads_that_break_the_grammar_are_refused() {
    let lines = [
        ("bare CR in a value", "X-A: b\rc"),
        ("bare CR at the end of a value", "X-A: b\r\r"),
        ("bare LF as the end of a line", "X-A: b\nX-B: c"),
        ("NUL in a value", "X-A: b\0c"),
        ("control byte in a value", "X-A: b\x01c"),
        ("escape in a value", "X-A: \x1b[2J"),
        ("DEL in a value", "X-A: b\x7fc"),
        ("space before the colon", "X-A : b"),
        ("tab before the colon", "X-A\t: b"),
        ("space in a name", "X A: b"),
        ("parenthesis in a name", "X(A): b"),
        ("slash in a name", "X/A: b"),
        ("quote in a name", "X\"A: b"),
        ("NUL in a name", "X\0A: b"),
        ("eight-bit byte in a name", "X-\u{e4}: b"),
        ("empty name", ": b"),
        ("no colon", "X-A"),
        ("line of a space", " "),
        ("folded value", "X-A: b\r\n c"),
        ("value folded with a tab", "X-A: b\r\n\tc"),
        ("second host behind a fold", "X-A: b\r\n Host: b.test"),
        ("two hosts", "Host: b.test"),
        ("two equal hosts", "Host: a.test"),
        ("two hosts, one empty", "Host:"),
        ("two hosts of different case", "HOST: a.test"),
    ]
    .map(|(name, lines)| (name, with_lines(lines), 400));
    let hosts = [
        ("no host", ""),
        ("empty host", "Host:\r\n"),
        ("host with a space", "Host: a b\r\n"),
        ("list of hosts", "Host: a.test, b.test\r\n"),
        ("host with a path", "Host: a.test/x\r\n"),
        ("host with a user", "Host: user@a.test\r\n"),
        ("host with a scheme", "Host: http://a.test\r\n"),
        ("port of letters", "Host: a.test:http\r\n"),
        ("signed port", "Host: a.test:+80\r\n"),
        ("port above 65535", "Host: a.test:65536\r\n"),
        ("two ports", "Host: a.test:80:80\r\n"),
        ("address without its bracket", "Host: [::1\r\n"),
        ("bytes behind the bracket", "Host: [::1]x\r\n"),
        ("eight-bit host", "Host: \u{e4}.test\r\n"),
        ("folded before the first field", " X-A: b\r\nHost: a.test\r\n"),
    ]
    .map(|(name, host)| (name, format!("GET /v1/x HTTP/1.1\r\n{host}\r\n"), 400));
    let whole = [
        ("bare LF everywhere", "GET /v1/x HTTP/1.1\nHost: a.test\n\n"),
        ("bare LF behind the request line", "GET /v1/x HTTP/1.1\nHost: a.test\r\n\r\n"),
        ("bare LF as the empty line", "GET /v1/x HTTP/1.1\r\nHost: a.test\r\n\n"),
        ("bare CR behind the request line", "GET /v1/x HTTP/1.1\rHost: a.test\r\n\r\n"),
        ("CR CR LF behind the request line", "GET /v1/x HTTP/1.1\r\r\nHost: a.test\r\n\r\n"),
        ("TLS on the plain port", "\x16\x03\x01\x00\x05\x01\x00\x00\x01\x00"),
        ("SSH on the plain port", "SSH-2.0-OpenSSH_9.2\r\n\r\n"),
        ("NUL before the method", "\0GET /v1/x HTTP/1.1\r\nHost: a.test\r\n\r\n"),
        ("space before the method", " GET /v1/x HTTP/1.1\r\nHost: a.test\r\n\r\n"),
        ("five empty lines", "\r\n\r\n\r\n\r\n\r\nGET /v1/x HTTP/1.1\r\nHost: a.test\r\n\r\n"),
        ("preface of HTTP/2 on the plain port", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
    ]
    .map(|(name, text)| (name, text.to_owned(), 400));
    judge_refusals("heads", &lines.into_iter().chain(hosts).chain(whole).collect::<Vec<_>>());
}

#[test]
fn request_lines_that_are_none_are_refused() {
    let lines = [
        ("target with a space", "GET /v1/x y HTTP/1.1"),
        ("target with a tab", "GET /v1/x\ty HTTP/1.1"),
        ("target with a fragment", "GET /v1/x#y HTTP/1.1"),
        ("eight-bit target", "GET /v1/\u{ff} HTTP/1.1"),
        ("target with NUL", "GET /v1/\0 HTTP/1.1"),
        ("target with DEL", "GET /v1/\x7f HTTP/1.1"),
        ("target with a CR", "GET /v1/\rx HTTP/1.1"),
        ("target with a backslash", "GET /v1\\x HTTP/1.1"),
        ("target without a slash", "GET v1/x HTTP/1.1"),
        ("target that is a host", "GET a.test HTTP/1.1"),
        ("asterisk for GET", "GET * HTTP/1.1"),
        ("asterisk for POST", "POST * HTTP/1.1"),
        ("asterisk and more for OPTIONS", "OPTIONS *x HTTP/1.1"),
        ("empty target", "GET  HTTP/1.1"),
        ("absolute form with another host", "GET http://b.test/v1/x HTTP/1.1"),
        ("absolute form with another port", "GET http://a.test:8080/v1/x HTTP/1.1"),
        ("absolute form with the port that Host leaves out", "GET http://a.test:80/v1/x HTTP/1.1"),
        ("absolute form in capitals", "GET http://A.test/v1/x HTTP/1.1"),
        ("absolute form with a user", "GET http://user@a.test/v1/x HTTP/1.1"),
        ("absolute form without a host", "GET http:///v1/x HTTP/1.1"),
        ("absolute form of another scheme", "GET ftp://a.test/v1/x HTTP/1.1"),
        ("two spaces before the version", "GET /v1/x  HTTP/1.1"),
        ("tab before the version", "GET /v1/x\tHTTP/1.1"),
        ("space behind the version", "GET /v1/x HTTP/1.1 "),
        ("no version", "GET /v1/x"),
        ("empty version", "GET /v1/x "),
        ("lower-case version", "GET /v1/x http/1.1"),
        ("version 0.9", "GET /v1/x HTTP/0.9"),
        ("version 1.2", "GET /v1/x HTTP/1.2"),
        ("version 2.0", "GET /v1/x HTTP/2.0"),
        ("version 1", "GET /v1/x HTTP/1"),
        ("version of three digits", "GET /v1/x HTTP/1.10"),
        ("version with a sign", "GET /v1/x HTTP/+1.1"),
        ("version of letters", "GET /v1/x HTTP/a.b"),
        ("another protocol", "GET /v1/x ICY/1.1"),
        ("no method", " /v1/x HTTP/1.1"),
        ("method with a parenthesis", "GE(T /v1/x HTTP/1.1"),
        ("method with an eight-bit byte", "G\u{cb}T /v1/x HTTP/1.1"),
        ("tab behind the method", "GET\t/v1/x HTTP/1.1"),
        ("CONNECT to a host", "CONNECT a.test:443 HTTP/1.1"),
        ("CONNECT to a path", "CONNECT /v1/x HTTP/1.1"),
    ]
    .map(|(name, line)| (name, with_request_line(line), 400));
    let old = [("HTTP/0.9", "GET /\r\n\r\n"), ("HTTP/0.9 with its bare line", "GET /\r\n")]
        .map(|(name, text)| (name, text.to_owned(), 400));
    let others = [("TRACE", with_request_line("TRACE /v1/x HTTP/1.1"), 405)];
    judge_refusals("request lines", &lines.into_iter().chain(old).chain(others).collect::<Vec<_>>());
}

#[test]
fn what_is_too_large_or_too_old_is_refused_by_name() {
    let fields = |count: usize| (1..count).map(|number| format!("X-{number}: y\r\n")).collect::<String>();
    let long = "x".repeat(16 * 1024 + 1);
    let old_body = |method: &str| {
        format!(
            "{method} /v1/x HTTP/1.0\r\nHost: a.test\r\nContent-Length: {}\r\n\r\n{SMUGGLED}",
            SMUGGLED.len()
        )
    };
    let body = "x".repeat(LARGEST_BODY + 1);
    let post = "POST /v1/chat/completions HTTP/1.1\r\nHost: a.test\r\n";
    let cases = [
        ("target above 16 KB", with_request_line(&format!("GET /{long} HTTP/1.1")), 414),
        ("query above 16 KB", with_request_line(&format!("GET /v1/x?{long} HTTP/1.1")), 414),
        ("target without an end", format!("GET /{}", "x".repeat(40_000)), 414),
        ("101 header fields", with_lines(fields(101).trim_end()), 431),
        ("1000 header fields", with_lines(fields(1000).trim_end()), 431),
        ("value above 16 KB", with_lines(&format!("X-A: {long}")), 431),
        ("name above 16 KB", with_lines(&format!("{long}: b")), 431),
        (
            "16 KB in ninety fields",
            with_lines(format!("X-A: {}\r\n", "y".repeat(190)).repeat(90).trim_end()),
            431,
        ),
        (
            "field without an end",
            format!("GET /v1/x HTTP/1.1\r\nHost: a.test\r\nX-A: {}", "y".repeat(40_000)),
            431,
        ),
        ("GET of HTTP/1.0 with a body", old_body("GET"), 413),
        ("HEAD of HTTP/1.0 with a body", old_body("HEAD"), 413),
        (
            "coding on HTTP/1.0",
            with_framing("Transfer-Encoding: chunked").replace("HTTP/1.1", "HTTP/1.0"),
            400,
        ),
        ("length above the limit", format!("{post}Content-Length: {}\r\n\r\n{body}", LARGEST_BODY + 1), 413),
        ("length of 2^64 - 1", format!("{post}Content-Length: 18446744073709551615\r\n\r\n"), 413),
        (
            "chunks above the limit",
            format!("{post}Transfer-Encoding: chunked\r\n\r\n{:x}\r\n{body}\r\n0\r\n\r\n", body.len()),
            413,
        ),
        ("expectation that nobody knows", with_framing("Expect: 200-ok\r\nContent-Length: 5"), 417),
        (
            "expectation beside the known one",
            with_framing("Expect: 100-continue, x\r\nContent-Length: 5"),
            417,
        ),
    ];
    judge_refusals("limits", &cases);
}
