//! A server's answer: the head that passes can end at one place only, and where the answer ends does not depend on the
//! pieces that it came in.

use http::Method;
use tidegate::wire::{AnswerFault, AnswerStream, check_response_head, response_head_end};

use super::reference;

const LIMIT: usize = 64 * 1024;

pub fn run(input: &[u8]) {
    if let Ok(Some(end)) = response_head_end(input, 0, LIMIT) {
        let head = input.get(..end).unwrap_or_default();
        assert!(head.ends_with(b"\r\n\r\n"), "the head ends with its empty line");
        if check_response_head(head).is_ok() {
            can_end_at_one_place_only(head);
        }
    }
    if check_response_head(input).is_ok() {
        can_end_at_one_place_only(input);
    }
    for (method, upgrade) in [(Method::GET, false), (Method::HEAD, false), (Method::GET, true)] {
        let stream = AnswerStream::new(method, upgrade);
        let whole = in_pieces(stream.clone(), input, usize::MAX);
        for size in [1, 5] {
            match (in_pieces(stream.clone(), input, size), &whole) {
                // Which of two faults is seen first may depend on the pieces.
                (Err(_), Err(_)) => {}
                (found, expected) => assert_eq!(&found, expected, "in pieces of {size}"),
            }
        }
    }
}

/// How many bytes belong to the answer, and whether it is over.
fn in_pieces(mut answer: AnswerStream, input: &[u8], size: usize) -> Result<(usize, bool), AnswerFault> {
    let mut taken = 0;
    for piece in input.chunks(size) {
        let here = answer.feed(piece)?;
        assert!(here <= piece.len(), "more than there is");
        taken += here;
        if here < piece.len() {
            assert!(answer.is_over(), "not all is taken, and it is not over");
            break;
        }
    }
    Ok((taken, answer.is_over()))
}

fn can_end_at_one_place_only(head: &[u8]) {
    assert!(reference::has_clean_lines(head), "control bytes or half line ends passed");
    let read = reference::head(head);
    assert!(read.words.len() >= 2 && matches!(read.words[0], b"HTTP/1.1" | b"HTTP/1.0"), "a known version");
    let (lengths, encodings) = (read.all("content-length"), read.all("transfer-encoding"));
    assert!(lengths.len() + encodings.len() <= 1, "more than one way to frame the body");
    let bodiless = read.words.get(1).is_some_and(|status| status.starts_with(b"1") || *status == b"204");
    assert!(!bodiless || encodings.is_empty(), "chunks where there is no body");
    for length in lengths {
        let digits = !length.is_empty() && length.iter().all(u8::is_ascii_digit);
        assert!(digits, "a length that is no number");
        assert!(!bodiless || length.iter().all(|digit| *digit == b'0'), "a length where there is no body");
    }
    for coding in encodings {
        assert!(coding.eq_ignore_ascii_case(b"chunked"), "a coding that is not chunked");
        assert!(!head.starts_with(b"HTTP/1.0"), "chunks in HTTP/1.0");
    }
}
