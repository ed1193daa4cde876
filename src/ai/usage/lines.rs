//! The lines of an event stream as they arrive: the grammar of [`crate::ai::sse`], but nothing is kept of a line, and what
//! is told has its place among the bytes. An event may be of any length: the last one of Responses can hold images.

use memchr::memchr2;

const BOM: &[u8] = b"\xef\xbb\xbf";
const DATA: &[u8] = b"data:";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part<'a> {
    /// More of the event's data; a line feed ends each of its lines.
    Data(&'a [u8]),
    /// The event ended before this place of the piece.
    End(usize),
    /// The piece begins with a line feed that belongs to the event before; this many bytes.
    Belated(usize),
}

#[derive(Debug)]
pub struct Lines {
    /// No line has ended: a byte order mark may stand here.
    first: bool,
    /// The last piece ended with CR; `true`: that ended an event.
    after_cr: Option<bool>,
    line: Line,
    /// Beginning of the line, as long as it may be that of `data`.
    prefix: [u8; BOM.len() + DATA.len()],
    len: usize,
}

#[derive(Clone, Copy, Debug)]
enum Line {
    Beginning,
    /// Behind the colon: a space may come, which is no part of the value.
    Colon,
    Data,
    Other,
}

impl Default for Lines {
    fn default() -> Lines {
        Lines { first: true, after_cr: None, line: Line::Beginning, prefix: Default::default(), len: 0 }
    }
}

impl Lines {
    pub fn feed(&mut self, bytes: &[u8], mut tell: impl FnMut(Part<'_>)) {
        let mut from = 0;
        if bytes.is_empty() {
            return;
        }
        if let Some(ended) = self.after_cr.take()
            && bytes.first() == Some(&b'\n')
        {
            from = 1;
            if ended {
                tell(Part::Belated(1));
            }
        }
        while let Some(rest) = bytes.get(from..).filter(|rest| !rest.is_empty()) {
            let Some(at) = memchr2(b'\n', b'\r', rest) else {
                return self.more(rest, &mut tell);
            };
            let (line, end) = rest.split_at(at);
            self.more(line, &mut tell);
            from += at + if end.starts_with(b"\r\n") { 2 } else { 1 };
            let ended = self.line_over(&mut tell);
            if ended {
                tell(Part::End(from));
            }
            if end == b"\r" {
                self.after_cr = Some(ended);
            }
        }
    }

    /// More of the line at hand, its end not among it.
    fn more(&mut self, mut part: &[u8], tell: &mut impl FnMut(Part<'_>)) {
        while let (Line::Beginning, Some((&byte, rest))) = (self.line, part.split_first()) {
            if self.len == 0
                && !self.first
                && let Some(value) = part.strip_prefix(DATA)
            {
                self.line = Line::Colon;
                part = value;
                break;
            }
            if let Some(room) = self.prefix.get_mut(self.len) {
                *room = byte;
                self.len += 1;
            }
            part = rest;
            let name = self.name();
            if name == DATA {
                self.line = Line::Colon;
            } else if !(DATA.starts_with(name) || self.first && BOM.starts_with(name)) {
                self.line = Line::Other;
            }
        }
        if let (Line::Colon, Some(byte)) = (self.line, part.first()) {
            self.line = Line::Data;
            part = if *byte == b' ' { part.get(1..).unwrap_or_default() } else { part };
        }
        if matches!(self.line, Line::Data) && !part.is_empty() {
            tell(Part::Data(part));
        }
    }

    /// The beginning of the line, without a mark.
    fn name(&self) -> &[u8] {
        let name = self.prefix.get(..self.len).unwrap_or_default();
        if self.first { name.strip_prefix(BOM).unwrap_or(name) } else { name }
    }

    /// Whether that line ended an event.
    fn line_over(&mut self, tell: &mut impl FnMut(Part<'_>)) -> bool {
        let (blank, data) = match self.line {
            Line::Beginning => (self.name().is_empty(), self.name() == b"data"),
            Line::Colon | Line::Data => (false, true),
            Line::Other => (false, false),
        };
        if data {
            tell(Part::Data(b"\n"));
        }
        self.first = false;
        self.line = Line::Beginning;
        self.len = 0;
        blank
    }
}
