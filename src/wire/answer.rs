//! The strict look at a server's head before its framing is believed: what two readers could end at different places is
//! no answer (RFC 9112 6.3). Pingora has parsed the head by then, has forgiven what it could and has dropped a
//! Content-Length beside a Transfer-Encoding, so this looks at the raw bytes.

use http::Method;

use super::HeadFault;
use super::bytes::value_length;
use super::field::{check_end, header_line, line_fault};
use super::framing::{Framing, FramingFields};
use super::scan::lines_end;

/// What the head of an answer says about its body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AnswerHead {
    /// 100 to 599.
    pub status: u16,
    framing: Framing,
}

/// How the body of an answer ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AnswerBody {
    /// There is none.
    Empty,
    /// After this many bytes.
    Length(u64),
    /// With its last chunk.
    Chunked,
    /// When the server closes the connection.
    UntilClose,
}

impl AnswerHead {
    /// The body of this answer to a request with `method` (RFC 9112 6.3).
    pub fn body(&self, method: &Method) -> AnswerBody {
        match (self.status, self.framing) {
            (100..=199 | 204 | 304, _) => AnswerBody::Empty,
            _ if *method == Method::HEAD => AnswerBody::Empty,
            (_, Framing::Length(length)) => AnswerBody::Length(length),
            (_, Framing::Chunked) => AnswerBody::Chunked,
            (_, Framing::Unsaid) => AnswerBody::UntilClose,
        }
    }
}

/// Checks a whole response head, from its status line through its empty line, as strictly as a request's: one pass, no
/// copy. Equal Content-Lengths twice are refused too, and so is a body announced where there is none (RFC 9112 6.1).
///
/// # Errors
/// Lines that are not as RFC 9112 has them; framing fields that contradict each other or the status, or say what we do
/// not know; more than 64 KB or 256 fields.
pub fn check_response_head(raw: &[u8]) -> Result<AnswerHead, HeadFault> {
    if raw.len() > LARGEST {
        return Err(HeadFault::HeadTooLarge);
    }
    let (status, old, mut rest) = status_line(raw)?;
    let mut framing = FramingFields::default();
    let mut fields = 0;
    while !rest.starts_with(b"\r") {
        let (field, after) = header_line(rest)?;
        rest = after;
        fields += 1;
        if fields > FIELDS {
            return Err(HeadFault::TooManyFields);
        }
        match field.name.len() {
            14 if field.is(b"content-length") => framing.length(field.value)?,
            17 if field.is(b"transfer-encoding") => framing.encoding(field.value)?,
            _ => {}
        }
    }
    check_end(rest)?;
    match (status, framing.conclude(b"", old)?) {
        (100..=199 | 204, Framing::Chunked | Framing::Length(1..)) => Err(HeadFault::ForbiddenBody),
        (status, framing) => Ok(AnswerHead { status, framing }),
    }
}

/// Where a response head at the start of `buf` ends, behind its empty line, once it is there. `from` is how much of
/// `buf` an earlier call has seen, 0 at first. `None`: read on.
///
/// # Errors
/// What came cannot become a head, or not one of at most `limit` bytes.
pub fn response_head_end(buf: &[u8], from: usize, limit: usize) -> Result<Option<usize>, HeadFault> {
    let length = buf.len().min(VERSION.len());
    if buf.get(..length) != VERSION.get(..length) {
        return Err(HeadFault::NotHttp);
    }
    match lines_end(buf, from, limit)? {
        None if buf.len() >= limit => Err(HeadFault::HeadTooLarge),
        end => Ok(end),
    }
}

/// Bytes of a response head.
const LARGEST: usize = 64 * 1024;
const FIELDS: usize = 256;

/// What every version that we know begins with.
const VERSION: &[u8] = b"HTTP/1.";

/// `version SP status [SP reason] CRLF` (RFC 9112 4; many servers leave out the space before a reason that is empty).
/// The status, whether the version is HTTP/1.0, and what follows.
fn status_line(raw: &[u8]) -> Result<(u16, bool, &[u8]), HeadFault> {
    let (old, rest) = match raw.split_first_chunk::<9>() {
        Some((b"HTTP/1.1 ", rest)) => (false, rest),
        Some((b"HTTP/1.0 ", rest)) => (true, rest),
        Some((start, _)) if start.starts_with(b"HTTP/") => return Err(HeadFault::InvalidVersion),
        Some(_) => return Err(HeadFault::NotHttp),
        None => return Err(HeadFault::Incomplete),
    };
    let (status, rest) = match rest.split_first_chunk::<3>() {
        Some(([first @ b'1'..=b'5', second @ b'0'..=b'9', third @ b'0'..=b'9'], rest)) => {
            let digit = |byte: &u8| u16::from(byte - b'0');
            (100 * digit(first) + 10 * digit(second) + digit(third), rest)
        }
        Some(_) => return Err(HeadFault::InvalidStatus),
        None => return Err(HeadFault::Incomplete),
    };
    let rest = match rest {
        [b' ', reason @ ..] => reason.get(value_length(reason)..).unwrap_or_default(),
        _ => rest,
    };
    match rest {
        [b'\r', b'\n', rest @ ..] => Ok((status, old, rest)),
        [] | [b'\r'] => Err(HeadFault::Incomplete),
        [b'\r', ..] => Err(HeadFault::BareCr),
        _ => Err(line_fault(rest, HeadFault::InvalidStatus, HeadFault::Incomplete)),
    }
}

#[cfg(test)]
mod tests;
