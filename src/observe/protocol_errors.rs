//! The last times that a client or a server broke the protocol, for the one who asks why it was told off. What a client
//! sent is kept as far as it cannot be a secret: names, and the values of headers that are about the message alone.

use std::collections::VecDeque;
use std::fmt::Write;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;

/// The oldest goes.
const KEPT: usize = 32;
/// Characters kept of one head, and of one value.
const LONGEST: usize = 1024;
const LONGEST_VALUE: usize = 96;
/// Of what does not look like a request: enough to know TLS, and too little for a secret.
const FIRST_BYTES: usize = 8;

/// Headers whose values say nothing of who sends them or what.
const PLAIN: &[&str] = &[
    "accept",
    "accept-encoding",
    "connection",
    "content-encoding",
    "content-length",
    "content-type",
    "expect",
    "host",
    "keep-alive",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "user-agent",
];

/// One of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProtocolError {
    /// Since 1970.
    pub at: Duration,
    pub who: Culprit,
    /// A label, and the same for people.
    pub reason: &'static str,
    pub why: String,
    /// Lines of what was sent, for a terminal: escaped, and without what may be a secret.
    pub sent: Vec<String>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Culprit {
    Client { frontend: Arc<str>, src: SocketAddr },
    Server { backend: Arc<str>, server: Arc<str> },
}

/// The last ones, and how many there ever were.
#[derive(Debug, Default)]
pub struct ProtocolErrors(Mutex<(u64, VecDeque<(u64, ProtocolError)>)>);

impl ProtocolErrors {
    pub fn keep(&self, error: ProtocolError) {
        let mut kept = self.0.lock();
        let (count, ring) = &mut *kept;
        if ring.len() == KEPT {
            ring.pop_front();
        }
        ring.push_back((*count, error));
        *count += 1;
    }

    /// All that there were, and the last ones with their numbers, the newest first.
    pub fn read(&self) -> (u64, Vec<(u64, ProtocolError)>) {
        let kept = self.0.lock();
        (kept.0, kept.1.iter().rev().cloned().collect())
    }
}

/// The lines of a request's head that may be shown.
pub fn shown(head: &[u8]) -> Vec<String> {
    let mut room = LONGEST;
    let mut lines = Vec::new();
    for (index, line) in head.split_inclusive(|byte| *byte == b'\n').enumerate() {
        let text = if index == 0 { request_line(line) } else { header_line(line) };
        let Some(left) = room.checked_sub(text.len()) else {
            lines.push("...".to_owned());
            break;
        };
        room = left;
        lines.push(text);
    }
    lines
}

/// The method, the path without its query, the version.
fn request_line(line: &[u8]) -> String {
    let method = line.iter().take_while(|byte| byte.is_ascii_uppercase()).count();
    if method == 0 || method > 20 || line.get(method) != Some(&b' ') {
        let first = line.get(..FIRST_BYTES).unwrap_or(line);
        return format!("{}{}", escaped(first), rest(line.len() - first.len()));
    }
    match line.iter().position(|byte| matches!(byte, b'?' | b'@')) {
        None => cut(line),
        Some(query) => {
            let (before, behind) = line.split_at(query + 1);
            // What stands before an @ is who asks.
            let before = if before.ends_with(b"@") { &line[..=method] } else { before };
            let version = behind.iter().rposition(|byte| *byte == b' ').and_then(|at| behind.get(at..));
            format!(
                "{}***{}",
                cut(before),
                cut(version.filter(|text| text.starts_with(b" HTTP/")).unwrap_or(b""))
            )
        }
    }
}

