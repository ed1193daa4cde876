//! Runs the rules of a frontend, in order, until one of them ends the request or names its backend.

use std::sync::Arc;

use http::Uri;
use http::uri::PathAndQuery;
use pingora::protocols::http::ServerSession;

use crate::auth::Identity;
use crate::config::checked::TableKey;
use crate::outcome::Outcome;
use crate::proxy::body::Body;
use crate::proxy::context::{Context, HeaderStep};
use crate::proxy::facts::Live;
use crate::proxy::{call, reply};
use crate::rewrite::path::PathRewrite;
use crate::runtime::snapshot::Action;
use crate::stick::{Key, Tracked};

/// What the rules decided.
pub enum Verdict {
    /// To the backend in the context, if there is one.
    Route,
    /// Over; the answer, where the outcome does not imply it, was sent.
    End(Outcome),
}

/// A rule that asks for the model of a call has it read first; those before it refuse without that. A client without a good
/// key is not asked for its body.
pub async fn run(
    context: &mut Context,
    session: &mut ServerSession,
    body: &mut Body<'_>,
) -> pingora::Result<Verdict> {
    let snapshot = context.snapshot.clone();
    let frontend = &snapshot.frontends[context.frontend];
    context.backend = frontend.default_backend;
    for (index, rule) in frontend.rules.iter().enumerate() {
        if rule.asks_model
            && context.call.is_none()
            && !matches!(context.identity, Identity::Rejected(_))
            && let Some(outcome) = call::admit(context, session, body).await
        {
            return Ok(Verdict::End(outcome));
        }
        let mut counter = None;
        if let Some(condition) = &rule.condition {
            let decision = condition.evaluate(&snapshot.acls, &Live::new(context, session.req_header()));
            if !decision.matched {
                continue;
            }
            counter = decision.counter;
        }
        match &rule.action {
            Action::Track(table) => track(context, *table),
            Action::Headers { literal: true, .. } => context.header_steps.push(HeaderStep::Rule(index)),
            Action::Headers { changes, literal: false } => {
                let live = Live::new(context, session.req_header());
                let rendered = changes.iter().filter_map(|change| change.rendered(&live)).collect();
                context.header_steps.push(HeaderStep::Rendered(rendered));
            }
            Action::RewritePath(rewrite) => rewrite_path(context, session, rewrite),
            Action::Raise { table, which } => {
                context.tracked(*table).inspect(|tracked| tracked.raise_gpc(*which, context.now()));
            }
            Action::SetGpt0 { table, value } => {
                context.tracked(*table).inspect(|tracked| tracked.set_gpt0(*value, context.now()));
            }
            Action::Delay(time) => {
                if let Some(left) = reply::wait(session, *time).await {
                    return Ok(Verdict::End(left));
                }
            }
            Action::Tarpit { time, status } => {
                let left = reply::hold(session, *time).await;
                context.retry_after = counter.and_then(|test| context.until_below(test));
                return Ok(Verdict::End(left.unwrap_or(Outcome::Tarpitted(*status))));
            }
            Action::SilentDrop => {
                context.client.forget();
                return Ok(Verdict::End(Outcome::SilentlyDropped));
            }
            Action::UseBackend(backend) => {
                context.backend = Some(*backend);
                return Ok(Verdict::Route);
            }
            Action::Deny(status) => {
                context.retry_after = counter.and_then(|test| context.until_below(test));
                return Ok(Verdict::End(Outcome::Denied(*status)));
            }
            Action::Redirect { status, to } => {
                return reply::redirect(context, session, *status, to).await.map(Verdict::End);
            }
            Action::Return { status, content_type, body } => {
                let outcome = reply::fixed(context, session, *status, content_type, body).await?;
                return Ok(Verdict::End(outcome));
            }
        }
    }
    Ok(Verdict::Route)
}

/// Tracks the request in a table and counts it there. A second `track` of one table changes nothing, as in HAProxy, unless
/// the first was the connection's and a trusted proxy says that the request comes from somebody else.
fn track(context: &mut Context, index: usize) {
    let connections = context.src == context.client.peer.ip().to_canonical();
    let of_connection =
        |tracked: &Tracked| context.client.tracked.iter().any(|own| std::ptr::eq(&**own, tracked));
    if context.tracked(index).is_some_and(|tracked| connections || !of_connection(tracked)) {
        return;
    }
    let table = &context.snapshot.tables[index];
    let key = match table.key {
        TableKey::Src => Some(Key::address(context.src)),
        TableKey::ApiKey => context.identity.digest().copied().map(Key::digest),
        TableKey::Model => {
            let call = context.call.as_ref().filter(|call| !call.route.model.is_empty());
            call.map(|call| Key::text(call.route.model.as_bytes()))
        }
        TableKey::Plan => context.plan().map(|plan| Key::text(plan.name.as_bytes())),
    };
    let now = context.now();
    // A table whose entries are all in use counts that itself (`full`), and lets the request pass.
    if let Some(tracked) = key.and_then(|key| table.table.track(key, now)) {
        tracked.request(now);
        context.tracked.insert(0, (index, Arc::new(tracked)));
    }
}

/// Later rules and the server see the new path, the log shows the old one.
fn rewrite_path(context: &mut Context, session: &mut ServerSession, rewrite: &PathRewrite) {
    let head = session.req_header_mut();
    let Some(target) = head.uri.path_and_query().and_then(|target| rewrite.apply(target.as_str())) else {
        return;
    };
    let Ok(target) = PathAndQuery::try_from(target) else { return };
    let mut parts = head.uri.clone().into_parts();
    parts.path_and_query = Some(target);
    if let Ok(uri) = Uri::from_parts(parts) {
        context.original_target.get_or_insert_with(|| head.raw_path().into());
        head.set_uri(uri);
    }
}
