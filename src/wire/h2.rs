//! The check of an HTTP/2 request. The framing layer has refused wrong pseudo fields, upper case and control bytes in
//! names and values, and bodies that differ from their Content-Length (also none at all); what is left is what HTTP/1
//! servers behind us could be misled with.

use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::{Method, request};

use super::authority::Authority;
use super::bytes::is_token;
use super::field::disguises_framing;
use super::framing::{Framing, content_length};
use super::target;
use super::{HeadFault, HeadLimits};

/// Fields that RFC 9113 8.2.2 forbids.
pub(super) static CONNECTION_FIELDS: [HeaderName; 5] = [
    header::CONNECTION,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
    header::TRANSFER_ENCODING,
    header::UPGRADE,
];

/// Checks a request as the HTTP/2 layer hands it over: `:authority` and `:path` in the URI, `host` among the headers.
/// A field counts as its name, its value and 32 bytes towards the limit of the head (RFC 9113 6.5.2).
pub fn check_h2_request(request: &request::Parts, limits: &HeadLimits) -> Result<Framing, HeadFault> {
    if request.method == Method::CONNECT {
        return Err(HeadFault::Connect);
    }
    check_target(request, limits)?;
    check_fields(&request.headers, limits)?;
    check_authority(request)?;
    let mut lengths = request.headers.get_all(header::CONTENT_LENGTH).iter();
    match (lengths.next(), lengths.next()) {
        (None, _) => Ok(Framing::Unsaid),
        (Some(length), None) => content_length(length.as_bytes()).map(Framing::Length),
        (Some(_), Some(_)) => Err(HeadFault::RepeatedContentLength),
    }
}

fn check_target(request: &request::Parts, limits: &HeadLimits) -> Result<(), HeadFault> {
    if !matches!(request.uri.scheme_str(), None | Some("http" | "https")) {
        return Err(HeadFault::InvalidScheme);
    }
    let Some(target) = request.uri.path_and_query().map(|p| p.as_str().as_bytes()) else {
        return Err(HeadFault::InvalidTarget);
    };
    if target.len() > limits.target {
        return Err(HeadFault::TargetTooLong);
    }
    target::check_bytes(target)?;
    match target {
        [b'/', ..] => target::check_path(target),
        b"*" if request.method == Method::OPTIONS => Ok(()),
        _ => Err(HeadFault::InvalidTarget),
    }
}

fn check_fields(headers: &HeaderMap, limits: &HeadLimits) -> Result<(), HeadFault> {
    if headers.len() > limits.fields {
        return Err(HeadFault::TooManyFields);
    }
    let mut size = 0;
    let mut te = false;
    for (name, value) in headers {
        // The http crate takes a quote for a part of a name.
        if !name.as_str().bytes().all(is_token) {
            return Err(HeadFault::InvalidFieldName);
        }
        if disguises_framing(name.as_str().as_bytes()) {
            return Err(HeadFault::InvalidFieldName);
        }
        if CONNECTION_FIELDS.contains(name) {
            return Err(HeadFault::ConnectionField);
        }
        if *name == header::TE {
            let repeated = std::mem::replace(&mut te, true);
            if repeated || !value.as_bytes().eq_ignore_ascii_case(b"trailers") {
                return Err(HeadFault::InvalidTe);
            }
        }
        // Other control bytes cannot be in a HeaderValue.
        if matches!(value.as_bytes(), [b' ' | b'\t', ..] | [.., b' ' | b'\t']) {
            return Err(HeadFault::SpaceAroundValue);
        }
        size += name.as_str().len() + value.len() + 32;
    }
    if size > limits.header { Err(HeadFault::HeadTooLarge) } else { Ok(()) }
}

