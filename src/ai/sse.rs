//! Server-sent events, taken apart as they arrive: the event stream of the WHATWG HTML standard (9.2.5, 9.2.6). Any
//! split of the bytes gives the same events. An event is told with the byte that ends it; what is unfinished when the
//! bytes end is never told. It knows no API: what an event means is [`super::preamble`]'s.

const BOM: &[u8] = b"\xef\xbb\xbf";

/// One event that has data; an event without any (only comments, or only a name) is none by the standard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Event<'a> {
    /// What `event:` says; `None` where it says nothing (the standard's `message`).
    pub name: Option<&'a str>,
    /// The values of all `data` lines, a line feed between them.
    pub data: &'a [u8],
}

/// An event, or one line, is longer than the limit. Nothing more is told of this stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an event of the stream is longer than {limit} bytes")]
pub struct TooLarge {
    pub limit: usize,
}

/// What is kept of an unfinished event between two pieces of a stream. Without one it holds nothing, and an event of one
/// data line that lies whole in one piece is told without a copy.
#[derive(Debug)]
pub struct Splitter {
    /// Of one event's lines, and of any line.
    limit: usize,
    broken: bool,
    start: Start,
    /// The last piece ended with CR: an LF that comes next belongs to it.
    after_cr: bool,
    /// The beginning of a line whose end has not come.
    line: Vec<u8>,
    /// Length of the unfinished event's lines so far, those left out that are not kept.
    size: usize,
    name: Vec<u8>,
    /// `None`: no data line yet.
    data: Option<Vec<u8>>,
    /// The last buffer for data, used again.
    spare: Vec<u8>,
}

/// Where a byte order mark may stand, which is no part of the stream.
#[derive(Debug)]
enum Start {
    /// As much of the mark has come.
    Mark(usize),
    Over,
}

/// What the piece at hand adds to the unfinished event, not copied while the event may yet end in this piece.
#[derive(Default)]
struct Loose<'a> {
    name: Option<&'a [u8]>,
    /// Only while it is the only data of the event.
    data: Option<&'a [u8]>,
}

