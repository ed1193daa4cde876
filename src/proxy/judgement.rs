//! What an attempt tells of the server that made it: to the breaker and its like, to the balancer, to the figures. Never
//! told of a server is what a client did: its mistakes, its leaving.

use std::time::Duration;

use http::header::AUTHORIZATION;
use pingora::http::{RequestHeader, ResponseHeader};

use crate::ai::quota;
use crate::base::clock;
use crate::observe::protocol_errors::{Culprit, ProtocolError};
use crate::outcome::{Failure, Outcome};
use crate::pool::balance::Kind;
use crate::pool::{Sign, Slot, Trouble};
use crate::proxy::attempt::{Ended, Miss};
use crate::proxy::context::Context;
use crate::proxy::upstream_request::keeps_client_key;
use crate::proxy::worker::Worker;
use crate::runtime::events;
use crate::runtime::snapshot::{Backend, Server};

/// What the head of an answer says; `None`: nothing yet, its end will. `status` is the answer's, or what the first event
/// of its stream amounts to.
fn of_answer(server: &Server, head: &ResponseHeader, status: u16, borrowed_key: bool) -> Option<Sign> {
    let our_key = server.authorization.is_some();
    let now = clock::unix_time;
    match status {
        401 if our_key => Some(Sign::KeyRefused),
        403 if our_key => Some(Sign::KeyForbidden),
        // The limit of one client's own key says little of what the others get.
        429 if borrowed_key => Some(Sign::ClientLimited(quota::after_429(&head.headers, now()))),
        429 => Some(Sign::Limited(quota::after_429(&head.headers, now()))),
        // DeepSeek's "insufficient balance", for one.
        402 if our_key => Some(Sign::Limited(quota::retry_after(&head.headers, now()))),
        // They are about the request.
        501 | 505 => None,
        500.. if status == head.status.as_u16() => Some(Sign::Failed(Trouble::Status(status))),
        500.. => Some(Sign::Failed(Trouble::ErrorEvent)),
        _ if our_key => quota::exhausted(&head.headers).map(|left| Sign::Limited(Some(left))),
        _ => None,
    }
}

/// Whether the key that the server saw is the client's own.
pub fn borrows_key(context: &Context, server: &Server, head: &RequestHeader) -> bool {
    keeps_client_key(context, server)
        && (head.headers.contains_key(AUTHORIZATION) || head.headers.contains_key("x-api-key"))
}

fn of_failure(failure: Failure) -> Option<Trouble> {
    match failure {
        Failure::Connect => Some(Trouble::Connect),
        Failure::ConnectTimeout => Some(Trouble::ConnectTimeout),
        Failure::Refused => Some(Trouble::Refused),
        Failure::Empty => Some(Trouble::Empty),
        Failure::FirstByte => Some(Trouble::FirstByte),
        Failure::FirstContent => Some(Trouble::FirstContent),
        Failure::Broken => Some(Trouble::Broken),
        Failure::CutEarly => Some(Trouble::Cut),
        // Their answers were judged.
        Failure::Status(_) | Failure::ErrorEvent(_) | Failure::KeyRefused => None,
    }
}

fn of_end(outcome: Outcome) -> Option<Sign> {
    match outcome {
        Outcome::Completed | Outcome::Exhausted(_) | Outcome::Tunnelled | Outcome::TunnelSilent => {
            Some(Sign::Well)
        }
        Outcome::AnswerCut => Some(Sign::Failed(Trouble::Cut)),
        Outcome::AnswerBroken => Some(Sign::Failed(Trouble::Broken)),
        Outcome::AnswerSilent => Some(Sign::Failed(Trouble::Silent)),
        _ => None,
    }
}

/// Tells of the server of a slot.
fn tell(worker: &Worker, backend: &Backend, slot: &mut Slot, sign: Sign) {
    let server = slot.index();
    if let (Sign::Failed(trouble), Some(of)) = (sign, backend.servers.get(server)) {
        of.stats.failures.count(trouble.label());
    }
    if let Some(change) = backend.pool.tell(slot, sign, worker.now()) {
        events::server_changed(&worker.shared.state, backend, server, &change);
    }
}

