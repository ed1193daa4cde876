//! One attempt: a connection to the chosen server, the request out, the head of the answer in. The body read so far is
//! kept until an answer is committed to the client, so that any request can be sent again, whatever its size.

use std::time::{Duration, Instant};

use bytes::Bytes;
use futures::FutureExt;
use http::header::{CONNECTION, TRANSFER_ENCODING, UPGRADE};
use http::{StatusCode, Version};
use log::warn;
use pingora::ErrorType;
use pingora::http::ResponseHeader;
use pingora::protocols::Stream;
use pingora::protocols::http::ServerSession;
use pingora::protocols::http::v1::client::HttpSession;

use crate::base::clock;
use crate::outcome::{Failure, Outcome};
use crate::proxy::body::{Body, client_error, client_event};
use crate::proxy::context::Context;
use crate::proxy::{finish, upstream_request};
use crate::transport::socket::NOWHERE;
use crate::upstream::connect::{ConnectError, connect};
use crate::upstream::stream;

/// How soon a connection that was kept must fail to be taken for one that the server was just closing.
const STALE: Duration = Duration::from_millis(100);

/// A server that answers.
pub struct Answer {
    pub server: HttpSession,
    /// Where its connection belongs when it is idle.
    pub pool: u64,
    /// What came of the body with the head.
    pub first: Option<Bytes>,
    /// The whole request had come from the client when the answer began.
    pub sent: bool,
    /// The server takes no more of the request.
    pub stopped: bool,
}

pub enum Attempt {
    Answered(Box<Answer>),
    Failed(Failure),
    /// It is over, with the client or with the time.
    Over(Outcome),
}

/// Sends the request to the server in the context. `again`: it may be sent twice, so an idle connection may be used;
/// one that the server was just closing is replaced by a new one without counting as an attempt.
pub async fn run(
    context: &mut Context,
    session: &mut ServerSession,
    body: &mut Body<'_>,
    again: bool,
) -> pingora::Result<Attempt> {
    let Some(target) = context.server().map(|server| server.target.clone()) else {
        return Ok(Attempt::Over(Outcome::Internal));
    };
    let (client, private) = (context.client.clone(), target.send_proxy);
    if again
        && !private
        && let Some(stream) = context.worker.idle.take(target.pool(), context.now())
    {
        context.times.connected = Some(Duration::ZERO);
        if let Some(server) = context.server() {
            server.stats.traffic.reuses.one();
        }
        let begun = clock::instant();
        match send(context, session, body, stream).await? {
            // The server was closing it when we began. One that had the request for longer has worked on it.
            Attempt::Failed(Failure::Empty) if begun.elapsed() < STALE => {}
            attempt => return Ok(attempt),
        }
    }
    let begun = clock::instant();
    let timeout =
        context.backend().map_or(Duration::ZERO, |backend| backend.connect).min(context.time_left());
    let silence = context.frontend().client;
    let from = Some((client.peer, client.local)).filter(|(peer, _)| *peer != NOWHERE);
    let connection = match body.meanwhile(session, silence, connect(&target, from, timeout)).await {
        Ok(connection) => connection,
        Err(outcome) => return Ok(Attempt::Over(outcome)),
    };
    match connection {
        Ok(stream) => {
            context.times.connected = Some(begun.elapsed());
            if let Some(server) = context.server() {
                server.stats.traffic.connects.one();
            }
            send(context, session, body, stream).await
        }
        Err(_) if context.time_left().is_zero() => Ok(Attempt::Over(Outcome::TotalTimeout)),
        Err(e) => {
            if target.may_warn(context.now()) {
                let backend = context.backend().map_or("", |backend| &backend.name);
                warn!("server {backend}/{}: {e}", target.name);
            }
            Ok(Attempt::Failed(match e {
                ConnectError::Timeout(_) => Failure::ConnectTimeout,
                _ => Failure::Connect,
            }))
        }
    }
}

enum Event {
    Head(pingora::Result<usize>),
    Client(pingora::Result<Option<Bytes>>),
    Late,
}

