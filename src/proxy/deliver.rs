//! The answer on its way to the client: its head made ours, its body as it comes, and never a clean end for what was
//! not whole.

use std::mem;
use std::time::Duration;

use bytes::Bytes;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE, HeaderName, TRANSFER_ENCODING};
use http::{HeaderValue, Method, StatusCode, Version};
use pingora::http::ResponseHeader;
use pingora::protocols::http::ServerSession;

use crate::ai;
use crate::ai::path::Dialect;
use crate::ai::usage::Passed;
use crate::outcome::Outcome;
use crate::proxy::attempt::Answer;
use crate::proxy::body::{Body, client_error_in_answer, client_event};
use crate::proxy::context::Context;
use crate::proxy::meter::Meter;
use crate::proxy::{announce_stop, finish, judgement, reply, tunnel};
use crate::rewrite::header::hop_by_hop;
use crate::rewrite::request_id;
use crate::upstream::session::Fault;

const UPSTREAM_REQUEST_ID: HeaderName = HeaderName::from_static("x-upstream-request-id");
/// How long an HTTP/2 connection gets to write the last event of a broken stream.
const FLUSH_HTTP2: Duration = Duration::from_millis(50);
const DONE: &[u8] = b"data: [DONE]";

/// Sends the answer. From here on the client has seen something, and no other server can help.
///
/// # Errors
/// The head could not be written: the client is gone.
pub async fn run(
    context: &mut Context,
    session: &mut ServerSession,
    body: &mut Body<'_>,
    mut answer: Answer,
) -> pingora::Result<Outcome> {
    body.forget();
    if let Some(call) = &mut context.call {
        call.forget();
    }
    let stream =
        answer.server.head().is_some_and(|head| head.headers.get(CONTENT_TYPE).is_some_and(is_event_stream));
    context.meter = Meter::new(context, &answer, stream);
    if let Some(live) = &context.live {
        live.answers(stream);
    }
    let told = context.snapshot.ai.cost_header && answer.server.body_done() && context.meter.is_plain();
    if told {
        // Here as a whole: what it cost can be told in its head.
        context.meter.feed(&answer.first);
        mem::take(&mut context.meter).settle(context);
    }
    let head = head(context, session, &answer, context.meter.strips(context.call.as_deref()))?;
    context.status = Some(head.status.as_u16());
    let upgraded = head.status == StatusCode::SWITCHING_PROTOCOLS;
    context.streamed = stream;
    announce_stop(context, session);
    if session.req_header().version == Version::HTTP_10 && !head.headers.contains_key(CONTENT_LENGTH) {
        session.set_keepalive(None);
    }
    if let Err(e) = session.write_response_header(Box::new(head)).await {
        return Ok(client_error_in_answer(session, &e));
    }
    if upgraded {
        let Some(server) = answer.server.into_http1() else { return Ok(Outcome::Internal) };
        let outcome = Box::pin(tunnel::run(context, session, server)).await;
        judgement::ended(context, outcome);
        return Ok(outcome);
    }
    if context.times.first_content.is_some() {
        judgement::began(context);
    }
    let mut tail = Tail::new(session, &answer, stream);
    let first = mem::take(&mut answer.first);
    if !first.is_empty() {
        tail.remember(&first);
        let first = match context.meter.feed(&first) {
            Passed::Whole => first,
            Passed::Instead(bytes) => Bytes::copy_from_slice(bytes),
        };
        if !first.is_empty()
            && let Err(e) = session.write_response_body(first, false).await
        {
            return Ok(client_error_in_answer(session, &e));
        }
    }
    context.meter.tell(context.live.as_ref());
    let outcome = match context.meter.exhausted(context) {
        Some(limit) => Outcome::Exhausted(limit),
        None => pump(context, session, body, &mut answer, &mut tail).await,
    };
    judgement::ended(context, outcome);
    let rest = match outcome {
        Outcome::Exhausted(_) => context.meter.cut(context).into(),
        _ => Bytes::copy_from_slice(context.meter.rest()),
    };
    mem::take(&mut context.meter).settle(context);
    match outcome {
        Outcome::Completed | Outcome::Exhausted(_) => {
            let ended = async {
                if !rest.is_empty() {
                    session.write_response_body(rest, false).await?;
                }
                session.finish_body().await
            };
            if let Err(e) = ended.await {
                return Ok(client_error_in_answer(session, &e));
            }
            if outcome == Outcome::Completed {
                keep(context, answer).await;
            } else {
                // Nothing more of it is paid for.
                drop(answer);
            }
            context.leave_server();
            if !body.is_done(session) {
                reply::linger(session).await;
            }
        }
        Outcome::AnswerCut
        | Outcome::AnswerBroken
        | Outcome::AnswerSilent
        | Outcome::TotalTimeoutInAnswer
            if stream =>
        {
            error_event(session, outcome, tail.between_events()).await;
        }
        _ => {}
    }
    Ok(outcome)
}

