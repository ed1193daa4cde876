use proptest::prelude::*;

use super::*;

fn check(raw: impl AsRef<[u8]>) -> Result<AnswerHead, HeadFault> {
    check_response_head(raw.as_ref())
}

/// An answer with these lines behind its status line.
fn with(fields: &str) -> Result<AnswerBody, HeadFault> {
    check(format!("HTTP/1.1 200 OK\r\n{fields}\r\n")).map(|head| head.body(&Method::POST))
}

/// An answer of this status with these lines, to this method.
fn body(method: &Method, status: u16, fields: &str) -> Result<AnswerBody, HeadFault> {
    check(format!("HTTP/1.1 {status} Word\r\n{fields}\r\n")).map(|head| head.body(method))
}

#[test]
fn ordinary_answers_say_how_they_end() {
    assert_eq!(with("content-type: a/b\r\nContent-Length: 5\r\n"), Ok(AnswerBody::Length(5)));
    assert_eq!(with("Transfer-Encoding: Chunked\r\n"), Ok(AnswerBody::Chunked));
    assert_eq!(with("x-empty:\r\nx-tab: a\tb\r\nx-8-bit: \u{e9}\r\n"), Ok(AnswerBody::UntilClose));
    assert_eq!(with("content-length: 0\r\n"), Ok(AnswerBody::Length(0)));
}

#[test]
fn some_answers_have_no_body_whatever_they_say() {
    assert_eq!(body(&Method::HEAD, 200, "content-length: 1234\r\n"), Ok(AnswerBody::Empty));
    assert_eq!(body(&Method::HEAD, 200, "transfer-encoding: chunked\r\n"), Ok(AnswerBody::Empty));
    assert_eq!(body(&Method::GET, 304, "content-length: 1234\r\n"), Ok(AnswerBody::Empty));
    assert_eq!(body(&Method::GET, 304, ""), Ok(AnswerBody::Empty));
    for status in [100, 101, 103, 199, 204] {
        assert_eq!(body(&Method::GET, status, ""), Ok(AnswerBody::Empty), "{status}");
        assert_eq!(body(&Method::GET, status, "content-length: 0\r\n"), Ok(AnswerBody::Empty), "{status}");
        for field in ["content-length: 1\r\n", "transfer-encoding: chunked\r\n"] {
            assert_eq!(body(&Method::GET, status, field), Err(HeadFault::ForbiddenBody), "{status} {field}");
        }
    }
    assert_eq!(body(&Method::GET, 205, "content-length: 1\r\n"), Ok(AnswerBody::Length(1)));
}

#[test]
fn answers_that_could_end_at_two_places_are_none() {
    for (fields, fault) in [
        ("content-length: 5\r\ntransfer-encoding: chunked\r\n", HeadFault::LengthAndEncoding),
        ("content-length: 5\r\ncontent-length: 6\r\n", HeadFault::RepeatedContentLength),
        ("content-length: 5\r\ncontent-length: 5\r\n", HeadFault::RepeatedContentLength),
        ("content-length: 5, 5\r\n", HeadFault::InvalidContentLength),
        ("content-length: +5\r\n", HeadFault::InvalidContentLength),
        ("content-length: -5\r\n", HeadFault::InvalidContentLength),
        ("content-length: 0x5\r\n", HeadFault::InvalidContentLength),
        ("content-length:\r\n", HeadFault::InvalidContentLength),
        ("content-length: 18446744073709551616\r\n", HeadFault::InvalidContentLength),
        ("transfer-encoding: chunked, gzip\r\n", HeadFault::InvalidTransferEncoding),
        ("transfer-encoding: gzip, chunked\r\n", HeadFault::InvalidTransferEncoding),
        ("transfer-encoding: identity\r\n", HeadFault::InvalidTransferEncoding),
        ("transfer-encoding: chunked\r\ntransfer-encoding: chunked\r\n", HeadFault::RepeatedTransferEncoding),
        ("content-length : 5\r\n", HeadFault::SpaceBeforeColon),
        ("x: y\r\n content-length: 5\r\n", HeadFault::FoldedLine),
        ("x: y\ncontent-length: 5\r\n", HeadFault::BareLf),
        ("x: y\rcontent-length: 5\r\n", HeadFault::BareCr),
        ("transfer-encoding: \x0bchunked\r\n", HeadFault::ControlByte),
    ] {
        assert_eq!(with(fields), Err(fault), "{fields:?}");
    }
    assert_eq!(
        check("HTTP/1.0 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"),
        Err(HeadFault::EncodingOnOldVersion)
    );
}

