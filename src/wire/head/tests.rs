use std::collections::HashSet;

use http::{HeaderName, HeaderValue};
use proptest::prelude::*;

use super::super::head_end;
use super::*;

fn check(raw: impl AsRef<[u8]>) -> Result<Framing, HeadFault> {
    check_request_head(raw.as_ref(), &HeadLimits::default())
}

/// A POST with these lines after its Host.
fn with(lines: &str) -> Result<Framing, HeadFault> {
    check(format!("POST /v1/chat/completions HTTP/1.1\r\nHost: a.example\r\n{lines}\r\n"))
}

/// A request line, with a Host.
fn line(line: &str) -> Result<Framing, HeadFault> {
    check(format!("{line}\r\nHost: a.example\r\n\r\n"))
}

#[test]
fn ordinary_heads_pass() {
    for head in [
        "GET / HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET / HTTP/1.0\r\n\r\n",
        "OPTIONS * HTTP/1.1\r\nHost: a:8443\r\n\r\n",
        "get /a\"{|}^?b={|}^`\\ HTTP/1.1\r\nhost:\t[::1]:80 \t\r\n\r\n",
        "GET http://A.example:80 HTTP/1.1\r\nHost: A.example:80\r\n\r\n",
        "GET HTTPS://a.example?x HTTP/1.1\r\nHost: a.example\r\n\r\n",
        "GET http://a.example/x HTTP/1.0\r\n\r\n",
        "M-SEARCH / HTTP/1.1\r\nHost: a\r\nX-Empty:\r\nX-Tab: a\tb\r\nx_!#$%&'*+.^`|~9: \u{e9}\r\n\r\n",
    ] {
        assert_eq!(check(head), Ok(Framing::Unsaid), "{head:?}");
    }
    assert_eq!(with("Content-Length: 18446744073709551615\r\n"), Ok(Framing::Length(u64::MAX)));
    assert_eq!(with("cOnTeNt-LeNgTh:007 \r\n"), Ok(Framing::Length(7)));
    assert_eq!(with("Transfer-Encoding: Chunked\r\n"), Ok(Framing::Chunked));
}

#[test]
fn ambiguous_lengths_are_refused() {
    for (lines, fault) in [
        ("Content-Length: 5\r\nContent-Length: 6\r\n", HeadFault::RepeatedContentLength),
        ("Content-Length: 5\r\ncontent-length: 5\r\n", HeadFault::RepeatedContentLength),
        ("Content-Length: 5, 5\r\n", HeadFault::InvalidContentLength),
        ("Content-Length: 5,\r\n", HeadFault::InvalidContentLength),
        ("Content-Length: ,5\r\n", HeadFault::InvalidContentLength),
        ("Content-Length: +5\r\n", HeadFault::InvalidContentLength),
        ("Content-Length: -5\r\n", HeadFault::InvalidContentLength),
        ("Content-Length: 0x5\r\n", HeadFault::InvalidContentLength),
        ("Content-Length: 5 5\r\n", HeadFault::InvalidContentLength),
        ("Content-Length: 5.0\r\n", HeadFault::InvalidContentLength),
        ("Content-Length: \u{665}\r\n", HeadFault::InvalidContentLength),
        ("Content-Length:\r\n", HeadFault::InvalidContentLength),
        ("Content-Length: 18446744073709551616\r\n", HeadFault::InvalidContentLength),
        ("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", HeadFault::LengthAndEncoding),
        ("Transfer-Encoding: chunked\r\nContent-Length: 0\r\n", HeadFault::LengthAndEncoding),
        ("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n", HeadFault::RepeatedTransferEncoding),
        ("Transfer-Encoding: chunked, chunked\r\n", HeadFault::InvalidTransferEncoding),
        ("Transfer-Encoding: gzip, chunked\r\n", HeadFault::InvalidTransferEncoding),
        ("Transfer-Encoding: chunked, gzip\r\n", HeadFault::InvalidTransferEncoding),
        ("Transfer-Encoding: identity\r\n", HeadFault::InvalidTransferEncoding),
        ("Transfer-Encoding: xchunked\r\n", HeadFault::InvalidTransferEncoding),
        ("Transfer-Encoding: \"chunked\"\r\n", HeadFault::InvalidTransferEncoding),
        ("Transfer-Encoding: chunked;a=b\r\n", HeadFault::InvalidTransferEncoding),
        ("Transfer-Encoding:\r\n", HeadFault::InvalidTransferEncoding),
        ("Transfer-Encoding: \x0bchunked\r\n", HeadFault::ControlByte),
        ("Transfer-Encoding: chunked\x0b\r\n", HeadFault::ControlByte),
    ] {
        assert_eq!(with(lines), Err(fault), "{lines:?}");
    }
    let old = |method: &str, field: &str| check(format!("{method} / HTTP/1.0\r\n{field}\r\n\r\n"));
    assert_eq!(old("POST", "Transfer-Encoding: chunked"), Err(HeadFault::EncodingOnOldVersion));
    assert_eq!(old("GET", "Content-Length: 5"), Err(HeadFault::BodyOnOldVersion));
    assert_eq!(old("GET", "Content-Length: 0"), Ok(Framing::Length(0)));
    assert_eq!(old("POST", "Content-Length: 5"), Ok(Framing::Length(5)));
}

