//! A request from its head to the backend that serves it: is it well formed, who asks, what do the rules say, what
//! does the plan allow.

use std::mem;
use std::sync::Arc;

use http::header::{AUTHORIZATION, EXPECT};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Version};
use pingora::ErrorType;
use pingora::http::RequestHeader;
use pingora::protocols::http::ServerSession;

use crate::ai::path;
use crate::auth::{self, Identity, Mode, Presented};
use crate::limit::Verdict as PlanVerdict;
use crate::outcome::{Limit, Outcome};
use crate::proxy::body::Body;
use crate::proxy::context::Context;
use crate::proxy::feed::Feed;
use crate::proxy::reply;
use crate::proxy::rules::{self, Verdict};
use crate::proxy::{answered, asker, budget, call, deliver, exchange, meter, models};
use crate::rewrite::header::names_end_to_end_field;
use crate::runtime::snapshot::Action;
use crate::runtime::streams::{Beginning, Stream};
use crate::wire::{self, HeadLimits};

/// Runs the request and sends its answer.
pub async fn run(context: &mut Context, session: &mut ServerSession) -> Outcome {
    let worker = context.worker.clone();
    let served = tokio::select! {
        biased;
        served = admit_and_serve(context, session) => served,
        () = worker.cut.notified() => Ok(Outcome::Stopped),
    };
    // However it was cut, what has passed of the answer is paid for.
    mem::take(&mut context.meter).settle(context);
    let outcome = match served {
        Ok(outcome) => outcome,
        Err(e) if *e.etype() == ErrorType::InternalError => Outcome::Internal,
        Err(_) => Outcome::ClientLeftInAnswer,
    };
    if matches!(outcome, Outcome::ClientLeft | Outcome::ClientLeftInAnswer | Outcome::Killed) {
        meter::abandoned(context);
        if outcome == Outcome::ClientLeftInAnswer {
            return outcome;
        }
    }
    if matches!(outcome, Outcome::Stopped | Outcome::Killed) && context.streamed {
        deliver::error_event(session, outcome, false).await;
    }
    if matches!(outcome, Outcome::BadRequest { .. } | Outcome::RequestTimeout | Outcome::BodyTooLarge) {
        // Where the next request would begin is anybody's guess.
        session.set_keepalive(None);
    }
    if let Some(error) = outcome.error()
        && answered(session).is_none()
        && reply::error(context, session, error).await.is_err()
    {
        return Outcome::Internal;
    }
    outcome
}

async fn admit_and_serve(context: &mut Context, session: &mut ServerSession) -> pingora::Result<Outcome> {
    if session.is_http2()
        && let Err(fault) = wire::check_h2_request(session.req_header(), &HeadLimits::default())
    {
        return Ok(Outcome::BadRequest { status: fault.status(), reason: fault.reason() });
    }
    if context.frontend().monitor.as_deref() == Some(session.req_header().uri.path()) {
        return reply::monitor(context, session).await;
    }
    if session.req_header().method == Method::TRACE {
        // The server would echo its own key to the client.
        return Ok(Outcome::BadRequest { status: 405, reason: "trace" });
    }
    if names_end_to_end_field(&session.req_header().headers) {
        return Ok(Outcome::BadRequest { status: 400, reason: "connection_names_field" });
    }
    if expects_more(session.req_header()) {
        return Ok(Outcome::BadRequest { status: 417, reason: "unknown_expectation" });
    }
    if let Some(outcome) = identify(context, session) {
        return Ok(outcome);
    }
    asker::meet(context);
    let (worker, snapshot) = (context.worker.clone(), context.snapshot.clone());
    let memory = &worker.shared.state.body_memory;
    let feed = Feed::default();
    // Which backend's limit holds is known once the rules have chosen it.
    let limit =
        if snapshot.ai.rules_ask { largest_body(context) } else { context.frontend().max_request_body };
    let mut body = Body::new(session, limit, memory.hold(snapshot.max_body_memory), &feed);
    if let Verdict::End(outcome) = rules::run(context, session, &mut body).await? {
        return Ok(outcome);
    }
    if let Identity::Rejected(_) = context.identity {
        return Ok(Outcome::Unauthorized);
    }
    if context.backend.is_some() {
        let limit = max_body(context);
        if let Err(outcome) = body.set_limit(limit) {
            return Ok(outcome);
        }
        if snapshot.ai.reads_calls
            && let Some(outcome) = call::admit(context, session, &mut body).await
        {
            return Ok(outcome);
        }
    }
    asker::meet(context);
    if let Some(outcome) = budget::reserve(context).or_else(|| plan(context)) {
        context.wallet = None;
        return Ok(outcome);
    }
    if !snapshot.ai.catalogue.is_empty() && call::lists_models(session.req_header()) {
        return models::list(context, session).await;
    }
    if !snapshot.ai.catalogue.is_empty()
        && let Some(name) = models::asked_for(session.req_header())
    {
        return models::describe(context, session, &name).await;
    }
    if context.backend.is_none() {
        return Ok(Outcome::NoServer);
    }
    if body.announced(session).is_some_and(|length| length > body.limit()) {
        return Ok(Outcome::BodyTooLarge);
    }
    let Some(stream) = register(context, session) else {
        return exchange::run(context, session, &mut body, (&worker, &snapshot)).await;
    };
    tokio::select! {
        biased;
        served = exchange::run(context, session, &mut body, (&worker, &snapshot)) => served,
        () = stream.killed() => Ok(Outcome::Killed),
    }
}

