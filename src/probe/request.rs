//! What a check asks a server for: made once from the configuration, completed for each server. Pure.

use std::borrow::Cow;

use bytes::Bytes;
use http::header::{
    ACCEPT_ENCODING, CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, HOST, HeaderName, HeaderValue,
    TRANSFER_ENCODING, USER_AGENT,
};
use http::{HeaderMap, Method};
use serde_json::json;

use crate::config::checked::{ChatCheck, HttpCheck};

const JSON: HeaderValue = HeaderValue::from_static("application/json");

#[derive(Debug)]
pub struct Request {
    pub method: Method,
    /// Behind the base path of the server.
    path: Cow<'static, str>,
    /// Of a server that has no base path.
    default_base: &'static str,
    headers: Vec<(HeaderName, HeaderValue)>,
    pub body: Option<Bytes>,
}

impl Request {
    /// `reads`: something is expected of the body of the answer.
    pub fn of_http(check: &HttpCheck, reads: bool) -> Request {
        let mut headers = check.headers.clone();
        let has = |name: HeaderName| check.headers.iter().any(|(given, _)| *given == name);
        if check.body.as_deref().is_some_and(looks_like_json) && !has(CONTENT_TYPE) {
            headers.push((CONTENT_TYPE, JSON));
        }
        if reads && !has(ACCEPT_ENCODING) {
            headers.push((ACCEPT_ENCODING, HeaderValue::from_static("identity")));
        }
        Request {
            method: check.method.clone(),
            path: check.path.clone().into(),
            default_base: "",
            headers,
            body: check.body.clone().map(Bytes::from),
        }
    }

    pub fn of_chat(check: &ChatCheck) -> Request {
        let body = json!({
            "model": check.model,
            "messages": [{"role": "user", "content": check.prompt}],
            "max_tokens": check.max_tokens,
            "stream": false,
        });
        Request {
            method: Method::POST,
            path: "/chat/completions".into(),
            default_base: "/v1",
            headers: vec![(CONTENT_TYPE, JSON), (ACCEPT_ENCODING, HeaderValue::from_static("identity"))],
            body: Some(Bytes::from(body.to_string())),
        }
    }

    /// What stands in the first line for a server with this base path.
    pub fn path(&self, base: Option<&str>) -> String {
        format!("{}{}", base.unwrap_or(self.default_base), self.path)
    }

    /// In the form of HTTP/1.1. `key`: the server's own `authorization`; it goes along unless the check brings one. How
    /// long the body is, we say.
    pub fn headers(&self, host: &HeaderValue, key: Option<&(HeaderName, HeaderValue)>) -> HeaderMap {
        let mut all = HeaderMap::with_capacity(8 + self.headers.len());
        all.insert(HOST, host.clone());
        all.insert(USER_AGENT, HeaderValue::from_static("tidegate-check"));
        if let Some((name, key)) = key {
            all.insert(name, key.clone());
        }
        for (name, value) in &self.headers {
            all.insert(name, value.clone());
        }
        all.insert(CONNECTION, HeaderValue::from_static("close"));
        all.remove(TRANSFER_ENCODING);
        all.remove(CONTENT_LENGTH);
        let length = self.body.as_ref().map_or(0, Bytes::len);
        // RFC 9110, 8.6: a method that usually has a body says so when there is none.
        if self.body.is_some() || matches!(self.method, Method::POST | Method::PUT | Method::PATCH) {
            all.insert(CONTENT_LENGTH, HeaderValue::from(length));
        }
        all
    }
}

fn looks_like_json(body: &str) -> bool {
    body.trim_start().starts_with(['{', '['])
}

#[cfg(test)]
mod tests {
    use http::header::AUTHORIZATION;

    use super::*;
    use crate::config::checked::Expect;

    fn http(method: Method, headers: &[(&'static str, &'static str)], body: Option<&str>) -> Request {
        let line = |&(name, value): &(&'static str, &'static str)| {
            (name.parse().unwrap(), HeaderValue::from_static(value))
        };
        let check = HttpCheck {
            method,
            path: "/models?all=1".to_owned(),
            headers: headers.iter().map(line).collect(),
            body: body.map(str::to_owned),
            expect: Expect { status: vec![200], headers: Vec::new(), body: None },
        };
        Request::of_http(&check, false)
    }