pub fn is_event_stream(content_type: &HeaderValue) -> bool {
    content_type.as_bytes().get(..17).is_some_and(|kind| kind.eq_ignore_ascii_case(b"text/event-stream"))
}

/// The head that the client gets.
///
/// `shorter`: less goes to the client than the server sends.
fn head(
    context: &Context,
    session: &ServerSession,
    answer: &Answer,
    shorter: bool,
) -> pingora::Result<ResponseHeader> {
    let Some(theirs) = answer.server.head() else {
        return pingora::Error::e_explain(pingora::ErrorType::InternalError, "no head of an answer");
    };
    let mut head = ResponseHeader::build_no_case(theirs.status, Some(theirs.headers.len() + 6))?;
    if let Some(reason) = theirs.get_reason_phrase() {
        head.set_reason_phrase(Some(reason))?;
    }
    let upgraded = theirs.status == StatusCode::SWITCHING_PROTOCOLS;
    let ends_here = hop_by_hop(&theirs.headers);
    for (name, value) in &theirs.headers {
        if *name == request_id::NAME {
            head.append_header(UPSTREAM_REQUEST_ID, value)?;
        } else if *name == CONTENT_LENGTH {
            // RFC 9110 8.6: a 204 has none. A 304 may tell one, but clients on HTTP/2 take it for a broken promise.
            let none = shorter
                || theirs.status == StatusCode::NO_CONTENT
                || (theirs.status == StatusCode::NOT_MODIFIED
                    && session.req_header().version == Version::HTTP_2);
            if !none {
                head.insert_header(name, value)?;
            }
        } else if (!ends_here.is_empty() && !upgraded && ends_here.names().any(|ends| ends == name))
            || name.as_str().starts_with("x-ratelimit-")
        {
            // The server's own limits are between it and us.
        } else {
            head.append_header(name, value)?;
        }
    }
    reply::own_fields(context, session.req_header(), &mut head)?;
    let request = session.req_header();
    let bodiless = upgraded
        || request.method == Method::HEAD
        || matches!(theirs.status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED);
    if !bodiless && request.version == Version::HTTP_11 && !head.headers.contains_key(CONTENT_LENGTH) {
        head.insert_header(TRANSFER_ENCODING, HeaderValue::from_static("chunked"))?;
    }
    Ok(head)
}

/// What may happen while the body moves.
enum Event<'a> {
    Server(Result<Option<&'a [u8]>, Fault>),
    Client(pingora::Result<Option<Bytes>>),
}

/// Moves the body until it ends, one way or another.
async fn pump(
    context: &mut Context,
    session: &mut ServerSession,
    body: &mut Body<'_>,
    answer: &mut Answer,
    tail: &mut Tail,
) -> Outcome {
    let silence = context.backend().map_or(Duration::ZERO, |backend| backend.server);
    let client_silence = context.frontend().client;
    loop {
        let server = &mut answer.server;
        if server.body_done() {
            return tail.verdict();
        }
        let left = context.time_left();
        if left.is_zero() {
            return Outcome::TotalTimeoutInAnswer;
        }
        let wait = silence.min(left);
        let stopped = answer.stopped;
        let done = body.is_done(session);
        let event = async {
            tokio::select! {
                biased;
                part = server.read_body() => Event::Server(part),
                part = client_event(session, done, stopped, client_silence) => Event::Client(part),
            }
        };
        let written = match pingora_timeout::timeout(wait, event).await {
            Ok(Event::Server(Ok(Some(part)))) => {
                tail.remember(part);
                let (part, whole) = match context.meter.feed(part) {
                    Passed::Whole => (part, true),
                    Passed::Instead(bytes) => (bytes, false),
                };
                if part.is_empty() {
                    Ok(())
                } else if let ServerSession::H1(http1) = session {
                    http1.write_body(part).await.map(drop)
                } else {
                    let part = Bytes::copy_from_slice(part);
                    let end = whole && server.body_done() && tail.whole();
                    session.write_response_body(part, end).await
                }
            }
            Ok(Event::Server(Ok(None))) => return tail.verdict(),
            // Behind the last event nothing is missing, however the server ends.
            Ok(Event::Server(Err(_))) if tail.is_over() => return Outcome::Completed,
            Ok(Event::Server(Err(Fault::Broken(_)))) => return Outcome::AnswerBroken,
            Ok(Event::Server(Err(Fault::Cut | Fault::Reset | Fault::Refused | Fault::Goodbye))) => {
                return Outcome::AnswerCut;
            }
            Ok(Event::Client(Ok(part))) => {
                // The server answered while the client still sends: the rest goes on to it.
                let Ok(part) = body.take(part) else { return Outcome::BodyTooLargeInAnswer };
                let went_out = match &part {
                    Some(part) => server.send_part(part, wait).await,
                    None => true,
                };
                let finished = went_out && (!body.is_done(session) || server.finish(wait).await);
                answer.stopped |= !finished;
                answer.sent |= finished && body.is_done(session);
                Ok(())
            }
            Ok(Event::Client(Err(e))) => return client_error_in_answer(session, &e),
            Err(_) if context.time_left().is_zero() => return Outcome::TotalTimeoutInAnswer,
            Err(_) => return Outcome::AnswerSilent,
        };
        if let Err(e) = written {
            return client_error_in_answer(session, &e);
        }
        context.meter.tell(context.live.as_ref());
        if let Some(limit) = context.meter.exhausted(context) {
            return Outcome::Exhausted(limit);
        }
        finish::report_bytes(context, session);
    }
}

