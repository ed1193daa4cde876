//! A good answer: JSON, and the ETag of what can be changed of it.

use bytes::Bytes;
use http_body_util::Full;
use hyper::header::{CACHE_CONTROL, CONTENT_TYPE, ETAG, HeaderValue, X_CONTENT_TYPE_OPTIONS};
use hyper::{Response, StatusCode};
use serde::Serialize;

use super::precondition::{self, Tag};
use super::problem::Problem;

#[derive(Debug)]
pub struct Answer {
    body: String,
    tag: Option<Tag>,
}

impl Answer {
    /// # Errors
    /// It is no JSON, which only a mistake here can bring about.
    pub fn of(document: &impl Serialize) -> Result<Answer, Problem> {
        let mut body = serde_json::to_string(document).map_err(|error| Problem::failed(error.to_string()))?;
        body.push('\n');
        Ok(Answer { body, tag: None })
    }

    /// # Errors
    /// None: it is the last step of making one.
    pub fn tagged(self, tag: Tag) -> Result<Answer, Problem> {
        Ok(Answer { tag: Some(tag), ..self })
    }

    /// `known`: what If-None-Match says that the client has.
    pub fn into_response(self, known: &[String]) -> Response<Full<Bytes>> {
        let known = self.tag.as_ref().is_some_and(|tag| precondition::is_known(tag, known));
        let mut response = match known {
            true => respond(StatusCode::NOT_MODIFIED, String::new()),
            false => respond(StatusCode::OK, self.body),
        };
        if let Some(tag) = self.tag.and_then(|tag| HeaderValue::from_str(tag.text()).ok()) {
            response.headers_mut().insert(ETAG, tag);
        }
        response
    }
}

pub fn respond(status: StatusCode, body: String) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(body)));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}
