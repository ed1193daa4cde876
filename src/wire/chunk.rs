//! Follows a chunked body (RFC 9112 7.1) through the bytes that carry it, and says where it ends. It copies nothing and
//! skips data by count; what two readers could measure differently is a fault. Where the RFC lets a recipient be lenient
//! (LF alone, spaces around a size, extensions of any length), this is not.

mod fault;
mod trailer;

use trailer::Trailers;

pub use fault::ChunkFault;

/// Where in a chunked body the bytes seen so far have led.
#[derive(Clone, Debug)]
pub struct Chunks {
    state: State,
    /// Bytes of the extension on this size line.
    extension: usize,
    /// Bytes of all extensions.
    extensions: usize,
    trailers: Trailers,
}

/// What became of some bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// How many of them, from the first, belong to this body.
    pub taken: usize,
    /// Whether the body is over behind them.
    pub ended: bool,
}

#[derive(Clone, Copy, Debug)]
enum State {
    /// In the digits of a size.
    Size {
        digits: u8,
        size: u64,
    },
    Extension {
        size: u64,
        quote: Quote,
    },
    /// Behind the CR of a size line.
    SizeEnd {
        size: u64,
    },
    /// In data of which this much is to come; 0: its CR comes.
    Data {
        left: u64,
    },
    /// Behind the CR that follows data.
    DataEnd,
    Trailers,
    Ended,
    Failed(ChunkFault),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Quote {
    Outside,
    Inside,
    /// Behind a backslash in a quoted string.
    Escaped,
}

/// 2^63 - 1 has this many hexadecimal digits; leading zeros count.
const SIZE_DIGITS: u8 = 16;
const EXTENSION: usize = 256;
const EXTENSIONS: usize = 16 * 1024;

impl Default for Chunks {
    fn default() -> Chunks {
        Chunks { state: State::NEXT, extension: 0, extensions: 0, trailers: Trailers::default() }
    }
}

impl Chunks {
    /// Takes the bytes that follow those of earlier calls, in pieces of any size. Behind the end, nothing is taken.
    ///
    /// # Errors
    /// The bytes are no chunked body that every reader ends at the same place. The same again for every later call.
    pub fn feed(&mut self, bytes: &[u8]) -> Result<Progress, ChunkFault> {
        let mut rest = bytes;
        while let Some((byte, after)) = rest.split_first() {
            match self.state {
                State::Ended => break,
                State::Data { left: left @ 1.. } => {
                    let here = usize::try_from(left).map_or(rest.len(), |left| left.min(rest.len()));
                    self.state = State::Data { left: left.saturating_sub(here as u64) };
                    rest = rest.get(here..).unwrap_or_default();
                }
                _ => {
                    self.state = self.step(*byte).inspect_err(|fault| self.state = State::Failed(*fault))?;
                    rest = after;
                }
            }
        }
        if let State::Failed(fault) = self.state {
            return Err(fault);
        }
        Ok(Progress { taken: bytes.len() - rest.len(), ended: self.ended() })
    }

    /// Whether the last byte of the body has been seen.
    pub fn ended(&self) -> bool {
        matches!(self.state, State::Ended)
    }

    /// The state behind a byte that is not data.
    fn step(&mut self, byte: u8) -> Result<State, ChunkFault> {
        match self.state {
            State::Size { digits, size } => self.size(digits, size, byte),
            State::Extension { size, quote } => self.extension(size, quote, byte),
            State::SizeEnd { size } => match (byte, size) {
                (b'\n', 0) => Ok(State::Trailers),
                (b'\n', left) => Ok(State::Data { left }),
                _ => Err(ChunkFault::BareCr),
            },
            State::Data { .. } => match byte {
                b'\r' => Ok(State::DataEnd),
                b'\n' => Err(ChunkFault::BareLf),
                _ => Err(ChunkFault::MissingLineEnd),
            },
            State::DataEnd => match byte {
                b'\n' => Ok(State::NEXT),
                _ => Err(ChunkFault::BareCr),
            },
            State::Trailers => Ok(if self.trailers.step(byte)? { State::Ended } else { State::Trailers }),
            State::Ended => Ok(State::Ended),
            State::Failed(fault) => Err(fault),
        }
    }

    fn size(&mut self, digits: u8, size: u64, byte: u8) -> Result<State, ChunkFault> {
        let digit = match byte {
            b'0'..=b'9' => byte - b'0',
            b'a'..=b'f' => byte - b'a' + 10,
            b'A'..=b'F' => byte - b'A' + 10,
            b'\n' => return Err(ChunkFault::BareLf),
            _ if digits == 0 => return Err(ChunkFault::InvalidSize),
            b'\r' => return Ok(State::SizeEnd { size }),
            b';' => {
                self.extension = 0;
                return self.extension(size, Quote::Outside, byte);
            }
            _ => return Err(ChunkFault::InvalidSize),
        };
        if digits == SIZE_DIGITS || size > (i64::MAX as u64) >> 4 {
            return Err(ChunkFault::SizeTooLarge);
        }
        Ok(State::Size { digits: digits + 1, size: size << 4 | u64::from(digit) })
    }

    fn extension(&mut self, size: u64, quote: Quote, byte: u8) -> Result<State, ChunkFault> {
        let quote = match (byte, quote) {
            (b'\r', Quote::Outside) => return Ok(State::SizeEnd { size }),
            (b'\n', _) => return Err(ChunkFault::BareLf),
            (b'\t' | b' '..=b'~', Quote::Escaped) => Quote::Inside,
            (b'\\', Quote::Inside) => Quote::Escaped,
            (b'"', Quote::Inside) => Quote::Outside,
            (b'"', Quote::Outside) => Quote::Inside,
            (b'\t' | b' '..=b'~', quote) => quote,
            _ => return Err(ChunkFault::InvalidExtension),
        };
        self.extension += 1;
        self.extensions += 1;
        if self.extension > EXTENSION || self.extensions > EXTENSIONS {
            return Err(ChunkFault::ExtensionTooLong);
        }
        Ok(State::Extension { size, quote })
    }
}

impl State {
    /// Before the size of a chunk.
    const NEXT: State = State::Size { digits: 0, size: 0 };
}

#[cfg(test)]
mod tests;
