//! A place in JSON that lies in pieces, and what is needed to walk over it: whole values are passed over without a look at
//! what they mean, strings by searching for their end.
//!
//! Objects and arrays that are walked ([`Cursor::members`], [`Cursor::elements`]) are read by the grammar (RFC 8259). Of a
//! value that is passed over ([`Cursor::skip`]) only this is checked: brackets and braces match, strings are closed, a
//! value that stands alone is `true`, `false`, `null` or a number, and no byte outside of strings begins a comment or
//! another kind of string for a lenient parser. So what a full parser would refuse may pass inside of such a value; where
//! it ends is beyond doubt.

use std::borrow::Cow;

use bytes::Bytes;
use memchr::memchr;
use serde::de::IgnoredAny;

/// What is read is no JSON.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotJson;

pub struct Cursor<'a> {
    parts: &'a [Bytes],
    /// Of the piece at hand.
    index: usize,
    piece: &'a [u8],
    /// In the piece; up to its length.
    at: usize,
    /// Length of the pieces before.
    before: usize,
}

/// A place to come back to for the bytes from there.
#[derive(Clone, Copy)]
pub struct Mark {
    index: usize,
    at: usize,
}

impl<'a> Cursor<'a> {
    pub fn new(parts: &'a [Bytes]) -> Cursor<'a> {
        Cursor { parts, index: 0, piece: parts.first().map_or(&[], |piece| piece), at: 0, before: 0 }
    }

    /// Bytes of the whole before this place.
    pub fn place(&self) -> usize {
        self.before + self.at
    }

    /// The byte here; `None` at the end.
    pub fn peek(&mut self) -> Option<u8> {
        loop {
            match self.piece.get(self.at) {
                Some(byte) => return Some(*byte),
                None if !self.next_piece() => return None,
                None => {}
            }
        }
    }

    /// The next byte that is no white space, and the cursor on it.
    pub fn peek_token(&mut self) -> Option<u8> {
        loop {
            match self.peek() {
                Some(b' ' | b'\t' | b'\n' | b'\r') => self.at += 1,
                other => return other,
            }
        }
    }

    /// Whether `byte` is the next one behind white space; passes it if so.
    pub fn take(&mut self, byte: u8) -> bool {
        let found = self.peek_token() == Some(byte);
        if found {
            self.at += 1;
        }
        found
    }

    fn expect(&mut self, byte: u8) -> Result<(), NotJson> {
        if self.take(byte) { Ok(()) } else { Err(NotJson) }
    }

    /// Walks over an object: `member` is given each key as it is written, with its quotes, and has to pass its value.
    /// Told is whether it has any members.
    pub fn members<E: From<NotJson>>(
        &mut self,
        mut member: impl FnMut(&mut Self, &[u8]) -> Result<(), E>,
    ) -> Result<bool, E> {
        self.expect(b'{')?;
        if self.take(b'}') {
            return Ok(false);
        }
        loop {
            let key = self.string()?;
            self.expect(b':')?;
            member(self, &key)?;
            if self.take(b'}') {
                return Ok(true);
            }
            self.expect(b',')?;
        }
    }

    /// Walks over an array: `element` has to pass each value.
    pub fn elements(
        &mut self,
        mut element: impl FnMut(&mut Self) -> Result<(), NotJson>,
    ) -> Result<(), NotJson> {
        self.expect(b'[')?;
        if self.take(b']') {
            return Ok(());
        }
        loop {
            element(self)?;
            if self.take(b']') {
                return Ok(());
            }
            self.expect(b',')?;
        }
    }

    /// Passes a string and gives it as it is written, with its quotes; copied only where it lies in several pieces.
    pub fn string(&mut self) -> Result<Cow<'a, [u8]>, NotJson> {
        match self.peek_token() {
            Some(b'"') => {
                let mark = self.mark();
                self.skip_string()?;
                Ok(self.since(mark))
            }
            _ => Err(NotJson),
        }
    }

