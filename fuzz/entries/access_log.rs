//! The access log: whatever a client sends, a request is one line, and a key in a query is not in it. The input is
//! parts: target, host, method, request id, client name, protocol.

use std::net::{Ipv4Addr, SocketAddr};

use tidegate::observe::access_log::Record;

use super::pieces::{self, SEPARATOR};

pub fn run(input: &[u8]) {
    let [target, host, method, request_id, client_name, protocol] = pieces::parts(input, SEPARATOR);
    let record = Record {
        client: Some(SocketAddr::from((Ipv4Addr::LOCALHOST, 1))),
        frontend: "web",
        target,
        host,
        method: pieces::text(method),
        request_id: pieces::text(request_id),
        client_name: pieces::text(client_name),
        protocol: pieces::text(protocol),
        termination: "----",
        ..Record::default()
    };
    let (mut json, mut httplog) = (Vec::new(), Vec::new());
    record.write_json(&mut json);
    record.write_httplog(&mut httplog);
    is_one_object(&json, &record);
    is_one_line(&httplog, &record);
    if let Some(target) = target {
        hides_keys(target, input, &json);
        hides_keys(target, input, &httplog);
    }
}

fn is_one_object(line: &[u8], record: &Record<'_>) {
    assert_eq!(line.iter().filter(|byte| **byte < b' ').count(), 1, "control bytes");
    assert!(line.ends_with(b"}\n"), "ends its line");
    let text = String::from_utf8_lossy(line);
    let odd = |c: char| (c.is_control() && c != '\n') || matches!(c, '\u{2028}' | '\u{2029}');
    assert!(!text.contains(odd), "{text}");
    let read: serde_json::Value = serde_json::from_slice(line).unwrap_or_default();
    assert!(read.is_object(), "{text}");
    let same = |key: &str, value: Option<&[u8]>| {
        let value = value.map(|bytes| String::from_utf8_lossy(bytes).into_owned());
        assert_eq!(read.get(key).and_then(|found| found.as_str()), value.as_deref(), "{key}");
    };
    same("host", record.host);
    same("method", record.method.map(str::as_bytes));
    same("request_id", record.request_id.map(str::as_bytes));
    same("client_name", record.client_name.map(str::as_bytes));
    same("protocol", record.protocol.map(str::as_bytes));
    let path = record.target.map(|target| target.split(|byte| *byte == b'?').next().unwrap_or_default());
    let logged = read.get("path").and_then(|found| found.as_str());
    assert_eq!(logged.is_some(), path.is_some());
    if let (Some(logged), Some(path)) = (logged, path) {
        assert!(logged.starts_with(&*String::from_utf8_lossy(path)), "the path is logged as it came");
    }
}

/// Printable ASCII, the request line between the only two quotes.
fn is_one_line(line: &[u8], record: &Record<'_>) {
    let text = line.strip_suffix(b"\n").unwrap_or_default();
    assert!(text.iter().all(|byte| matches!(byte, b' '..=b'~')), "{}", String::from_utf8_lossy(line));
    assert_eq!(text.iter().filter(|byte| **byte == b'"').count(), 2, "{}", String::from_utf8_lossy(line));
    assert!(text.ends_with(b"\""), "the request line is the last field");
    if record.method.is_none() || record.target.is_none() {
        assert!(text.ends_with(b" \"<BADREQ>\""));
    }
}

/// A value that is long enough to be recognised stands in the line only if the input has it elsewhere too.
fn hides_keys(target: &[u8], input: &[u8], line: &[u8]) {
    let Some(query) = target.iter().position(|byte| *byte == b'?') else { return };
    for parameter in target.get(query + 1..).unwrap_or_default().split(|byte| matches!(byte, b'&' | b';')) {
        let mut halves = parameter.splitn(2, |byte| *byte == b'=');
        let (Some(name), Some(value)) = (halves.next(), halves.next()) else { continue };
        let secret = ["key", "api_key", "token"].iter().any(|n| name.eq_ignore_ascii_case(n.as_bytes()));
        // Its first letter is none that an escape in the log could end with.
        let begins = value
            .first()
            .is_some_and(|b| matches!(b, b'g'..=b'm' | b'o'..=b'q' | b's' | b'v'..=b'z' | b'G'..=b'Z'));
        let plain = begins && value.len() >= 12 && value.iter().all(u8::is_ascii_alphanumeric);
        if secret && plain && count(input, value) == 1 {
            assert_eq!(count(line, value), 0, "a key is in the log");
        }
    }
}

fn count(text: &[u8], part: &[u8]) -> usize {
    text.windows(part.len()).filter(|window| *window == part).count()
}
