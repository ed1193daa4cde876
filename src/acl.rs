//! Named conditions over a request, a connection or an answer: what an `acls:` entry compiles to, and how it is tested
//! against what is there ([`Facts`]). Owns the tests and the expressions over them; not what is done when they hold, and no counting: the
//! figures of stick tables come through [`Facts::counter`]. Testing allocates nothing.

mod expression;
mod fetch;
mod ip_set;
mod pattern;
mod regexes;

pub use expression::{Decision, Expression, Tree};
pub use fetch::{Facts, ValueTest, query_value};
pub use ip_set::{IpSet, NetError, parse_net};
pub use pattern::{PatternList, Position};
pub use regexes::PatternError;

use std::ops::RangeInclusive;

use http::HeaderName;
use regex::RegexSet;

/// One compiled condition. Lists hold when one of their entries matches.
#[derive(Clone, Debug)]
pub enum Acl {
    /// `path`, `path_beg`, `path_end`: the position is part of the list. See [`Facts::normalised_path`].
    Path(PatternList),
    /// `path_reg`: found anywhere in the normalised path, anchor it with `^` and `$`.
    PathRegex(RegexSet),
    /// `method`: methods are case-sensitive (RFC 9110 9.1).
    Method(PatternList),
    /// `host`: without port, without regard to case or to a final dot.
    Host(PatternList),
    /// `header`: each field line is tested whole, and each of its comma-separated elements.
    Header {
        name: HeaderName,
        test: ValueTest,
    },
    /// `query`: a parameter of the query, names and values percent-decoded, `+` read as a space.
    Query {
        name: Box<[u8]>,
        test: ValueTest,
    },
    /// `src`: where the request comes from.
    Source(IpSet),
    /// `api_key`: the name of the key's owner, never the key.
    ApiKey(PatternList),
    /// `plan`: the plan of the key's owner.
    Plan(PatternList),
    /// Whole names, and beginnings of names.
    Model(PatternList, PatternList),
    Task(PatternList),
    /// `tls`: whether the client's connection is encrypted.
    Tls(bool),
    /// `client_cn`: the common name in the subject of the client's certificate.
    ClientCn(PatternList),
    /// `client_dn`: that whole subject, as RFC 4514 writes it.
    ClientDn(PatternList),
    /// `status`: that of the answer; where there is none yet, it does not hold.
    Status(Box<[RangeInclusive<u16>]>),
    /// `always`.
    Always(bool),
    /// `table` + `counter` + `above`.
    Counter(CounterTest),
}

/// Holds while a counter of the tracked entry is above a figure. An entry that does not exist is above nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CounterTest {
    /// Index of the stick table in the snapshot.
    pub table: usize,
    /// Index of the counter in the table.
    pub counter: usize,
    /// The test holds from `above + 1` on: HAProxy's `gt`.
    pub above: u64,
}

impl Acl {
    /// The path is one of these.
    pub fn path<S: AsRef<str>>(paths: impl IntoIterator<Item = S>, ignore_case: bool) -> Acl {
        Acl::Path(PatternList::new(paths, Position::Whole, ignore_case))
    }

    /// The path begins with one of these, byte for byte: `/v1` also covers `/v1beta`.
    pub fn path_beg<S: AsRef<str>>(prefixes: impl IntoIterator<Item = S>, ignore_case: bool) -> Acl {
        Acl::Path(PatternList::new(prefixes, Position::Start, ignore_case))
    }

    /// The path ends with one of these.
    pub fn path_end<S: AsRef<str>>(suffixes: impl IntoIterator<Item = S>, ignore_case: bool) -> Acl {
        Acl::Path(PatternList::new(suffixes, Position::End, ignore_case))
    }

    /// One of these regular expressions is found in the path; an error names the first that does not compile.
    pub fn path_reg<S: AsRef<str>>(
        patterns: impl IntoIterator<Item = S>,
        ignore_case: bool,
    ) -> Result<Acl, PatternError> {
        regexes::text(patterns, ignore_case).map(Acl::PathRegex)
    }

    /// The method is one of these.
    pub fn method<S: AsRef<str>>(methods: impl IntoIterator<Item = S>, ignore_case: bool) -> Acl {
        Acl::Method(PatternList::new(methods, Position::Whole, ignore_case))
    }

