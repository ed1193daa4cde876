//! From a request to its answer: the paths of the API, the key, the provider's own paths under `/mock/`.

use std::rc::Rc;

use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper::header::AUTHORIZATION;
use hyper::http::request::Parts;
use hyper::{Method, Request, Response, StatusCode};
use serde_json::json;

use super::Provider;
use super::connection::Peer;
use super::deliver::{Answer, Delivery, deliver};
use super::faults::{Faults, Faulty};
use super::journal::Mark;
use super::openai::{self, Problem};
use super::script::{CutOff, Script, Step};

/// Answers one request. An error makes hyper drop the connection; what is still to be said then stands in
/// [`Peer::farewell`].
pub async fn answer(
    provider: Rc<Provider>,
    peer: Rc<Peer>,
    request: Request<Incoming>,
) -> Result<Response<Script>, CutOff> {
    let (head, body) = request.into_parts();
    if head.uri.path().starts_with("/mock/") {
        let body = body.collect().await.map_err(|_| CutOff)?.to_bytes();
        return Ok(plain(manage(&provider, &head, &body)));
    }
    let mark = provider.journal.borrow_mut().open(&peer, &head);
    let body = body.collect().await.map_err(|_| CutOff)?.to_bytes();
    mark.body(&body);
    let path = head.uri.path().strip_prefix(&provider.base_path).unwrap_or_default().to_owned();
    let models = path == "/models" || path.starts_with("/models/");
    let faults = provider.faults.borrow_mut().strike(models);
    if faults.delay_ms > 0 {
        tokio::time::sleep(faults.delay()).await;
    }
    let problem = |status| StatusCode::from_u16(status).ok().map(|s| Problem::asked_for(s, &provider.name));
    let answer = match faults.status.and_then(problem) {
        Some(problem) if !problem.status.is_success() => problem.into(),
        _ => serve(&provider, &head, &path, &body, &faults).unwrap_or_else(Answer::from),
    };
    let answer = match (answer, faults.error_event.and_then(problem)) {
        (Answer::Events(_), Some(problem)) => Answer::Events(problem.events()),
        (answer, _) => answer,
    };
    let identity = vec![
        ("x-mock-server", provider.name.clone()),
        ("x-request-id", format!("req_{}_{:06}", provider.name, mark.number())),
    ];
    match deliver(answer, &faults, mark, identity) {
        Delivery::Response(response) => Ok(response),
        Delivery::Bare(bytes) => {
            peer.farewell.replace(Some(bytes));
            Err(CutOff)
        }
    }
}

fn serve(
    provider: &Provider,
    head: &Parts,
    path: &str,
    body: &Bytes,
    faults: &Faults,
) -> Result<Answer, Problem> {
    authorize(provider, head)?;
    let call = openai::Call { name: &provider.name, catalog: &provider.models, body, chunks: faults.chunks };
    match (&head.method, path) {
        (&Method::GET, "/models") => Ok(openai::list_models(&call)),
        (&Method::GET, path) if path.starts_with("/models/") => {
            openai::one_model(&call, path.trim_start_matches("/models/"))
        }
        (&Method::POST, "/chat/completions") => openai::chat(&call),
        (&Method::POST, "/completions") => openai::completion(&call),
        (&Method::POST, "/embeddings") => openai::embeddings(&call),
        (method, "/models" | "/chat/completions" | "/completions" | "/embeddings") => {
            Err(Problem::method(method.as_str()))
        }
        _ => Err(Problem::unknown_path(head.method.as_str(), head.uri.path())),
    }
}

fn authorize(provider: &Provider, head: &Parts) -> Result<(), Problem> {
    let Some(key) = &provider.api_key else { return Ok(()) };
    let given = head.headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok());
    match given.and_then(|value| value.strip_prefix("Bearer ")) {
        Some(given) if given == key.expose() => Ok(()),
        Some(_) => Err(Problem::wrong_key()),
        None => Err(Problem::no_key()),
    }
}

/// `/mock/faults` (GET, POST, DELETE) and `/mock/requests` (GET, DELETE); no key needed.
fn manage(provider: &Provider, head: &Parts, body: &Bytes) -> Answer {
    let good = |value| Answer::Whole(StatusCode::OK, value);
    match (&head.method, head.uri.path()) {
        (&Method::GET, "/mock/faults") => good(json!(provider.faults.borrow().current())),
        (&Method::POST, "/mock/faults") => match Faults::parse(body) {
            Ok(faults) => {
                let answer = good(json!(faults));
                provider.faults.replace(Faulty::new(faults));
                answer
            }
            Err(wrong) => Problem::bad_request(wrong.to_string(), None).into(),
        },
        (&Method::DELETE, "/mock/faults") => {
            provider.faults.replace(Faulty::new(Faults::default()));
            good(json!(Faults::default()))
        }
        (&Method::GET, "/mock/requests") => good(provider.journal.borrow().page()),
        (&Method::DELETE, "/mock/requests") => {
            provider.journal.borrow_mut().clear();
            good(json!({}))
        }
        (method, path) => Problem::unknown_path(method.as_str(), path).into(),
    }
}

fn plain(answer: Answer) -> Response<Script> {
    match deliver(answer, &Faults::default(), Mark::detached(), Vec::new()) {
        Delivery::Response(response) => response,
        Delivery::Bare(bytes) => Response::new(Script::new(vec![Step::Send(bytes)], Mark::detached())),
    }
}
