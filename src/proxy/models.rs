//! `GET /v1/models`, answered here where the configuration lists models: those that the client may use and that are served,
//! or stood in for, where the rules would send its calls; in the shape of OpenAI's API.

use http::{HeaderValue, Method};
use pingora::http::RequestHeader;
use pingora::protocols::http::ServerSession;
use serde_json::json;

use crate::acl::Expression;
use crate::ai::path;
use crate::outcome::Outcome;
use crate::proxy::context::Context;
use crate::proxy::facts::Live;
use crate::proxy::reply;
use crate::runtime::snapshot::{Action, Backend};

/// `created`: nobody knows when a model came to be, so the start of the process is told.
pub async fn list(context: &mut Context, session: &mut ServerSession) -> pingora::Result<Outcome> {
    let body = {
        let offers = Offers::to(context, session.req_header());
        let names = (0..).map_while(|id| context.snapshot.ai.catalogue.name(id).map(|name| (id, name)));
        let models =
            names.filter(|(id, name)| offers.has(*id, name)).map(|(_, name)| described(context, name));
        json!({"object": "list", "data": models.collect::<Vec<_>>()}).to_string()
    };
    send(context, session, body).await
}

/// `GET /v1/models/NAME`, of a model or one of its other names.
pub async fn describe(
    context: &mut Context,
    session: &mut ServerSession,
    name: &str,
) -> pingora::Result<Outcome> {
    let body = {
        let route = context.snapshot.ai.catalogue.resolve(Some(name), None, &mut String::new).ok();
        let offers = Offers::to(context, session.req_header());
        let offered = route.filter(|route| route.id.is_some_and(|id| offers.has(id, &route.model)));
        offered.map(|route| described(context, &route.model).to_string())
    };
    match body {
        Some(body) => send(context, session, body).await,
        None => Ok(Outcome::UnknownModel),
    }
}

/// The model that a `GET` asks to describe.
pub fn asked_for(head: &RequestHeader) -> Option<String> {
    if head.method == Method::GET { path::described_model(head.uri.path()) } else { None }
}

fn described(context: &Context, name: &str) -> serde_json::Value {
    let created = context.worker.shared.state.started.as_secs();
    json!({"id": name, "object": "model", "created": created, "owned_by": "tidegate"})
}

async fn send(context: &mut Context, session: &mut ServerSession, body: String) -> pingora::Result<Outcome> {
    let json = HeaderValue::from_static("application/json");
    reply::fixed(context, session, 200, &json, &body.into()).await
}

/// What a client is offered.
struct Offers<'a> {
    context: &'a Context,
    head: &'a RequestHeader,
    plan: Option<&'a [bool]>,
}

impl<'a> Offers<'a> {
    fn to(context: &'a Context, head: &'a RequestHeader) -> Offers<'a> {
        let plan = context.plan().and_then(|plan| plan.models.as_deref());
        Offers { context, head, plan }
    }

    fn allows(&self, id: usize) -> bool {
        self.plan.is_none_or(|plan| plan.get(id).copied().unwrap_or(false))
    }

    /// Whether its plan has the model, and some server serves it, or one that stands in for it.
    fn has(&self, id: usize, name: &str) -> bool {
        let catalogue = &self.context.snapshot.ai.catalogue;
        let served = || {
            let backend = backend_for(self.context, self.head, name)?;
            let chain = catalogue.resolve(Some(name), None, &mut String::new).ok()?.chain;
            let stand_ins =
                chain.into_iter().filter(|id| self.allows(*id)).filter_map(|id| catalogue.name(id));
            std::iter::once(name)
                .chain(stand_ins.map(|name| &**name))
                .find_map(|name| backend.models.of(name))
        };
        self.allows(id) && served().is_some()
    }
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
