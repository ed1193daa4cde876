//! A call of an AI API, read whole before it goes on: its model decides where it goes, and its size what it may cost.

use std::sync::Arc;

use bytes::Bytes;
use http::header::{CONTENT_ENCODING, CONTENT_TYPE};
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use pingora::http::RequestHeader;
use pingora::protocols::http::ServerSession;

use crate::ai::catalogue::{Route, UnknownModel};
use crate::ai::path::{Dialect, dialect, ends_as_call, is_call};
use crate::ai::request::{self, Call, Edit, Unreadable};
use crate::ai::usage::Usage;
use crate::ai::{multipart, path};
use crate::outcome::Outcome;
use crate::proxy::body::Body;
use crate::proxy::context::Context;
use crate::proxy::feed::{Cursor, Next};
use crate::proxy::realtime;
use crate::proxy::upstream_request::Framing;
use crate::runtime::snapshot::NamedPlan;

const TASK: HeaderName = HeaderName::from_static("x-task");

/// Tokens of the longest completion that is believed to be wished for: no model writes more.
const LONGEST_COMPLETION: u64 = 262_144;
/// The most that a provider makes of one prompt (OpenAI's `n`).
const MOST_COMPLETIONS: u64 = 128;

/// What is known of a call.
pub struct AiCall {
    pub call: Call,
    /// A form (multipart) rather than JSON.
    form: bool,
    pub dialect: Dialect,
    /// Where it goes by its model.
    pub route: Route,
    /// The body as it came.
    parts: Vec<Bytes>,
    /// The model that is asked for now: the route's, or one that stands in for it. Empty: the call names none.
    pub model: Arc<str>,
    /// Its index among the models of the configuration.
    pub id: Option<usize>,
}

impl AiCall {
    /// The body for a server that calls the model `name`; `None`: as it came.
    pub fn body_for(&self, name: Option<&str>, counts: bool) -> Option<Vec<Bytes>> {
        let model = self.renamed(name);
        let asks = counts && self.wants_usage();
        if self.parts.is_empty() || (model.is_none() && !asks) {
            return None;
        }
        let edit = Edit { model, include_usage: asks };
        Some(match self.form {
            true => multipart::edited(&self.parts, &self.call, &edit),
            false => request::edited(&self.parts, &self.call, &edit),
        })
    }

    /// The name that a server which calls the model `name` has to read in place of the client's; `None`: it may stay.
    pub fn renamed<'a>(&'a self, name: Option<&'a str>) -> Option<&'a str> {
        let name = name.unwrap_or(&self.model);
        Some(name).filter(|name| !name.is_empty() && self.call.model.as_deref() != Some(name))
    }

    /// How many completions of the prompt are asked for. What no provider makes is no estimate of anything.
    pub fn completions(&self) -> u64 {
        self.call.completions.clamp(1, MOST_COMPLETIONS)
    }

    /// Nothing is sent again from here on.
    pub fn forget(&mut self) {
        self.parts = Vec::new();
    }

    /// Whether its stream tells its usage only when it is asked to, and the client did not ask.
    pub fn wants_usage(&self) -> bool {
        self.call.stream
            && !self.call.asks_usage
            && !self.form
            && matches!(self.dialect, Dialect::Chat | Dialect::Completions)
    }
}

/// Reads the call that the request may be, and looks whether the client's plan has its model. How it ended, where it did.
pub async fn admit(
    context: &mut Context,
    session: &mut ServerSession,
    body: &mut Body<'_>,
) -> Option<Outcome> {
    if let Err(outcome) = read(context, session, body).await {
        return Some(outcome);
    }
    let mut call = context.call.take()?;
    let allowed = allow(&mut call, context.plan());
    context.call = Some(call);
    (!allowed).then_some(Outcome::ModelForbidden)
}