    /// Passes `true`, `false`, `null` or a number, and gives it as it is written.
    pub fn scalar(&mut self) -> Result<Cow<'a, [u8]>, NotJson> {
        self.peek_token().ok_or(NotJson)?;
        let mark = self.mark();
        while !matches!(self.peek(), None | Some(b',' | b']' | b'}' | b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
        let word = self.since(mark);
        if is_scalar(&word) { Ok(word) } else { Err(NotJson) }
    }

    /// Passes a value of any kind.
    pub fn skip(&mut self) -> Result<(), NotJson> {
        match self.peek_token() {
            Some(b'"') => self.skip_string(),
            Some(b'{' | b'[') => self.skip_container(),
            _ => self.scalar().map(drop),
        }
    }

    /// From the quote that opens it to behind the one that closes it.
    fn skip_string(&mut self) -> Result<(), NotJson> {
        self.at += 1;
        let mut odd = false;
        loop {
            let rest = self.piece.get(self.at..).unwrap_or_default();
            if let Some(quote) = closing_quote(rest, odd) {
                self.at += quote + 1;
                return Ok(());
            }
            odd = is_escaped(rest, rest.len(), odd);
            if !self.next_piece() {
                return Err(NotJson);
            }
        }
    }

    /// From the bracket or brace that opens it to behind the one that closes it, whatever the depth.
    fn skip_container(&mut self) -> Result<(), NotJson> {
        let mut open = Nesting::default();
        loop {
            match self.find_structure()? {
                b'"' => {
                    self.skip_string()?;
                    continue;
                }
                byte @ (b'{' | b'[') => open.push(byte == b'{'),
                byte @ (b'}' | b']') => {
                    if open.pop() != Some(byte == b'}') {
                        return Err(NotJson);
                    }
                }
                _ => return Err(NotJson),
            }
            self.at += 1;
            if open.depth == 0 {
                return Ok(());
            }
        }
    }

    /// To the next byte that has a meaning for the structure.
    fn find_structure(&mut self) -> Result<u8, NotJson> {
        loop {
            let rest = self.piece.get(self.at..).unwrap_or_default();
            match structure_in(rest) {
                Some(at) => {
                    self.at += at;
                    return self.peek().ok_or(NotJson);
                }
                None if !self.next_piece() => return Err(NotJson),
                None => {}
            }
        }
    }

    fn mark(&self) -> Mark {
        Mark { index: self.index, at: self.at }
    }

    /// The bytes from `mark` to here.
    fn since(&self, mark: Mark) -> Cow<'a, [u8]> {
        if mark.index == self.index {
            return Cow::Borrowed(self.piece.get(mark.at..self.at).unwrap_or_default());
        }
        let between = self.parts.get(mark.index..self.index).unwrap_or_default();
        let mut bytes = between.concat();
        bytes.drain(..mark.at.min(bytes.len()));
        bytes.extend_from_slice(self.piece.get(..self.at).unwrap_or_default());
        Cow::Owned(bytes)
    }

    /// The end of the last piece is where a cursor stays.
    fn next_piece(&mut self) -> bool {
        let Some(next) = self.parts.get(self.index + 1) else {
            self.at = self.piece.len();
            return false;
        };
        self.before += self.piece.len();
        self.index += 1;
        (self.piece, self.at) = (next, 0);
        true
    }
}

/// Which containers are open: for each whether it is an object. Sixty-four of them take no memory.
#[derive(Default)]
struct Nesting {
    depth: usize,
    /// The innermost ones, the last in the lowest bit.
    kinds: u64,
    full: Vec<u64>,
}

impl Nesting {
    fn push(&mut self, object: bool) {
        if self.depth > 0 && self.depth.is_multiple_of(64) {
            self.full.push(self.kinds);
        }
        self.kinds = self.kinds << 1 | u64::from(object);
        self.depth += 1;
    }