    /// `name: value`, by name.
    fn lines(request: &Request, key: Option<&'static str>) -> Vec<String> {
        let key = key.map(|key| (AUTHORIZATION, HeaderValue::from_static(key)));
        let headers = request.headers(&HeaderValue::from_static("up:1"), key.as_ref());
        let line =
            |(name, value): (&HeaderName, &HeaderValue)| format!("{name}: {}", value.to_str().unwrap());
        let mut lines: Vec<String> = headers.iter().map(line).collect();
        lines.sort();
        lines
    }

    #[test]
    fn a_plain_check_says_who_asks_and_that_it_is_all() {
        let request = http(Method::GET, &[], None);
        assert_eq!(request.path(None), "/models?all=1");
        assert_eq!(request.path(Some("/openai/v1")), "/openai/v1/models?all=1");
        assert_eq!(lines(&request, None), ["connection: close", "host: up:1", "user-agent: tidegate-check"]);
    }

    #[test]
    fn the_servers_key_goes_along_unless_the_check_has_one() {
        let with = |request: &Request| {
            lines(request, Some("Bearer server"))
                .into_iter()
                .find(|line| line.starts_with("authorization"))
                .unwrap()
        };
        assert_eq!(with(&http(Method::GET, &[], None)), "authorization: Bearer server");
        let own = http(Method::GET, &[("authorization", "Bearer check")], None);
        assert_eq!(with(&own), "authorization: Bearer check");
        assert_eq!(lines(&own, None)[0], "authorization: Bearer check");
    }

    #[test]
    fn a_check_may_ask_for_another_host() {
        let request = http(Method::GET, &[("host", "other"), ("user-agent", "me")], None);
        assert_eq!(lines(&request, None), ["connection: close", "host: other", "user-agent: me"]);
    }

    #[test]
    fn a_body_has_a_length_and_json_has_its_type() {
        let has = |request: &Request, line: &str| lines(request, None).iter().any(|is| is == line);
        let json = http(Method::POST, &[], Some(" {\"a\": \"é\"}"));
        assert!(has(&json, "content-length: 12"));
        assert!(has(&json, "content-type: application/json"));
        let text = http(Method::PUT, &[], Some("hello"));
        assert!(has(&text, "content-length: 5"));
        assert!(!lines(&text, None).iter().any(|line| line.starts_with("content-type")));
        let own = http(Method::POST, &[("content-type", "text/x")], Some("[]"));
        assert!(has(&own, "content-type: text/x"));
        assert!(has(&http(Method::POST, &[], None), "content-length: 0"));
    }

    #[test]
    fn how_long_the_body_is_nobody_else_says() {
        let request =
            http(Method::POST, &[("content-length", "9"), ("transfer-encoding", "chunked")], Some("hello"));
        let framing: Vec<String> = lines(&request, None)
            .into_iter()
            .filter(|l| l.contains("length") || l.contains("transfer"))
            .collect();
        assert_eq!(framing, ["content-length: 5"]);
    }

    #[test]
    fn a_chat_is_what_a_client_would_send() {
        let check = ChatCheck { model: "gpt \"4\"".to_owned(), max_tokens: 5, prompt: "ping".to_owned() };
        let request = Request::of_chat(&check);
        assert_eq!(request.method, Method::POST);
        assert_eq!(request.path(None), "/v1/chat/completions");
        assert_eq!(request.path(Some("/openai")), "/openai/chat/completions");
        let body: serde_json::Value = serde_json::from_slice(request.body.as_ref().unwrap()).unwrap();
        let expected = json!({
            "model": "gpt \"4\"", "max_tokens": 5, "stream": false,
            "messages": [{"role": "user", "content": "ping"}],
        });
        assert_eq!(body, expected);
        assert!(lines(&request, None).contains(&"content-type: application/json".to_owned()));
    }
}
