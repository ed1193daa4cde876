//! Finds the end of a request head in bytes that arrive piece by piece. Lines without CR are a fault at once: waiting
//! for the end of a head that never comes is what a slow attack wants.

use std::ops::Range;

use super::bytes::{find_lf, is_token};
use super::{HeadFault, HeadLimits};

/// Empty lines tolerated before a request line (RFC 9112 2.2).
const EMPTY_LINES: usize = 4;

/// Where the head lies in `buf`, once it is there: from its request line through its empty line. `from` is how much of
/// `buf` an earlier call has seen, 0 at first. `None`: read on. A head that is already too large is a fault, so the
/// caller's buffer need not hold more than `limits.head` and the empty lines before it.
pub fn head_end(buf: &[u8], from: usize, limits: &HeadLimits) -> Result<Option<Range<usize>>, HeadFault> {
    let start = 2 * buf.chunks(2).take_while(|pair| *pair == b"\r\n").count();
    if start > 2 * EMPTY_LINES {
        return Err(HeadFault::EmptyLines);
    }
    let head = buf.get(start..).unwrap_or_default();
    match head {
        [] | [b'\r'] => return Ok(None),
        [b'\n', ..] => return Err(HeadFault::BareLf),
        [b'\r', ..] => return Err(HeadFault::BareCr),
        [0x16, ..] => return Err(HeadFault::NotHttp),
        [first, ..] if !is_token(*first) => return Err(HeadFault::InvalidMethod),
        _ => {}
    }
    if let Some(end) = lines_end(head, from.saturating_sub(start), limits.head)? {
        return Ok(Some(start..start + end));
    }
    if head.len() < limits.head {
        return Ok(None);
    }
    let line = find_lf(head).unwrap_or(head.len());
    Err(if line > limits.target { HeadFault::TargetTooLong } else { HeadFault::HeadTooLarge })
}

/// Where lines that each end in CRLF come to an empty one: the place behind it. `seen` is how much of `head` needs no
/// second look. `None`: not yet.
pub fn lines_end(head: &[u8], seen: usize, limit: usize) -> Result<Option<usize>, HeadFault> {
    // The last line end seen before may be the first half of an empty line, but its CR and LF are found by looking back
    // from the LF that completes it.
    let mut seen = seen.min(head.len());
    while let Some(place) = head.get(seen..).and_then(find_lf) {
        let lf = seen + place;
        match head.get(..lf).unwrap_or_default() {
            [.., b'\r', b'\n', b'\r'] if lf < limit => return Ok(Some(lf + 1)),
            [.., b'\r'] => seen = lf + 1,
            _ => return Err(HeadFault::BareLf),
        }
        if lf >= limit {
            return Err(HeadFault::HeadTooLarge);
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn end(buf: &[u8]) -> Result<Option<Range<usize>>, HeadFault> {
        head_end(buf, 0, &HeadLimits::default())
    }

    #[test]
    fn the_head_ends_with_its_empty_line() {
        let head = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n";
        assert_eq!(end(head), Ok(Some(0..head.len())));
        let with_body = [head, &b"body\n"[..]].concat();
        assert_eq!(end(&with_body), Ok(Some(0..head.len())));
        for cut in 0..head.len() {
            assert_eq!(end(&head[..cut]), Ok(None), "{cut}");
        }
    }

    #[test]
    fn a_few_empty_lines_may_come_before_it() {
        assert_eq!(end(b"\r\n\r\nGET / HTTP/1.0\r\n\r\n"), Ok(Some(4..22)));
        assert_eq!(end(b"\r\n\r\n"), Ok(None));
        assert_eq!(end(b"\r\n\r\n\r\n\r\n\r\n"), Err(HeadFault::EmptyLines));
    }

    #[test]
    fn what_cannot_become_a_head_is_refused_at_once() {
        for (bytes, fault) in [
            (&b"GET / HTTP/1.1\n"[..], HeadFault::BareLf),
            (b"GET / HTTP/1.1\r\nHost: a\n", HeadFault::BareLf),
            (b"GET / HTTP/1.1\r\nHost: a\r\n\n", HeadFault::BareLf),
            (b"\n", HeadFault::BareLf),
            (b"\rG", HeadFault::BareCr),
            (b"\x16\x03\x01\x02\x00\x01", HeadFault::NotHttp),
            (b"\0", HeadFault::InvalidMethod),
            (b" GET", HeadFault::InvalidMethod),
        ] {
            assert_eq!(end(bytes), Err(fault), "{:?}", String::from_utf8_lossy(bytes));
        }
    }

    #[test]
    fn a_head_over_its_limit_is_refused_while_it_arrives() {
        let limits = HeadLimits { target: 20, head: 40, header: 40, fields: 100 };
        let fits = format!("GET / HTTP/1.1\r\nx: {}\r\n\r\n", "a".repeat(17));
        assert_eq!(fits.len(), 40);
        assert_eq!(head_end(fits.as_bytes(), 0, &limits), Ok(Some(0..40)));
        let over = format!("GET / HTTP/1.1\r\nx: {}\r\n\r\n", "a".repeat(18));
        for cut in 40..over.len() {
            assert_eq!(head_end(&over.as_bytes()[..cut], 0, &limits), Err(HeadFault::HeadTooLarge));
        }
        let line = format!("GET /{}", "a".repeat(40));
        assert_eq!(head_end(line.as_bytes(), 0, &limits), Err(HeadFault::TargetTooLong));
    }

    proptest! {
        #[test]
        fn pieces_give_what_the_whole_gives(
            bytes in "(\r\n){0,5}(GET|\r\n|\r|\n|a|: |\\x16){0,12}\r\n\r\n",
            cuts in proptest::collection::vec(0usize..60, 0..6),
        ) {
            let bytes = bytes.as_bytes();
            let mut cuts: Vec<usize> = cuts.into_iter().map(|c| c.min(bytes.len())).collect();
            cuts.sort_unstable();
            cuts.push(bytes.len());
            let (mut from, mut last) = (0, Ok(None));
            for cut in cuts {
                last = end_of_piece(bytes, cut, from);
                if last != Ok(None) {
                    break;
                }
                from = cut;
            }
            prop_assert_eq!(last, end(bytes));
        }

        #[test]
        fn no_bytes_make_it_panic(bytes: Vec<u8>, from: usize) {
            let _ = head_end(&bytes, from, &HeadLimits { target: 3, head: 9, header: 9, fields: 1 });
        }
    }

    fn end_of_piece(bytes: &[u8], cut: usize, from: usize) -> Result<Option<Range<usize>>, HeadFault> {
        head_end(&bytes[..cut], from, &HeadLimits::default())
    }
}
