//! Answers of tidegate's own: errors in the shape that the client's SDK reads, redirects, fixed answers.

use std::time::Duration;

use bytes::Bytes;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE, LOCATION, RETRY_AFTER};
use http::{HeaderName, HeaderValue, Method, StatusCode};
use pingora::http::{RequestHeader, ResponseHeader};
use pingora::protocols::http::ServerSession;
use serde_json::json;

use crate::base::calendar::Civil;
use crate::base::clock;
use crate::limit::{GoDuration, Quota};
use crate::outcome::{ClientError, Outcome};
use crate::proxy::body::{client_error, client_event};
use crate::proxy::context::Context;
use crate::proxy::facts::{Live, authority, split_port};
use crate::proxy::{announce_stop, header_changes, reading};
use crate::rewrite::redirect::{self, Redirect, Requested, Scheme};
use crate::rewrite::request_id;
use crate::transport::io::Reading;

const JSON: HeaderValue = HeaderValue::from_static("application/json");
/// What a client is read on for after it was answered before it had sent everything, so that it sees the answer.
const LINGER_BYTES: usize = 64 * 1024 * 1024;
const LINGER_TIME: Duration = Duration::from_secs(2);
/// Bytes of a body that are thrown away while its request is held.
const THROWN_AWAY: usize = 1024 * 1024;

/// `{"error": {...}}`, or Anthropic's shape on its paths.
pub fn error_body(path: &str, error: ClientError) -> Bytes {
    with_message(path, error, error.message)
}

fn with_message(path: &str, error: ClientError, message: &str) -> Bytes {
    let body = if path.starts_with("/v1/messages") {
        let kind = match error.status {
            401 => "authentication_error",
            403 => "permission_error",
            404 => "not_found_error",
            413 => "request_too_large",
            429 => "rate_limit_error",
            400..=499 => "invalid_request_error",
            503 => "overloaded_error",
            _ => "api_error",
        };
        json!({"type": "error", "error": {"type": kind, "message": message}})
    } else {
        json!({"error": {"message": message, "type": error.kind, "param": null, "code": error.code}})
    };
    body.to_string().into()
}

/// The operator's own page for an error, else ours, and its type.
pub fn error_content(context: &Context, path: &str, error: ClientError) -> (HeaderValue, Bytes) {
    match context.frontend().error_bodies.get(&error.status) {
        Some(own) => (own.content_type.clone(), own.body.clone()),
        None => {
            let anew = context.budget_anew.map(|anew| {
                let Civil { year, month, day, hour, minute, .. } = Civil::from_unix(anew);
                let message = error.message;
                format!(
                    "{message} It begins anew on {year:04}-{month:02}-{day:02} at {hour:02}:{minute:02} UTC."
                )
            });
            (JSON, with_message(path, error, anew.as_deref().unwrap_or(error.message)))
        }
    }
}

pub async fn error(
    context: &mut Context,
    session: &mut ServerSession,
    error: ClientError,
) -> pingora::Result<()> {
    let (content_type, body) = error_content(context, session.req_header().uri.path(), error);
    let mut head = ResponseHeader::build_no_case(error.status, Some(10))?;
    head.insert_header(CONTENT_TYPE, content_type)?;
    if error.status == 401 {
        head.insert_header("www-authenticate", HeaderValue::from_static("Bearer"))?;
    }
    if error.is_final() {
        // What the official SDKs go by, before the status and `Retry-After`.
        head.insert_header(SHOULD_RETRY, HeaderValue::from_static("false"))?;
    } else {
        let comes_back = matches!(error.status, 429 | 503).then_some(Duration::from_secs(1));
        if let Some(wait) = context.retry_after.or(comes_back) {
            head.insert_header(RETRY_AFTER, HeaderValue::from(whole_seconds(wait)))?;
        }
    }
    send(context, session, head, body).await
}

const SHOULD_RETRY: HeaderName = HeaderName::from_static("x-should-retry");

/// Rounded up, at least 1: `Retry-After` knows no fractions (RFC 9110 10.2.3).
fn whole_seconds(wait: Duration) -> u64 {
    wait.as_millis().div_ceil(1000).clamp(1, u128::from(u64::MAX)).try_into().unwrap_or(u64::MAX)
}

