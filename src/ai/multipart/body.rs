//! A form's body, taken apart at its delimiters (RFC 2046, 5.1.1).

use std::ops::Range;

use bytes::Bytes;
use memchr::memmem::Finder;

use super::head::{self, Head};
use crate::ai::request::Unreadable;

/// Parts of one form; servers take less.
const MOST_PARTS: usize = 1000;
/// Length of a part's head.
const LONGEST_HEAD: usize = 8192;
/// White space behind a delimiter.
const LONGEST_PADDING: usize = 64;

/// One field.
#[derive(Debug)]
pub struct Part {
    pub head: Head,
    pub value: Range<usize>,
}

pub struct Body<'a> {
    bytes: Pieces<'a>,
    delimiter: Finder<'static>,
    /// The last delimiter, without the hyphens behind it.
    last: Range<usize>,
    parts: usize,
    over: bool,
}

impl<'a> Body<'a> {
    /// Finds the first delimiter; what stands before it means nothing.
    pub fn new(parts: &'a [Bytes], boundary: &str) -> Result<Body<'a>, Unreadable> {
        let delimiter = Finder::new(&format!("--{boundary}")).into_owned();
        let mut body = Body { bytes: Pieces::new(parts), delimiter, last: 0..0, parts: 0, over: false };
        body.last = body.find_delimiter(0)?.ok_or(Unreadable::NotMultipart)?;
        Ok(body)
    }

    /// The next field; `None` behind the last one, when the form is whole.
    pub fn next_part(&mut self) -> Result<Option<Part>, Unreadable> {
        if self.over {
            return Ok(None);
        }
        let behind = self.bytes.window(self.last.end, LONGEST_PADDING + 2);
        if behind.starts_with(b"--") {
            // What follows means nothing, unless it looks like more of the form.
            self.over = true;
            return match self.find_delimiter(self.last.end)? {
                None => Ok(None),
                Some(_) => Err(Unreadable::NotMultipart),
            };
        }
        let padding = behind.iter().take_while(|byte| matches!(byte, b' ' | b'\t')).count();
        if self.parts == MOST_PARTS || behind.get(padding..padding + 2) != Some(b"\r\n") {
            return Err(Unreadable::NotMultipart);
        }
        self.parts += 1;
        let start = self.last.end + padding;
        let next = self.find_delimiter(start)?.ok_or(Unreadable::NotMultipart)?;
        let head = self.bytes.window(start, LONGEST_HEAD);
        let length = memchr::memmem::find(&head, b"\r\n\r\n").ok_or(Unreadable::NotMultipart)?;
        let value = start + length + 4..next.start.saturating_sub(2);
        let lines = head.get(2..length + 2).and_then(|lines| std::str::from_utf8(lines).ok());
        let head = lines.and_then(head::read).filter(|_| value.start <= value.end);
        self.last = next;
        Ok(Some(Part { head: head.ok_or(Unreadable::NotMultipart)?, value }))
    }

    /// The last delimiter, once there are no more parts.
    pub fn end(&self) -> Range<usize> {
        self.last.clone()
    }

    /// The next boundary, which has to begin a line.
    fn find_delimiter(&self, from: usize) -> Result<Option<Range<usize>>, Unreadable> {
        let Some(start) = self.bytes.find(&self.delimiter, from) else { return Ok(None) };
        match start == 0 || start >= 2 && self.bytes.window(start - 2, 2) == b"\r\n" {
            true => Ok(Some(start..start + self.delimiter.needle().len())),
            false => Err(Unreadable::NotMultipart),
        }
    }
}

/// Bytes in pieces, found quickly by their place.
struct Pieces<'a> {
    parts: &'a [Bytes],
    /// Where each piece begins.
    starts: Vec<usize>,
}

impl<'a> Pieces<'a> {
    fn new(parts: &'a [Bytes]) -> Pieces<'a> {
        let starts = parts.iter().scan(0, |next, part| Some(std::mem::replace(next, *next + part.len())));
        Pieces { parts, starts: starts.collect() }
    }

    /// From the byte at `from` on, piece by piece.
    fn from(&self, from: usize) -> impl Iterator<Item = &'a [u8]> {
        let first = self.starts.partition_point(|start| *start <= from).saturating_sub(1);
        let skip = from.saturating_sub(self.starts.get(first).copied().unwrap_or(0));
        let rest = self.parts.get(first..).unwrap_or_default().iter();
        rest.enumerate()
            .map(move |(nth, part)| part.get(if nth == 0 { skip } else { 0 }..).unwrap_or_default())
    }

    /// A copy of the bytes at `from`, up to `length` of them.
    fn window(&self, from: usize, length: usize) -> Vec<u8> {
        let mut window = Vec::new();
        for piece in self.from(from) {
            let missing = length - window.len();
            if missing == 0 {
                break;
            }
            window.extend_from_slice(piece.get(..missing).unwrap_or(piece));
        }
        window
    }

    /// Where the needle is next, in one piece or over the borders of some.
    fn find(&self, finder: &Finder<'_>, from: usize) -> Option<usize> {
        let overlap = finder.needle().len().saturating_sub(1);
        let mut end = from;
        for piece in self.from(from) {
            if let Some(at) = finder.find(piece) {
                return Some(end + at);
            }
            end += piece.len();
            // The end of this piece with the beginning of the next ones.
            let border = end.saturating_sub(overlap.min(piece.len()));
            if let Some(at) = finder.find(&self.window(border, end - border + overlap)) {
                return Some(border + at);
            }
        }
        None
    }
}