/// Reads the call, if the request is one.
///
/// # Errors
/// It cannot be read, or there is no such model; or the client left meanwhile.
async fn read(
    context: &mut Context,
    session: &mut ServerSession,
    body: &mut Body<'_>,
) -> Result<(), Outcome> {
    if context.call.is_none() && realtime::begins(session.req_header()) {
        return read_realtime(context, session.req_header());
    }
    if context.call.is_some() || !has_call(session.req_header(), body) {
        return Ok(());
    }
    if body.announced(session).is_some_and(|length| length > body.limit()) {
        return Err(Outcome::BodyTooLarge);
    }
    if !is_call(session.req_header().uri.path()) && !begins_as_call(context, session, body).await? {
        return Ok(());
    }
    body.whole(context, session).await?;
    let head = session.req_header();
    let parts = body.feed.parts();
    if parts.is_empty() {
        return Ok(());
    }
    let dialect = dialect(head.uri.path());
    let understood = understood(&head.headers, &parts);
    // A path that only ends like one: what is none, or names no model, is the server's own affair.
    if !is_call(head.uri.path()) {
        match &understood {
            Ok((call, _)) if call.model.is_none() => return Ok(()),
            Err(refusal) if !names_model(refusal, &parts) => return Ok(()),
            _ => {}
        }
    }
    let (call, form) = understood?;
    let task = head.headers.get(TASK).and_then(|task| task.to_str().ok());
    let catalogue = &context.snapshot.ai.catalogue;
    // What is called without a model, where one would be of use to nobody: batches, moderations, ...
    let nameless = call.model.is_none() && (dialect == Dialect::Other || catalogue.is_empty());
    let route = if nameless {
        Route { model: Arc::from(""), id: None, task: None, chain: Vec::new() }
    } else {
        let mut words = || request::texts(&parts);
        catalogue.resolve(call.model.as_deref(), task, &mut words).map_err(|unknown| match unknown {
            UnknownModel::Named(_) => Outcome::UnknownModel,
            UnknownModel::Unnamed => Outcome::BadRequest { status: 400, reason: "no_model" },
        })?
    };
    let (model, id) = (route.model.clone(), route.id);
    context.call = Some(Box::new(AiCall { call, form, dialect, route, parts, model, id }));
    Ok(())
}

/// Whether the body is a form, or begins as an object of JSON. Anything else is no call, and goes on as it comes.
async fn begins_as_call(
    context: &mut Context,
    session: &mut ServerSession,
    body: &mut Body<'_>,
) -> Result<bool, Outcome> {
    let mut types = session.req_header().headers.get_all(CONTENT_TYPE).iter();
    if types.any(|content_type| says_multipart(content_type.as_bytes())) {
        return Ok(true);
    }
    let (feed, mut cursor) = (body.feed, Cursor::default());
    loop {
        match feed.next(&mut cursor) {
            Next::Part(part) => {
                if let Some(first) = part.trim_ascii_start().first() {
                    return Ok(*first == b'{');
                }
            }
            Next::End => return Ok(false),
            Next::Later => {
                let more = pingora_timeout::timeout(context.time_left(), feed.more(cursor));
                body.meanwhile(context, session, more).await?.map_err(|_| Outcome::RequestTimeout)?;
            }
        }
    }
}

/// The call that the body is, and whether it is a form.
///
/// # Errors
/// It cannot be read, or a server might read another one.
fn understood(headers: &HeaderMap, parts: &[Bytes]) -> Result<(Call, bool), Outcome> {
    let mut codings = headers.get_all(CONTENT_ENCODING).iter();
    if codings.any(|coding| !coding.as_bytes().eq_ignore_ascii_case(b"identity")) {
        return Err(Outcome::BadRequest { status: 400, reason: "encoded_call" });
    }
    let content_type = content_type(headers)?;
    let form = multipart::is_form(content_type);
    if !form && says_multipart(content_type.as_bytes()) {
        return Err(Outcome::BadRequest { status: 400, reason: "not_multipart" });
    }
    let call = if form { multipart::read(content_type, parts) } else { request::read(parts) };
    let call = call.map_err(|unreadable| Outcome::BadRequest { status: 400, reason: reason(&unreadable) })?;
    Ok((call, form))
}

