//! `GET /v1/models`, answered here where the configuration lists models: those that the client may use and some server of
//! the backend knows, in the shape of OpenAI's API.

use std::time::Duration;

use bytes::Bytes;
use http::HeaderValue;
use pingora::protocols::http::ServerSession;
use serde_json::json;

use crate::outcome::Outcome;
use crate::proxy::context::Context;
use crate::proxy::reply;
use crate::runtime::snapshot::NamedPlan;

/// `started`: what is told of when a model came to be, which nobody knows.
pub async fn list(context: &mut Context, session: &mut ServerSession) -> pingora::Result<Outcome> {
    let body = body(context, context.worker.shared.state.started);
    reply::fixed(context, session, 200, &HeaderValue::from_static("application/json"), &body).await
}

fn body(context: &Context, started: Duration) -> Bytes {
    let plan = plan(context).and_then(|plan| plan.models.as_ref());
    let catalogue = &context.snapshot.ai.catalogue;
    let known = |name: &str| context.backend().is_none_or(|backend| backend.models.of(name).is_some());
    let models: Vec<serde_json::Value> = (0..)
        .map_while(|id| catalogue.name(id).map(|name| (id, name)))
        .filter(|(id, name)| plan.is_none_or(|plan| plan.get(*id).copied().unwrap_or(false)) && known(name))
        .map(|(_, name)| {
            json!({"id": &**name, "object": "model", "created": started.as_secs(), "owned_by": "tidegate"})
        })
        .collect();
    json!({"object": "list", "data": models}).to_string().into()
}

/// The plan of the client.
pub fn plan(context: &Context) -> Option<&NamedPlan> {
    context.snapshot.plans.get(context.identity.client()?.plan?)
}
