//! The request body on its way in: kept until an answer is committed, counted against its limit, read on while something
//! else is waited for, and the way in which a client is noticed that leaves.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::Version;
use http::header::EXPECT;
use pingora::ErrorType;
use pingora::http::RequestHeader;
use pingora::protocols::http::ServerSession;

use crate::outcome::Outcome;
use crate::proxy::upstream_request::Framing;
use crate::proxy::{fault, reading};
use crate::runtime::memory::Held;
use crate::transport::io::Reading;

/// A part with fewer bytes is gathered with others.
const SMALL: usize = 4 * 1024;
/// Bytes of a buffer of gathered parts.
const GATHERED: usize = 16 * 1024;

/// The request body: what came of it, and how it goes on.
pub struct Body<'a> {
    pub framing: Framing,
    /// Everything read so far, to be sent again: large parts as they came, small ones gathered.
    kept: Vec<Bytes>,
    /// What came last, in small parts.
    gathered: BytesMut,
    held: Held<'a>,
    received: u64,
    /// Bytes; more is 413.
    limit: u64,
    pub expects_continue: bool,
    /// It has come whole. HTTP/2 trailers end it too, of which Pingora's session knows nothing.
    done: bool,
}

impl<'a> Body<'a> {
    /// `held` is what it takes of the memory for all bodies.
    pub fn new(session: &mut ServerSession, limit: u64, held: Held<'a>) -> Body<'a> {
        let no_body = session.is_body_empty();
        let head = session.req_header();
        Body {
            framing: Framing::of(head, no_body),
            kept: Vec::new(),
            gathered: BytesMut::new(),
            held,
            received: 0,
            limit,
            expects_continue: !no_body && expects_continue(head),
            done: no_body,
        }
    }

    /// Whether the client has sent all of it.
    pub fn is_done(&mut self, session: &mut ServerSession) -> bool {
        self.done = self.done || session.is_body_done();
        self.done
    }

    /// Takes what [`client_event`] told: a part, or the end.
    ///
    /// # Errors
    /// The whole is too large.
    pub fn take(&mut self, part: Option<Bytes>) -> Result<Option<Bytes>, Outcome> {
        let Some(part) = part else {
            self.done = true;
            return Ok(None);
        };
        self.received += part.len() as u64;
        if self.received > self.limit {
            return Err(Outcome::BodyTooLarge);
        }
        Ok(Some(part).filter(|part| !part.is_empty()))
    }

    /// What came so far.
    pub fn kept(&self) -> impl Iterator<Item = &[u8]> {
        let gathered = Some(&self.gathered[..]).filter(|gathered| !gathered.is_empty());
        self.kept.iter().map(|part| &part[..]).chain(gathered)
    }

    /// Keeps a part, to be sent again.
    ///
    /// # Errors
    /// All bodies together hold as much as they may.
    pub fn keep(&mut self, part: Bytes) -> Result<(), Outcome> {
        // Most bodies are one part. Of more, each small one would cost many times what it holds.
        let gather = part.len() < SMALL && !self.kept.is_empty();
        let fits = gather && self.gathered.capacity() - self.gathered.len() >= part.len();
        let cost = match (gather, fits) {
            (true, true) => 0,
            (true, false) => GATHERED,
            (false, _) => part.len() + size_of::<Bytes>(),
        };
        if !self.held.grow(cost as u64) {
            return Err(Outcome::OutOfMemory);
        }
        if !fits && !self.gathered.is_empty() {
            self.kept.push(self.gathered.split().freeze());
        }
        if gather {
            if !fits {
                self.gathered = BytesMut::with_capacity(GATHERED);
            }
            self.gathered.extend_from_slice(&part);
        } else {
            self.kept.push(part);
        }
        Ok(())
    }

    /// Nothing is sent again from here on.
    pub fn forget(&mut self) {
        self.kept = Vec::new();
        self.gathered = BytesMut::new();
        self.held.release();
    }

    /// Waits for `future`. What the client sends meanwhile is read and kept; `Err` when it leaves, or sends too much or
    /// too slowly. A client that waits for `100 Continue` owes nothing.
    pub async fn meanwhile<T>(
        &mut self,
        session: &mut ServerSession,
        silence: Duration,
        future: impl Future<Output = T>,
    ) -> Result<T, Outcome> {
        let mut future = std::pin::pin!(future);
        loop {
            let done = self.is_done(session);
            let silence = if self.expects_continue { Duration::MAX } else { silence };
            tokio::select! {
                biased;
                value = &mut future => return Ok(value),
                part = client_event(session, done, false, silence) => match part {
                    Ok(part) => {
                        if let Some(part) = self.take(part)? {
                            self.keep(part)?;
                        }
                    }
                    Err(e) => return Err(client_error(session, &e, done)),
                },
            }
        }
    }
}

/// RFC 9110 10.1.1: an HTTP/1.0 client does not wait, and must not be told to go on.
fn expects_continue(head: &RequestHeader) -> bool {
    head.version == Version::HTTP_11
        && head
            .headers
            .get(EXPECT)
            .is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"100-continue"))
}

/// The next part of the request body, `None` at its end; when it is `done`, an error once the client leaves. While the
/// server takes no more (`stopped`), what the client still sends is left alone, and only its leaving is told.
pub async fn client_event(
    session: &mut ServerSession,
    done: bool,
    stopped: bool,
    silence: Duration,
) -> pingora::Result<Option<Bytes>> {
    reading(session, if stopped { Reading::Nothing } else { Reading::Message });
    if done || stopped {
        return session.read_body_or_idle(true).await;
    }
    if silence == Duration::MAX {
        return session.read_body_or_idle(false).await;
    }
    match pingora_timeout::timeout(silence, session.read_body_or_idle(false)).await {
        Ok(part) => part,
        Err(_) => pingora::Error::e_explain(ErrorType::ReadTimedout, "the client is silent"),
    }
}

/// What an error of the client's side means once it is being answered.
pub fn client_error_in_answer(session: &ServerSession, error: &pingora::Error) -> Outcome {
    match (fault(session), error.etype()) {
        (Some(reason), _) => Outcome::BadBodyInAnswer { reason },
        (None, ErrorType::ReadTimedout | ErrorType::WriteTimedout) => Outcome::ClientSilentInAnswer,
        _ => Outcome::ClientLeftInAnswer,
    }
}

fn is_librarys(error: &pingora::Error) -> bool {
    let cause = error.cause.as_ref().and_then(|cause| cause.downcast_ref::<h2::Error>());
    cause.is_some_and(|cause| cause.is_library() || (cause.is_reset() && !cause.is_remote()))
}

/// What an error of the client's side means. `done`: its request had come whole.
pub fn client_error(session: &ServerSession, error: &pingora::Error, done: bool) -> Outcome {
    if let Some(reason) = fault(session) {
        return Outcome::BadRequest { status: 400, reason };
    }
    match error.etype() {
        _ if done => Outcome::ClientLeft,
        // The library has reset the stream for what came on it: a length that was not kept, for one.
        _ if is_librarys(error) => Outcome::BadRequest { status: 400, reason: "bad_body" },
        ErrorType::ReadTimedout => Outcome::RequestTimeout,
        ErrorType::ConnectionClosed | ErrorType::ReadError | ErrorType::H2Error => Outcome::ClientLeft,
        _ => Outcome::BadRequest { status: 400, reason: "bad_body" },
    }
}