async fn send(
    context: &mut Context,
    session: &mut ServerSession,
    body: &mut Body<'_>,
    stream: Stream,
) -> pingora::Result<Attempt> {
    let (Some(backend), Some(server)) = (context.backend(), context.server()) else {
        return Ok(Attempt::Over(Outcome::Internal));
    };
    let first_byte = backend.first_byte;
    let upgrade = upstream_request::is_upgrade(session.req_header());
    let Some(stream) = stream::expect_answer(stream, session.req_header().method.clone(), upgrade) else {
        return Ok(Attempt::Over(Outcome::Internal));
    };
    let mut to = HttpSession::new(stream);
    let silence = backend.server;
    let pool = server.target.pool();
    let head = upstream_request::build(context, session.req_header(), server, body.framing)?;
    if to.write_request_header(head).await.is_err() {
        return Ok(Attempt::Failed(Failure::Empty));
    }
    context.times.first_byte = None;
    context.times.server_first_byte = None;
    let mut sending = Sending { to, stopped: false, done_at: None };
    for part in body.kept() {
        sending.part(part, silence.min(context.time_left())).await;
    }
    if body.is_done(session) {
        sending.finish(silence.min(context.time_left())).await;
    } else if body.expects_continue {
        body.expects_continue = false;
        let go_on = ResponseHeader::build_no_case(StatusCode::CONTINUE, Some(0))?;
        interim(session, go_on).await?;
    }
    loop {
        let left = context.time_left();
        let wait = match sending.done_at {
            Some(at) => first_byte.saturating_sub(at.elapsed()).min(left),
            None => left,
        };
        if left.is_zero() {
            return Ok(Attempt::Over(too_long(body.is_done(session))));
        }
        let client_done = body.is_done(session);
        let client = client_event(session, client_done, sending.stopped, context.frontend().client);
        let event = async {
            tokio::select! {
                biased;
                head = sending.to.read_response() => Event::Head(head),
                part = client => Event::Client(part),
            }
        };
        let event = match pingora_timeout::timeout(wait, event).await {
            Ok(event) => event,
            Err(_) => Event::Late,
        };
        match event {
            Event::Head(Ok(_)) => {
                let Some(head) = sending.to.resp_header() else { continue };
                match head.status {
                    StatusCode::SWITCHING_PROTOCOLS
                        if !sending.to.was_upgraded() || !upstream_request::is_websocket(&head.headers) =>
                    {
                        return Ok(Attempt::Failed(Failure::Broken));
                    }
                    StatusCode::SWITCHING_PROTOCOLS => {}
                    // Ours to answer, and `Expect` did not go to the server.
                    StatusCode::CONTINUE => continue,
                    status if status.is_informational() => {
                        if session.req_header().version == Version::HTTP_10 {
                            continue;
                        }
                        let mut head = head.clone();
                        head.remove_header(&CONNECTION);
                        head.remove_header(&UPGRADE);
                        interim(session, head).await?;
                        continue;
                    }
                    _ => {}
                }
                context.times.first_byte = Some(context.times.begun.elapsed());
                context.times.server_first_byte = sending.done_at.map(|at: Instant| at.elapsed());
                let Sending { to: mut server, stopped, .. } = sending;
                let Ok(first) = beginning(&mut server) else {
                    context.answer_fault = stream::fault(server.stream());
                    return Ok(Attempt::Failed(Failure::Broken));
                };
                let answer = Answer { server, pool, first, sent: client_done, stopped };
                return Ok(Attempt::Answered(Box::new(answer)));
            }
            Event::Head(Err(e)) => {
                context.answer_fault = stream::fault(sending.to.stream());
                return Ok(Attempt::Failed(match e.etype() {
                    _ if context.answer_fault.is_some() => Failure::Broken,
                    ErrorType::InvalidHTTPHeader => Failure::Broken,
                    _ => Failure::Empty,
                }));
            }
            Event::Client(Ok(part)) => {
                let part = match body.take(part) {
                    Ok(part) => part,
                    Err(outcome) => return Ok(Attempt::Over(outcome)),
                };
                if let Some(part) = part {
                    sending.part(&part, silence.min(context.time_left())).await;
                    if let Err(outcome) = body.keep(part) {
                        return Ok(Attempt::Over(outcome));
                    }
                }
                if body.is_done(session) {
                    sending.finish(silence.min(context.time_left())).await;
                }
                finish::report_bytes(context, session);
            }
            Event::Client(Err(e)) => return Ok(Attempt::Over(client_error(session, &e, client_done))),
            Event::Late if context.time_left().is_zero() => {
                return Ok(Attempt::Over(too_long(client_done)));
            }
            Event::Late => return Ok(Attempt::Failed(Failure::FirstByte)),
        }
    }
}

/// `timeouts.total` ran out: for a client whose request has not come by then it is its own fault.
fn too_long(client_done: bool) -> Outcome {
    if client_done { Outcome::TotalTimeout } else { Outcome::RequestTimeout }
}

/// What of a chunked body is here already: nonsense is told from an answer while another server can still be asked.
fn beginning(server: &mut HttpSession) -> pingora::Result<Option<Bytes>> {
    let chunked = server.resp_header().is_some_and(|head| head.headers.contains_key(TRANSFER_ENCODING));
    if !chunked {
        return Ok(None);
    }
    match server.read_body_bytes().now_or_never() {
        Some(Ok(first)) => Ok(first.filter(|first| !first.is_empty())),
        Some(Err(e)) => Err(e),
        None => Ok(None),
    }
}

/// Sends a 1xx. Pingora would take it for the answer and give up keep-alive, as the request is not read yet.
async fn interim(session: &mut ServerSession, head: ResponseHeader) -> pingora::Result<()> {
    session.set_close_on_response_before_downstream_finish(false);
    let written = session.write_response_header(Box::new(head)).await;
    session.set_close_on_response_before_downstream_finish(true);
    written
}

/// The way of the request out.
struct Sending {
    to: HttpSession,
    /// The server takes no more: what it says to that is read.
    stopped: bool,
    /// When the last of it was written.
    done_at: Option<Instant>,
}

impl Sending {
    /// Writes a part, which the server takes within `patience`.
    async fn part(&mut self, part: &[u8], patience: Duration) {
        self.to.write_timeout = Some(patience);
        if !self.stopped && self.to.write_body(part).await.is_err() {
            self.stop();
        }
    }

    async fn finish(&mut self, patience: Duration) {
        if self.done_at.is_none() {
            self.done_at = Some(clock::instant());
            let finished = pingora_timeout::timeout(patience, self.to.finish_body());
            if !self.stopped && !matches!(finished.await, Ok(Ok(_))) {
                self.stop();
            }
        }
    }

    fn stop(&mut self) {
        self.stopped = true;
        self.done_at.get_or_insert_with(clock::instant);
    }
}
