//! The loop over attempts: choose a server, try it, and when it fails before the client has seen anything, try another.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use http::Method;
use pingora::protocols::http::ServerSession;

use crate::ai;
use crate::ai::quota;
use crate::base::clock;
use crate::outcome::{Failure, Outcome};
use crate::pool::{Pick, Slot, retry};
use crate::proxy::attempt::{self, Answer, Ended, Miss};
use crate::proxy::body::Body;
use crate::proxy::context::Context;
use crate::proxy::course::Course;
use crate::proxy::worker::Worker;
use crate::proxy::{deliver, hedge, judgement};
use crate::runtime::snapshot::Snapshot;

/// Serves the request from the backend in the context: with its model, or with one that stands in for it.
pub async fn run<'a>(
    context: &mut Context,
    session: &mut ServerSession,
    body: &mut Body<'a>,
    (worker, snapshot): (&'a Arc<Worker>, &'a Snapshot),
) -> pingora::Result<Outcome> {
    let Some(backend) = context.backend.map(|index| &snapshot.backends[index]) else {
        return Ok(Outcome::NoServer);
    };
    backend.budget.request(context.now());
    if backend.hedge.is_some() {
        backend.hedge_budget.request(context.now());
    }
    context.backend_session = Some(backend.stats.traffic.session(context.now()));
    context.repeatable = may_be_sent_twice(session);
    let mut course = Course::new(worker, backend, context, session);
    if !course.has_server(context) && !course.next_model(context) {
        return Ok(Outcome::UnknownModel);
    }
    loop {
        match choose(context, session, body, &course).await {
            Ok(slot) => {
                let place = course.begin(context, slot);
                context.occupy(place);
            }
            Err(Outcome::NoServer) if course.next_model(context) => {
                context.retry_after = None;
                continue;
            }
            Err(outcome) => return Ok(outcome),
        }
        let ended = match once(context, session, body, &mut course).await? {
            Ok(ended) => ended,
            Err(outcome) => return Ok(outcome),
        };
        note(context, &course, &ended);
        let borrows = context.borrows_key(session);
        let Some((index, slot)) = context.server.zip(context.slot.as_mut()) else {
            return Ok(Outcome::Internal);
        };
        let Some((failure, judged)) = judgement::of(worker, backend, slot, &ended, borrows) else {
            return Ok(too_long(body.is_done(session)));
        };
        context.judged = judged;
        let wait = may_retry(context, &mut course, index, failure, asked(&ended));
        let Some(wait) = wait else {
            if backend.retry.when.contains(retry_failure(failure))
                && context.repeatable
                && course.next_model(context)
            {
                drop(ended);
                context.leave_server();
                continue;
            }
            return match ended.result {
                Ok(answer) if failure != Failure::KeyRefused => {
                    deliver::run(context, session, body, answer).await
                }
                _ => Ok(Outcome::Failed(failure)),
            };
        };
        // The connection is done with, and the place is free while we wait.
        drop(ended);
        context.leave_server();
        if !wait.is_zero()
            && let Err(outcome) = body.meanwhile(context, session, tokio::time::sleep(wait)).await
        {
            return Ok(outcome);
        }
    }
}

async fn choose(
    context: &mut Context,
    session: &mut ServerSession,
    body: &mut Body<'_>,
    course: &Course<'_>,
) -> Result<Slot, Outcome> {
    let (backend, begun) = (course.backend, clock::instant());
    let mut pick = backend.pool.pick(&course.ask(&course.tried));
    loop {
        let mut ticket = match pick {
            Pick::Server(slot) => {
                context.times.queued.get_or_insert(Duration::ZERO);
                return Ok(slot);
            }
            Pick::QueueFull => {
                context.times.queued.get_or_insert(Duration::ZERO);
                return Err(Outcome::Overloaded);
            }
            Pick::NoServer => {
                let (pool, only, now) = (&backend.pool, course.only(), context.now());
                let back = [pool.back_in_for(only, now), pool.knock_in(only, now)];
                context.retry_after = back.into_iter().flatten().min();
                return Err(Outcome::NoServer);
            }
            Pick::Wait(ticket) => ticket,
        };
        let left = backend.queue.saturating_sub(begun.elapsed()).min(context.time_left());
        let turn = pingora_timeout::timeout(left, &mut ticket);
        let turn = body.meanwhile(context, session, turn).await;
        context.times.queued = Some(begun.elapsed());
        pick = match turn? {
            Ok(()) => backend.pool.resume(&course.ask(&course.tried), ticket),
            Err(_) if context.time_left().is_zero() => return Err(Outcome::TotalTimeout),
            Err(_) => return Err(Outcome::Overloaded),
        };
    }
}

