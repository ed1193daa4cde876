//! What a client sends with a request: parameters of a query, a JSON body. Only what the route knows of is taken, and
//! nothing is guessed.

use std::collections::HashMap;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use hyper::body::{Body, Incoming};
use hyper::header::CONTENT_TYPE;
use hyper::{HeaderMap, StatusCode};
use serde_json::Value;
use tokio::time::timeout;

use super::guard::is_json;
use super::problem::Problem;
use super::routes::{Field, Kind, Route};
use crate::config;

/// Of a body, in bytes.
const LARGEST: usize = 64 * 1024;
/// For all of it.
const PATIENCE: Duration = Duration::from_secs(10);

/// Values that are of the kind that the route says.
#[derive(Debug, Default)]
pub struct Fields(HashMap<&'static str, Value>);

impl Fields {
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub fn text(&self, name: &str) -> Option<&str> {
        self.0.get(name)?.as_str()
    }

    pub fn number(&self, name: &str) -> Option<u64> {
        self.0.get(name)?.as_u64()
    }

    pub fn flag(&self, name: &str) -> bool {
        self.0.get(name).and_then(Value::as_bool).unwrap_or_default()
    }

    /// `Some(None)`: null.
    pub fn number_or_null(&self, name: &str) -> Option<Option<u64>> {
        self.0.get(name).map(Value::as_u64)
    }

    fn take(&mut self, known: &'static [Field], what: &str, name: &str, value: Value) -> Result<(), Problem> {
        let Some(field) = known.iter().find(|field| field.name == name) else {
            return Err(Problem::bad_request(unknown(known, what, name)));
        };
        if let Some(wrong) = wrong(field.kind, &value) {
            return Err(Problem::bad_request(format!("`{name}` must be {wrong}")));
        }
        if self.0.insert(field.name, value).is_some() {
            return Err(Problem::bad_request(format!("`{name}` is there twice")));
        }
        Ok(())
    }
}

fn unknown(known: &[Field], what: &str, name: &str) -> String {
    let names: Vec<&str> = known.iter().map(|field| field.name).collect();
    let shown: String = name.chars().take(60).collect();
    let hint = match config::nearest(name, names.iter().copied()) {
        Some(near) => format!("did you mean `{near}`?"),
        None if names.is_empty() => format!("there is no {what} here"),
        None => format!("there is: {}", names.join(", ")),
    };
    format!("unknown {what} `{shown}`: {hint}")
}

/// What it should be, where it is not.
fn wrong(kind: Kind, value: &Value) -> Option<String> {
    let within = |least, most| value.as_u64().is_some_and(|number| (least..=most).contains(&number));
    let range = |least, most| match most {
        u64::MAX => format!("a whole number from {least} on"),
        _ => format!("a whole number from {least} to {most}"),
    };
    match kind {
        Kind::Text if value.is_string() => None,
        Kind::Text => Some("a text".to_owned()),
        Kind::Flag if value.is_boolean() => None,
        Kind::Flag => Some("true or false".to_owned()),
        Kind::Word(words) if value.as_str().is_some_and(|word| words.contains(&word)) => None,
        Kind::Word(words) => Some(format!("one of {}", words.join(", "))),
        Kind::Number(least, most) if within(least, most) => None,
        Kind::Number(least, most) => Some(range(least, most)),
        Kind::NumberOrNull(least, most) if value.is_null() || within(least, most) => None,
        Kind::NumberOrNull(least, most) => Some(format!("{}, or null", range(least, most))),
    }
}

/// # Errors
/// 400: a parameter that is not known, is there twice, or is not what it should be.
pub fn query(route: &'static Route, query: Option<&str>) -> Result<Fields, Problem> {
    let mut fields = Fields::default();
    for pair in query.unwrap_or_default().split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let (Some(name), Some(value)) = (decoded(name, true), decoded(value, true)) else {
            return Err(Problem::bad_request("the query is not percent-encoded UTF-8"));
        };
        let number =
            route.query.iter().any(|field| field.name == name && matches!(field.kind, Kind::Number(..)));
        let value = match value.parse::<u64>() {
            Ok(value) if number => Value::from(value),
            _ => Value::String(value),
        };
        fields.take(route.query, "parameter", &name, value)?;
    }
    Ok(fields)
}

