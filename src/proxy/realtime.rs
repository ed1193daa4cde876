//! OpenAI's Realtime API: a WebSocket whose model stands in the query of its upgrade, `/v1/realtime?model=NAME`.

use std::borrow::Cow;

use pingora::http::RequestHeader;

use crate::ai::path::is_realtime;
use crate::proxy::upstream_request::is_upgrade;

/// Whether a request begins one.
pub fn begins(head: &RequestHeader) -> bool {
    is_upgrade(head) && is_realtime(head.uri.path())
}

/// The model that the query names; `None`: none.
///
/// # Errors
/// There are two, so the server might take the other one.
pub fn model(query: &str) -> Result<Option<String>, TwoModels> {
    let mut models = query.split('&').filter_map(value_of_model);
    match (models.next(), models.next()) {
        (_, Some(_)) => Err(TwoModels),
        (first, None) => Ok(first.map(|value| decoded(value).into_owned())),
    }
}

/// The query names more than one model.
#[derive(Debug, PartialEq, Eq)]
pub struct TwoModels;

/// The target with another model in its query; all else as it is.
pub fn with_model(target: &str, model: &str) -> String {
    let Some((path, query)) = target.split_once('?') else { return target.to_owned() };
    let part = |part: &str| match value_of_model(part) {
        Some(_) => format!("model={}", encoded(model)),
        None => part.to_owned(),
    };
    let parts: Vec<String> = query.split('&').map(part).collect();
    format!("{path}?{}", parts.join("&"))
}

fn value_of_model(part: &str) -> Option<&str> {
    let (name, value) = part.split_once('=').unwrap_or((part, ""));
    (decoded(name) == "model").then_some(value)
}

/// As forms write it: `+` is a space, `%20` too. What is no escape stays.
fn decoded(text: &str) -> Cow<'_, str> {
    if !text.contains(['%', '+']) {
        return Cow::Borrowed(text);
    }
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, after @ ..] = rest {
        rest = after;
        let hex = |at: usize| after.get(at).and_then(|digit| char::from(*digit).to_digit(16));
        match (first, hex(0), hex(1)) {
            (b'%', Some(high), Some(low)) => {
                bytes.push((high * 16 + low) as u8);
                rest = after.get(2..).unwrap_or_default();
            }
            (b'+', ..) => bytes.push(b' '),
            (byte, ..) => bytes.push(*byte),
        }
    }
    Cow::Owned(String::from_utf8_lossy(&bytes).into_owned())
}

/// What a query does not take as it is becomes an escape (RFC 3986 2.1).
fn encoded(model: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~:/".contains(&byte);
    model
        .bytes()
        .map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_model_stands_in_the_query() {
        assert_eq!(model(""), Ok(None));
        assert_eq!(model("voice=alloy"), Ok(None));
        assert_eq!(model("voice=alloy&model=gpt-4o-realtime"), Ok(Some("gpt-4o-realtime".into())));
        assert_eq!(model("mode%6c=a%2Fb+c%zz"), Ok(Some("a/b c%zz".into())));
        assert_eq!(model("model"), Ok(Some(String::new())));
        assert_eq!(model("model=a&mode%6C=b"), Err(TwoModels));
    }

    #[test]
    fn only_the_model_is_changed() {
        assert_eq!(
            with_model("/v1/realtime?a=1&model=fast&b=%20", "gpt 4/x"),
            "/v1/realtime?a=1&model=gpt%204/x&b=%20"
        );
        assert_eq!(with_model("/v1/realtime", "x"), "/v1/realtime");
    }
}