#[test]
fn malformed_fields_are_refused() {
    for (fields, fault) in [
        (" x: y\r\n", HeadFault::FoldedLine),
        ("x : y\r\n", HeadFault::SpaceBeforeColon),
        ("x y: z\r\n", HeadFault::InvalidFieldName),
        ("x(: z\r\n", HeadFault::InvalidFieldName),
        ("\u{e9}: z\r\n", HeadFault::InvalidFieldName),
        (": z\r\n", HeadFault::EmptyFieldName),
        ("nonsense\r\n", HeadFault::NoColon),
        ("x\0: z\r\n", HeadFault::Nul),
        ("x: a\0b\r\n", HeadFault::Nul),
        ("x: a\x1b[31m\r\n", HeadFault::ControlByte),
        ("x: a\x7f\r\n", HeadFault::ControlByte),
        ("x: a\r\r\n", HeadFault::BareCr),
        ("x: a\r\n\r\ny: b\r\n", HeadFault::Incomplete),
        ("\rx: a\r\n", HeadFault::BareCr),
    ] {
        assert_eq!(with(fields), Err(fault), "{fields:?}");
    }
}

#[test]
fn malformed_status_lines_are_refused() {
    for (line, fault) in [
        ("200 OK HTTP/1.1", HeadFault::NotHttp),
        ("http/1.1 200 OK", HeadFault::NotHttp),
        ("HTP/1.1 200 OK", HeadFault::NotHttp),
        ("ICY 200 OK", HeadFault::NotHttp),
        ("\r\nHTTP/1.1 200 OK", HeadFault::NotHttp),
        (" HTTP/1.1 200 OK", HeadFault::NotHttp),
        ("HTTP/1.2 200 OK", HeadFault::InvalidVersion),
        ("HTTP/0.9 200 OK", HeadFault::InvalidVersion),
        ("HTTP/2.0 200 OK", HeadFault::InvalidVersion),
        ("HTTP/2 200 OK", HeadFault::InvalidVersion),
        ("HTTP/1.1\t200 OK", HeadFault::InvalidVersion),
        ("HTTP/1.10 200 OK", HeadFault::InvalidVersion),
        ("HTTP/1.1  200 OK", HeadFault::InvalidStatus),
        ("HTTP/1.1 OK fine", HeadFault::InvalidStatus),
        ("HTTP/1.1 20", HeadFault::InvalidStatus),
        ("HTTP/1.1 2000 OK", HeadFault::InvalidStatus),
        ("HTTP/1.1 200OK", HeadFault::InvalidStatus),
        ("HTTP/1.1 200\tOK", HeadFault::InvalidStatus),
        ("HTTP/1.1 099 OK", HeadFault::InvalidStatus),
        ("HTTP/1.1 600 OK", HeadFault::InvalidStatus),
        ("HTTP/1.1 +20 OK", HeadFault::InvalidStatus),
        ("HTTP/1.1 200 O\0K", HeadFault::Nul),
        ("HTTP/1.1 200 O\x1bK", HeadFault::ControlByte),
        ("HTTP/1.1 200 O\rK", HeadFault::BareCr),
        ("HTTP/1.1 200 OK\r", HeadFault::BareCr),
        ("HTTP/1.1 200\r", HeadFault::BareCr),
        ("HTTP/1.1 200 OK\nx: y", HeadFault::BareLf),
        ("HTTP/1.1 200\nx: y", HeadFault::BareLf),
    ] {
        assert_eq!(check(format!("{line}\r\ncontent-length: 0\r\n\r\n")), Err(fault), "{line:?}");
    }
    for line in ["HTTP/1.1 200", "HTTP/1.0 200 ", "HTTP/1.1 200  very good\t\u{e9}", "HTTP/1.1 599 x"] {
        assert!(check(format!("{line}\r\n\r\n")).is_ok(), "{line:?}");
    }
    assert_eq!(check("HTTP/1.1 418 x\r\n\r\n").map(|head| head.status), Ok(418));
}

#[test]
fn sizes_have_limits() {
    assert!(with(&"x: y\r\n".repeat(256)).is_ok());
    assert_eq!(with(&"x: y\r\n".repeat(257)), Err(HeadFault::TooManyFields));
    assert!(with(&format!("x: {}\r\n", "y".repeat(64 * 1024 - 24))).is_ok());
    assert_eq!(with(&format!("x: {}\r\n", "y".repeat(64 * 1024 - 23))), Err(HeadFault::HeadTooLarge));
}

