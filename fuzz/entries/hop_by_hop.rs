//! Fields that end at this hop: all of them are found, and those that a client must not be able to take away stay. The
//! input is lines: `name: value`.

use http::header::{HeaderMap, HeaderName, HeaderValue};
use tidegate::rewrite::header::{accepts_trailers, hop_by_hop};

pub fn run(input: &[u8]) {
    let mut headers = HeaderMap::new();
    for line in input.split(|byte| *byte == b'\n') {
        let (name, value) = line.split_at(line.iter().position(|byte| *byte == b':').unwrap_or(line.len()));
        let value = value.strip_prefix(b":").unwrap_or_default().trim_ascii();
        if let (Ok(name), Ok(value)) = (HeaderName::from_bytes(name), HeaderValue::from_bytes(value)) {
            headers.append(name, value);
        }
    }
    let te = headers.get_all("te").iter().any(|value| value.as_bytes().eq_ignore_ascii_case(b"trailers"));
    assert!(accepts_trailers(&headers) || !te, "te: trailers");
    let mut left = headers.clone();
    let found = hop_by_hop(&headers);
    for name in found.names() {
        assert!(left.remove(name).is_some(), "{name} is not there, or named twice");
    }
    assert!(hop_by_hop(&left).is_empty(), "something is left: {left:?}");
    for name in
        ["connection", "keep-alive", "proxy-connection", "te", "trailer", "transfer-encoding", "upgrade"]
    {
        assert!(!left.contains_key(name), "{name} is passed on");
    }
    for name in ["host", "content-length", "authorization", "x-api-key", "x-forwarded-for", "cookie"] {
        assert_eq!(left.contains_key(name), headers.contains_key(name), "{name} is taken away");
    }
    for value in headers.get_all("connection") {
        let options = value.as_bytes().split(|byte| *byte == b',').map(<[u8]>::trim_ascii);
        for option in options.filter(|option| option.to_ascii_lowercase().starts_with(b"x-secret")) {
            assert!(
                !HeaderName::from_bytes(option).is_ok_and(|name| left.contains_key(name)),
                "named, and passed on"
            );
        }
    }
}