#[test]
fn malformed_fields_are_refused() {
    for (lines, fault) in [
        ("x y: 1\r\n", HeadFault::InvalidFieldName),
        ("x(y): 1\r\n", HeadFault::InvalidFieldName),
        ("x\0y: 1\r\n", HeadFault::Nul),
        ("x\u{e9}: 1\r\n", HeadFault::InvalidFieldName),
        ("x\x01: 1\r\n", HeadFault::ControlByte),
        (": 1\r\n", HeadFault::EmptyFieldName),
        ("x\r\n", HeadFault::NoColon),
        ("x y\r\n", HeadFault::InvalidFieldName),
        ("Content-Length : 5\r\n", HeadFault::SpaceBeforeColon),
        ("Content-Length\t: 5\r\n", HeadFault::SpaceBeforeColon),
        ("x: a\rb\r\n", HeadFault::BareCr),
        ("x: a\r\r\n", HeadFault::BareCr),
        ("x: a\0b\r\n", HeadFault::Nul),
        ("x: a\x0bb\r\n", HeadFault::ControlByte),
        ("x: a\x7f\r\n", HeadFault::ControlByte),
        ("x: a\x1b[31m\r\n", HeadFault::ControlByte),
        ("x: a\ny: b\r\n", HeadFault::BareLf),
        ("x: a\n\r\n", HeadFault::BareLf),
        ("x\ny: b\r\n", HeadFault::BareLf),
        ("x\ry: b\r\n", HeadFault::BareCr),
        ("\rx: b\r\n", HeadFault::BareCr),
        ("x: a\r\n b\r\n", HeadFault::FoldedLine),
        ("x: a\r\n\tContent-Length: 5\r\n", HeadFault::FoldedLine),
        ("x: a\r\n \r\n", HeadFault::FoldedLine),
        ("x: a\r\n\r\ny: b\r\n", HeadFault::Incomplete),
    ] {
        assert_eq!(with(lines), Err(fault), "{lines:?}");
    }
    assert_eq!(check("GET / HTTP/1.1\r\n Host: a\r\n\r\n"), Err(HeadFault::FoldedLine));
}

