//! A request from its head to the backend that serves it: is it well formed, who asks, what do the rules say, what
//! does the plan allow.

use http::header::{AUTHORIZATION, CONTENT_LENGTH};
use http::{HeaderMap, HeaderName, HeaderValue};
use pingora::protocols::http::ServerSession;

use crate::auth::{self, Identity, Presented};
use crate::limit::Verdict as PlanVerdict;
use crate::outcome::{Limit, Outcome};
use crate::proxy::context::Context;
use crate::proxy::exchange;
use crate::proxy::reply;
use crate::proxy::rules::{self, Verdict};
use crate::wire::{self, HeadLimits};

/// Runs the request and sends its answer.
///
/// # Errors
/// The connection to the client failed while an answer of our own was sent.
pub async fn run(context: &mut Context, session: &mut ServerSession) -> pingora::Result<Outcome> {
    let outcome = admit_and_serve(context, session).await?;
    match outcome.error() {
        Some(error) if session.response_written().is_none() => {
            reply::error(context, session, error).await?;
        }
        _ => {}
    }
    Ok(outcome)
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
    identify(context, session);
    if let Verdict::End(outcome) = rules::run(context, session).await? {
        return Ok(outcome);
    }
    if let Identity::Rejected(_) = context.identity {
        return Ok(Outcome::Unauthorized);
    }
    if let Some(outcome) = plan(context) {
        return Ok(outcome);
    }
    if context.backend.is_none() {
        return Ok(Outcome::NoServer);
    }
    let limit = max_body(context);
    if content_length(session).is_some_and(|length| length > limit) {
        return Ok(Outcome::BodyTooLarge);
    }
    exchange::run(context, session, limit).await
}

fn identify(context: &mut Context, session: &ServerSession) {
    // In passthrough without keys or tables by key nobody asks who a client is: no digest then.
    if context.snapshot.needs_identity {
        let presented = presented(&session.req_header().headers);
        context.identity = context.snapshot.directory.identify(presented);
    }
}

/// The key that a request presents. Two lines of one field are two claims: neither is believed.
fn presented(headers: &HeaderMap) -> Presented<'_> {
    let one = |name: HeaderName| {
        let mut lines = headers.get_all(name).iter();
        (lines.next().map(HeaderValue::as_bytes), lines.next().is_some())
    };
    let (authorization, twice) = one(AUTHORIZATION);
    let (x_api_key, thrice) = one(X_API_KEY);
    if twice || thrice { Presented::Malformed } else { auth::extract(authorization, x_api_key) }
}

const X_API_KEY: HeaderName = HeaderName::from_static("x-api-key");

/// Admits the request under the plan of its client, or says which limit refuses it.
fn plan(context: &mut Context) -> Option<Outcome> {
    let client = context.identity.client()?;
    let plan = context.snapshot.plans.get(client.plan?)?;
    let limits = &context.worker.shared.state.limits;
    match limits.admit(crate::stick::Key::digest(client.digest), &plan.limits, context.now()) {
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
            }))
        }
    }
}

fn max_body(context: &Context) -> u64 {
    context.backend().and_then(|b| b.max_request_body).unwrap_or(context.frontend().max_request_body)
}

fn content_length(session: &ServerSession) -> Option<u64> {
    session.req_header().headers.get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}
