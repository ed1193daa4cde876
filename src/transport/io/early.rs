//! What was read before anybody asked for it: an answer while we still write, a pipelined request, what a reader was not
//! to have.

use std::fmt;

use tokio::io::ReadBuf;

/// How much is kept.
const MOST: usize = 16 * 1024;

/// The error inside an [`std::io::Error`] of a write that was given up because the answer is already here.
#[derive(Debug)]
pub struct EarlyAnswer;

impl fmt::Display for EarlyAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the server answered before it had read the whole request")
    }
}

impl std::error::Error for EarlyAnswer {}

/// The error inside an [`std::io::Error`] of a read that met what was not expected; the reason.
#[derive(Debug)]
pub struct Nonsense(pub &'static str);

impl fmt::Display for Nonsense {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl std::error::Error for Nonsense {}

/// Bytes in the order in which they came.
#[derive(Debug, Default)]
pub(super) struct Early {
    bytes: Vec<u8>,
    /// How many of them have been given out.
    read: usize,
}

impl Early {
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// No more is to be read ahead.
    pub fn is_full(&self) -> bool {
        self.bytes.len() >= MOST
    }

    pub fn extend(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    /// Gives `bytes` back, to be read first.
    pub fn unread(&mut self, bytes: &[u8]) {
        self.bytes.splice(..self.read, bytes.iter().copied());
        self.read = 0;
    }

    /// Fills the buffer; false when there is nothing.
    pub fn take(&mut self, buffer: &mut ReadBuf<'_>) -> bool {
        if self.bytes.is_empty() {
            return false;
        }
        let rest = &self.bytes[self.read..];
        let n = rest.len().min(buffer.remaining());
        buffer.put_slice(&rest[..n]);
        self.read += n;
        if self.read == self.bytes.len() {
            *self = Early::default();
        }
        true
    }

    /// Whether they hold the beginning of an answer that is not a 1xx.
    pub fn begins_final_answer(&self) -> bool {
        let mut bytes = &self.bytes[self.read..];
        while let Some(class) = bytes.strip_prefix(b"HTTP/1.").and_then(|rest| rest.get(2)) {
            if *class != b'1' {
                return true;
            }
            match bytes.windows(4).position(|end| end == b"\r\n\r\n") {
                Some(end) => bytes = &bytes[end + 4..],
                None => return false,
            }
        }
        false
    }
}