#[test]
fn malformed_request_lines_are_refused() {
    for (text, fault) in [
        ("", HeadFault::InvalidMethod),
        (" / HTTP/1.1", HeadFault::InvalidMethod),
        ("GET", HeadFault::InvalidMethod),
        ("G(T / HTTP/1.1", HeadFault::InvalidMethod),
        ("G\u{e9}T / HTTP/1.1", HeadFault::InvalidMethod),
        ("GET\t/ HTTP/1.1", HeadFault::InvalidMethod),
        ("GET /", HeadFault::NoVersion),
        ("GET / ", HeadFault::InvalidVersion),
        ("GET  / HTTP/1.1", HeadFault::InvalidTarget),
        ("GET /  HTTP/1.1", HeadFault::InvalidTarget),
        ("GET / HTTP/1.1 ", HeadFault::InvalidVersion),
        ("GET / http/1.1", HeadFault::InvalidVersion),
        ("GET / HTTP/1.2", HeadFault::InvalidVersion),
        ("GET / HTTP/2.0", HeadFault::InvalidVersion),
        ("PRI * HTTP/2.0", HeadFault::InvalidVersion),
        ("GET / HTTP/0.9", HeadFault::InvalidVersion),
        ("GET / HTTP/01.1", HeadFault::InvalidVersion),
        ("GET / HTTP/1.10", HeadFault::InvalidVersion),
        ("GET / HTTP/1", HeadFault::InvalidVersion),
        ("GET / HTTPS/1.1", HeadFault::InvalidVersion),
        ("GET / RTSP/1.0", HeadFault::InvalidVersion),
        ("GET / HTTP/1.1\r", HeadFault::BareCr),
        ("GET / HTTP/1.1\0", HeadFault::Nul),
        ("GET /a b HTTP/1.1", HeadFault::InvalidTarget),
        ("GET /a\tb HTTP/1.1", HeadFault::InvalidTarget),
        ("GET /a#b HTTP/1.1", HeadFault::InvalidTarget),
        ("GET /\u{e9} HTTP/1.1", HeadFault::InvalidTarget),
        ("GET /\0 HTTP/1.1", HeadFault::Nul),
        ("GET /\x01 HTTP/1.1", HeadFault::ControlByte),
        ("GET /\x7f HTTP/1.1", HeadFault::ControlByte),
        ("GET /\r HTTP/1.1", HeadFault::BareCr),
        ("GET /<a> HTTP/1.1", HeadFault::InvalidTarget),
        ("GET /a\\..\\b HTTP/1.1", HeadFault::InvalidTarget),
        ("GET /a`b HTTP/1.1", HeadFault::InvalidTarget),
        ("GET /a?b=\"c\" HTTP/1.1", HeadFault::InvalidTarget),
        ("GET http://a.example/a`b HTTP/1.1", HeadFault::InvalidTarget),
        ("GET a HTTP/1.1", HeadFault::InvalidTarget),
        ("GET ?a HTTP/1.1", HeadFault::InvalidTarget),
        ("GET * HTTP/1.1", HeadFault::InvalidTarget),
        ("OPTIONS ** HTTP/1.1", HeadFault::InvalidTarget),
        ("GET a.example:80 HTTP/1.1", HeadFault::InvalidTarget),
        ("GET ftp://a.example/ HTTP/1.1", HeadFault::InvalidTarget),
        ("GET http:/a.example/ HTTP/1.1", HeadFault::InvalidTarget),
        ("GET http:///x HTTP/1.1", HeadFault::InvalidHost),
        ("GET http://u@a.example/ HTTP/1.1", HeadFault::InvalidHost),
        ("GET http://b.example/ HTTP/1.1", HeadFault::HostMismatch),
        ("GET http://a.example:81/ HTTP/1.1", HeadFault::HostMismatch),
        ("GET http://a.example:80/ HTTP/1.1", HeadFault::HostMismatch),
        ("GET http://A.example/ HTTP/1.1", HeadFault::HostMismatch),
        ("GET http://a.example./ HTTP/1.1", HeadFault::HostMismatch),
        ("GET https://a.example:443 HTTP/1.1", HeadFault::HostMismatch),
        ("GET https://a.example:80/ HTTP/1.1", HeadFault::HostMismatch),
        ("CONNECT a.example:443 HTTP/1.1", HeadFault::Connect),
    ] {
        assert_eq!(line(text), Err(fault), "{text:?}");
    }
    assert_eq!(check("GET / HTTP/1.1\nHost: a\r\n\r\n"), Err(HeadFault::BareLf));
}

