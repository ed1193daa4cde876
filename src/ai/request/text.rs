//! Strings of JSON: what they say, and how to write one.

use std::borrow::Cow;

/// What a string says that is written as `quoted`, with its quotes; `None` where it says no text: no UTF-8, an unknown
/// escape, half of a surrogate pair, a raw control byte. Copied only where something is escaped.
pub fn decode(quoted: &[u8]) -> Option<Cow<'_, str>> {
    let inside = quoted.strip_prefix(b"\"")?.strip_suffix(b"\"")?;
    if inside.iter().fold(true, |plain, byte| plain & (*byte != b'\\') & (*byte >= b' ')) {
        return std::str::from_utf8(inside).ok().map(Cow::Borrowed);
    }
    serde_json::from_slice(quoted).ok().map(Cow::Owned)
}

/// `text` as a string of JSON, with its quotes.
pub fn encode(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}
