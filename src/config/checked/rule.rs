//! Rules without mistakes: of a frontend's connections, requests and answers, each list in order.

use std::time::Duration;

use http::{HeaderName, HeaderValue};

use super::{CounterRef, HeaderText};
use crate::config::expression::Expression;

#[derive(Clone, Debug)]
pub struct Rule {
    pub action: Action,
    /// `None`: always.
    pub condition: Option<Expression>,
    /// Line in the file, for messages.
    pub line: usize,
}

#[derive(Clone, Debug)]
pub enum Action {
    /// 400..=599.
    Deny {
        status: u16,
    },
    Delay(Duration),
    Redirect(Redirect),
    /// Holds the request for a time, then answers with this status, 400..=599.
    Tarpit {
        time: Duration,
        status: u16,
    },
    /// Forgets the connection; the client hears nothing.
    SilentDrop,
    /// Replaces what the request has under these names.
    SetHeader(Vec<(HeaderName, HeaderText)>),
    /// Leaves what the request has under these names, and adds.
    AddHeader(Vec<(HeaderName, HeaderText)>),
    RemoveHeader(Vec<HeaderName>),
    RewritePath(PathRewrite),
    /// Index in [`super::Checked::tables`].
    Track(usize),
    /// Adds one to `gpc0` or `gpc1` of the request's entry, and to its rate where the table has it. The counter is the
    /// count, or the rate in a table without the count.
    Raise(CounterRef),
    /// Sets `gpt0` of the request's entry.
    SetGpt0(CounterRef, u32),
    /// Index in [`super::Checked::backends`].
    UseBackend(usize),
    Return(Return),
}

impl Action {
    /// Whether no rule after this one is looked at.
    pub fn ends(&self) -> bool {
        matches!(
            self,
            Action::Deny { .. }
                | Action::Tarpit { .. }
                | Action::SilentDrop
                | Action::Redirect(_)
                | Action::UseBackend(_)
                | Action::Return(_)
        )
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Redirect {
    /// 301, 302, 303, 307 or 308.
    pub status: u16,
    pub target: RedirectTarget,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RedirectTarget {
    /// This very URL.
    Location(HeaderValue),
    /// The request's own URL, path and query kept, with these parts replaced. A scheme without a port means the
    /// scheme's usual port; a host without a port keeps the request's.
    Parts { scheme: Option<Scheme>, host: Option<String>, port: Option<u16> },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scheme {
    Http,
    Https,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Return {
    /// 200..=599.
    pub status: u16,
    pub content_type: HeaderValue,
    pub body: String,
}

/// How the path of a request is changed; its query stays.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PathRewrite {
    /// Both begin with `/`. The prefix ends where a segment of the path does.
    Prefix { from: String, to: String },
    /// The regular expression is known to compile; `to` refers to its groups as `$1` or `${name}`, and to no others.
    Regex { regex: String, to: String },
}

#[derive(Clone, Debug)]
pub struct ConnectionRule {
    pub action: ConnectionAction,
    /// `None`: always. Asks only what a connection has: `src`, `tls`, `always` and counters.
    pub condition: Option<Expression>,
    /// Line in the file, for messages.
    pub line: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConnectionAction {
    /// Index in [`super::Checked::tables`]; the table is keyed by `src`.
    Track(usize),
    /// Closes the connection.
    Reject,
    /// Forgets the connection; the client hears nothing.
    SilentDrop,
    /// Ends the connection rules.
    Accept,
    /// As [`Action::Raise`].
    Raise(CounterRef),
    SetGpt0(CounterRef, u32),
}

impl ConnectionAction {
    /// Whether no connection rule after this one is looked at.
    pub fn ends(self) -> bool {
        matches!(self, ConnectionAction::Reject | ConnectionAction::SilentDrop | ConnectionAction::Accept)
    }
}

#[derive(Clone, Debug)]
pub struct ResponseRule {
    pub action: ResponseAction,
    /// `None`: always.
    pub condition: Option<Expression>,
    /// Line in the file, for messages.
    pub line: usize,
}

#[derive(Clone, Debug)]
pub enum ResponseAction {
    /// Replaces what the answer has under these names.
    SetHeader(Vec<(HeaderName, HeaderText)>),
    /// Leaves what the answer has under these names, and adds.
    AddHeader(Vec<(HeaderName, HeaderText)>),
    RemoveHeader(Vec<HeaderName>),
}
