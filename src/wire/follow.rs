//! Follows a message through the bytes that carry it: the body of a request whose head was checked, or a whole answer.
//! Says how many bytes belong to it and refuses what is malformed, so that a reader above is never shown a byte of what
//! follows, nor one that did not pass.

use http::Method;

use super::answer::{AnswerBody, AnswerHead, check_response_head, response_head_end};
use super::chunk::{ChunkFault, Chunks};
use super::{Framing, HeadFault};

/// Bytes of the head of an answer.
const HEAD: usize = 64 * 1024;
/// Interim answers (1xx) before the answer.
const INTERIM: u8 = 16;

/// The body of an HTTP/1 request.
#[derive(Clone, Debug)]
pub struct RequestBody(Body);

impl RequestBody {
    pub fn new(framing: Framing) -> RequestBody {
        RequestBody(match framing {
            Framing::Unsaid => Body::Length(0),
            Framing::Length(length) => Body::Length(length),
            Framing::Chunked => Body::Chunked(Box::default()),
        })
    }

    /// How many of the bytes belong to the body.
    ///
    /// # Errors
    /// The chunks are malformed.
    pub fn feed(&mut self, bytes: &[u8]) -> Result<usize, ChunkFault> {
        self.0.feed(bytes)
    }

    pub fn is_over(&self) -> bool {
        self.0.is_over()
    }
}

#[derive(Clone, Debug)]
enum Body {
    Length(u64),
    Chunked(Box<Chunks>),
    UntilClose,
}

impl Body {
    fn feed(&mut self, bytes: &[u8]) -> Result<usize, ChunkFault> {
        match self {
            Body::Length(left) => {
                let taken = usize::try_from(*left).map_or(bytes.len(), |left| left.min(bytes.len()));
                *left -= taken as u64;
                Ok(taken)
            }
            Body::Chunked(chunks) => chunks.feed(bytes).map(|progress| progress.taken),
            Body::UntilClose => Ok(bytes.len()),
        }
    }

    fn is_over(&self) -> bool {
        match self {
            Body::Length(left) => *left == 0,
            Body::Chunked(chunks) => chunks.ended(),
            Body::UntilClose => false,
        }
    }
}

/// What is wrong with an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AnswerFault {
    Head(HeadFault),
    Chunk(ChunkFault),
    /// Interim answers without end.
    TooManyInterim,
    /// The server speaks another protocol unasked.
    Upgrade,
}

impl AnswerFault {
    /// A stable label.
    pub fn reason(self) -> &'static str {
        match self {
            AnswerFault::Head(fault) => fault.reason(),
            AnswerFault::Chunk(fault) => fault.reason(),
            AnswerFault::TooManyInterim => "too_many_interim",
            AnswerFault::Upgrade => "unasked_upgrade",
        }
    }
}

/// The answer to one HTTP/1 request, interim answers included.
#[derive(Clone, Debug)]
pub struct AnswerStream {
    method: Method,
    /// The request asked for another protocol.
    upgrade: bool,
    interim: u8,
    state: State,
}

#[derive(Clone, Debug)]
enum State {
    /// In a head; what came of it, while it is not whole.
    Head(Vec<u8>),
    Body(Body),
    Tunnel,
}

impl AnswerStream {
    pub fn new(method: Method, upgrade: bool) -> AnswerStream {
        AnswerStream { method, upgrade, interim: 0, state: State::Head(Vec::new()) }
    }

    /// How many of the bytes belong to the answer. A head passes whole: the piece that ends it is held back until it is
    /// known to be good.
    ///
    /// # Errors
    /// It is no answer, or not one that ends at one place for everybody.
    pub fn feed(&mut self, bytes: &[u8]) -> Result<usize, AnswerFault> {
        let mut taken = 0;
        loop {
            let rest = &bytes[taken..];
            match &mut self.state {
                State::Tunnel => return Ok(bytes.len()),
                State::Body(body) => return Ok(taken + body.feed(rest).map_err(AnswerFault::Chunk)?),
                State::Head(_) if rest.is_empty() => return Ok(taken),
                State::Head(begun) => match head(begun, rest).map_err(AnswerFault::Head)? {
                    None => return Ok(bytes.len()),
                    Some((head, length)) => {
                        taken += length;
                        self.state = self.after(head)?;
                    }
                },
            }
        }
    }

    /// Whether the whole answer came. One that ends with its connection never is.
    pub fn is_over(&self) -> bool {
        matches!(&self.state, State::Body(body) if body.is_over())
    }