enum Field<'a> {
    Data(&'a [u8]),
    Name(&'a [u8]),
    /// Comments, `id`, `retry`, and what the standard does not know.
    Other,
}

impl Splitter {
    /// `limit`: bytes of one event's `data` and `event` lines (line ends not counted) with the line at hand, whatever it is.
    pub fn new(limit: usize) -> Splitter {
        Splitter {
            limit,
            broken: false,
            start: Start::Mark(0),
            after_cr: false,
            line: Vec::new(),
            size: 0,
            name: Vec::new(),
            data: None,
            spare: Vec::new(),
        }
    }

    /// Takes the next piece of the stream and tells the events that end in it.
    pub fn feed(&mut self, bytes: &[u8], event: &mut dyn FnMut(Event<'_>)) -> Result<(), TooLarge> {
        if self.broken {
            return Err(self.too_large());
        }
        let mut rest = self.without_mark(bytes);
        if self.after_cr && !rest.is_empty() {
            self.after_cr = false;
            rest = rest.strip_prefix(b"\n").unwrap_or(rest);
        }
        let mut loose = Loose::default();
        while let Some(at) = line_end(rest) {
            let (line, end) = rest.split_at(at);
            self.check(self.line.len() + line.len())?;
            if self.line.is_empty() {
                self.line(line, &mut loose, event);
            } else {
                let mut whole = std::mem::take(&mut self.line);
                whole.extend_from_slice(line);
                self.kept_line(&whole, &mut loose, event);
                whole.clear();
                self.line = whole;
            }
            rest = match end {
                [b'\r', b'\n', rest @ ..] | [_, rest @ ..] => rest,
                [] => end,
            };
            self.after_cr = rest.is_empty() && end == b"\r";
        }
        self.check(self.line.len() + rest.len())?;
        self.line.extend_from_slice(rest);
        self.keep(loose);
        Ok(())
    }

    /// Leaves out the mark at the beginning of the stream; what only began like one is the beginning of a line.
    fn without_mark<'a>(&mut self, mut bytes: &'a [u8]) -> &'a [u8] {
        while let Start::Mark(seen) = self.start {
            let (Some(byte), Some(mark)) = (bytes.first(), BOM.get(seen)) else {
                if seen == BOM.len() {
                    self.start = Start::Over;
                }
                break;
            };
            if byte == mark {
                self.start = Start::Mark(seen + 1);
                bytes = bytes.get(1..).unwrap_or_default();
            } else {
                self.line.extend(BOM.iter().take(seen));
                self.start = Start::Over;
            }
        }
        bytes
    }

    fn check(&mut self, line: usize) -> Result<(), TooLarge> {
        self.broken = self.size.saturating_add(line) > self.limit;
        if self.broken { Err(self.too_large()) } else { Ok(()) }
    }

    fn too_large(&self) -> TooLarge {
        TooLarge { limit: self.limit }
    }

    /// A line that lies whole in the piece at hand.
    fn line<'a>(&mut self, line: &'a [u8], loose: &mut Loose<'a>, event: &mut dyn FnMut(Event<'_>)) {
        if line.is_empty() {
            return self.end(loose, event);
        }
        match field(line) {
            Field::Data(value) if self.data.is_none() && loose.data.is_none() => loose.data = Some(value),
            Field::Data(value) => {
                self.keep_data(loose.data.take());
                self.keep_data(Some(value));
            }
            Field::Name(value) => loose.name = Some(value),
            Field::Other => return,
        }
        self.size += line.len();
    }

    /// A line that began in an earlier piece.
    fn kept_line(&mut self, line: &[u8], loose: &mut Loose<'_>, event: &mut dyn FnMut(Event<'_>)) {
        let mut own = Loose::default();
        self.keep(std::mem::take(loose));
        self.line(line, &mut own, event);
        self.keep(own);
    }

    /// The blank line that ends an event.
    fn end(&mut self, loose: &mut Loose<'_>, event: &mut dyn FnMut(Event<'_>)) {
        let loose = std::mem::take(loose);
        if let Some(data) = loose.data.or(self.data.as_deref()) {
            let name = String::from_utf8_lossy(loose.name.unwrap_or(&self.name));
            event(Event { name: Some(&*name).filter(|name| !name.is_empty()), data });
        }
        if let Some(mut data) = self.data.take() {
            data.clear();
            self.spare = data;
        }
        self.name.clear();
        self.size = 0;
    }

    fn keep(&mut self, loose: Loose<'_>) {
        self.keep_data(loose.data);
        if let Some(name) = loose.name {
            self.name.clear();
            self.name.extend_from_slice(name);
        }
    }

    fn keep_data(&mut self, value: Option<&[u8]>) {
        let Some(value) = value else { return };
        match &mut self.data {
            Some(data) => {
                data.push(b'\n');
                data.extend_from_slice(value);
            }
            none => {
                let mut data = std::mem::take(&mut self.spare);
                data.extend_from_slice(value);
                *none = Some(data);
            }
        }
    }
}

fn field(line: &[u8]) -> Field<'_> {
    // The two that matter, as they are nearly always written.
    if let Some(rest) = line.strip_prefix(b"data") {
        return value(rest).map_or(Field::Other, Field::Data);
    }
    if let Some(rest) = line.strip_prefix(b"event") {
        return value(rest).map_or(Field::Other, Field::Name);
    }
    Field::Other
}

/// The value after a field's name: none where the name goes on.
fn value(rest: &[u8]) -> Option<&[u8]> {
    match rest {
        [] => Some(rest),
        [b':', b' ', value @ ..] | [b':', value @ ..] => Some(value),
        _ => None,
    }
}

/// Place of the first CR or LF. Blocks of constant length, without a branch within, become vector instructions.
fn line_end(bytes: &[u8]) -> Option<usize> {
    const BLOCK: usize = 32;
    let is_end = |byte: &u8| *byte == b'\n' || *byte == b'\r';
    let blocks = bytes.chunks_exact(BLOCK);
    let clean = blocks
        .take_while(|block| {
            !block.iter().fold(false, |found, byte| found | (*byte == b'\n') | (*byte == b'\r'))
        })
        .count();
    let from = clean * BLOCK;
    bytes.get(from..)?.iter().position(is_end).map(|at| from + at)
}

#[cfg(test)]
mod tests;