/// What came of an attempt: how it failed, or what its answer counts as for a retry, and whether that is all there is to
/// say of the server.
pub fn of(
    worker: &Worker,
    backend: &Backend,
    slot: &mut Slot,
    ended: &Ended,
    borrowed_key: bool,
) -> Option<(Failure, bool)> {
    let answer = match &ended.result {
        Ok(answer) => answer,
        Err(Miss::Failed(failure)) => {
            failed(worker, backend, slot, *failure);
            if let (Some(reason), Some(server)) = (ended.fault, backend.servers.get(slot.index())) {
                worker.shared.state.protocol_errors.keep(ProtocolError {
                    at: clock::unix_time(),
                    who: Culprit::Server {
                        backend: backend.name.clone(),
                        server: server.target.name.clone(),
                    },
                    reason,
                    why: "the answer is not valid HTTP".to_owned(),
                    sent: Vec::new(),
                });
            }
            return Some((*failure, true));
        }
        Err(Miss::Stale | Miss::OutOfTime) => return None,
    };
    let status = answer.status();
    let server = backend.servers.get(slot.index())?;
    let sign = of_answer(server, answer.server.head()?, status, borrowed_key);
    let failure = match answer.error_event {
        _ if sign == Some(Sign::KeyRefused) => Failure::KeyRefused,
        Some(status) => Failure::ErrorEvent(status),
        None => Failure::Status(status),
    };
    learn(worker, backend, slot, failure, ended.answered);
    if let Some(sign) = sign {
        tell(worker, backend, slot, sign);
    }
    Some((failure, sign.is_some()))
}

/// An attempt failed without an answer.
fn failed(worker: &Worker, backend: &Backend, slot: &mut Slot, failure: Failure) {
    learn(worker, backend, slot, failure, None);
    let server = backend.servers.get(slot.index()).map(|server| &server.stats.traffic);
    for traffic in server.into_iter().chain([&backend.stats.traffic]) {
        match failure {
            Failure::Connect | Failure::ConnectTimeout | Failure::Refused => traffic.connect_errors.one(),
            _ => traffic.response_errors.one(),
        }
    }
    if let Some(trouble) = of_failure(failure) {
        tell(worker, backend, slot, Sign::Failed(trouble));
    }
}

/// An event stream has content. A trial is to tell soon whether its server is well again: a stream may go on for minutes.
pub fn began(context: &mut Context) {
    if context.slot.as_ref().is_some_and(Slot::is_trial) {
        ended(context, Outcome::Completed);
    }
}

/// The request is over with an answer that was on its way to the client.
pub fn ended(context: &mut Context, outcome: Outcome) {
    let snapshot = context.snapshot.clone();
    let backend = context.backend.map(|index| &snapshot.backends[index]);
    if let (Some(backend), Some(slot), Some(sign)) = (backend, &mut context.slot, of_end(outcome))
        && !context.judged
    {
        context.judged = true;
        tell(&context.worker, backend, slot, sign);
    }
}

/// Tells the balancer how the server did, where it wants to know. `answered`: the head came so long after the request.
fn learn(worker: &Worker, backend: &Backend, slot: &Slot, end: Failure, answered: Option<Duration>) {
    if backend.pool.balance() != Kind::Latency {
        return;
    }
    let (estimate, now) = (slot.server().first_byte(), worker.now());
    match end {
        // What fails fast is not fast: the same answers as another server may be asked for.
        Failure::Status(429 | 500..) | Failure::ErrorEvent(429 | 500..) => {
            estimate.failed(Duration::ZERO, now);
        }
        // An answer that came before all of the request was sent says nothing about the time it takes.
        Failure::Status(_) | Failure::ErrorEvent(_) => {
            if let Some(after) = answered {
                estimate.answered(after, now);
            }
        }
        Failure::FirstByte => estimate.failed(backend.first_byte, now),
        Failure::FirstContent => estimate.failed(backend.first_content, now),
        Failure::ConnectTimeout => estimate.failed(backend.connect, now),
        Failure::Connect
        | Failure::Refused
        | Failure::Empty
        | Failure::CutEarly
        | Failure::Broken
        | Failure::KeyRefused => estimate.failed(Duration::ZERO, now),
    }
}

/// The client left, or another server was faster, when the server had not answered for so long.
pub fn waited(worker: &Worker, backend: &Backend, slot: &Slot, long: Duration) {
    if backend.pool.balance() == Kind::Latency {
        slot.server().first_byte().waited(long, worker.now());
    }
}
