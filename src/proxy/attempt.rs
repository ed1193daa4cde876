//! One attempt: a connection to the chosen server, the request out, the head of the answer in, and of an event stream as
//! much as tells whether it will come to something. It knows the request only by what it is given, so that two attempts
//! may run at once, and reads the body from a [`Feed`], so that any request can be sent again, whatever its size.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures::FutureExt;
use http::header::{CONNECTION, TRANSFER_ENCODING, UPGRADE};
use http::{Method, StatusCode};
use log::warn;
use pingora::http::RequestHeader;

use crate::ai::path::Dialect;
use crate::base::clock;
use crate::outcome::Failure;
use crate::proxy::commit;
use crate::proxy::feed::{Cursor, Feed, Next};
use crate::proxy::upstream_request::is_websocket;
use crate::proxy::worker::Worker;
use crate::runtime::snapshot::{Backend, Server};
use crate::upstream::connect::{ConnectError, Want};
use crate::upstream::session::{Fault, Session};

/// How soon a connection that was kept must fail to be taken for one that the server was just closing.
const STALE: Duration = Duration::from_millis(100);

/// What an attempt is to do.
pub struct Order<'a> {
    pub worker: &'a Worker,
    pub backend: &'a Backend,
    pub server: &'a Server,
    pub head: Box<RequestHeader>,
    pub method: Method,
    pub feed: &'a Feed,
    /// The body where it is not as the client sent it.
    pub edited: Option<Feed>,
    /// It has no body at all.
    pub bodiless: bool,
    /// On a connection that was there already, if there is one.
    pub reuse: bool,
    /// On none that was there already: such a one has just failed it.
    pub fresh: bool,
    pub upgrade: bool,
    /// Whose request it is and where it was sent to, for a server that wants a PROXY header.
    pub client: Option<(SocketAddr, SocketAddr)>,
    /// How its event stream is read, where an answer is held until its first content.
    pub dialect: Option<Dialect>,
    /// An answer in JSON is read to its end before anything of it is passed on, if it is not too large.
    pub whole: bool,
    /// `timeouts.total` runs out then.
    pub until: Instant,
}

/// A server that answers.
pub struct Answer {
    pub server: Session,
    /// What came of the body so far.
    pub first: Bytes,
    /// The whole request was sent.
    pub sent: bool,
    /// The server takes no more of the request.
    pub stopped: bool,
    /// The stream begins with an error that this status tells of.
    pub error_event: Option<u16>,
}

impl Answer {
    /// What it says of the request: its status, or what its first event amounts to.
    pub fn status(&self) -> u16 {
        let status = || self.server.head().map_or(0, |head| head.status.as_u16());
        self.error_event.unwrap_or_else(status)
    }
}

/// Why there is no answer.
pub enum Miss {
    Failed(Failure),
    /// The connection was one that the server was just closing: nothing is lost, a new one will do.
    Stale,
    /// `timeouts.total` ran out.
    OutOfTime,
}

/// What came of an attempt, and when.
pub struct Ended {
    pub begun: Instant,
    /// It took this long to connect; zero on a connection that was there.
    pub connected: Option<Duration>,
    /// From the end of the request to the head of the answer; `None`: the answer came before.
    pub answered: Option<Duration>,
    pub head_at: Option<Instant>,
    /// When the first content of a stream came.
    pub content_at: Option<Instant>,
    /// What was wrong with the answer.
    pub fault: Option<&'static str>,
    /// The connection ended, rather than this request alone.
    lost: bool,
    pub result: Result<Answer, Miss>,
}