/// The name, and the value where it is one of [`PLAIN`].
fn header_line(line: &[u8]) -> String {
    let text = line.trim_ascii_end();
    if text.is_empty() {
        return escaped(line);
    }
    let end = &line[text.len()..];
    let Some(colon) = text.iter().position(|byte| *byte == b':').filter(|colon| *colon <= LONGEST_VALUE)
    else {
        return format!("*** ({} bytes){}", text.len(), escaped(end));
    };
    let (name, value) = text.split_at(colon);
    let plain = std::str::from_utf8(name)
        .is_ok_and(|name| PLAIN.iter().any(|plain| name.trim().eq_ignore_ascii_case(plain)));
    // It continues a line that is not shown.
    if name.first().is_some_and(u8::is_ascii_whitespace) {
        return format!("*** ({} bytes){}", text.len(), escaped(end));
    }
    let value = if plain { cut(value) } else { format!(": *** ({} bytes)", value.len() - 1) };
    format!("{}{value}{}", escaped(name), escaped(end))
}

fn cut(bytes: &[u8]) -> String {
    let most = bytes.len().min(LONGEST_VALUE);
    let (shown, left) = bytes.split_at(most);
    format!("{}{}", escaped(shown), rest(left.len()))
}

fn rest(bytes: usize) -> String {
    if bytes == 0 { String::new() } else { format!("... ({bytes} more bytes)") }
}

/// As HAProxy shows them: `\r\n`, `\x16`.
fn escaped(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len()), |mut out, byte| {
        match byte {
            b'\r' => out.push_str("\\r"),
            b'\n' => out.push_str("\\n"),
            b'\t' => out.push_str("\\t"),
            b'\\' => out.push_str("\\\\"),
            0x20..=0x7e => out.push(char::from(*byte)),
            byte => {
                let _ = write!(out, "\\x{byte:02X}");
            }
        }
        out
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_be_a_secret_is_not_shown() {
        let head = b"POST /v1/chat?key=sk-one HTTP/1.1\r\nHo st: x\r\nAuthorization : Bearer sk-two\r\n\
            Cookie: a=sk-three\r\nX-Api-Key: sk-four\r\n sk-five: x\r\nsk-six\r\nContent-Length: 1\x002\r\n\r\n";
        let lines = shown(head);
        assert!(!lines.iter().any(|line| line.contains("sk-")), "{lines:?}");
        assert_eq!(lines[0], "POST /v1/chat?*** HTTP/1.1\\r\\n");
        assert_eq!(lines[1], "Ho st: *** (2 bytes)\\r\\n");
        assert_eq!(lines[6], "*** (6 bytes)\\r\\n");
        assert_eq!(lines[7..], ["Content-Length: 1\\x002\\r\\n", "\\r\\n"]);
        let credentials = shown(b"GET http://user:secret@host/ HTTP/1.1\r\n");
        assert_eq!(credentials, ["GET *** HTTP/1.1\\r\\n"]);
    }

    #[test]
    fn what_is_no_request_shows_its_first_bytes() {
        assert_eq!(
            shown(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03"),
            ["\\x16\\x03\\x01\\x02\\x00\\x01\\x00\\x01... (2 more bytes)"]
        );
        assert_eq!(shown(b"{\"prompt\":\"secret\"}"), ["{\"prompt... (11 more bytes)"]);
        assert_eq!(shown(b""), Vec::<String>::new());
    }

    #[test]
    fn nothing_grows_without_end() {
        let errors = ProtocolErrors::default();
        for second in 0..100 {
            errors.keep(ProtocolError {
                at: Duration::from_secs(second),
                who: Culprit::Server { backend: "ai".into(), server: "one".into() },
                reason: "bare_lf",
                why: String::new(),
                sent: Vec::new(),
            });
        }
        let (all, kept) = errors.read();
        assert_eq!((all, kept.len(), kept[0].0, kept[31].0), (100, KEPT, 99, 68));
        let long = [b"GET / HTTP/1.1\r\n".to_vec(), b"Host: aaaaaaaaaaaaaaaa\r\n".repeat(500)].concat();
        let lines = shown(&long);
        assert!(lines.iter().map(String::len).sum::<usize>() <= LONGEST + 3);
        assert_eq!(lines.last().map(String::as_str), Some("..."));
    }
}
