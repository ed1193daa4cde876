//! The loop over attempts: choose a server, try it, and when it fails before the client has seen anything, try another.

use std::time::Duration;

use http::Method;
use pingora::protocols::http::ServerSession;

use crate::ai;
use crate::base::clock;
use crate::outcome::{Failure, Outcome};
use crate::pool::balance::{Draw, Kind};
use crate::pool::estimate::Estimate;
use crate::pool::retry::{self, Tried};
use crate::pool::{Pick, Slot};
use crate::proxy::attempt::{self, Answer, Attempt};
use crate::proxy::body::Body;
use crate::proxy::context::Context;
use crate::proxy::{balance_key, deliver};
use crate::runtime::snapshot::Backend;

/// Serves the request from the backend in the context. `max_body` is in bytes.
pub async fn run(
    context: &mut Context,
    session: &mut ServerSession,
    max_body: u64,
) -> pingora::Result<Outcome> {
    let snapshot = context.snapshot.clone();
    let Some(backend) = context.backend.map(|index| &snapshot.backends[index]) else {
        return Ok(Outcome::NoServer);
    };
    backend.budget.request(context.now());
    context.backend_session = Some(backend.stats.traffic.session(context.now()));
    let worker = context.worker.clone();
    let memory = &worker.shared.state.body_memory;
    let mut body = Body::new(session, max_body, memory.hold(snapshot.max_body_memory));
    let safe = may_be_sent_twice(session);
    context.repeatable = safe;
    let mut tried = Tried::default();
    let key = balance_key::of(backend, context, session.req_header());
    loop {
        let draw = Draw { key, random: context.worker.random_bits(), now: context.now() };
        let slot = match choose(context, session, &mut body, backend, &tried, draw).await {
            Ok(slot) => slot,
            Err(outcome) => return Ok(outcome),
        };
        let index = slot.index();
        context.server = Some(index);
        context.attempts += 1;
        context.slot = Some(slot);
        let traffic = &backend.servers[index].stats.traffic;
        traffic.chosen.one();
        backend.stats.traffic.chosen.one();
        context.server_session = Some(traffic.session(context.now()));
        let (asked, whole) = (clock::instant(), body.is_done(session));
        let failure = match attempt::run(context, session, &mut body, safe).await? {
            Attempt::Over(outcome) => {
                // While the client still sends, the server need not answer.
                if let Some(estimate) = estimate(context, backend).filter(|_| whole) {
                    estimate.waited(asked.elapsed(), context.now());
                }
                return Ok(outcome);
            }
            Attempt::Answered(answer) => {
                let failure = Failure::Status(status_of(&answer));
                learn(context, backend, failure);
                if !may_retry(context, backend, failure, safe) {
                    return deliver::run(context, session, &mut body, *answer).await;
                }
                failure
            }
            Attempt::Failed(failure) => {
                learn(context, backend, failure);
                for traffic in [traffic, &backend.stats.traffic] {
                    match failure {
                        Failure::Connect | Failure::ConnectTimeout => traffic.connect_errors.one(),
                        _ => traffic.response_errors.one(),
                    }
                }
                if !may_retry(context, backend, failure, safe) {
                    return Ok(Outcome::Failed(failure));
                }
                failure
            }
        };
        // The place is free while we wait.
        context.leave_server();
        tried.insert(index);
        for traffic in [traffic, &backend.stats.traffic] {
            traffic.retries.one();
            if backend.pool.has_other(&tried) {
                traffic.redispatches.one();
            }
        }
        if let Err(outcome) = back_off(context, session, &mut body, failure, &tried).await {
            return Ok(outcome);
        }
    }
}

async fn choose(
    context: &mut Context,
    session: &mut ServerSession,
    body: &mut Body<'_>,
    backend: &Backend,
    tried: &Tried,
    draw: Draw,
) -> Result<Slot, Outcome> {
    let (pool, begun) = (&backend.pool, clock::instant());
    let mut pick = pool.pick(tried, draw);
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
            Pick::NoServer => return Err(Outcome::NoServer),
            Pick::Wait(ticket) => ticket,
        };
        let left = backend.queue.saturating_sub(begun.elapsed()).min(context.time_left());
        let turn = pingora_timeout::timeout(left, &mut ticket);
        let silence = context.frontend().client;
        let turn = body.meanwhile(session, silence, turn).await;
        context.times.queued = Some(begun.elapsed());
        pick = match turn? {
            Ok(()) => pool.resume(tried, Draw { now: context.now(), ..draw }, ticket),
            Err(_) => return Err(Outcome::Overloaded),
        };
    }
}

/// What the balancer thinks of the server, where it wants to know how it does.
fn estimate<'a>(context: &'a Context, backend: &Backend) -> Option<&'a Estimate> {
    let slot = context.slot.as_ref().filter(|_| backend.pool.balance() == Kind::Latency)?;
    Some(slot.server().first_byte())
}

/// Tells the balancer how the server did, where it wants to know.
fn learn(context: &Context, backend: &Backend, end: Failure) {
    let (Some(estimate), now) = (estimate(context, backend), context.now()) else { return };
    match end {
        // What fails fast is not fast: the same answers as another server may be asked for.
        Failure::Status(429 | 500..) => estimate.failed(Duration::ZERO, now),
        // An answer that came before all of the request was sent says nothing about the time it takes.
        Failure::Status(_) => {
            if let Some(after) = context.times.server_first_byte {
                estimate.answered(after, now);
            }
        }
        Failure::FirstByte => estimate.failed(backend.first_byte, now),
        Failure::ConnectTimeout => estimate.failed(backend.connect, now),
        Failure::Connect | Failure::Empty | Failure::Broken => estimate.failed(Duration::ZERO, now),
    }
}

/// Whether there may be one more attempt; takes it out of the backend's retry budget.
fn may_retry(context: &Context, backend: &Backend, failure: Failure, safe: bool) -> bool {
    let wanted = backend.retry.should_retry(context.attempts, retry_failure(failure), safe)
        && !context.time_left().is_zero();
    // The budget keeps retries from piling load on servers. Who was never reached has no load from it, and a server that
    // just died must not cost clients anything while its checks still fall.
    let free = failure == Failure::Connect;
    let afforded = wanted && (free || backend.budget.take(backend.retry.budget, context.now()));
    if wanted && !afforded {
        backend.stats.retries_refused.one();
    }
    afforded
}

fn retry_failure(failure: Failure) -> retry::Failure {
    match failure {
        Failure::Connect | Failure::ConnectTimeout => retry::Failure::Connect,
        // An answer that is not HTTP tells us as little as none.
        Failure::Empty | Failure::Broken => retry::Failure::EmptyResponse,
        Failure::FirstByte => retry::Failure::Timeout,
        Failure::Status(status) => retry::Failure::Status(status),
    }
}

async fn back_off(
    context: &mut Context,
    session: &mut ServerSession,
    body: &mut Body<'_>,
    failure: Failure,
    tried: &Tried,
) -> Result<(), Outcome> {
    let Some(backend) = context.backend() else { return Err(Outcome::Internal) };
    let another = backend.pool.has_other(tried);
    let random = context.worker.random();
    let wait = backend.retry.backoff(context.attempts, retry_failure(failure), another, random);
    if wait.is_zero() {
        return Ok(());
    }
    if wait >= context.time_left() {
        return Err(Outcome::TotalTimeout);
    }
    body.meanwhile(session, context.frontend().client, pingora_timeout::sleep(wait)).await
}

fn status_of(answer: &Answer) -> u16 {
    answer.server.get_status().map_or(0, |status| status.as_u16())
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
