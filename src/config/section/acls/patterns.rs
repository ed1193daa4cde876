//! What the values of an ACL may look like.

use std::ops::RangeInclusive;

use http::Method;

use super::regexes::{self, Subject};
use crate::config::checked::{How, Text};
use crate::config::diagnostic::Code;
use crate::config::value::Value;

/// Patterns for a path, or for a header or parameter.
pub(super) fn text(value: Value<'_>, how: How, subject: Subject, ignore_case: bool) -> Option<Text> {
    let mut values = Value::each(value.one_or_more()?, |v| {
        let text = v.nonempty()?;
        match how {
            How::Matches => regexes::one(v, text, subject, ignore_case),
            _ if ignore_case => Some(text.to_lowercase()),
            _ => Some(text),
        }
    })?;
    if how == How::Matches {
        values = regexes::together(value, values, subject, ignore_case)?;
    }
    Some(Text { how, values, ignore_case })
}

/// A path that does not begin with `/` is never that of a request.
pub(super) fn rooted(value: Value<'_>, text: Text) -> Option<Text> {
    if text.values.iter().all(|v| v.starts_with('/') || v == "*") {
        return Some(text);
    }
    value.reject(
        Code::BadValue,
        "a path begins with `/`",
        "use `path_end` or `path_reg` for a part of a path",
    )
}

pub(super) fn method(value: Value<'_>) -> Option<Method> {
    let text = value.nonempty()?;
    let upper = text.to_ascii_uppercase();
    let hint = if upper == text || text != value.source() {
        "like GET or POST".to_owned()
    } else {
        format!("methods are upper case: `{upper}`")
    };
    match Method::from_bytes(text.as_bytes()) {
        Ok(method) if upper == text => Some(method),
        _ => value.reject(Code::BadValue, format!("`{}` is not a method", value.shown()), hint),
    }
}

pub(super) fn host(value: Value<'_>) -> Option<String> {
    let text = value.nonempty()?.to_lowercase();
    let port = text.rsplit_once(':').is_some_and(|(_, p)| !p.ends_with(']'));
    let odd = text.contains(|c: char| c.is_whitespace() || matches!(c, '/' | '*' | '@' | '?'));
    if port || odd {
        let message = format!("`{}` is not a host name", value.shown());
        return value.reject(Code::BadValue, message, "like `api.example.com`: no port, no path, no `*`");
    }
    Some(text)
}

/// The subject of a certificate, as RFC 4514 writes it, and with it as OpenSSL does: `é` may be written as `\C3\A9`.
pub(super) fn distinguished_name(value: Value<'_>) -> Option<String> {
    let text = value.nonempty()?;
    if text.split(',').next().is_some_and(|first| first.contains('=')) {
        let escaped =
            |byte: u8| if byte.is_ascii() { char::from(byte).to_string() } else { format!("\\{byte:02X}") };
        return Some(text.bytes().map(escaped).collect());
    }
    let message = format!("`{}` is not the subject of a certificate", value.shown());
    let hint = "like `CN=app1,O=Example`, as `openssl x509 -noout -subject -nameopt RFC2253` prints it";
    value.reject(Code::BadValue, message, hint)
}

/// A status, a class of them like `5xx`, or a range.
pub(super) fn statuses(value: Value<'_>) -> Option<RangeInclusive<u16>> {
    let text = value.nonempty()?;
    let class = text.strip_suffix("xx").and_then(|digit| digit.parse::<u16>().ok()).map(|c| c * 100);
    let (from, to) = match class {
        Some(from) => (Some(from), Some(from + 99)),
        None => {
            let (from, to) = text.split_once('-').unwrap_or((&text, &text));
            (from.parse().ok(), to.parse().ok())
        }
    };
    match (from, to) {
        (Some(from), Some(to)) if from >= 100 && to <= 599 && from <= to => Some(from..=to),
        _ => {
            let message = format!("`{}` is not a status", value.shown());
            value.reject(
                Code::OutOfRange,
                message,
                "from 100 to 599, a class like `5xx`, or a range like `500-503`",
            )
        }
    }
}