pub async fn redirect(
    context: &mut Context,
    session: &mut ServerSession,
    status: u16,
    to: &crate::runtime::snapshot::RedirectTo,
) -> pingora::Result<Outcome> {
    use crate::runtime::snapshot::RedirectTo;
    let location = match to {
        RedirectTo::Location(location) => location.clone(),
        RedirectTo::Parts(parts) => {
            match HeaderValue::try_from(location(context, session.req_header(), parts)) {
                Ok(location) => location,
                Err(_) => return Ok(Outcome::BadRequest { status: 400, reason: "bad_target" }),
            }
        }
    };
    let mut head = ResponseHeader::build_no_case(status, Some(8))?;
    head.insert_header(LOCATION, location)?;
    send(context, session, head, Bytes::new()).await?;
    Ok(Outcome::Redirected(status))
}

fn location(context: &Context, head: &RequestHeader, to: &Redirect) -> String {
    let (host, port) = split_port(authority(head));
    let scheme = if context.client.tls.is_some() { Scheme::Https } else { Scheme::Http };
    let path_and_query = head.uri.path_and_query().map_or("/", |target| target.as_str());
    redirect::location(to, &Requested { scheme, host, port, path_and_query })
}

pub async fn fixed(
    context: &mut Context,
    session: &mut ServerSession,
    status: u16,
    content_type: &HeaderValue,
    body: &Bytes,
) -> pingora::Result<Outcome> {
    let mut head = ResponseHeader::build_no_case(status, Some(8))?;
    head.insert_header(CONTENT_TYPE, content_type.clone())?;
    send(context, session, head, body.clone()).await?;
    Ok(Outcome::Returned(status))
}

/// The monitor URI: alive, whatever the servers do. Never logged.
pub async fn monitor(context: &mut Context, session: &mut ServerSession) -> pingora::Result<Outcome> {
    context.monitor = true;
    let text = HeaderValue::from_static("text/plain");
    fixed(context, session, 200, &text, &Bytes::from_static(b"OK\n")).await
}

/// The fields that every answer to this request has, whoever made it; then the response rules.
pub fn own_fields(
    context: &Context,
    request: &RequestHeader,
    head: &mut ResponseHeader,
) -> pingora::Result<()> {
    head.insert_header(request_id::NAME, context.id.header().clone())?;
    if let Some(figures) = &context.figures {
        quota(head, figures.requests, &REQUESTS)?;
        quota(head, figures.tokens, &TOKENS)?;
    }
    if let Some(call) = context
        .call
        .as_ref()
        .filter(|call| (1..=LONGEST_MODEL).contains(&call.model.len()) && context.attempts > 0)
        && let Ok(model) = HeaderValue::from_str(&call.model)
    {
        head.insert_header(MODEL, model)?;
    }
    if context.attempts > 0 {
        head.insert_header(ATTEMPTS, HeaderValue::from(context.attempts))?;
    }
    if context.snapshot.ai.cost_header
        && let Some(cost) = context.usage.as_ref().and_then(|used| used.cost)
        && let Ok(cost) = HeaderValue::try_from(format!("{}.{:06}", cost / 1_000_000, cost % 1_000_000))
    {
        head.insert_header(COST, cost)?;
    }
    response_rules(context, request, head)
}

/// Names of limit, remaining and reset.
type QuotaNames = [HeaderName; 3];

static REQUESTS: QuotaNames = [
    HeaderName::from_static("x-ratelimit-limit-requests"),
    HeaderName::from_static("x-ratelimit-remaining-requests"),
    HeaderName::from_static("x-ratelimit-reset-requests"),
];

static TOKENS: QuotaNames = [
    HeaderName::from_static("x-ratelimit-limit-tokens"),
    HeaderName::from_static("x-ratelimit-remaining-tokens"),
    HeaderName::from_static("x-ratelimit-reset-tokens"),
];

/// Where the client stands with a limit of its plan, if that has one.
fn quota(head: &mut ResponseHeader, quota: Option<Quota>, names: &QuotaNames) -> pingora::Result<()> {
    let Some(Quota { limit, remaining, reset }) = quota else { return Ok(()) };
    let reset = HeaderValue::try_from(GoDuration(reset).to_string()).unwrap_or(ZERO);
    let [limit_name, remaining_name, reset_name] = names;
    head.insert_header(limit_name, HeaderValue::from(limit))?;
    head.insert_header(remaining_name, HeaderValue::from(remaining))?;
    head.insert_header(reset_name, reset)?;
    Ok(())
}

/// Bytes of a model's name that are told; where there is no list, a client may write anything.
const LONGEST_MODEL: usize = 256;
/// The model that was asked for in the end: with aliases, `auto` and fallbacks resolved.
const MODEL: HeaderName = HeaderName::from_static("x-tidegate-model");
/// How many servers were asked for this answer, or how often.
const ATTEMPTS: HeaderName = HeaderName::from_static("x-tidegate-attempts");