/// One attempt on the server in the context, or two where it is hedged. An idle connection that the server was just
/// closing is replaced by a new one without counting.
async fn once<'a>(
    context: &mut Context,
    session: &mut ServerSession,
    body: &mut Body<'a>,
    course: &mut Course<'a>,
) -> pingora::Result<Result<Ended, Outcome>> {
    let asked = clock::instant();
    let late = hedge::due(context, course);
    let mut reuse = true;
    loop {
        let Some(index) = context.server else { return Ok(Err(Outcome::Internal)) };
        body.feed.begin();
        let first = pin!(attempt::run(course.order(context, session, body, index, reuse)?));
        let ended = match late {
            None => body.meanwhile(context, session, first).await,
            Some(late) => Box::pin(hedge::race(context, session, body, course, first, late)).await?,
        };
        match ended {
            Ok(Ended { result: Err(Miss::Stale), .. }) if reuse => reuse = false,
            Err(outcome) => {
                // While the client still sends, the server need not answer.
                if let (Some(slot), Some(whole)) = (&context.slot, body.done_at(session)) {
                    judgement::waited(course.worker, course.backend, slot, whole.max(asked).elapsed());
                }
                return Ok(Err(outcome));
            }
            ended => return Ok(ended),
        }
    }
}

/// Takes over when things happened.
fn note(context: &mut Context, course: &Course<'_>, ended: &Ended) {
    let begun = context.times.begun;
    let times = &mut context.times;
    times.connected = ended.connected;
    times.server_first_byte = ended.answered;
    times.first_byte = ended.head_at.map(|at| at.saturating_duration_since(begun));
    times.first_content = ended.content_at.map(|at| at.saturating_duration_since(begun));
    if let (Some(_), Some(at)) = (&course.backend.hedge, ended.content_at) {
        course.backend.learned.observe(at.saturating_duration_since(ended.begun), course.worker.now());
    }
    context.answer_fault = ended.fault.or(context.answer_fault);
}

/// `timeouts.total` ran out: for a client whose request has not come by then it is its own fault.
fn too_long(client_done: bool) -> Outcome {
    if client_done { Outcome::TotalTimeout } else { Outcome::RequestTimeout }
}

/// How long the server of an answer asks to be left alone.
fn asked(ended: &Ended) -> Option<Duration> {
    let answer: &Answer = ended.result.as_ref().ok()?;
    quota::retry_after(&answer.server.head()?.headers, clock::unix_time())
}

/// How long until the next attempt; `None`: there is none. Takes it out of the backend's retry budget, and notes that the
/// server at `index` failed.
fn may_retry(
    context: &Context,
    course: &mut Course<'_>,
    index: usize,
    failure: Failure,
    asked: Option<Duration>,
) -> Option<Duration> {
    let (backend, now, attempts) = (course.backend, context.now(), course.attempts(context));
    let (policy, pool) = (&backend.retry, &backend.pool);
    let kind = retry_failure(failure);
    if !policy.should_retry(attempts, kind, context.repeatable) {
        return None;
    }
    course.tried.insert(index);
    let ask = course.ask(&course.tried);
    let another = pool.has_other(&ask);
    let mut wait = policy.backoff(attempts, another, course.worker.random());
    if !another {
        // It would be the same server, with the same key.
        if failure == Failure::KeyRefused {
            return None;
        }
        let back = if pool.has_usable(&ask) { None } else { Some(pool.back_in_for(ask.only, now)?) };
        if let Some(back) = back.max(asked) {
            wait = wait.max(policy.retry_after(back)?);
        }
    }
    if wait >= context.time_left() {
        return None;
    }
    // The budget keeps retries from piling load on servers. Who was never reached has no load from it; and when one just
    // died, what it had in flight only moves to where all its traffic goes from now on.
    let moves = another && !pool.usable(index, now);
    let free = moves || matches!(failure, Failure::Connect | Failure::Refused);
    if !free && !backend.budget.take(policy.budget, now) {
        backend.stats.retries_refused.one();
        return None;
    }
    for traffic in [&backend.servers[index].stats.traffic, &backend.stats.traffic] {
        traffic.retries.one();
        if another {
            traffic.redispatches.one();
        }
    }
    Some(wait)
}

fn retry_failure(failure: Failure) -> retry::Failure {
    match failure {
        Failure::Connect | Failure::ConnectTimeout => retry::Failure::Connect,
        Failure::Refused => retry::Failure::Refused,
        // An answer that is not HTTP tells us as little as none.
        Failure::Empty | Failure::CutEarly | Failure::Broken => retry::Failure::EmptyResponse,
        Failure::FirstByte | Failure::FirstContent => retry::Failure::Timeout,
        // A quota that is used up is a limit like another.
        Failure::Status(402) => retry::Failure::Status(429),
        Failure::Status(status) | Failure::ErrorEvent(status) => retry::Failure::Status(status),
        Failure::KeyRefused => retry::Failure::KeyRefused,
    }
}

/// A completion has no side effect but its cost, and an idempotent method has the same effect twice (RFC 9110 9.2.2).
fn may_be_sent_twice(session: &ServerSession) -> bool {
    let head = session.req_header();
    let idempotent = matches!(
        head.method,
        Method::GET | Method::HEAD | Method::OPTIONS | Method::TRACE | Method::PUT | Method::DELETE
    );
    idempotent || ai::path::is_call(head.uri.path())
}
