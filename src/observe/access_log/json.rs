//! A JSON object written field by field into a buffer (RFC 8259), always on one line.

use std::fmt::Display;
use std::io::Write;
use std::time::Duration;

use super::target;
use crate::base::calendar::Civil;

pub(super) struct Object<'a> {
    out: &'a mut Vec<u8>,
    empty: bool,
}

impl<'a> Object<'a> {
    pub(super) fn begin(out: &'a mut Vec<u8>) -> Object<'a> {
        out.push(b'{');
        Object { out, empty: true }
    }

    pub(super) fn end(self) {
        self.out.extend_from_slice(b"}\n");
    }

    /// `key` is ours and needs no escaping.
    fn key(&mut self, key: &str) -> &mut Vec<u8> {
        if !std::mem::take(&mut self.empty) {
            self.out.push(b',');
        }
        self.out.push(b'"');
        self.out.extend_from_slice(key.as_bytes());
        self.out.extend_from_slice(b"\":");
        self.out
    }

    pub(super) fn text(&mut self, key: &str, value: Option<&str>) {
        self.bytes(key, value.map(str::as_bytes));
    }

    pub(super) fn bytes(&mut self, key: &str, value: Option<&[u8]>) {
        if let Some(value) = value {
            let out = self.key(key);
            out.push(b'"');
            escape(out, value);
            out.push(b'"');
        }
    }

    /// Path and query, secrets masked.
    pub(super) fn target(&mut self, key: &str, value: Option<&[u8]>) {
        if let Some(value) = value {
            let out = self.key(key);
            out.push(b'"');
            target::masked(value, |piece| escape(out, piece));
            out.push(b'"');
        }
    }

    /// What prints without anything to escape.
    pub(super) fn display(&mut self, key: &str, value: Option<impl Display>) {
        if let Some(value) = value {
            // Writing to a Vec does not fail, here and below.
            let _ = write!(self.key(key), "\"{value}\"");
        }
    }

    pub(super) fn number(&mut self, key: &str, value: Option<u64>) {
        if let Some(value) = value {
            let _ = write!(self.key(key), "{value}");
        }
    }

    pub(super) fn milliseconds(&mut self, key: &str, value: Option<Duration>) {
        if let Some(value) = value {
            let micros = value.as_micros();
            let _ = write!(self.key(key), "{}.{:03}", micros / 1000, micros % 1000);
        }
    }

    /// Dollars of micro-dollars, with all their digits.
    pub(super) fn millionths(&mut self, key: &str, value: Option<u64>) {
        if let Some(value) = value {
            let _ = write!(self.key(key), "{}.{:06}", value / 1_000_000, value % 1_000_000);
        }
    }

    pub(super) fn flag(&mut self, key: &str, value: bool) {
        self.key(key).extend_from_slice(if value { b"true" } else { b"false" });
    }

    /// RFC 3339 in UTC with milliseconds.
    pub(super) fn time(&mut self, key: &str, at: Civil) {
        let out = self.key(key);
        out.push(b'"');
        let _ = at.write_rfc3339(out);
        out.push(b'"');
    }
}

/// The inside of a JSON string. DEL and the line separators of JavaScript are escaped as well: a log is read by many.
fn escape(out: &mut Vec<u8>, text: &[u8]) {
    for chunk in text.utf8_chunks() {
        for c in chunk.valid().chars() {
            match c {
                '"' => out.extend_from_slice(b"\\\""),
                '\\' => out.extend_from_slice(b"\\\\"),
                '\n' => out.extend_from_slice(b"\\n"),
                '\r' => out.extend_from_slice(b"\\r"),
                '\t' => out.extend_from_slice(b"\\t"),
                c if c.is_control() || matches!(c, '\u{2028}' | '\u{2029}') => {
                    let _ = write!(out, "\\u{:04x}", u32::from(c));
                }
                c => out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes()),
            }
        }
        if !chunk.invalid().is_empty() {
            out.extend_from_slice("\u{fffd}".as_bytes());
        }
    }
}