/// And the body as it was sent, for the audit log.
///
/// # Errors
/// 400, 408, 413, 415: it is no JSON object, too slow, too long, or says that it is something else.
pub async fn body(
    route: &'static Route,
    headers: &HeaderMap,
    body: Incoming,
) -> Result<(Fields, String), Problem> {
    let bytes = collect(body).await?;
    let mut fields = Fields::default();
    if bytes.is_empty() {
        return Ok((fields, String::new()));
    }
    let kind = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    if !kind.is_some_and(is_json) {
        let message = "a body must be JSON, and say so: `content-type: application/json`";
        return Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported_media_type", message));
    }
    let document = serde_json::from_slice::<Value>(&bytes)
        .map_err(|error| Problem::bad_request(format!("the body is no JSON: {error}")))?;
    let text = document.to_string();
    let Value::Object(object) = document else {
        return Err(Problem::bad_request("the body must be a JSON object: {\"key\": value}"));
    };
    for (name, value) in object {
        fields.take(route.body, "key", &name, value)?;
    }
    Ok((fields, text))
}

async fn collect(body: Incoming) -> Result<Bytes, Problem> {
    let too_large = || {
        let message = format!("the body is larger than {LARGEST} bytes");
        Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "too_large", message)
    };
    if body.size_hint().lower() > LARGEST as u64 {
        return Err(too_large());
    }
    match timeout(PATIENCE, Limited::new(body, LARGEST).collect()).await {
        Ok(Ok(collected)) => Ok(collected.to_bytes()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => Err(too_large()),
        Ok(Err(_)) => Err(Problem::bad_request("the body ended too early")),
        Err(_) => {
            let message = format!("the body took longer than {} s", PATIENCE.as_secs());
            Err(Problem::new(StatusCode::REQUEST_TIMEOUT, "too_slow", message))
        }
    }
}

/// `%41` is `A`; in a query `+` is a space. `None` for what is no such text, or no UTF-8.
pub fn decoded(text: &str, plus: bool) -> Option<String> {
    let mut out = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        out.push(match byte {
            b'%' => {
                let mut digit = || char::from(bytes.next()?).to_digit(16);
                let (high, low) = (digit()?, digit()?);
                u8::try_from(high << 4 | low).ok()?
            }
            b'+' if plus => b' ',
            other => other,
        });
    }
    String::from_utf8(out).ok()
}

#[cfg(test)]
mod tests {
    use super::super::routes::ROUTES;
    use super::*;

    fn read(path: &str, text: &str) -> Result<Fields, String> {
        let route = ROUTES.iter().find(|route| route.path.ends_with(path)).unwrap();
        query(route, Some(text)).map_err(|problem| problem.message)
    }

    #[test]
    fn a_query_is_what_the_route_knows_and_nothing_else() {
        let fields = read("/usage", "by=client%2Cmodel&since=2026-11-01T10%3A00&limit=7").unwrap();
        assert_eq!((fields.text("by"), fields.number("limit")), (Some("client,model"), Some(7)));
        assert_eq!(fields.text("since"), Some("2026-11-01T10:00"));
        assert_eq!(read("/usage", "").unwrap().text("by"), None);
        for (query, message) in [
            ("sinse=30d", "unknown parameter `sinse`: did you mean `since`?"),
            ("colour=red", "unknown parameter `colour`: there is: by, since, until, limit"),
            ("by=a&by=b", "`by` is there twice"),
            ("limit=0", "`limit` must be a whole number from 1 to 10000"),
            ("limit=x", "`limit` must be a whole number from 1 to 10000"),
            ("limit=10001", "`limit` must be a whole number from 1 to 10000"),
            ("by=%zz", "the query is not percent-encoded UTF-8"),
            ("by=%ff", "the query is not percent-encoded UTF-8"),
        ] {
            assert_eq!(read("/usage", query).unwrap_err(), message);
        }
        assert_eq!(read("/status", "x=1").unwrap_err(), "unknown parameter `x`: there is no parameter here");
    }
}