    fn after(&mut self, head: AnswerHead) -> Result<State, AnswerFault> {
        match head.status {
            101 if self.upgrade => Ok(State::Tunnel),
            101 => Err(AnswerFault::Upgrade),
            100..=199 => {
                self.interim += 1;
                match self.interim > INTERIM {
                    true => Err(AnswerFault::TooManyInterim),
                    false => Ok(State::Head(Vec::new())),
                }
            }
            _ => Ok(State::Body(match head.body(&self.method) {
                AnswerBody::Empty => Body::Length(0),
                AnswerBody::Length(length) => Body::Length(length),
                AnswerBody::Chunked => Body::Chunked(Box::default()),
                AnswerBody::UntilClose => Body::UntilClose,
            })),
        }
    }
}

/// A head that `rest` completes, and how many of its bytes that takes; `None` while it is not whole. Most heads come in one
/// piece and are not copied.
fn head(begun: &mut Vec<u8>, rest: &[u8]) -> Result<Option<(AnswerHead, usize)>, HeadFault> {
    let before = begun.len();
    if before > 0 {
        begun.extend_from_slice(rest);
    }
    let whole: &[u8] = if before > 0 { begun } else { rest };
    let Some(end) = response_head_end(whole, before, HEAD)? else {
        if before == 0 {
            *begun = rest.to_vec();
        }
        return Ok(None);
    };
    Ok(Some((check_response_head(&whole[..end])?, end - before)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(method: Method) -> AnswerStream {
        AnswerStream::new(method, false)
    }

    /// How much of `bytes` belongs to the answer, fed in pieces of `size`.
    fn length(mut answer: AnswerStream, bytes: &[u8], size: usize) -> Result<(usize, bool), AnswerFault> {
        let mut taken = 0;
        for piece in bytes.chunks(size) {
            let n = answer.feed(piece)?;
            taken += n;
            if n < piece.len() {
                break;
            }
        }
        Ok((taken, answer.is_over()))
    }

    #[test]
    fn an_answer_ends_where_its_framing_says_whatever_the_pieces() {
        for (head, body, over) in [
            ("HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n", "hello", true),
            ("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n", "5\r\nhello\r\n0\r\n\r\n", true),
            ("HTTP/1.1 204 No Content\r\n\r\n", "", true),
            ("HTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\n", "x", true),
        ] {
            let whole = format!("{head}{body}");
            let with_more = format!("{whole}HTTP/1.1 200 OK\r\n");
            for size in 1..with_more.len() {
                let found = length(answer(Method::GET), with_more.as_bytes(), size);
                assert_eq!(found, Ok((whole.len(), over)), "{head:?} in pieces of {size}");
            }
        }
        let until_close = b"HTTP/1.1 200 OK\r\n\r\nanything";
        assert_eq!(length(answer(Method::GET), until_close, 7), Ok((until_close.len(), false)));
    }

    #[test]
    fn the_answer_to_head_has_no_body() {
        let head = b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n";
        let with_body = [&head[..], b"hello"].concat();
        assert_eq!(length(answer(Method::HEAD), &with_body, 1000), Ok((head.len(), true)));
    }

    #[test]
    fn interim_answers_are_few_and_upgrades_are_asked_for() {
        let interim = b"HTTP/1.1 103 Early Hints\r\n\r\n";
        let fault = length(answer(Method::GET), &interim.repeat(17), 9);
        assert_eq!(fault, Err(AnswerFault::TooManyInterim));
        let switched = b"HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\n\r\n\x81\x00";
        assert_eq!(length(answer(Method::GET), switched, 100), Err(AnswerFault::Upgrade));
        let asked = AnswerStream::new(Method::GET, true);
        assert_eq!(length(asked, switched, 100), Ok((switched.len(), false)));
    }

    #[test]
    fn a_head_without_end_is_refused_while_it_comes() {
        let mut answer = answer(Method::GET);
        answer.feed(b"HTTP/1.1 200 OK\r\n").unwrap();
        let fault = (0..20_000).try_for_each(|_| answer.feed(b"x: y\r\n").map(drop));
        assert_eq!(fault, Err(AnswerFault::Head(HeadFault::HeadTooLarge)));
    }

    #[test]
    fn a_request_body_ends_where_the_next_request_begins() {
        let mut body = RequestBody::new(Framing::Length(3));
        assert_eq!((body.feed(b"abcGET /"), body.is_over()), (Ok(3), true));
        assert_eq!(body.feed(b"GET /"), Ok(0));
        assert!(RequestBody::new(Framing::Unsaid).is_over());
    }
}