/// `:authority` or `host`, and if both then the same (RFC 9113 8.3.1).
fn check_authority(request: &request::Parts) -> Result<(), HeadFault> {
    let mut hosts = request.headers.get_all(header::HOST).iter();
    let host = hosts.next().map(HeaderValue::as_bytes);
    if hosts.next().is_some() {
        return Err(HeadFault::RepeatedHost);
    }
    let named = request.uri.authority().map(|a| a.as_str().as_bytes());
    let valid = |bytes| Authority::parse(bytes).ok_or(HeadFault::InvalidHost);
    match (named.map(valid).transpose()?, host.map(valid).transpose()?) {
        (None, None) => Err(HeadFault::MissingHost),
        (Some(named), Some(host)) => {
            let port = if request.uri.scheme_str() == Some("http") { 80 } else { 443 };
            if named.same_as(&host, port) { Ok(()) } else { Err(HeadFault::HostMismatch) }
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::Request;

    type Fields<'a> = &'a [(&'a str, &'a str)];

    fn check(method: &str, uri: &str, fields: Fields<'_>) -> Result<Framing, HeadFault> {
        let mut request = Request::builder().method(method).uri(uri);
        for (name, value) in fields {
            // As the framing layer makes names.
            request = request.header(HeaderName::from_lowercase(name.as_bytes()).unwrap(), *value);
        }
        check_h2_request(&request.body(()).unwrap().into_parts().0, &HeadLimits::default())
    }

    #[test]
    fn ordinary_requests_pass() {
        let uri = "https://api.example.com/v1/chat?a=1";
        assert_eq!(
            check("POST", uri, &[("te", "trailers"), ("content-length", "7")]),
            Ok(Framing::Length(7))
        );
        assert_eq!(check("POST", uri, &[("host", "API.example.com:443"), ("x", "")]), Ok(Framing::Unsaid));
        assert_eq!(check("GET", "/v1/models", &[("host", "api.example.com")]), Ok(Framing::Unsaid));
        assert_eq!(check("OPTIONS", "*", &[("host", "a")]), Ok(Framing::Unsaid));
    }

    #[test]
    fn every_other_request_has_its_fault() {
        let uri = "https://a.example/";
        let long = format!("/{}", "a".repeat(16 * 1024));
        let many: Vec<(&str, &str)> = vec![("x", "y"); 101];
        let large = "x".repeat(32 * 1024);
        let large = [("x", large.as_str())];
        let cases: [(&str, &str, Fields<'_>, HeadFault); 28] = [
            ("GET", uri, &[("connection", "close")], HeadFault::ConnectionField),
            ("GET", uri, &[("keep-alive", "1")], HeadFault::ConnectionField),
            ("GET", uri, &[("proxy-connection", "x")], HeadFault::ConnectionField),
            ("GET", uri, &[("transfer-encoding", "chunked")], HeadFault::ConnectionField),
            ("GET", uri, &[("upgrade", "websocket")], HeadFault::ConnectionField),
            ("GET", uri, &[("te", "trailers, gzip")], HeadFault::InvalidTe),
            ("GET", uri, &[("te", "trailers"), ("te", "trailers")], HeadFault::InvalidTe),
            ("GET", uri, &[("te", "")], HeadFault::InvalidTe),
            ("GET", uri, &[("x\"y", "z")], HeadFault::InvalidFieldName),
            ("GET", "ftp://a.example/", &[], HeadFault::InvalidScheme),
            ("CONNECT", uri, &[], HeadFault::Connect),
            ("GET", uri, &[("x", " a")], HeadFault::SpaceAroundValue),
            ("GET", uri, &[("x", "a\t")], HeadFault::SpaceAroundValue),
            ("GET", uri, &[("host", "b.example")], HeadFault::HostMismatch),
            ("GET", uri, &[("host", "a.example:80")], HeadFault::HostMismatch),
            ("GET", uri, &[("host", "a.example"), ("host", "a.example")], HeadFault::RepeatedHost),
            ("GET", uri, &[("host", "")], HeadFault::InvalidHost),
            ("GET", "https://user@a.example/", &[], HeadFault::InvalidHost),
            ("GET", "/", &[], HeadFault::MissingHost),
            ("GET", "*", &[("host", "a")], HeadFault::InvalidTarget),
            ("GET", "/é", &[("host", "a")], HeadFault::InvalidTarget),
            ("GET", "/a\\b", &[("host", "a")], HeadFault::InvalidTarget),
            ("GET", &long, &[("host", "a")], HeadFault::TargetTooLong),
            ("GET", uri, &many, HeadFault::TooManyFields),
            ("GET", uri, &large, HeadFault::HeadTooLarge),
            ("CONNECT", "a.example:443", &[], HeadFault::Connect),
            ("POST", uri, &[("content-length", "+1")], HeadFault::InvalidContentLength),
            (
                "POST",
                uri,
                &[("content-length", "1"), ("content-length", "1")],
                HeadFault::RepeatedContentLength,
            ),
        ];
        for (method, uri, fields, fault) in cases {
            assert_eq!(
                check(method, uri, fields),
                Err(fault),
                "{method} {:.40} {:.99}",
                uri,
                format!("{fields:?}")
            );
        }
    }
}
