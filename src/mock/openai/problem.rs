//! Errors in OpenAI's shape.

use hyper::StatusCode;
use serde_json::{Value, json};

use super::super::deliver::Events;
use super::stream::frame;

#[derive(Debug)]
pub struct Problem {
    pub status: StatusCode,
    message: String,
    kind: &'static str,
    param: Option<&'static str>,
    code: Option<&'static str>,
}

impl Problem {
    pub fn body(&self) -> Value {
        let Problem { message, kind, param, code, .. } = self;
        json!({"error": {"message": message, "type": kind, "param": param, "code": code}})
    }

    /// As the only event of a stream.
    pub fn events(&self) -> Events {
        Events { all: vec![frame(&self.body().to_string())], opening: 0 }
    }

    fn invalid(status: StatusCode, message: String, code: Option<&'static str>) -> Problem {
        Problem { status, message, kind: "invalid_request_error", param: None, code }
    }

    pub fn bad_request(message: String, param: Option<&'static str>) -> Problem {
        Problem { param, ..Problem::invalid(StatusCode::BAD_REQUEST, message, None) }
    }

    pub fn no_key() -> Problem {
        let message = "You didn't provide an API key. Provide it in an Authorization header: Bearer YOUR_KEY";
        Problem::invalid(StatusCode::UNAUTHORIZED, message.into(), None)
    }

    pub fn wrong_key() -> Problem {
        let message = "Incorrect API key provided.".into();
        Problem::invalid(StatusCode::UNAUTHORIZED, message, Some("invalid_api_key"))
    }

    pub fn unknown_model(model: &str) -> Problem {
        let message = format!("The model `{model}` does not exist or you do not have access to it.");
        Problem::invalid(StatusCode::NOT_FOUND, message, Some("model_not_found"))
    }

    pub fn unknown_path(method: &str, path: &str) -> Problem {
        let message = format!("Invalid URL ({method} {path})");
        Problem::invalid(StatusCode::NOT_FOUND, message, Some("unknown_url"))
    }

    pub fn method(method: &str) -> Problem {
        let message = format!("Not allowed to {method} on this URL");
        Problem::invalid(StatusCode::METHOD_NOT_ALLOWED, message, Some("method_not_supported"))
    }

    /// The error that a fault asks for.
    pub fn asked_for(status: StatusCode, name: &str) -> Problem {
        let (kind, code) = match status.as_u16() {
            429 => ("requests", Some("rate_limit_exceeded")),
            401 => ("invalid_request_error", Some("invalid_api_key")),
            529 => ("overloaded_error", None),
            500..=599 => ("server_error", None),
            _ => ("invalid_request_error", None),
        };
        Problem {
            status,
            message: format!("{name} was asked to fail with {}", status.as_str()),
            kind,
            param: None,
            code,
        }
    }
}
