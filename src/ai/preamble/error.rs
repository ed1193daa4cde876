//! Which status an error inside a stream would have had.

use serde_json::Value;

use super::StreamError;

impl Default for StreamError {
    fn default() -> StreamError {
        StreamError { status: 500 }
    }
}

/// From what the providers write, in the order given: numbers of HTTP as they are, else the words of `code`, of `type`,
/// of `status`; an error that is a mere text is read as such words.
pub fn error(said: &[Option<&Value>]) -> StreamError {
    let field = |name: &'static str| said.iter().copied().flatten().filter_map(move |value| value.get(name));
    let number = ["code", "status", "status_code"].into_iter().flat_map(field).find_map(number);
    let texts = || said.iter().copied().flatten();
    let words = || ["code", "type", "status"].into_iter().flat_map(field).chain(texts()).find_map(words);
    StreamError { status: number.or_else(words).unwrap_or(500) }
}

fn number(value: &Value) -> Option<u16> {
    let number = match value {
        Value::String(text) => text.trim().parse().ok(),
        value => value.as_u64().and_then(|number| u16::try_from(number).ok()),
    };
    number.filter(|number| (400..=599).contains(number))
}

/// The first that is a part of what is said counts; letters alone, so that `RateLimitError`, `rate_limit_error` and
/// `Rate limit` are one.
const WORDS: &[(&str, u16)] = &[
    ("ratelimit", 429),
    ("insufficientquota", 429),
    ("quota", 429),
    ("resourceexhausted", 429),
    ("toomanyrequests", 429),
    ("throttl", 429),
    ("overloaded", 529),
    ("timeout", 504),
    ("timedout", 504),
    ("deadlineexceeded", 504),
    ("unavailable", 503),
    ("slowdown", 503),
    ("apikey", 401),
    ("authentication", 401),
    ("unauthenticated", 401),
    ("unauthorized", 401),
    ("permission", 403),
    ("forbidden", 403),
    ("accessdenied", 403),
    ("notfound", 404),
    ("billing", 402),
    ("toolarge", 413),
    ("servererror", 500),
    ("apierror", 500),
    ("internal", 500),
    ("invalid", 400),
    ("badrequest", 400),
    ("contextlength", 400),
    ("contentfilter", 400),
    ("contentpolicy", 400),
    ("unprocessable", 422),
];

fn words(value: &Value) -> Option<u16> {
    let said: String = value.as_str()?.chars().filter(char::is_ascii_alphabetic).collect();
    let said = said.to_ascii_lowercase();
    WORDS.iter().find(|(word, _)| said.contains(word)).map(|(_, status)| *status)
}
