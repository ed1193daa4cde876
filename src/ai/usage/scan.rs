//! JSON as it arrives, byte by byte, without a tree: where a value stands is followed, texts are skipped to their ends.
//! What it keeps is a path and the word at hand. It judges nothing: of bytes that are no JSON it finds this or that, and
//! never fails. Keys with escapes in them are not known; nobody writes these keys so.

use memchr::memchr2;

use super::found::{Found, Kind};
use super::place::{Meaning, Place, child};

/// Nesting that is followed; nothing is found in a document that goes deeper.
const DEEPEST: usize = 64;

/// Longer keys and kinds are none of those looked for.
const WORD: usize = 256;

#[derive(Debug)]
pub struct Scanner {
    token: Token,
    /// Containers around what comes next, the outermost first.
    around: [Container; DEEPEST],
    depth: usize,
    /// In an object: a key comes next, not a value.
    at_key: bool,
    /// What the value that comes next is.
    meaning: Meaning,
    place: Place,
    word: Word,
}

#[derive(Clone, Copy, Debug, Default)]
struct Container {
    is_object: bool,
    place: Place,
}

#[derive(Clone, Copy, Debug)]
enum Token {
    /// Between tokens, or in `true`, `false`, `null`.
    Between,
    /// So far; `None`: no whole number that fits.
    Number(Option<u64>),
    /// The digits behind the point of a number.
    Fraction(u64),
    Text(Role, Escape),
    /// Too deep.
    Lost,
}

/// What a text is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Role {
    Key,
    Value(Meaning),
}

#[derive(Clone, Copy, Debug)]
enum Escape {
    None,
    Begun,
    /// Digits of `\u` still to come, and those that came.
    Code(u8, u16),
}

/// The word at hand as it stands in the JSON.
#[derive(Debug)]
struct Word {
    bytes: [u8; WORD],
    len: usize,
    too_long: bool,
}

impl Default for Scanner {
    fn default() -> Scanner {
        Scanner {
            token: Token::Between,
            around: [Container::default(); DEEPEST],
            depth: 0,
            at_key: false,
            meaning: Meaning::Nothing,
            place: Place::Top,
            word: Word { bytes: [0; WORD], len: 0, too_long: false },
        }
    }
}

impl Scanner {
    /// What comes next is another document, whatever became of this one.
    pub fn next_document(&mut self) {
        self.token = Token::Between;
        self.depth = 0;
        self.at_key = false;
        self.meaning = Meaning::Nothing;
        self.place = Place::Top;
    }

    pub fn feed(&mut self, mut bytes: &[u8], found: &mut Found) {
        while let Some((&byte, rest)) = bytes.split_first() {
            bytes = match self.token {
                Token::Text(role, Escape::None) => self.text(role, bytes, found),
                Token::Text(role, escape) => {
                    self.escaped(role, escape, byte, found);
                    rest
                }
                Token::Number(_) | Token::Fraction(_) => self.number(byte, bytes, rest, found),
                Token::Between => self.between(bytes, found),
                Token::Lost => return,
            };
        }
    }

    /// The container at hand.
    fn container(&self) -> Container {
        self.depth.checked_sub(1).and_then(|top| self.around.get(top)).copied().unwrap_or_default()
    }

