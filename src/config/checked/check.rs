//! The health check of a backend without mistakes: what is asked of its servers, and which answer is well.

use std::time::Duration;

use http::{HeaderName, HeaderValue, Method};

/// None of the durations is zero.
#[derive(Clone, Debug, PartialEq)]
pub struct Check {
    pub kind: CheckKind,
    pub interval: Duration,
    /// How far an interval may be from its figure, either way: 0.0..=0.5 of it.
    pub jitter: f64,
    /// While the state of a server is changing. Never above `interval` or `down_interval`.
    pub fast_interval: Duration,
    /// While a server is down and nothing speaks for a change.
    pub down_interval: Duration,
    pub timeout: Duration,
    /// Successes in a row that bring a server up, at least 1.
    pub rise: u32,
    /// Failures in a row that take it down, at least 1.
    pub fall: u32,
    /// A good answer that takes longer is slow. `None`: none is.
    pub slow_above: Option<Duration>,
    /// An answer that takes longer is a failed check; never below `slow_above`. `None`: only `timeout` holds.
    pub down_above: Option<Duration>,
}

#[derive(Clone, Debug, PartialEq)]
pub enum CheckKind {
    Http(Box<HttpCheck>),
    Chat(ChatCheck),
    /// A connection, and the handshake where the url is https.
    Tcp,
}

#[derive(Clone, Debug, PartialEq)]
pub struct HttpCheck {
    pub method: Method,
    /// Begins with `/`, may have a query; appended to the server's base path.
    pub path: String,
    /// Each name once. Values are marked sensitive: they usually hold a key.
    pub headers: Vec<(HeaderName, HeaderValue)>,
    /// Never empty.
    pub body: Option<String>,
    pub expect: Expect,
}

/// What an answer must have: all of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Expect {
    /// Ascending, at least one.
    pub status: Vec<u16>,
    /// Each name once.
    pub headers: Vec<(HeaderName, TextMatch)>,
    pub body: Option<BodyMatch>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TextMatch {
    Equals(String),
    Contains(String),
    /// Of the `regex` crate, over bytes; known to compile.
    Regex(String),
    /// It is there, whatever its value.
    Present,
}

#[derive(Clone, Debug, PartialEq)]
pub enum BodyMatch {
    Contains(String),
    /// Of the `regex` crate, over bytes; known to compile.
    Regex(String),
    /// The body is JSON and has all of these; at least one.
    Json(Vec<(JsonPath, JsonMatch)>),
}

/// Where in a JSON text.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct JsonPath {
    /// As the file has it, for messages.
    pub text: String,
    /// From the root. Empty: the root itself.
    pub steps: Vec<JsonStep>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum JsonStep {
    /// Of an object.
    Key(String),
    /// Of a list, from 0.
    Index(usize),
}

#[derive(Clone, Debug, PartialEq)]
pub enum JsonMatch {
    /// A string, number, boolean or null. Numbers are compared as numbers: 3 equals 3.0.
    Equals(serde_json::Value),
    /// On a string; known to compile.
    Regex(String),
    /// It is there, null too.
    Present,
}

/// A short chat completion, as a client would ask for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChatCheck {
    pub model: String,
    /// 1..=1000.
    pub max_tokens: u32,
    /// The one message of the user; never empty.
    pub prompt: String,
}
