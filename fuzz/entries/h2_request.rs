//! An HTTP/2 request as the framing layer hands it over: what passes could as well have come over HTTP/1, and would
//! pass there. The input is lines: the method, the URI, then `name: value`.

use http::header::{self, HeaderName, HeaderValue};
use http::{Method, Uri, request};
use tidegate::wire::{Framing, HeadLimits, check_h2_request, check_request_head};

pub fn run(input: &[u8]) {
    let Some(request) = request(input) else { return };
    let limits = HeadLimits::default();
    if let Ok(framing) = check_h2_request(&request, &limits) {
        assert!(request.headers.len() <= limits.fields, "more fields than the limit");
        for name in ["connection", "transfer-encoding", "upgrade", "keep-alive", "proxy-connection"] {
            assert!(!request.headers.contains_key(name), "{name} passed");
        }
        let head = written_out(&request);
        let generous = HeadLimits { target: 1 << 20, head: 1 << 20, header: 1 << 20, fields: 1000 };
        let expected = match framing {
            Framing::Chunked => None,
            other => Some(other),
        };
        assert_eq!(check_request_head(&head, &generous).ok(), expected, "{}", String::from_utf8_lossy(&head));
    }
}

/// `None`: the layers below refuse it.
fn request(input: &[u8]) -> Option<request::Parts> {
    let mut lines = input.split(|byte| *byte == b'\n');
    let (mut parts, ()) = http::Request::new(()).into_parts();
    parts.method = Method::from_bytes(lines.next()?).ok()?;
    parts.uri = Uri::try_from(lines.next()?).ok()?;
    for line in lines.filter(|line| !line.is_empty()) {
        let colon = line.iter().skip(1).position(|byte| *byte == b':')? + 1;
        let (name, value) = line.split_at(colon);
        let value = value.strip_prefix(b": ").or_else(|| value.strip_prefix(b":"))?;
        // The framing layer refuses upper case.
        let name = HeaderName::from_lowercase(name).ok()?;
        parts.headers.append(name, HeaderValue::from_bytes(value).ok()?);
    }
    Some(parts)
}

/// The same request in HTTP/1.
fn written_out(request: &request::Parts) -> Vec<u8> {
    let target = request.uri.path_and_query().map_or("/", |target| target.as_str());
    let mut head = format!("{} {target} HTTP/1.1\r\n", request.method).into_bytes();
    if let (None, Some(authority)) = (request.headers.get(header::HOST), request.uri.authority()) {
        head.extend_from_slice(format!("host: {authority}\r\n").as_bytes());
    }
    for (name, value) in &request.headers {
        head.extend_from_slice(name.as_str().as_bytes());
        head.extend_from_slice(b": ");
        head.extend_from_slice(value.as_bytes());
        head.extend_from_slice(b"\r\n");
    }
    head.extend_from_slice(b"\r\n");
    head
}
