//! Header names and values that come from the file.

use http::{HeaderName, HeaderValue};

use crate::config::diagnostic::Code;
use crate::config::value::Value;

/// Headers that frame a message or belong to one connection: only the proxy itself may set them.
const FRAMING: &[&str] = &[
    "connection",
    "content-length",
    "host",
    "keep-alive",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// A header's name, in lower case.
pub(super) fn name(value: Value<'_>, text: &str) -> Option<HeaderName> {
    HeaderName::from_bytes(text.as_bytes()).ok().or_else(|| {
        value.reject(
            Code::BadValue,
            "not the name of a header",
            "letters, digits and `-`, like `x-forwarded-proto`",
        )
    })
}

/// A name that a rule or a check may set or remove.
pub(super) fn changeable(value: Value<'_>, text: &str) -> Option<HeaderName> {
    let name = name(value, text)?;
    if FRAMING.contains(&name.as_str()) {
        let hint = "it frames the message or follows from the server's `url`";
        return value.reject(Code::Conflict, format!("`{name}` is set by the proxy itself"), hint);
    }
    Some(name)
}

/// A header's value, marked sensitive: it may hold a resolved secret.
pub(super) fn value(value: Value<'_>) -> Option<HeaderValue> {
    let text = value.text()?;
    let trimmed = text.trim_matches([' ', '\t']) == text;
    match HeaderValue::from_str(&text) {
        Ok(mut header) if trimmed => {
            header.set_sensitive(true);
            Some(header)
        }
        _ => {
            let hint = "visible ASCII characters on one line, no space at either end";
            value.reject(Code::BadValue, format!("`{}` has a value that no header carries", value.name), hint)
        }
    }
}

/// A mapping of names to values.
pub(super) fn pairs(value_of: Value<'_>) -> Option<Vec<(HeaderName, HeaderValue)>> {
    let mut headers: Vec<(HeaderName, HeaderValue)> = Vec::new();
    let mut good = true;
    for (key, item) in value_of.pairs()? {
        match (changeable(Value { node: item.node, ..item }, &key.text), value(item)) {
            (Some(name), Some(_)) if headers.iter().any(|(n, _)| *n == name) => {
                let message = format!("header `{name}` is set twice");
                good = item
                    .reject::<()>(Code::Conflict, message, "names differ by more than upper and lower case")
                    .is_some();
            }
            (Some(name), Some(value)) => headers.push((name, value)),
            _ => good = false,
        }
    }
    good.then_some(headers)
}