/// What the call cost, in US dollars.
const COST: HeaderName = HeaderName::from_static("x-tidegate-cost");

fn response_rules(
    context: &Context,
    request: &RequestHeader,
    head: &mut ResponseHeader,
) -> pingora::Result<()> {
    let rules = &context.frontend().response_rules;
    if rules.is_empty() {
        return Ok(());
    }
    let live = Live::answered(context, request, head.status.as_u16());
    for rule in rules {
        let condition = rule.condition.as_ref();
        if condition.is_none_or(|condition| condition.evaluate(&context.snapshot.acls, &live).matched) {
            header_changes::apply(head, &rule.changes, &live)?;
        }
    }
    Ok(())
}

const ZERO: HeaderValue = HeaderValue::from_static("0s");

/// A client that leaves while it is told something has been told: what it is for us does not change, or nobody could count
/// those who do not listen.
async fn send(
    context: &mut Context,
    session: &mut ServerSession,
    mut head: ResponseHeader,
    body: Bytes,
) -> pingora::Result<()> {
    if head.status == StatusCode::NO_CONTENT {
        // RFC 9110 8.6: it has no length, and so no type either.
        head.remove_header(&CONTENT_TYPE);
    } else {
        head.insert_header(CONTENT_LENGTH, HeaderValue::from(body.len()))?;
    }
    own_fields(context, session.req_header(), &mut head)?;
    context.status = Some(head.status.as_u16());
    announce_stop(context, session);
    let unread = !session.is_body_done();
    let bodiless = body.is_empty() || session.req_header().method == Method::HEAD;
    let written = async {
        session.write_response_header(Box::new(head)).await?;
        match bodiless {
            true => session.finish_body().await,
            false => session.write_response_body(body, true).await,
        }
    };
    context.undelivered = written.await.is_err();
    if unread && !context.undelivered {
        linger(session).await;
    }
    Ok(())
}

/// Ends the request without a reset that would take the answer with it: on HTTP/1 our side is closed, then what the
/// client still sends is read for a while.
pub async fn linger(session: &mut ServerSession) {
    let read_on = async {
        if !session.is_http2() {
            reading(session, Reading::Message);
            session.shutdown().await;
        }
        let mut read = 0;
        while read < LINGER_BYTES {
            match session.read_request_body().await {
                Ok(Some(part)) => read += part.len(),
                _ => return,
            }
        }
    };
    let _ = pingora_timeout::timeout(LINGER_TIME, read_on).await;
}

/// Holds a request that is refused in the end, unless the client leaves meanwhile. Its body is thrown away: behind one
/// that is left alone nobody sees a client leave.
pub async fn hold(session: &mut ServerSession, time: Duration) -> Option<Outcome> {
    let mut thrown_away = 0;
    let until = clock::instant() + time;
    while !session.is_body_done() && thrown_away < THROWN_AWAY {
        let left = until.saturating_duration_since(clock::instant());
        match pingora_timeout::timeout(left, session.read_request_body()).await {
            Ok(Ok(Some(part))) => thrown_away += part.len(),
            Ok(Ok(None)) => break,
            Ok(Err(e)) => return Some(client_error(session, &e, false)),
            Err(_) => return None,
        }
    }
    wait(session, until.saturating_duration_since(clock::instant())).await
}

/// Waits, unless the client leaves meanwhile. What it sends of a body is left alone.
pub async fn wait(session: &mut ServerSession, time: Duration) -> Option<Outcome> {
    let done = session.is_body_done();
    let left = tokio::select! {
        () = pingora_timeout::sleep(time) => None,
        _ = client_event(session, done, !done, Duration::MAX) => Some(Outcome::ClientLeft),
    };
    reading(session, Reading::Message);
    left
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retry_after_is_never_early_and_never_zero() {
        assert_eq!(whole_seconds(Duration::ZERO), 1);
        assert_eq!(whole_seconds(Duration::from_millis(1001)), 2);
        assert_eq!(whole_seconds(Duration::from_secs(30)), 30);
    }

    #[test]
    fn errors_have_the_shape_of_the_clients_api() {
        let error = Outcome::Unauthorized.error().unwrap();
        let openai: serde_json::Value = serde_json::from_slice(&error_body("/v1/models", error)).unwrap();
        assert_eq!(openai["error"]["code"], "invalid_api_key");
        assert!(openai["error"].get("param").is_some_and(serde_json::Value::is_null));
        let anthropic: serde_json::Value =
            serde_json::from_slice(&error_body("/v1/messages", error)).unwrap();
        assert_eq!(anthropic["error"]["type"], "authentication_error");
        assert_eq!(anthropic["type"], "error");
    }
}