/// Puts a call of an AI API among those in flight.
fn register(context: &mut Context, session: &ServerSession) -> Option<Arc<Stream>> {
    let head = session.req_header();
    if context.call.is_none() && (head.method != Method::POST || !path::is_call(head.uri.path())) {
        return None;
    }
    let live = context.worker.shared.state.streams.begin(Beginning {
        request_id: context.id.as_str().to_owned(),
        client: context.identity.client().map(|client| client.name.clone()),
        plan: context.plan().map(|plan| plan.name.clone()),
        frontend: context.frontend().name.clone(),
        src: context.src,
        at: context.now(),
    });
    let stream = live.stream().clone();
    context.live = Some(live);
    Some(stream)
}

/// Whether the client expects something other than `100-continue` (RFC 9110 10.1.1). Of HTTP/1.0 no expectation counts.
fn expects_more(head: &RequestHeader) -> bool {
    let mut expectations = head.headers.get_all(EXPECT).iter();
    head.version != Version::HTTP_10
        && expectations.any(|value| !value.as_bytes().eq_ignore_ascii_case(b"100-continue"))
}

/// Finds out who asks. Two claims could be read two ways: they are refused.
fn identify(context: &mut Context, session: &ServerSession) -> Option<Outcome> {
    let headers = &session.req_header().headers;
    let refused = Some(Outcome::BadRequest { status: 400, reason: "two_keys" });
    let (Ok(authorization), Ok(x_api_key)) = (one(headers, &AUTHORIZATION), one(headers, &X_API_KEY)) else {
        return refused;
    };
    let presented = auth::extract(authorization, x_api_key);
    if let (Presented::Key(key), Some(other)) = (&presented, x_api_key)
        && *key != other
    {
        return refused;
    }
    // In passthrough without keys or tables by key nobody asks who a client is: no digest then.
    if context.snapshot.needs_identity {
        // What the server may take for a key counts as one, whatever its scheme.
        let whole = match (presented, context.snapshot.directory.mode()) {
            (Presented::Malformed, Mode::Passthrough) => {
                authorization.or(x_api_key).map_or(Presented::None, Presented::Key)
            }
            (presented, _) => presented,
        };
        context.identity = context.snapshot.directory.identify(whole);
    }
    None
}

/// The value of a field, if any; `Err` when there is more than one line of it.
fn one<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Result<Option<&'a [u8]>, ()> {
    let mut lines = headers.get_all(name).iter();
    let first = lines.next().map(HeaderValue::as_bytes);
    if lines.next().is_some() { Err(()) } else { Ok(first) }
}

const X_API_KEY: HeaderName = HeaderName::from_static("x-api-key");

/// Admits the request under the plan of its client, or says which limit refuses it.
fn plan(context: &mut Context) -> Option<Outcome> {
    let client = context.identity.client()?;
    let plan = context.plan()?;
    let estimate = plan
        .limits
        .tokens_per_minute
        .and_then(|_| call::expected(context, context.call.as_ref()?.id)?.total());
    let limits = &context.worker.shared.state.limits;
    match limits.admit(crate::stick::Key::digest(client.digest), &plan.limits, estimate, context.now()) {
        PlanVerdict::Admitted(admission) => {
            context.permit = Some(admission.permit);
            context.figures = Some(admission.figures);
            None
        }
        PlanVerdict::Denied(denial) => {
            context.figures = Some(denial.figures);
            context.retry_after = Some(denial.retry_after);
            Some(Outcome::Limited(match denial.limit {
                crate::limit::Limit::Requests => Limit::Requests,
                crate::limit::Limit::Concurrency => Limit::Concurrent,
                crate::limit::Limit::Tokens => Limit::Tokens,
            }))
        }
    }
}

/// The largest body that some backend takes which the frontend may send a request to.
fn largest_body(context: &Context) -> u64 {
    let frontend = context.frontend();
    let chosen = frontend.rules.iter().filter_map(|rule| match rule.action {
        Action::UseBackend(backend) => Some(backend),
        _ => None,
    });
    let reached =
        chosen.chain(frontend.default_backend).filter_map(|index| context.snapshot.backends.get(index));
    reached.filter_map(|backend| backend.max_request_body).fold(frontend.max_request_body, u64::max)
}

fn max_body(context: &Context) -> u64 {
    context.backend().and_then(|b| b.max_request_body).unwrap_or(context.frontend().max_request_body)
}