pub async fn run(order: Order<'_>) -> Ended {
    let mut ended = Ended {
        begun: clock::instant(),
        connected: None,
        answered: None,
        head_at: None,
        content_at: None,
        fault: None,
        lost: false,
        result: Err(Miss::OutOfTime),
    };
    let session = match connection(&order, &mut ended).await {
        Ok(session) => session,
        Err(miss) => {
            ended.result = Err(miss);
            return ended;
        }
    };
    let kept = session.was_reused() && !order.fresh;
    let (may_be_stale, begun) = (kept && order.reuse, clock::instant());
    ended.result = match exchange(order, session, &mut ended).await {
        // The server told that it has not touched it.
        Err(Miss::Failed(Failure::Refused)) if kept && ended.lost => Err(Miss::Stale),
        // One that had the request for longer has worked on it, and so has one that resets it alone.
        Err(Miss::Failed(Failure::Empty)) if may_be_stale && ended.lost && begun.elapsed() < STALE => {
            Err(Miss::Stale)
        }
        result => result,
    };
    ended
}

async fn connection(order: &Order<'_>, ended: &mut Ended) -> Result<Session, Miss> {
    let Order { worker, server, backend, .. } = order;
    let Order { upgrade, fresh, client, .. } = *order;
    let want = Want { method: &order.method, upgrade, fresh, client };
    if order.reuse
        && let Some(session) = worker.connections.take(&server.target, &want, worker.now())
    {
        ended.connected = Some(Duration::ZERO);
        server.stats.traffic.reuses.one();
        return Ok(session);
    }
    let begun = clock::instant();
    let timeout = backend.connect.min(left(order.until));
    // Most requests find a connection: the future of one that does not is in a box of its own.
    match Box::pin(worker.connections.connect(&server.target, &want, timeout)).await {
        Ok(session) => {
            ended.connected = Some(begun.elapsed());
            server.stats.traffic.connects.one();
            Ok(session)
        }
        Err(_) if left(order.until).is_zero() => Err(Miss::OutOfTime),
        Err(e) => {
            if server.target.may_warn(worker.now()) {
                warn!("server {}/{}: {e}", backend.name, server.target.name);
            }
            Err(Miss::Failed(match e {
                ConnectError::Timeout(_) => Failure::ConnectTimeout,
                _ => Failure::Connect,
            }))
        }
    }
}

/// What is left until then; zero when it has passed.
pub fn left(until: Instant) -> Duration {
    until.saturating_duration_since(clock::instant())
}

enum Event {
    Head(Result<(), Fault>),
    /// There is more of the body to send.
    More,
}

async fn exchange(order: Order<'_>, session: Session, ended: &mut Ended) -> Result<Answer, Miss> {
    let Order { backend, head, feed, edited, dialect, whole, until, .. } = order;
    let source = edited.as_ref().unwrap_or(feed);
    let mut sending =
        Sending { to: session, source, feed, cursor: Cursor::default(), stopped: false, done_at: None };
    if let Err(fault) = sending.to.send_head(head, order.bodiless).await {
        return Err(failed(fault, ended));
    }
    let answered = loop {
        sending.all_there_is(backend.server, until).await;
        let time = left(until);
        let wait = match sending.done_at {
            Some(at) => backend.first_byte.saturating_sub(at.elapsed()).min(time),
            None => time,
        };
        let (cursor, done) = (sending.cursor, sending.done_at.is_some());
        let event = async {
            tokio::select! {
                biased;
                head = sending.to.read_head() => Event::Head(head),
                () = source.more(cursor), if !done => Event::More,
            }
        };
        match pingora_timeout::timeout(wait, event).await {
            Ok(Event::More) => {}
            Ok(Event::Head(Ok(()))) => {
                let Some(head) = sending.to.head() else { continue };
                match head.status {
                    StatusCode::SWITCHING_PROTOCOLS
                        if sending.to.was_upgraded() && is_websocket(&head.headers) =>
                    {
                        break sending;
                    }
                    StatusCode::SWITCHING_PROTOCOLS => return Err(Miss::Failed(Failure::Broken)),
                    // Ours to answer, and `Expect` did not go to the server.
                    StatusCode::CONTINUE => {}
                    status if status.is_informational() => {
                        let mut head = head.clone();
                        head.remove_header(&CONNECTION);
                        head.remove_header(&UPGRADE);
                        feed.inform(head);
                    }
                    _ => break sending,
                }
            }
            Ok(Event::Head(Err(fault))) => return Err(failed(fault, ended)),
            // Before all of it is sent nothing else was waited for, and a timer may be a little early.
            Err(_) if sending.done_at.is_none() || left(until).is_zero() => return Err(Miss::OutOfTime),
            Err(_) => return Err(Miss::Failed(Failure::FirstByte)),
        }
    };
    let Sending { to: mut server, stopped, done_at, .. } = answered;
    ended.head_at = Some(clock::instant());
    ended.answered = done_at.map(|at| at.elapsed());
    let first = match beginning(&mut server) {
        Ok(first) => first,
        Err(fault) => return Err(failed(fault, ended)),
    };
    let sent = done_at.is_some() && !stopped;
    let mut answer = Answer { server, first, sent, stopped, error_event: None };
    if let (Some(dialect), Some(sent_at)) = (dialect, done_at) {
        let limits =
            commit::Limits { silence: backend.server, first_content: sent_at + backend.first_content, until };
        let held = if commit::is_held(&answer) {
            commit::hold(&mut answer, dialect, &limits).await
        } else if whole && commit::is_json(&answer) {
            commit::whole(&mut answer, &limits).await.map(|()| None)
        } else if commit::awaits_body(&mut answer) {
            commit::first_part(&mut answer, &limits).await.map(|()| None)
        } else {
            Ok(None)
        };
        ended.content_at = held.map_err(|miss| match miss {
            commit::Miss::Fault(fault) => failed(fault, ended),
            commit::Miss::Cut => Miss::Failed(Failure::CutEarly),
            commit::Miss::Stalled => Miss::Failed(Failure::FirstContent),
            commit::Miss::OutOfTime => Miss::OutOfTime,
        })?;
    }
    Ok(answer)
}