    fn pop(&mut self) -> Option<bool> {
        self.depth = self.depth.checked_sub(1)?;
        let object = self.kinds & 1 == 1;
        self.kinds >>= 1;
        if self.depth > 0 && self.depth.is_multiple_of(64) {
            self.kinds = self.full.pop().unwrap_or_default();
        }
        Some(object)
    }
}

/// The first byte outside of strings that opens or closes something, or is none of JSON's: a quote, a bracket, a brace, or
/// `#`, `'` and `/`, with which others write comments and strings.
fn structure_in(bytes: &[u8]) -> Option<usize> {
    const NEAR: usize = 16;
    let (near, far) = bytes.split_at(bytes.len().min(NEAR));
    if let Some(at) = near.iter().position(|byte| is_structure(*byte)) {
        return Some(at);
    }
    // Without a way out inside of a block, which is what lets the compiler look at all its bytes at once.
    let (blocks, end) = far.as_chunks::<32>();
    let meets = |block: &[u8; 32]| block.iter().fold(0, |any, byte| any | u8::from(is_structure(*byte))) != 0;
    let free = blocks.iter().position(meets).unwrap_or(blocks.len()) * 32;
    let block = blocks.get(free / 32).map_or(end, |block| block);
    block.iter().position(|byte| is_structure(*byte)).map(|at| NEAR + free + at)
}

/// The first quote that is not escaped; `odd`: an odd run of backslashes stands before the text.
///
/// Eight bytes at once, since in short strings and in code quotes are near, and waiting for one before looking for the
/// next is what takes time; by `memchr` where none is near.
fn closing_quote(text: &[u8], odd: bool) -> Option<usize> {
    const NEAR: usize = 4;
    let (words, end) = text.as_chunks::<8>();
    let (mut nth, mut without) = (0, 0);
    while let Some(word) = words.get(nth) {
        let mut quotes = quotes_in(*word);
        without = if quotes == 0 { without + 1 } else { 0 };
        while quotes != 0 {
            let at = nth * 8 + usize::try_from(quotes.trailing_zeros() / 8).ok()?;
            if !is_escaped(text, at, odd) {
                return Some(at);
            }
            quotes &= quotes - 1;
        }
        nth += 1;
        if without == NEAR {
            nth += memchr(b'"', text.get(nth * 8..)?)? / 8;
            without = 0;
        }
    }
    let at = text.len() - end.len();
    (at..text.len()).find(|at| text.get(*at) == Some(&b'"') && !is_escaped(text, *at, odd))
}

/// Whether an odd run of backslashes stands before this place.
fn is_escaped(text: &[u8], at: usize, odd: bool) -> bool {
    let before = text.get(..at).unwrap_or_default();
    let run = before.iter().rev().take_while(|byte| **byte == b'\\').count();
    (run % 2 == 1) != (odd && run == at)
}

/// The highest bit of each byte that is a quote, the first byte lowest.
fn quotes_in(word: [u8; 8]) -> u64 {
    const LOW: u64 = u64::from_ne_bytes([0x7f; 8]);
    let zero = u64::from_le_bytes(word) ^ u64::from_ne_bytes([b'"'; 8]);
    // Adding carries into the highest bit of a byte unless its others are all zero, and never into the next byte.
    !(((zero & LOW) + LOW) | zero | LOW)
}

/// In few comparisons: a bracket and a brace differ in one bit, `"` and `#` do, and `'` and `/`.
fn is_structure(byte: u8) -> bool {
    (byte | 0x20 == b'{') | (byte | 0x20 == b'}') | (byte & 0xfe == b'"') | (byte & 0xf7 == b'\'')
}

fn is_scalar(word: &[u8]) -> bool {
    match word {
        b"true" | b"false" | b"null" | [b'0'..=b'9'] => true,
        [b'1'..=b'9', digits @ ..] if digits.iter().all(u8::is_ascii_digit) => true,
        [b'-' | b'0'..=b'9', ..] => serde_json::from_slice::<IgnoredAny>(word).is_ok(),
        _ => false,
    }
}
