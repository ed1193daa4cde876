//! Hedging: when the first content of a stream is late, as lateness was learned, a second server is asked too. The one
//! that answers first wins, the other is let go. A budget bounds how often.

use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use pingora::protocols::http::ServerSession;

use crate::ai;
use crate::base::clock;
use crate::outcome::Outcome;
use crate::pool::{Pick, retry};
use crate::proxy::attempt::{self, Ended, Miss};
use crate::proxy::body::Body;
use crate::proxy::context::Context;
use crate::proxy::course::{Course, Place};
use crate::proxy::judgement;

/// How long after its beginning an attempt is late; `None`: never. Only the first attempt of a request is hedged.
pub fn due(context: &Context, course: &Course<'_>) -> Option<Duration> {
    let hedge = course.backend.hedge.as_ref()?;
    if context.attempts != 1 || !context.repeatable || !course.is_ai_call() {
        return None;
    }
    Some(course.backend.learned.quantile(hedge.quantile, context.now())?.max(hedge.at_least))
}

/// Whether it is a whole request for a stream: what is learned is when streams begin. Known only once the attempt is
/// under way: the body is read meanwhile.
fn wants_stream(context: &Context, session: &mut ServerSession, body: &mut Body<'_>) -> bool {
    if !body.is_done(session) {
        return false;
    }
    match &context.call {
        Some(call) => call.call.stream,
        None => ai::request::read(&body.feed.parts()).is_ok_and(|call| call.stream),
    }
}

enum Side {
    First(Ended),
    Second(Ended),
}

type Attempt<'a> = Pin<Box<dyn Future<Output = Ended> + Send + 'a>>;

/// Awaits `first`, the attempt in the context, and once it is late whichever of two is the first to answer. In the context
/// afterwards is who answered, or who failed last.
pub async fn race<'a>(
    context: &mut Context,
    session: &mut ServerSession,
    body: &mut Body<'a>,
    course: &mut Course<'a>,
    mut first: Pin<&mut (impl Future<Output = Ended> + Send)>,
    late: Duration,
) -> pingora::Result<Result<Ended, Outcome>> {
    let begun = clock::instant();
    let mut wait = late;
    loop {
        let alone = async {
            tokio::select! {
                biased;
                ended = &mut first => Some(ended),
                () = tokio::time::sleep(wait) => None,
            }
        };
        match body.meanwhile(context, session, alone).await {
            Ok(None) => {}
            Ok(Some(ended)) => return Ok(Ok(ended)),
            Err(outcome) => return Ok(Err(outcome)),
        }
        // The server has the whole request only since then.
        wait = body.done_at(session).map_or(Duration::ZERO, |at| late.saturating_sub(at.elapsed()));
        if wait.is_zero() {
            break;
        }
    }
    let place = if wants_stream(context, session, body) { place(context, course) } else { None };
    let Some(mut place) = place else {
        return Ok(body.meanwhile(context, session, first).await);
    };
    let index = place.slot.index();
    let asked = clock::instant();
    let mut second = ask(context, session, body, course, index)?;
    let either = async {
        tokio::select! {
            biased;
            ended = &mut first => Side::First(ended),
            ended = &mut second => Side::Second(ended),
        }
    };
    let stats = &course.backend.stats;
    match body.meanwhile(context, session, either).await {
        Err(outcome) => Ok(Err(outcome)),
        Ok(Side::First(ended)) if answers(course, context.server, &ended) => {
            judgement::waited(course.worker, course.backend, &place.slot, asked.elapsed());
            Ok(Ok(ended))
        }
        Ok(Side::First(ended)) => {
            let borrows = context.borrows_key(session);
            if let (Some(slot), Some(failed)) = (&mut context.slot, context.server)
                && judgement::of(course.worker, course.backend, slot, &ended, borrows).is_some()
            {
                course.tried.insert(failed);
            }
            // Its connection ends before its place is given to the next one.
            drop(ended);
            context.occupy(place);
            Ok(body.meanwhile(context, session, second).await)
        }
        Ok(Side::Second(ended)) if answers(course, Some(index), &ended) => {
            stats.hedges_won.one();
            // It would have taken at least as long.
            course.backend.learned.observe(begun.elapsed(), context.now());
            if let Some(slot) = &context.slot {
                judgement::waited(course.worker, course.backend, slot, begun.elapsed());
            }
            context.occupy(place);
            Ok(Ok(ended))
        }
        Ok(Side::Second(ended)) => {
            let server = &course.backend.servers[index];
            let borrows = judgement::borrows_key(context, server, session.req_header());
            judgement::of(course.worker, course.backend, &mut place.slot, &ended, borrows);
            course.tried.insert(index);
            drop(ended);
            drop(place);
            Ok(body.meanwhile(context, session, first).await)
        }
    }
}

/// A place on another server, where one is free at once and the budget affords it.
fn place(context: &mut Context, course: &Course<'_>) -> Option<Place> {
    let (backend, first) = (course.backend, context.server?);
    let hedge = backend.hedge.as_ref()?;
    let mut tried = course.tried;
    tried.insert(first);
    let Pick::Server(slot) = backend.pool.pick(&course.ask(&tried)) else { return None };
    if slot.index() == first {
        return None;
    }
    if !backend.hedge_budget.take(Some(hedge.budget), context.now()) {
        backend.stats.hedges_refused.one();
        return None;
    }
    backend.stats.hedges.one();
    context.hedged = true;
    Some(course.begin(context, slot))
}

/// The second attempt, on an idle connection or, where that was being closed, on a new one.
fn ask<'a>(
    context: &Context,
    session: &ServerSession,
    body: &Body<'a>,
    course: &Course<'a>,
    index: usize,
) -> pingora::Result<Attempt<'a>> {
    let again = course.order(context, session, body, index, false)?;
    let order = course.order(context, session, body, index, true)?;
    Ok(Box::pin(async move {
        match attempt::run(order).await {
            Ended { result: Err(Miss::Stale), .. } => attempt::run(again).await,
            ended => ended,
        }
    }))
}

/// Whether what came of an attempt is for the client, rather than a reason to wait for the other.
fn answers(course: &Course<'_>, index: Option<usize>, ended: &Ended) -> bool {
    let server = index.and_then(|index| course.backend.servers.get(index));
    match &ended.result {
        Ok(answer) => {
            let status = answer.status();
            let refused = status == 401 && server.is_some_and(|server| server.authorization.is_some());
            !refused && !course.backend.retry.when.contains(retry::Failure::Status(status))
        }
        Err(Miss::OutOfTime) => true,
        // The other is under way already.
        Err(Miss::Stale | Miss::Failed(_)) => false,
    }
}
