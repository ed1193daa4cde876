//! A request head of HTTP/1: where it ends does not depend on the pieces that it came in, and what passes the check is
//! read alike by everybody.

use std::ops::Range;

use tidegate::wire::{Framing, HeadFault, HeadLimits, check_request_head, head_end};

use super::reference;

/// So small that short inputs reach them.
const SMALL: HeadLimits = HeadLimits { target: 24, head: 96, header: 64, fields: 3 };

pub fn run(input: &[u8]) {
    for limits in [HeadLimits::default(), SMALL] {
        let found = head_end(input, 0, &limits);
        ends_where_it_ends_in_pieces(input, &limits, &found);
        if let Ok(Some(range)) = found {
            let head = input.get(range).unwrap_or_default();
            assert!(head.ends_with(b"\r\n\r\n"), "the head ends with its empty line");
            if let Ok(framing) = check_request_head(head, &limits) {
                is_read_alike(head, framing, &limits);
            }
        }
        // Whatever the caller believes to be a head.
        if let Ok(framing) = check_request_head(input, &limits) {
            is_read_alike(input, framing, &limits);
        }
    }
}

/// Byte after byte, and in pieces of seven.
fn ends_where_it_ends_in_pieces(
    input: &[u8],
    limits: &HeadLimits,
    whole: &Result<Option<Range<usize>>, HeadFault>,
) {
    for step in [1, 7] {
        let mut seen = 0;
        let found = loop {
            let length = (seen + step).min(input.len());
            let found = head_end(input.get(..length).unwrap_or_default(), seen, limits);
            if found != Ok(None) || length == input.len() {
                break found;
            }
            seen = length;
        };
        match (&found, whole) {
            (Ok(pieces), Ok(whole)) => assert_eq!(pieces, whole, "in pieces of {step}"),
            // Which of two faults is seen first may depend on the pieces.
            (Err(_), Err(_)) => {}
            _ => assert_eq!(&found, whole, "in pieces of {step}"),
        }
    }
}

fn is_read_alike(head: &[u8], framing: Framing, limits: &HeadLimits) {
    assert!(reference::has_clean_lines(head), "control bytes or half line ends passed");
    assert!(head.len() <= limits.head, "larger than the limit");
    let read = reference::head(head);
    assert!(read.fields.len() <= limits.fields, "more fields than the limit");
    let [method, target, version] = read.words.as_slice() else {
        assert_eq!(read.words.len(), 3, "words of the request line");
        return;
    };
    assert!(!method.is_empty() && *method != b"CONNECT", "a method to serve");
    assert!(!target.is_empty() && target.len() <= limits.target, "a target within its limit");
    assert!(target.iter().all(u8::is_ascii_graphic), "a visible target");
    assert!(matches!(*version, b"HTTP/1.1" | b"HTTP/1.0"), "a known version");
    assert!(http::Method::from_bytes(method).is_ok(), "a method that the next layer refuses");
    assert!(http::Uri::try_from(*target).is_ok(), "a target that the next layer refuses");
    for (name, value) in &read.fields {
        assert!(!name.is_empty(), "a field without a name");
        let fit = http::HeaderName::from_bytes(name).is_ok() && http::HeaderValue::from_bytes(value).is_ok();
        assert!(fit, "a field that the next layer refuses");
    }
    let hosts = read.all("host");
    assert!(hosts.len() == 1 || (hosts.is_empty() && *version == b"HTTP/1.0"), "one host");
    assert_eq!(framing, framing_of(&read), "the framing");
}

/// What a server makes of it that takes the last of everything.
fn framing_of(read: &reference::Head<'_>) -> Framing {
    let (lengths, encodings) = (read.all("content-length"), read.all("transfer-encoding"));
    assert!(lengths.len() + encodings.len() <= 1, "more than one way to frame the body");
    match (lengths.last(), encodings.last()) {
        (_, Some(coding)) => {
            assert!(coding.eq_ignore_ascii_case(b"chunked"), "a coding that is not chunked");
            Framing::Chunked
        }
        (Some(length), None) => {
            assert!(length.iter().all(u8::is_ascii_digit), "a length that is no number");
            let value = length.iter().fold(0, |sum, digit| 10 * sum + u128::from(digit - b'0'));
            Framing::Length(u64::try_from(value).unwrap_or_default())
        }
        (None, None) => Framing::Unsaid,
    }
}