fn failed(fault: Fault, ended: &mut Ended) -> Miss {
    ended.lost = matches!(fault, Fault::Cut | Fault::Goodbye);
    Miss::Failed(match fault {
        Fault::Refused | Fault::Goodbye => Failure::Refused,
        Fault::Cut | Fault::Reset if ended.head_at.is_some() => Failure::CutEarly,
        Fault::Cut | Fault::Reset => Failure::Empty,
        Fault::Broken(reason) => {
            ended.fault = Some(reason);
            Failure::Broken
        }
    })
}

/// What of a chunked body is here already: nonsense is told from an answer while another server can still be asked.
fn beginning(server: &mut Session) -> Result<Bytes, Fault> {
    let chunked = server.head().is_some_and(|head| head.headers.contains_key(TRANSFER_ENCODING));
    match chunked.then(|| server.read_body().now_or_never().map(|read| read.map(copied))) {
        Some(Some(first)) => first,
        _ => Ok(Bytes::new()),
    }
}

fn copied(part: Option<&[u8]>) -> Bytes {
    Bytes::copy_from_slice(part.unwrap_or_default())
}

/// The way of the request out.
struct Sending<'a> {
    to: Session,
    /// Where the body is read from.
    source: &'a Feed,
    /// By which the client is told.
    feed: &'a Feed,
    cursor: Cursor,
    /// The server takes no more: what it says to that is read.
    stopped: bool,
    /// When the last of it was written.
    done_at: Option<Instant>,
}

impl Sending<'_> {
    /// Sends what has come of the body, each part of which the server takes within `silence`, and all of it before `until`.
    async fn all_there_is(&mut self, silence: Duration, until: Instant) {
        while self.done_at.is_none() {
            let patience = silence.min(left(until));
            let went_out = match self.source.next(&mut self.cursor) {
                Next::Part(part) => {
                    let _busy = self.feed.busy();
                    self.to.send_part(&part, patience).await
                }
                Next::End => {
                    self.done_at = Some(clock::instant());
                    self.to.finish(patience).await
                }
                Next::Later => return,
            };
            if !went_out {
                self.stopped = true;
                self.done_at.get_or_insert_with(clock::instant);
                self.feed.refuse();
            }
        }
    }
}

#[cfg(test)]
mod tests;
