//! ACLs without mistakes: what each one asks.

use std::ops::RangeInclusive;

use http::{HeaderName, Method};
use ipnet::IpNet;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Acl {
    pub name: String,
    pub test: Test,
}

/// What an ACL asks. Lists are never empty; one value that matches is enough.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Test {
    Always,
    /// The path of the request, without its query.
    Path(Text),
    Method(Vec<Method>),
    /// Host names in lower case without a port, to compare with the request's in lower case.
    Host(Vec<String>),
    /// `values: None` asks only whether the header is there.
    Header {
        name: HeaderName,
        values: Option<Text>,
    },
    /// A parameter of the query string; `values: None` asks only whether it is there.
    Query {
        name: String,
        values: Option<Text>,
    },
    Src(Vec<IpNet>),
    /// Indices in [`super::Clients::keys`].
    ApiKey(Vec<usize>),
    /// Indices in [`super::Checked::plans`].
    Plan(Vec<usize>),
    /// The model that the request gets, with aliases and `auto` resolved; letters' case is no difference.
    Model(Vec<Pattern>),
    /// Names of [`super::Ai::tasks`]: what `auto` was decided by.
    Task(Vec<String>),
    /// The connection is encrypted.
    Tls,
    /// The common name in the subject of the client's certificate.
    ClientCn(Vec<String>),
    /// The whole subject of the client's certificate, as RFC 4514 writes it.
    ClientDn(Vec<String>),
    /// The status of the answer; only in response rules.
    Status(Vec<RangeInclusive<u16>>),
    /// True while the counter of the request's entry is above `above`; false when the request is not tracked there.
    Above {
        table: usize,
        counter: usize,
        above: u64,
    },
}

/// A name, or the beginning of names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pattern {
    /// In lower case, without the `*`.
    pub text: String,
    /// There may be more after `text`.
    pub prefix: bool,
}

/// Patterns for a text. With `ignore_case`, values other than regular expressions are already in lower case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Text {
    pub how: How,
    pub values: Vec<String>,
    pub ignore_case: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum How {
    Equals,
    BeginsWith,
    EndsWith,
    /// The values are regular expressions of the `regex` crate, known to compile (also with `ignore_case`).
    Matches,
}