#[test]
fn bad_hosts_are_refused() {
    let host = |lines: &str| check(format!("GET / HTTP/1.1\r\n{lines}\r\n"));
    for (lines, fault) in [
        ("", HeadFault::MissingHost),
        ("Host:\r\n", HeadFault::InvalidHost),
        ("Host: a b\r\n", HeadFault::InvalidHost),
        ("Host: a,b\r\n", HeadFault::InvalidHost),
        ("Host: u@a\r\n", HeadFault::InvalidHost),
        ("Host: a:\r\n", HeadFault::InvalidHost),
        ("Host: a:99999\r\n", HeadFault::InvalidHost),
        ("Host: a:8x\r\n", HeadFault::InvalidHost),
        ("Host: a/b\r\n", HeadFault::InvalidHost),
        ("Host: http://a\r\n", HeadFault::InvalidHost),
        ("Host: a\r\nHost: a\r\n", HeadFault::RepeatedHost),
        ("Host: a\r\nhost: b\r\n", HeadFault::RepeatedHost),
    ] {
        assert_eq!(host(lines), Err(fault), "{lines:?}");
    }
    assert_eq!(check("GET http://a/ HTTP/1.1\r\n\r\n"), Err(HeadFault::MissingHost));
    assert_eq!(check("GET / HTTP/1.0\r\nHost: a\r\nHost: a\r\n\r\n"), Err(HeadFault::RepeatedHost));
    assert_eq!(check("GET http://b/ HTTP/1.0\r\nHost: a\r\n\r\n"), Err(HeadFault::HostMismatch));
}

#[test]
fn sizes_have_limits() {
    let target = |length: usize| line(&format!("GET /{} HTTP/1.1", "a".repeat(length - 1)));
    assert_eq!(target(16 * 1024), Ok(Framing::Unsaid));
    assert_eq!(target(16 * 1024 + 1), Err(HeadFault::TargetTooLong));
    assert_eq!(with(&"x: y\r\n".repeat(99)), Ok(Framing::Unsaid));
    assert_eq!(with(&"x: y\r\n".repeat(100)), Err(HeadFault::TooManyFields));
    assert_eq!(with(&format!("x: {}\r\n", "y".repeat(16 * 1024))), Err(HeadFault::HeadTooLarge));
    for (fault, status) in [
        (HeadFault::TargetTooLong, 414),
        (HeadFault::HeadTooLarge, 431),
        (HeadFault::TooManyFields, 431),
        (HeadFault::BodyOnOldVersion, 413),
        (HeadFault::InvalidVersion, 400),
        (HeadFault::Connect, 400),
    ] {
        assert_eq!(fault.status(), status);
    }
}

#[test]
fn a_cut_head_is_never_taken_for_a_whole_one() {
    let head = "POST http://a/x HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n";
    for cut in 0..head.len() {
        assert_eq!(check(&head[..cut]), Err(HeadFault::Incomplete), "{:?}", &head[..cut]);
    }
    assert_eq!(check(format!("{head}x")), Err(HeadFault::Incomplete));
}

/// Reads a head the way a plain reader does: lines by CRLF, fields by their first colon.
fn plain_reader(raw: &str) -> Option<Vec<(String, String)>> {
    let mut lines = raw.strip_suffix("\r\n\r\n")?.split("\r\n");
    lines.next()?;
    lines
        .map(|line| {
            let (name, value) = line.split_once(':')?;
            let value = value.trim_matches([' ', '\t']);
            // The types of the http crate have the last word on what a name and a value is.
            let name = HeaderName::from_bytes(name.as_bytes()).ok()?;
            HeaderValue::from_bytes(value.as_bytes()).ok()?;
            Some((name.as_str().to_owned(), value.to_owned()))
        })
        .collect()
}