    /// Goes to the next byte that says something, and over it.
    fn between<'a>(&mut self, bytes: &'a [u8], found: &mut Found) -> &'a [u8] {
        let place = self.container().place;
        let idle = self.meaning == Meaning::Nothing && place == Place::Nothing;
        let skipped = if idle && self.depth > 0 { plain(bytes) } else { 0 };
        let Some((&byte, rest)) = bytes.get(skipped..).unwrap_or_default().split_first() else { return &[] };
        if place == Place::Choices && !matches!(byte, b' ' | b'\n' | b'\r' | b'\t' | b',' | b']') {
            found.document.choices = Some(true);
        }
        match byte {
            b'"' => {
                let role = if self.at_key { Role::Key } else { Role::Value(self.meaning) };
                self.word.clear();
                self.token = Token::Text(role, Escape::None);
            }
            b'{' | b'[' => self.open(byte == b'{', found),
            b'}' | b']' => self.close(found),
            b',' => {
                self.at_key = self.container().is_object;
                if self.at_key {
                    self.meaning = Meaning::Nothing;
                    self.place = Place::Nothing;
                } else {
                    self.next_element();
                }
            }
            b'0'..=b'9' | b'-' if wants_number(self.meaning) => {
                self.token = Token::Number(digit(byte).map(u64::from));
            }
            _ => {}
        }
        rest
    }

    fn open(&mut self, is_object: bool, found: &mut Found) {
        let parent = self.container().place;
        match self.place {
            Place::Choices if !is_object => found.document.choices = Some(false),
            Place::Usage if is_object && parent == Place::Top => found.document.usage = true,
            _ => {}
        }
        // Only a list of choices is one, and so on; the root is an object.
        let place = match self.place {
            Place::Top | Place::Inner | Place::Opening if !is_object => Place::Nothing,
            Place::Choices if is_object => Place::Nothing,
            Place::Choice if !is_object => Place::Nothing,
            Place::Usage | Place::OpeningUsage if !is_object => Place::Nothing,
            place => place,
        };
        let Some(container) = self.around.get_mut(self.depth) else {
            self.token = Token::Lost;
            return;
        };
        *container = Container { is_object, place };
        self.depth += 1;
        self.at_key = is_object;
        if is_object {
            self.meaning = Meaning::Nothing;
            self.place = Place::Nothing;
        } else {
            self.next_element();
        }
    }

    fn next_element(&mut self) {
        (self.meaning, self.place) = child(self.container().place, b"");
    }

    fn close(&mut self, found: &mut Found) {
        if self.container().place == Place::Choice {
            found.end_choice();
        }
        self.depth = self.depth.saturating_sub(1);
        self.at_key = false;
        self.meaning = Meaning::Nothing;
        self.place = Place::Nothing;
    }

    fn number<'a>(&mut self, byte: u8, all: &'a [u8], rest: &'a [u8], found: &mut Found) -> &'a [u8] {
        self.token = match (self.token, digit(byte), byte) {
            (Token::Number(so_far), Some(digit), _) => {
                let next = so_far.and_then(|number| number.checked_mul(10)?.checked_add(digit.into()));
                Token::Number(next)
            }
            (Token::Number(Some(number)), None, b'.') => Token::Fraction(number),
            (Token::Fraction(number), Some(_), _) => Token::Fraction(number),
            (_, None, b'.' | b'e' | b'E' | b'+' | b'-') => Token::Number(None),
            (Token::Number(Some(number)) | Token::Fraction(number), ..) => {
                self.told(number, found);
                Token::Between
            }
            _ => Token::Between,
        };
        if matches!(self.token, Token::Between) {
            self.meaning = Meaning::Nothing;
            all
        } else {
            rest
        }
    }

    /// A whole number is over.
    fn told(&self, number: u64, found: &mut Found) {
        match self.meaning {
            Meaning::Count(count) => found.counts.set(count, number),
            Meaning::Index if self.container().place == Place::Choice => {
                found.document.choice.0 = Some(number);
            }
            Meaning::Index => found.document.index = Some(number),
            Meaning::Sequence => found.sequence = Some(number),
            Meaning::Created => found.created = found.created.or(Some(number)),
            _ => {}
        }
    }

    /// Goes to the end of a text, or into an escape that is no single byte or does not end here.
    fn text<'a>(&mut self, role: Role, mut bytes: &'a [u8], found: &mut Found) -> &'a [u8] {
        loop {
            let at = memchr2(b'"', b'\\', bytes).unwrap_or(bytes.len());
            let (part, end) = bytes.split_at(at);
            match end {
                [b'\\', byte, rest @ ..] if *byte != b'u' => {
                    self.part(role, bytes.get(..at + 2).unwrap_or_default(), at as u64 + 1, found);
                    bytes = rest;
                }
                [b'\\', rest @ ..] => {
                    self.part(role, bytes.get(..=at).unwrap_or_default(), at as u64, found);
                    self.token = Token::Text(role, Escape::Begun);
                    return rest;
                }
                end => {
                    self.part(role, part, at as u64, found);
                    let Some((_, rest)) = end.split_first() else { return &[] };
                    self.token = Token::Between;
                    self.text_over(role, found);
                    return rest;
                }
            }
        }
    }

    /// One byte of an escape.
    fn escaped(&mut self, role: Role, escape: Escape, byte: u8, found: &mut Found) {
        let (next, decoded) = match escape {
            Escape::Begun if byte == b'u' => (Escape::Code(4, 0), 0),
            Escape::Code(left, code) if left > 1 => {
                let code = code << 4 | (byte as char).to_digit(16).unwrap_or(0) as u16;
                (Escape::Code(left - 1, code), 0)
            }
            Escape::Code(_, code) => {
                (Escape::None, length(code << 4 | (byte as char).to_digit(16).unwrap_or(0) as u16))
            }
            Escape::Begun | Escape::None => (Escape::None, 1),
        };
        self.token = Token::Text(role, next);
        self.part(role, &[byte], decoded, found);
    }

    fn part(&mut self, role: Role, raw: &[u8], decoded: u64, found: &mut Found) {
        match role {
            Role::Value(Meaning::Content(text)) if decoded > 0 => found.text(text, decoded),
            Role::Value(Meaning::Finish) if decoded > 0 => {
                found.finish = true;
                found.document.choice.1 = true;
            }
            Role::Key | Role::Value(Meaning::Kind | Meaning::Identity(_)) => self.word.push(raw),
            Role::Value(_) => {}
        }
    }

    fn text_over(&mut self, role: Role, found: &mut Found) {
        match role {
            Role::Key => {
                (self.meaning, self.place) = match self.word.get() {
                    Some(key) if !key.is_empty() => child(self.container().place, key),
                    _ => child(self.container().place, b"?"),
                };
                self.at_key = false;
            }
            Role::Value(Meaning::Kind) => {
                found.document.kind = self.word.get().map_or(Kind::Other, Kind::of);
            }
            Role::Value(Meaning::Identity(identity)) => {
                found.identity(identity, self.word.get().unwrap_or_default());
            }
            Role::Value(_) => {}
        }
    }
}

