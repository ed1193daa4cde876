//! The commit point of an event stream: its head, its comments and what only says that it has begun are held until the
//! first content comes. Until then another server can still be asked, and the client sees one clean stream.

use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use http::header::{CONTENT_ENCODING, CONTENT_TYPE};
use http::{HeaderValue, StatusCode};

use crate::ai::path::Dialect;
use crate::ai::preamble::{Begun, Preamble};
use crate::base::clock;
use crate::proxy::attempt::{Answer, left};
use crate::proxy::deliver::is_event_stream;
use crate::upstream::session::Fault;

/// Bytes that are held at most: a stream that says so much has begun.
const HELD: usize = 64 * 1024;

/// Bytes of an answer in JSON that are held at most, where it is read whole.
const WHOLE: usize = 1024 * 1024;

/// How long it may take.
pub struct Limits {
    /// Nothing at all may come for so long.
    pub silence: Duration,
    /// The first content must have come by then.
    pub first_content: Instant,
    /// `timeouts.total` runs out then.
    pub until: Instant,
}

/// Why the stream came to nothing.
pub enum Miss {
    Fault(Fault),
    /// It ended without content.
    Cut,
    Stalled,
    OutOfTime,
}

/// Whether an answer is one to wait for. What is compressed cannot be looked into.
pub fn is_held(answer: &Answer) -> bool {
    answer.server.head().is_some_and(|head| {
        let plain = |coding: &HeaderValue| coding.as_bytes().eq_ignore_ascii_case(b"identity");
        head.status == StatusCode::OK
            && head.headers.get(CONTENT_TYPE).is_some_and(is_event_stream)
            && head.headers.get_all(CONTENT_ENCODING).iter().all(plain)
    })
}

/// Whether an answer of a call has a body of which nothing came yet.
pub fn awaits_body(answer: &mut Answer) -> bool {
    answer.first.is_empty() && !answer.server.body_done() && !answer.server.was_upgraded()
}

/// Whether it is what a call gets that asks for no stream.
pub fn is_json(answer: &Answer) -> bool {
    let of_json = |kind: &HeaderValue| {
        kind.as_bytes().get(..16).is_some_and(|kind| kind.eq_ignore_ascii_case(b"application/json"))
    };
    answer.server.head().is_some_and(|head| head.headers.get(CONTENT_TYPE).is_some_and(of_json))
}

/// Waits for the first part of an answer's body: a server that sends a head and then nothing has not answered.
pub async fn first_part(answer: &mut Answer, limits: &Limits) -> Result<(), Miss> {
    let wait = limits.silence.min(left(limits.until));
    match pingora_timeout::timeout(wait, answer.server.read_body()).await {
        Ok(Ok(part)) => {
            answer.first = Bytes::copy_from_slice(part.unwrap_or_default());
            Ok(())
        }
        Ok(Err(fault)) => Err(Miss::Fault(fault)),
        Err(_) if left(limits.until).is_zero() => Err(Miss::OutOfTime),
        Err(_) => Err(Miss::Stalled),
    }
}

/// Reads the body to its end, if it has one before there is too much of it; what was read is in `answer.first`.
pub async fn whole(answer: &mut Answer, limits: &Limits) -> Result<(), Miss> {
    let mut held = BytesMut::from(&answer.first[..]);
    while !answer.server.body_done() && held.len() < WHOLE {
        first_part(answer, limits).await?;
        held.extend_from_slice(&answer.first);
    }
    answer.first = held.freeze();
    Ok(())
}

/// Reads on until it is clear what the stream comes to; what was read is in `answer.first`. The time of its first content.
pub async fn hold(answer: &mut Answer, dialect: Dialect, limits: &Limits) -> Result<Option<Instant>, Miss> {
    let mut preamble = Preamble::new(dialect);
    let mut held = BytesMut::from(&answer.first[..]);
    let mut begun = preamble.feed(&held);
    loop {
        let content_at = match begun {
            Begun::NotYet if held.len() < HELD => None,
            Begun::NotYet | Begun::Over => Some(None),
            Begun::Content => Some(Some(clock::instant())),
            Begun::Error(error) => {
                answer.error_event = Some(error.status);
                Some(None)
            }
        };
        if let Some(content_at) = content_at {
            answer.first = held.freeze();
            return Ok(content_at);
        }
        let wait = limits.silence.min(left(limits.first_content)).min(left(limits.until));
        begun = match pingora_timeout::timeout(wait, answer.server.read_body()).await {
            Ok(Ok(Some(part))) => {
                held.extend_from_slice(part);
                preamble.feed(part)
            }
            Ok(Ok(None)) => return Err(Miss::Cut),
            Ok(Err(fault)) => return Err(Miss::Fault(fault)),
            Err(_) if left(limits.until).is_zero() => return Err(Miss::OutOfTime),
            Err(_) => return Err(Miss::Stalled),
        };
    }
}