/// Gives the connection to the next request.
async fn keep(context: &Context, answer: Answer) {
    let connections = &context.worker.connections;
    // What may not be sent twice takes no idle connection, so it should not leave more than one behind.
    let wanted =
        context.repeatable || context.server().is_some_and(|server| !connections.has_idle(&server.target));
    if wanted && answer.sent && !answer.stopped {
        answer.server.give_back(connections, context.now()).await;
    }
}

/// The end of a stream so far. A stream whose length only the closing of the connection tells looks whole when it was
/// cut; where the API has a last event, its absence tells.
struct Tail {
    last: Vec<u8>,
    stream: bool,
    wants_done: bool,
}

impl Tail {
    fn new(session: &ServerSession, answer: &Answer, stream: bool) -> Tail {
        let by_close = !answer.server.is_http2()
            && session.req_header().method != Method::HEAD
            && answer.server.head().is_some_and(|head| {
                head.status != StatusCode::NO_CONTENT
                    && !head.headers.contains_key(CONTENT_LENGTH)
                    && !head.headers.contains_key(TRANSFER_ENCODING)
            });
        let wants_done = stream && by_close && ai::path::ends_with_done(session.req_header().uri.path());
        Tail { last: Vec::new(), stream, wants_done }
    }

    fn remember(&mut self, part: &[u8]) {
        if !self.stream {
            return;
        }
        let keep = DONE.len() + 4;
        self.last.extend_from_slice(&part[part.len().saturating_sub(keep)..]);
        let excess = self.last.len().saturating_sub(keep);
        self.last.drain(..excess);
    }

    fn whole(&self) -> bool {
        !self.wants_done || self.is_over()
    }

    /// The stream said that it is over.
    fn is_over(&self) -> bool {
        self.stream && self.last.trim_ascii_end().ends_with(DONE)
    }

    fn verdict(&self) -> Outcome {
        if self.whole() { Outcome::Completed } else { Outcome::AnswerCut }
    }

    /// Whether the last event was sent whole.
    fn between_events(&self) -> bool {
        self.last.is_empty() || self.last.ends_with(b"\n\n") || self.last.ends_with(b"\r\n\r\n")
    }
}

/// Tells the client of an event stream that there will be no more, in the way its SDK reads. The transfer itself is
/// broken off after it.
pub async fn error_event(session: &mut ServerSession, outcome: Outcome, between_events: bool) {
    let Some(error) = outcome.error() else { return };
    let path = session.req_header().uri.path();
    let body = reply::error_body(path, error);
    let mut event = Vec::with_capacity(body.len() + 32);
    if !between_events {
        event.extend_from_slice(b"\n\n");
    }
    if ai::path::dialect(path) == Dialect::Messages {
        // Its SDK goes by the names of events.
        event.extend_from_slice(b"event: error\n");
    }
    event.extend_from_slice(b"data: ");
    event.extend_from_slice(&body);
    event.extend_from_slice(b"\n\n");
    if session.write_response_body(event.into(), false).await.is_ok() && session.is_http2() {
        // The reset that ends the stream overtakes what the connection has not written yet: let it write.
        pingora_timeout::sleep(FLUSH_HTTP2).await;
    }
}