impl Word {
    fn clear(&mut self) {
        self.len = 0;
        self.too_long = false;
    }

    fn push(&mut self, part: &[u8]) {
        match self.bytes.get_mut(self.len..self.len + part.len()) {
            Some(room) => {
                room.copy_from_slice(part);
                self.len += part.len();
            }
            None => self.too_long = true,
        }
    }

    fn get(&self) -> Option<&[u8]> {
        self.bytes.get(..self.len).filter(|_| !self.too_long)
    }
}

fn wants_number(meaning: Meaning) -> bool {
    use Meaning::{Count, Created, Index, Sequence};
    matches!(meaning, Count(_) | Created | Index | Sequence)
}

fn digit(byte: u8) -> Option<u8> {
    byte.is_ascii_digit().then(|| byte - b'0')
}

/// Bytes of UTF-8 that a unit of UTF-16 stands for: half of a pair is two of its four.
fn length(code: u16) -> u64 {
    match code {
        0..0x80 => 1,
        0x80..0x800 | 0xd800..=0xdfff => 2,
        _ => 3,
    }
}

/// Bytes before the first that opens or closes something: what lies there are numbers and commas.
fn plain(bytes: &[u8]) -> usize {
    const BLOCK: usize = 32;
    let says = |byte: u8| matches!(byte, b'"' | b'[' | b']' | b'{' | b'}');
    let blocks = bytes.chunks_exact(BLOCK);
    let clean =
        blocks.take_while(|block| !block.iter().fold(false, |found, byte| found | says(*byte))).count();
    let from = clean * BLOCK;
    let rest = bytes.get(from..).unwrap_or_default();
    rest.iter().position(|byte| says(*byte)).map_or(bytes.len(), |at| from + at)
}
