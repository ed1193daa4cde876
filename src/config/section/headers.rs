//! Header names and values that come from the file.

use std::collections::HashSet;

use http::{HeaderName, HeaderValue};

use crate::config::context::Context;
use crate::config::diagnostic::{Code, Diagnostic, Span};
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

/// A header's name, in lower case. `span` is where it stands.
pub(super) fn name(context: &Context<'_>, text: &str, span: Span) -> Option<HeaderName> {
    HeaderName::from_bytes(text.as_bytes()).ok().or_else(|| {
        let wrong = Diagnostic::error(Code::BadValue, span, "not the name of a header");
        context.reject(wrong.hint("letters, digits and `-`, like `x-forwarded-proto`"))
    })
}

/// A name that a rule or a check may set or remove.
pub(super) fn changeable(context: &Context<'_>, text: &str, span: Span) -> Option<HeaderName> {
    let name = name(context, text, span)?;
    if FRAMING.contains(&name.as_str()) {
        let wrong = Diagnostic::error(Code::Conflict, span, format!("`{name}` is set by the proxy itself"));
        return context.reject(wrong.hint("it frames the message or follows from the server's `url`"));
    }
    Some(name)
}

/// A header's value, marked sensitive: it may hold a resolved secret.
pub(super) fn value(value: Value<'_>) -> Option<HeaderValue> {
    let text = value.text()?;
    let trimmed = text.trim_matches([' ', '\t']) == text;
    part(&text).filter(|_| trimmed).or_else(|| no_value(value))
}

/// The same for a part of a value, which may begin and end with a space.
pub(super) fn part(text: &str) -> Option<HeaderValue> {
    let mut header = HeaderValue::from_str(text).ok()?;
    header.set_sensitive(true);
    Some(header)
}

pub(super) fn no_value<T>(value: Value<'_>) -> Option<T> {
    let hint = "visible ASCII characters on one line, no space at either end";
    value.reject(Code::BadValue, format!("`{}` has a value that no header carries", value.name), hint)
}

/// A mapping of names to what `read` makes of their values.
pub(super) fn pairs<T>(
    value_of: Value<'_>,
    read: impl Fn(Value<'_>) -> Option<T>,
) -> Option<Vec<(HeaderName, T)>> {
    let mut headers: Vec<(HeaderName, T)> = Vec::new();
    let mut seen = HashSet::new();
    let mut good = true;
    for (key, item) in value_of.pairs("{x-name: value}")? {
        match (changeable(item.context, &key.text, key.span), read(item)) {
            (Some(name), Some(_)) if !seen.insert(name.clone()) => {
                let message = format!("header `{name}` is named twice");
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
