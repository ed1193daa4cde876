//! Heads in both shapes: a request made for HTTP/1.1 as HTTP/2 has it (RFC 9113 8.2.2, 8.3.1), an answer as it would be
//! on HTTP/1.1.

use http::header::{CONNECTION, CONTENT_LENGTH, HOST, HeaderMap, HeaderName, TE, TRANSFER_ENCODING, UPGRADE};
use http::uri::{Authority, PathAndQuery, Scheme};
use http::{HeaderValue, Request, StatusCode, Uri, Version, request, response};
use pingora::http::{RequestHeader, ResponseHeader};

use crate::rewrite::header::connection_options;
use crate::upstream::session::Fault;

const KEEP_ALIVE: HeaderName = HeaderName::from_static("keep-alive");
const PROXY_CONNECTION: HeaderName = HeaderName::from_static("proxy-connection");
const TRAILERS: HeaderValue = HeaderValue::from_static("trailers");

/// A request; `host` is for one without a usable `Host`.
pub fn request(head: RequestHeader, host: &HeaderValue) -> Result<Request<()>, Fault> {
    let mut parts: request::Parts = head.into();
    let named = parts.headers.remove(HOST);
    let authority = named.iter().chain([host]).find_map(|host| Authority::try_from(host.as_bytes()).ok());
    let mut uri = http::uri::Parts::default();
    uri.scheme = Some(Scheme::HTTPS);
    uri.authority = authority;
    uri.path_and_query =
        Some(parts.uri.path_and_query().cloned().unwrap_or_else(|| PathAndQuery::from_static("/")));
    parts.uri = Uri::from_parts(uri).map_err(|_| Fault::Broken("invalid_target"))?;
    parts.version = Version::HTTP_2;
    strip(&mut parts.headers);
    Ok(Request::from_parts(parts, ()))
}

/// Takes out what is about an HTTP/1.1 connection.
fn strip(headers: &mut HeaderMap) {
    let named: Vec<HeaderName> = connection_options(headers)
        .filter_map(|option| HeaderName::from_bytes(option).ok())
        .filter(|name| *name != TE)
        .collect();
    for name in named {
        headers.remove(name);
    }
    for name in [CONNECTION, TRANSFER_ENCODING, UPGRADE, KEEP_ALIVE, PROXY_CONNECTION] {
        headers.remove(name);
    }
    let trailers = headers.get_all(TE).iter().any(|value| {
        value
            .as_bytes()
            .split(|byte| *byte == b',')
            .any(|one| one.trim_ascii().eq_ignore_ascii_case(b"trailers"))
    });
    headers.remove(TE);
    if trailers {
        headers.insert(TE, TRAILERS);
    }
}

/// An answer that passed the check. One whose length the head does not tell is announced as chunked: like that, and
/// unlike one that ends with its connection, it tells its own end.
pub fn answer(mut parts: response::Parts, bodiless: bool, ended: bool) -> ResponseHeader {
    parts.version = Version::HTTP_11;
    let final_one = !parts.status.is_informational() && parts.status != StatusCode::NO_CONTENT;
    if final_one && !bodiless && !parts.headers.contains_key(CONTENT_LENGTH) {
        if ended {
            parts.headers.insert(CONTENT_LENGTH, HeaderValue::from_static("0"));
        } else {
            parts.headers.insert(TRANSFER_ENCODING, HeaderValue::from_static("chunked"));
        }
    }
    ResponseHeader::from(parts)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn translated(method: &str, path: &str, fields: &[(&'static str, &'static str)]) -> Request<()> {
        let mut head = RequestHeader::build_no_case(method, path.as_bytes(), None).unwrap();
        for (name, value) in fields {
            head.append_header(*name, *value).unwrap();
        }
        request(head, &HeaderValue::from_static("fallback.test")).unwrap()
    }

    #[test]
    fn the_host_becomes_the_authority() {
        let request = translated("POST", "/v1/chat?a=b", &[("host", "api.test:8443"), ("x-a", "b")]);
        assert_eq!(request.uri(), "https://api.test:8443/v1/chat?a=b");
        assert_eq!(request.version(), Version::HTTP_2);
        assert_eq!(request.headers().len(), 1);
        assert_eq!(translated("GET", "/", &[]).uri(), "https://fallback.test/");
        assert_eq!(translated("OPTIONS", "*", &[("host", "a")]).uri().path(), "*");
    }

    #[test]
    fn what_is_about_the_connection_stays_behind() {
        let fields = [
            ("host", "a"),
            ("connection", "te, x-hop"),
            ("x-hop", "1"),
            ("te", "gzip, Trailers"),
            ("transfer-encoding", "chunked"),
            ("keep-alive", "timeout=5"),
            ("proxy-connection", "close"),
            ("upgrade", "h2c"),
            ("content-length", "3"),
        ];
        let request = translated("POST", "/", &fields);
        let mut names: Vec<_> = request.headers().keys().map(HeaderName::as_str).collect();
        names.sort_unstable();
        assert_eq!(names, ["content-length", "te"]);
        assert_eq!(request.headers()[TE], "trailers");
        assert!(translated("POST", "/", &[("host", "a"), ("te", "gzip")]).headers().is_empty());
    }

    #[test]
    fn an_answer_tells_its_end_as_on_http1() {
        let head = |status: u16, bodiless, ended| {
            let parts = http::Response::builder().status(status).body(()).unwrap().into_parts().0;
            let head = answer(parts, bodiless, ended);
            assert_eq!(head.version, Version::HTTP_11);
            (head.headers.contains_key(TRANSFER_ENCODING), head.headers.contains_key(CONTENT_LENGTH))
        };
        assert_eq!(head(200, false, false), (true, false));
        assert_eq!(head(200, false, true), (false, true));
        assert_eq!(head(200, true, false), (false, false));
        assert_eq!(head(204, false, true), (false, false));
        assert_eq!(head(103, false, false), (false, false));
    }
}