/// Mostly right, with some of everything that goes wrong.
fn head() -> impl Strategy<Value = String> {
    let target = prop_oneof![
        4 => "/[a-c/.%?]{0,6}",
        1 => "https?://[abu@.:1]{0,4}(/[a\\\\]{0,2})?",
        1 => "[*/# \\\\\u{e9}\u{1}]{0,3}",
    ];
    let version =
        prop_oneof![8 => Just("HTTP/1.1"), 2 => Just("HTTP/1.0"), 1 => Just("HTTP/2.0"), 1 => Just("")];
    let name = prop_oneof![
        3 => Just("Host".to_owned()),
        1 => Just("content-length".to_owned()),
        1 => Just("Transfer-Encoding".to_owned()),
        3 => "[a-zA-Z_-]{1,20}",
        1 => "[a :\t\\(\u{e9}\u{0}]{0,2}",
    ];
    let value = prop_oneof![
        3 => Just("a".to_owned()),
        2 => "[0-9]{1,3}",
        1 => Just("chunked".to_owned()),
        2 => "[ -~\t\u{e9}]{0,40}",
        1 => "[a\r\n\u{0}\u{b}, ]{0,3}",
    ];
    let end = prop_oneof![30 => Just("\r\n"), 1 => Just("\n"), 1 => Just("\r"), 1 => Just("\r\n ")];
    let field = (name, "[ \t]{0,2}", value, end).prop_map(|(n, s, v, e)| format!("{n}:{s}{v}{e}"));
    ("(GET|POST|OPTIONS|CONNECT|[a(]{0,2})", target, version, proptest::collection::vec(field, 0..5))
        .prop_map(|(m, t, v, fields)| format!("{m} {t} {v}\r\n{}\r\n", fields.concat()))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn an_accepted_head_reads_the_same_to_a_plain_reader(raw in head()) {
        if let Ok(framing) = check(&raw) {
            prop_assert_eq!(head_end(raw.as_bytes(), 0, &HeadLimits::default()), Ok(Some(0..raw.len())));
            let fields = plain_reader(&raw);
            prop_assert!(fields.is_some(), "{raw:?}");
            let fields = fields.unwrap_or_default();
            let all = |name: &str| fields.iter().filter(|f| f.0 == name).map(|f| f.1.as_str()).collect::<Vec<_>>();
            let (lengths, codings) = (all("content-length"), all("transfer-encoding"));
            match framing {
                Framing::Length(length) => {
                    prop_assert_eq!(lengths.len(), 1);
                    prop_assert_eq!(lengths[0].parse(), Ok(length));
                    prop_assert!(codings.is_empty());
                }
                Framing::Chunked => prop_assert!(lengths.is_empty() && codings.len() == 1),
                Framing::Unsaid => prop_assert!(lengths.is_empty() && codings.is_empty()),
            }
            prop_assert!(all("host").len() <= 1);
            let mut words = raw.split("\r\n").next().unwrap_or_default().split(' ');
            prop_assert!(words.next().is_some_and(|m| http::Method::from_bytes(m.as_bytes()).is_ok()));
            prop_assert!(words.next().is_some_and(|t| t.parse::<http::Uri>().is_ok()), "{raw:?}");
        }
    }

    #[test]
    fn no_bytes_make_it_panic(raw: Vec<u8>) {
        let _ = check(&raw);
        let _ = check([b"GET / HTTP/1.1\r\n", &raw[..], b"\r\n\r\n"].concat());
    }
}

#[test]
fn every_fault_has_a_label_and_a_sentence_of_its_own() {
    let faults = [
        HeadFault::NotHttp,
        HeadFault::EmptyLines,
        HeadFault::Incomplete,
        HeadFault::BareLf,
        HeadFault::BareCr,
        HeadFault::Nul,
        HeadFault::ControlByte,
        HeadFault::InvalidMethod,
        HeadFault::Connect,
        HeadFault::NoVersion,
        HeadFault::InvalidVersion,
        HeadFault::InvalidStatus,
        HeadFault::InvalidTarget,
        HeadFault::InvalidScheme,
        HeadFault::TargetTooLong,
        HeadFault::HeadTooLarge,
        HeadFault::TooManyFields,
        HeadFault::FoldedLine,
        HeadFault::NoColon,
        HeadFault::EmptyFieldName,
        HeadFault::SpaceBeforeColon,
        HeadFault::InvalidFieldName,
        HeadFault::SpaceAroundValue,
        HeadFault::MissingHost,
        HeadFault::RepeatedHost,
        HeadFault::InvalidHost,
        HeadFault::HostMismatch,
        HeadFault::InvalidContentLength,
        HeadFault::RepeatedContentLength,
        HeadFault::LengthAndEncoding,
        HeadFault::InvalidTransferEncoding,
        HeadFault::RepeatedTransferEncoding,
        HeadFault::EncodingOnOldVersion,
        HeadFault::BodyOnOldVersion,
        HeadFault::ForbiddenBody,
        HeadFault::ConnectionField,
        HeadFault::InvalidTe,
    ];
    assert_eq!(faults.iter().map(|f| f.reason()).collect::<HashSet<_>>().len(), faults.len());
    assert_eq!(faults.iter().map(ToString::to_string).collect::<HashSet<_>>().len(), faults.len());
    assert!(faults.iter().all(|fault| matches!(fault.status(), 400 | 413 | 414 | 431)));
}
