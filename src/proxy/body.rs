//! The request body on its way in: kept until an answer is committed, counted against its limit, read on while something
//! else is waited for, and the way in which a client is noticed that leaves.

use std::future::poll_fn;
use std::pin::pin;
use std::task::Poll;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::header::{CONTENT_LENGTH, EXPECT};
use http::{StatusCode, Version};
use pingora::ErrorType;
use pingora::http::{RequestHeader, ResponseHeader};
use pingora::protocols::http::ServerSession;

use crate::base::clock;
use crate::outcome::Outcome;
use crate::proxy::context::Context;
use crate::proxy::feed::Feed;
use crate::proxy::upstream_request::Framing;
use crate::proxy::{fault, finish, reading};
use crate::runtime::memory::Held;
use crate::transport::io::Reading;

/// The request body on its way in.
pub struct Body<'a> {
    pub framing: Framing,
    /// Where it is kept, and read by the attempts.
    pub feed: &'a Feed,
    held: Held<'a>,
    received: u64,
    /// Bytes; more is 413.
    limit: u64,
    /// The client waits to be told to go on.
    expects_continue: bool,
    /// When it had come whole. HTTP/2 trailers end it too, of which Pingora's session knows nothing.
    done: Option<Instant>,
}

/// What may happen while something is waited for.
enum Event<T> {
    Value(T),
    /// An attempt has something to tell the client.
    News,
    Client(pingora::Result<Option<Bytes>>),
}

impl<'a> Body<'a> {
    /// `held` is what it takes of the memory for all bodies.
    pub fn new(session: &mut ServerSession, limit: u64, held: Held<'a>, feed: &'a Feed) -> Body<'a> {
        let no_body = session.is_body_empty();
        let head = session.req_header();
        let mut body = Body {
            framing: Framing::of(head, no_body),
            feed,
            held,
            received: 0,
            limit,
            expects_continue: !no_body && expects_continue(head),
            done: None,
        };
        if no_body {
            body.end();
        }
        body
    }

    fn end(&mut self) {
        self.done.get_or_insert_with(clock::instant);
        self.feed.end();
    }

    /// Whether the client has sent all of it.
    pub fn is_done(&mut self, session: &mut ServerSession) -> bool {
        self.done_at(session).is_some()
    }

    /// When the client had sent all of it; `None`: it still sends.
    pub fn done_at(&mut self, session: &mut ServerSession) -> Option<Instant> {
        if self.done.is_none() && session.is_body_done() {
            self.end();
        }
        self.done
    }

    /// Takes what [`client_event`] told: a part, or the end.
    ///
    /// # Errors
    /// The whole is too large.
    pub fn take(&mut self, part: Option<Bytes>) -> Result<Option<Bytes>, Outcome> {
        let Some(part) = part else {
            self.end();
            return Ok(None);
        };
        self.received += part.len() as u64;
        if self.received > self.limit {
            return Err(Outcome::BodyTooLarge);
        }
        Ok(Some(part).filter(|part| !part.is_empty()))
    }

    /// Keeps a part, to be sent again.
    fn keep(&mut self, part: Bytes) -> Result<(), Outcome> {
        if !self.held.grow(self.feed.cost(part.len()) as u64) {
            return Err(Outcome::OutOfMemory);
        }
        self.feed.push(part);
        Ok(())
    }

    /// More than this many bytes is 413.
    pub fn set_limit(&mut self, limit: u64) -> Result<(), Outcome> {
        self.limit = limit;
        if self.received > limit { Err(Outcome::BodyTooLarge) } else { Ok(()) }
    }

    /// Bytes that it may have.
    pub fn limit(&self) -> u64 {
        self.limit
    }

    /// Bytes that the client says it has.
    pub fn announced(&self, session: &ServerSession) -> Option<u64> {
        session.req_header().headers.get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
    }

    /// Reads on until all of it is here.
    pub async fn whole(&mut self, context: &mut Context, session: &mut ServerSession) -> Result<(), Outcome> {
        let left = context.time_left();
        if self.is_done(session) {
            return Ok(());
        }
        let feed = self.feed;
        match self.meanwhile(context, session, pingora_timeout::timeout(left, feed.whole())).await? {
            Ok(()) => Ok(()),
            Err(_) => Err(Outcome::RequestTimeout),
        }
    }

    /// Nothing is sent again from here on.
    pub fn forget(&mut self) {
        self.feed.forget();
        self.held.release();
    }

    /// Waits for `future`, an attempt among others. What the client sends meanwhile is read and kept; `Err` when it
    /// leaves, or sends too much or too slowly. A client that waits for `100 Continue` owes nothing.
    pub async fn meanwhile<T>(
        &mut self,
        context: &mut Context,
        session: &mut ServerSession,
        future: impl Future<Output = T>,
    ) -> Result<T, Outcome> {
        let mut future = pin!(future);
        let silence = context.frontend().client;
        loop {
            let done = self.is_done(session);
            let silence = if self.expects_continue { Duration::MAX } else { silence };
            let (feed, expects_continue) = (self.feed, self.expects_continue);
            let event = {
                let mut client = pin!(client_event(session, done, feed.is_refused(), silence));
                poll_fn(|cx| {
                    if let Poll::Ready(value) = future.as_mut().poll(cx) {
                        return Poll::Ready(Event::Value(value));
                    }
                    if feed.has_interim() || (expects_continue && feed.is_wanted()) {
                        return Poll::Ready(Event::News);
                    }
                    if feed.is_busy() {
                        return Poll::Pending;
                    }
                    client.as_mut().poll(cx).map(Event::Client)
                })
                .await
            };
            match event {
                Event::Value(value) => {
                    // It may have come right before what is returned.
                    if self.feed.has_interim() {
                        self.tell(session).await.map_err(|_| Outcome::ClientLeft)?;
                    }
                    return Ok(value);
                }
                Event::News => self.tell(session).await.map_err(|_| Outcome::ClientLeft)?,
                Event::Client(Ok(part)) => {
                    if let Some(part) = self.take(part)? {
                        self.keep(part)?;
                    }
                    // The end may have come with the part.
                    self.is_done(session);
                    finish::report_bytes(context, session);
                }
                Event::Client(Err(e)) => return Err(client_error(session, &e, done)),
            }
        }
    }

    /// Passes on what attempts have for the client before an answer.
    async fn tell(&mut self, session: &mut ServerSession) -> pingora::Result<()> {
        for head in self.feed.take_interim() {
            if session.req_header().version != Version::HTTP_10 {
                interim(session, head).await?;
            }
        }
        if self.expects_continue && self.feed.is_wanted() {
            self.expects_continue = false;
            interim(session, ResponseHeader::build_no_case(StatusCode::CONTINUE, Some(0))?).await?;
        }
        Ok(())
    }
}

/// Sends a 1xx. Pingora would take it for the answer and give up keep-alive, as the request is not read yet.
async fn interim(session: &mut ServerSession, head: ResponseHeader) -> pingora::Result<()> {
    session.set_close_on_response_before_downstream_finish(false);
    let written = session.write_response_header(Box::new(head)).await;
    session.set_close_on_response_before_downstream_finish(true);
    written
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
