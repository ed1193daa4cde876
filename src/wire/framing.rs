//! How long the body is, as the head says: the fields that request smuggling plays with. One Content-Length of digits,
//! or one Transfer-Encoding of `chunked`, or neither.

use super::HeadFault;

/// The body that a head announces.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    /// No body (HTTP/1), or one that ends with the stream (HTTP/2).
    Unsaid,
    /// This many bytes.
    Length(u64),
    Chunked,
}

/// A Content-Length: digits and nothing else, at most 2^64 - 1. A list is refused even where its members agree.
pub fn content_length(value: &[u8]) -> Result<u64, HeadFault> {
    let digits = std::str::from_utf8(value).ok().filter(|d| d.bytes().all(|b| b.is_ascii_digit()));
    digits.and_then(|d| d.parse().ok()).ok_or(HeadFault::InvalidContentLength)
}

/// What the framing fields of an HTTP/1 head say together.
#[derive(Default)]
pub struct FramingFields {
    length: Option<u64>,
    chunked: bool,
}

impl FramingFields {
    pub fn length(&mut self, value: &[u8]) -> Result<(), HeadFault> {
        let length = content_length(value)?;
        match self.length.replace(length) {
            Some(_) => Err(HeadFault::RepeatedContentLength),
            None => Ok(()),
        }
    }

    pub fn encoding(&mut self, value: &[u8]) -> Result<(), HeadFault> {
        if !value.eq_ignore_ascii_case(b"chunked") {
            return Err(HeadFault::InvalidTransferEncoding);
        }
        if self.chunked {
            return Err(HeadFault::RepeatedTransferEncoding);
        }
        self.chunked = true;
        Ok(())
    }

    /// `old`: the version is HTTP/1.0.
    pub fn conclude(self, method: &[u8], old: bool) -> Result<Framing, HeadFault> {
        match (self.length, self.chunked) {
            (Some(_), true) => Err(HeadFault::LengthAndEncoding),
            (None, true) if old => Err(HeadFault::EncodingOnOldVersion),
            (None, true) => Ok(Framing::Chunked),
            (Some(1..), false) if old && matches!(method, b"GET" | b"HEAD" | b"DELETE") => {
                Err(HeadFault::BodyOnOldVersion)
            }
            (Some(length), false) => Ok(Framing::Length(length)),
            (None, false) => Ok(Framing::Unsaid),
        }
    }
}