/// Whether a body that is refused names a model all the same: more than once, or as JSON that says to be something else.
fn names_model(refusal: &Outcome, parts: &[Bytes]) -> bool {
    let two_models = reason(&Unreadable::TwoModels);
    matches!(refusal, Outcome::BadRequest { reason, .. } if *reason == two_models)
        || match request::read(parts) {
            Ok(call) => call.model.is_some(),
            Err(unreadable) => unreadable == Unreadable::TwoModels,
        }
}

/// A WebSocket of the Realtime API is a call without a body.
fn read_realtime(context: &mut Context, head: &RequestHeader) -> Result<(), Outcome> {
    let asked = realtime::model(head.uri.query().unwrap_or_default());
    let asked = asked.map_err(|_| Outcome::BadRequest { status: 400, reason: "two_models" })?;
    let Some(asked) = asked else { return Ok(()) };
    let route = context.snapshot.ai.catalogue.resolve(Some(&asked), None, &mut String::new);
    let route = route.map_err(|_| Outcome::UnknownModel)?;
    let (model, id) = (route.model.clone(), route.id);
    let call = Call::without_body(asked);
    let (form, dialect, parts) = (false, Dialect::Other, Vec::new());
    context.call = Some(Box::new(AiCall { call, form, dialect, route, parts, model, id }));
    Ok(())
}

/// The content type; empty where there is none. Of two, or of one that is no text, the server might believe another thing
/// than is read here: a body can be JSON and a form at once.
fn content_type(headers: &HeaderMap) -> Result<&str, Outcome> {
    let mut lines = headers.get_all(CONTENT_TYPE).iter();
    let first = lines.next().map_or(Ok(""), HeaderValue::to_str);
    match (first, lines.next()) {
        (Ok(content_type), None) => Ok(content_type),
        _ => Err(Outcome::BadRequest { status: 400, reason: "content_type" }),
    }
}

/// Whether some server may take the body for a form.
fn says_multipart(content_type: &[u8]) -> bool {
    let word = b"multipart";
    content_type.windows(word.len()).any(|window| window.eq_ignore_ascii_case(word))
}

/// Whether a body comes that names a model, or may.
fn has_call(head: &RequestHeader, body: &Body<'_>) -> bool {
    let path = head.uri.path();
    head.method == Method::POST && body.framing != Framing::None && (is_call(path) || ends_as_call(path))
}

fn reason(unreadable: &Unreadable) -> &'static str {
    match unreadable {
        Unreadable::NotJson => "not_json",
        Unreadable::NotMultipart => "not_multipart",
        Unreadable::TwoModels => "two_models",
        Unreadable::ModelNotText => "model_not_text",
    }
}

/// Whether a plan has the model of a call, and so of all that may stand in for it; what it does not have is left out.
fn allow(call: &mut AiCall, plan: Option<&NamedPlan>) -> bool {
    let Some(models) = plan.and_then(|plan| plan.models.as_ref()) else { return true };
    let has = |id: usize| models.get(id).copied().unwrap_or(false);
    call.route.chain.retain(|id| has(*id));
    call.id.is_some_and(has)
}

/// The tokens that the call may take of a model, by its index: what its plan reserves, and what is asked of budgets.
pub fn expected(context: &Context, model: Option<usize>) -> Option<Usage> {
    let call = context.call.as_ref()?;
    let ratios = context.snapshot.ai.ratios_of(model);
    let generates = call.dialect != Dialect::Other;
    let wished = call.call.max_tokens.map(|most| most.min(LONGEST_COMPLETION));
    let completion = wished.or(generates.then(|| ratios.typical_completion()));
    Some(Usage {
        prompt: Some(ratios.prompt_tokens(call.call.text_bytes)),
        completion: Some(completion.unwrap_or(0).saturating_mul(call.completions())),
        ..Usage::default()
    })
}

/// Whether `GET` of this path asks for the models that there are.
pub fn lists_models(head: &RequestHeader) -> bool {
    head.method == Method::GET && path::is_model_list(head.uri.path())
}