    /// The host is one of these. Patterns have no port and brackets around an IPv6 address.
    pub fn host<S: AsRef<str>>(hosts: impl IntoIterator<Item = S>) -> Acl {
        let hosts: Vec<String> =
            hosts.into_iter().map(|h| h.as_ref().trim_end_matches('.').to_owned()).collect();
        Acl::Host(PatternList::new(hosts, Position::Whole, true))
    }

    /// The query has this parameter, or one of these values for it.
    pub fn query(name: &str, test: ValueTest) -> Acl {
        Acl::Query { name: name.as_bytes().into(), test }
    }

    /// The key belongs to one of these clients.
    pub fn api_key<S: AsRef<str>>(names: impl IntoIterator<Item = S>, ignore_case: bool) -> Acl {
        Acl::ApiKey(PatternList::new(names, Position::Whole, ignore_case))
    }

    /// The client has one of these plans.
    pub fn plan<S: AsRef<str>>(names: impl IntoIterator<Item = S>, ignore_case: bool) -> Acl {
        Acl::Plan(PatternList::new(names, Position::Whole, ignore_case))
    }

    /// The model is one of these, or begins with one of `prefixes`; letters' case is no difference.
    pub fn model<S: AsRef<str>>(
        names: impl IntoIterator<Item = S>,
        prefixes: impl IntoIterator<Item = S>,
    ) -> Acl {
        Acl::Model(
            PatternList::new(names, Position::Whole, true),
            PatternList::new(prefixes, Position::Start, true),
        )
    }

    /// One of these tasks chose the model.
    pub fn task<S: AsRef<str>>(names: impl IntoIterator<Item = S>) -> Acl {
        Acl::Task(PatternList::new(names, Position::Whole, false))
    }

    /// The client has a certificate with one of these common names, byte for byte.
    pub fn client_cn<S: AsRef<str>>(names: impl IntoIterator<Item = S>) -> Acl {
        Acl::ClientCn(PatternList::new(names, Position::Whole, false))
    }

    /// The client has a certificate with one of these subjects, byte for byte.
    pub fn client_dn<S: AsRef<str>>(subjects: impl IntoIterator<Item = S>) -> Acl {
        Acl::ClientDn(PatternList::new(subjects, Position::Whole, false))
    }

    /// The status of the answer is in one of these ranges.
    pub fn status(ranges: impl IntoIterator<Item = RangeInclusive<u16>>) -> Acl {
        Acl::Status(ranges.into_iter().collect())
    }

    /// Whether the condition holds.
    pub fn holds<F: Facts>(&self, facts: &F) -> bool {
        match self {
            Acl::Path(list) => list.matches(facts.normalised_path().as_bytes()),
            Acl::PathRegex(set) => set.is_match(facts.normalised_path()),
            Acl::Method(list) => list.matches(facts.method().as_bytes()),
            Acl::Host(list) => {
                let host = facts.host();
                list.matches(host.strip_suffix('.').unwrap_or(host).as_bytes())
            }
            Acl::Header { name, test } => fetch::header(facts, name, test),
            Acl::Query { name, test } => fetch::query(facts.query().unwrap_or_default(), name, test),
            Acl::Source(set) => set.contains(facts.src()),
            Acl::ApiKey(list) => facts.client().is_some_and(|name| list.matches(name.as_bytes())),
            Acl::Plan(list) => facts.plan().is_some_and(|name| list.matches(name.as_bytes())),
            Acl::Model(names, prefixes) => facts
                .model()
                .is_some_and(|model| names.matches(model.as_bytes()) || prefixes.matches(model.as_bytes())),
            Acl::Task(list) => facts.task().is_some_and(|task| list.matches(task.as_bytes())),
            Acl::Tls(wanted) => facts.tls() == *wanted,
            Acl::ClientCn(list) => facts.client_cn().is_some_and(|name| list.matches(name.as_bytes())),
            Acl::ClientDn(list) => facts.client_dn().is_some_and(|subject| list.matches(subject.as_bytes())),
            Acl::Status(ranges) => {
                facts.status().is_some_and(|status| ranges.iter().any(|range| range.contains(&status)))
            }
            Acl::Always(holds) => *holds,
            Acl::Counter(test) => {
                facts.counter(test.table, test.counter).is_some_and(|count| count > test.above)
            }
        }
    }
}

#[cfg(test)]
mod tests;