#[test]
fn a_cut_head_is_never_taken_for_a_whole_one() {
    let head = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nx: y\r\n\r\n";
    for cut in 0..head.len() {
        assert_eq!(check(&head[..cut]), Err(HeadFault::Incomplete), "{:?}", &head[..cut]);
        assert_eq!(response_head_end(&head.as_bytes()[..cut], 0, 100), Ok(None));
    }
    assert_eq!(check(format!("{head}x")), Err(HeadFault::Incomplete));
    let with_body = format!("{head}12345");
    assert_eq!(response_head_end(with_body.as_bytes(), 0, head.len()), Ok(Some(head.len())));
}

#[test]
fn what_cannot_become_a_head_is_refused_while_it_arrives() {
    for (bytes, fault) in [
        (&b"\x15\x03\x01"[..], HeadFault::NotHttp),
        (b"{\"error\"", HeadFault::NotHttp),
        (b"\r\n", HeadFault::NotHttp),
        (b"HTTP/2", HeadFault::NotHttp),
        (b"HTTP/1.1 200 OK\n", HeadFault::BareLf),
        (b"HTTP/1.1 200 OK\r\nx: y\r\n\n", HeadFault::BareLf),
    ] {
        assert_eq!(response_head_end(bytes, 0, 100), Err(fault), "{:?}", String::from_utf8_lossy(bytes));
    }
    let long = format!("HTTP/1.1 200 OK\r\nx: {}", "y".repeat(100));
    assert_eq!(response_head_end(&long.as_bytes()[..99], 0, 100), Ok(None));
    assert_eq!(response_head_end(&long.as_bytes()[..100], 0, 100), Err(HeadFault::HeadTooLarge));
    let whole = format!("{long}\r\n\r\n");
    assert_eq!(response_head_end(whole.as_bytes(), 0, 100), Err(HeadFault::HeadTooLarge));
    assert_eq!(response_head_end(whole.as_bytes(), 0, whole.len()), Ok(Some(whole.len())));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn an_accepted_head_reads_the_same_to_a_plain_reader(
        raw in "HTTP/1\\.[01] [2-4]0[0-4]( [a-c\t]{0,3})?\r\n(((x|content-length|transfer-encoding| |\0)[ ]?:[ ]?(chunked|[0-9]{0,2}|[a-z\u{e9}\u{1}]{0,3})(\r\n|\n|\r|\r\n ))){0,4}\r\n",
    ) {
        if let Ok(head) = check(&raw) {
            prop_assert_eq!(response_head_end(raw.as_bytes(), 0, 1000), Ok(Some(raw.len())));
            let lines: Vec<&str> = raw.strip_suffix("\r\n\r\n").unwrap().split("\r\n").collect();
            prop_assert_eq!(lines[0][9..12].parse(), Ok(head.status));
            let value = |name: &str| lines[1..].iter().filter_map(|l| l.split_once(':')).find(|f| f.0 == name).map(|f| f.1.trim());
            match head.body(&Method::GET) {
                AnswerBody::Length(length) => prop_assert_eq!(value("content-length").unwrap().parse(), Ok(length)),
                AnswerBody::Chunked => prop_assert_eq!(value("transfer-encoding"), Some("chunked")),
                AnswerBody::UntilClose => prop_assert!(value("content-length").is_none()),
                AnswerBody::Empty => prop_assert!(matches!(head.status, 204 | 304)),
            }
        }
    }

    #[test]
    fn the_end_is_found_in_pieces_too(bytes in "(H|HTTP/1\\.1)( 200|\r\n|\r|\n|a){0,12}\r\n\r\n", limit in 0usize..40) {
        let bytes = bytes.as_bytes();
        let whole = response_head_end(bytes, 0, limit);
        let first = (0..=bytes.len())
            .map(|end| response_head_end(&bytes[..end], end.saturating_sub(1), limit))
            .find(|found| *found != Ok(None));
        prop_assert_eq!(first.unwrap_or(Ok(None)).is_err(), whole.is_err());
        if let Ok(end) = whole {
            prop_assert_eq!(first.unwrap_or(Ok(None)), Ok(end));
        }
    }

    #[test]
    fn no_bytes_make_it_panic(raw: Vec<u8>, from: usize, limit: usize) {
        let _ = check(&raw);
        let _ = check([b"HTTP/1.1 200 OK\r\n", &raw[..], b"\r\n\r\n"].concat());
        let _ = response_head_end(&raw, from, limit);
        let _ = response_head_end(&[b"HTTP/1.1 200 OK\r\n", &raw[..]].concat(), from, limit);
    }
}
