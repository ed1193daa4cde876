//! `GET /v1/models`, answered here where the configuration lists models: those that the client may use and that are served,
//! or stood in for, where the rules would send its calls; in the shape of OpenAI's API.

use std::time::Duration;

use bytes::Bytes;
use http::HeaderValue;
use pingora::http::RequestHeader;
use pingora::protocols::http::ServerSession;
use serde_json::json;

use crate::acl::Expression;
use crate::outcome::Outcome;
use crate::proxy::context::Context;
use crate::proxy::facts::Live;
use crate::proxy::reply;
use crate::runtime::snapshot::{Action, Backend};

/// `started`: what is told of when a model came to be, which nobody knows.
pub async fn list(context: &mut Context, session: &mut ServerSession) -> pingora::Result<Outcome> {
    let body = body(context, session.req_header(), context.worker.shared.state.started);
    reply::fixed(context, session, 200, &HeaderValue::from_static("application/json"), &body).await
}

fn body(context: &Context, head: &RequestHeader, started: Duration) -> Bytes {
    let plan = context.plan().and_then(|plan| plan.models.as_ref());
    let catalogue = &context.snapshot.ai.catalogue;
    let has = |id: usize| plan.is_none_or(|plan| plan.get(id).copied().unwrap_or(false));
    let served = |name: &str| {
        let backend = backend_for(context, head, name)?;
        let chain = catalogue.resolve(Some(name), None, &mut String::new).ok()?.chain;
        let stand_ins = chain.into_iter().filter(|id| has(*id)).filter_map(|id| catalogue.name(id));
        std::iter::once(name).chain(stand_ins.map(|name| &**name)).find_map(|name| backend.models.of(name))
    };
    let models: Vec<serde_json::Value> = (0..)
        .map_while(|id| catalogue.name(id).map(|name| (id, name)))
        .filter(|(id, name)| has(*id) && served(name).is_some())
        .map(|(_, name)| {
            json!({"id": &**name, "object": "model", "created": started.as_secs(), "owned_by": "tidegate"})
        })
        .collect();
    json!({"object": "list", "data": models}).to_string().into()
}

/// Where the rules send a call for this model; `None`: nowhere.
fn backend_for<'a>(context: &'a Context, head: &RequestHeader, model: &str) -> Option<&'a Backend> {
    let (snapshot, frontend) = (&context.snapshot, context.frontend());
    let live = Live::asking(context, head, model);
    let applies = |condition: &Expression| condition.evaluate(&snapshot.acls, &live).matched;
    let mut rules = frontend.rules.iter().filter(|rule| rule.condition.as_ref().is_none_or(applies));
    let last = rules.find_map(|rule| match &rule.action {
        Action::UseBackend(backend) => Some(Some(*backend)),
        Action::Deny(_)
        | Action::Tarpit { .. }
        | Action::SilentDrop
        | Action::Redirect { .. }
        | Action::Return { .. } => Some(None),
        Action::Delay(_)
        | Action::Headers { .. }
        | Action::RewritePath(_)
        | Action::Track(_)
        | Action::Raise { .. }
        | Action::SetGpt0 { .. } => None,
    });
    snapshot.backends.get(last.unwrap_or(frontend.default_backend)?)
}
