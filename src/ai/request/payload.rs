//! Files that lie in strings: images, audio and documents as base64, which are no text of a prompt.

use std::ops::Range;

use bytes::Bytes;

/// A shorter string is always text.
pub const SHORTEST: usize = 1024;
/// How many places of a string are looked at, and bytes of each. The first one has room for the longest media type.
const PLACES: usize = 8;
const EACH: usize = 128;

/// Whether a string is base64, with or without `data:image/png;base64,` or the like before it; `inside`: what stands
/// between its quotes, at least [`SHORTEST`] bytes of the pieces, counted from the first one's start. Looked at are its
/// two ends and some places between. Words, one letter again and again and hexadecimal digits are none: base64 has no
/// blanks, but upper case, lower case and digits.
pub fn is_payload(parts: &[Bytes], inside: Range<usize>) -> bool {
    let mut bytes = Walk::new(parts);
    let mut head = [0; EACH];
    for (nth, byte) in head.iter_mut().enumerate() {
        *byte = bytes.at(inside.start + nth);
    }
    let mut kinds = 0;
    without_url(&head).is_some_and(|head| head.iter().all(|byte| is_digit(*byte, &mut kinds)))
        && (1..PLACES).all(|place| {
            let from = inside.start + place * inside.len().saturating_sub(EACH) / (PLACES - 1);
            (from..from + EACH).all(|place| is_digit(bytes.at(place), &mut kinds))
        })
        && kinds == 7
}

/// What stands behind the head of a `data:` URL; `None`: it is one of another encoding.
fn without_url(head: &[u8]) -> Option<&[u8]> {
    const MARK: &[u8] = b";base64,";
    if !head.starts_with(b"data:") {
        return Some(head);
    }
    head.get(memchr::memmem::find(head, MARK)? + MARK.len()..)
}

/// Whether base64 may have this byte, and that of URLs; `kinds` is told which kinds of digits were met.
fn is_digit(byte: u8, kinds: &mut u8) -> bool {
    *kinds |= match byte {
        b'A'..=b'Z' => 1,
        b'a'..=b'z' => 2,
        b'0'..=b'9' => 4,
        // The backslash as in `\/` and `\n`.
        b'+' | b'/' | b'=' | b'-' | b'_' | b'\\' => 0,
        _ => return false,
    };
    true
}

/// Bytes that lie in pieces, looked at from the first to the last.
struct Walk<'a> {
    rest: std::slice::Iter<'a, Bytes>,
    piece: &'a [u8],
    before: usize,
}

impl<'a> Walk<'a> {
    fn new(parts: &'a [Bytes]) -> Walk<'a> {
        Walk { rest: parts.iter(), piece: &[], before: 0 }
    }

    /// The byte at a place that is not before the last one; behind the end zero.
    fn at(&mut self, place: usize) -> u8 {
        loop {
            if let Some(byte) = self.piece.get(place - self.before) {
                return *byte;
            }
            let Some(next) = self.rest.next() else { return 0 };
            self.before += self.piece.len();
            self.piece = next;
        }
    }
}
