//! A place in JSON that lies in pieces, and what is needed to walk over it: whole values are passed over without a look at
//! what they mean, strings by searching for their end.
//!
//! Objects and arrays that are walked ([`Cursor::members`], [`Cursor::elements`]) are read by the grammar (RFC 8259). Of a
//! value that is passed over ([`Cursor::skip`]) only this is checked: brackets and braces match, strings are closed, a
//! value that stands alone is `true`, `false`, `null` or a number, and no byte outside of strings is a backslash, or begins
//! a comment or another kind of string for a lenient parser. So what a full parser would refuse may pass inside of such a value; where
//! it ends is beyond doubt.

use std::borrow::Cow;

use bytes::Bytes;
use serde::de::IgnoredAny;

use super::block::{BEFORE, BLOCK, Block};
use super::nesting::Nesting;
use super::payload::{SHORTEST, is_payload};
use super::search::{closing_quote, is_escaped, structure_in};

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
    /// Bytes of strings that are no text.
    payload: u64,
}

/// A place to come back to for the bytes from there.
#[derive(Clone, Copy)]
pub struct Mark {
    index: usize,
    at: usize,
}

impl<'a> Cursor<'a> {
    pub fn new(parts: &'a [Bytes]) -> Cursor<'a> {
        Cursor {
            parts,
            index: 0,
            piece: parts.first().map_or(&[], |piece| piece),
            at: 0,
            before: 0,
            payload: 0,
        }
    }

    /// Bytes of the whole before this place.
    pub fn place(&self) -> usize {
        self.before + self.at
    }

    /// Bytes of the strings passed that are files rather than text: [`super::payload`].
    pub fn payload(&self) -> u64 {
        self.payload
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
        let mark = self.mark();
        self.at += 1;
        self.skip_rest(mark, false)
    }

    /// To behind the end of the string that began at `mark`; `odd`: an odd run of backslashes stands before the cursor.
    fn skip_rest(&mut self, mark: Mark, mut odd: bool) -> Result<(), NotJson> {
        loop {
            let rest = self.piece.get(self.at..).unwrap_or_default();
            if let Some(quote) = closing_quote(rest, odd) {
                self.at += quote + 1;
                self.weigh(mark);
                return Ok(());
            }
            odd = is_escaped(rest, rest.len(), odd);
            if !self.next_piece() {
                return Err(NotJson);
            }
        }
    }

    /// Looks whether the string from `mark` to here is no text.
    fn weigh(&mut self, mark: Mark) {
        let parts = self.parts.get(mark.index..).unwrap_or_default();
        let between: usize = parts.iter().take(self.index - mark.index).map(Bytes::len).sum();
        let inside = mark.at + 1..between + self.at.saturating_sub(1);
        if inside.len() >= SHORTEST && is_payload(parts, inside.clone()) {
            self.payload += inside.len() as u64;
        }
    }

    /// From the bracket or brace that opens it to behind the one that closes it, whatever the depth.
    fn skip_container(&mut self) -> Result<(), NotJson> {
        let mut open = Nesting::default();
        loop {
            if self.skip_blocks(&mut open)? {
                return Ok(());
            }
            // Where a piece begins or ends, one by one.
            match self.find_structure()? {
                b'"' => self.skip_string()?,
                byte => {
                    self.at += 1;
                    if !open.take(byte) {
                        return Err(NotJson);
                    }
                    if open.is_closed() {
                        return Ok(());
                    }
                }
            }
        }
    }

    /// Passes what can be read in blocks, and ends outside of strings. Whether the container was closed.
    fn skip_blocks(&mut self, open: &mut Nesting) -> Result<bool, NotJson> {
        let piece = self.piece;
        // The last string, and whether the cursor is in it.
        let mut string = self.mark();
        let mut inside = false;
        let before = |at: usize| piece.get(at.checked_sub(BEFORE)?..)?.first_chunk();
        while let Some(block) = before(self.at).and_then(|bytes| Block::read(bytes, inside)) {
            let text = piece.get(self.at..).unwrap_or_default();
            if let Some(end) = open.take_all(text, block.signs).ok_or(NotJson)? {
                self.at += end + 1;
                return Ok(true);
            }
            match block.last_quote {
                Some(at) => string.at = self.at + at,
                // In a long string.
                None if inside => break,
                None => {}
            }
            inside = block.inside;
            self.at += BLOCK;
        }
        if inside {
            let odd = is_escaped(piece, self.at, false);
            self.skip_rest(string, odd)?;
        }
        Ok(false)
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

    /// Passes one byte, whatever it is.
    #[cfg(test)]
    pub fn pass(&mut self) {
        self.peek();
        self.at += 1;
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

fn is_scalar(word: &[u8]) -> bool {
    match word {
        b"true" | b"false" | b"null" | [b'0'..=b'9'] => true,
        [b'1'..=b'9', digits @ ..] if digits.iter().all(u8::is_ascii_digit) => true,
        [b'-' | b'0'..=b'9', ..] => serde_json::from_slice::<IgnoredAny>(word).is_ok(),
        _ => false,
    }
}
