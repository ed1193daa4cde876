//! What a condition may ask, and how the values of headers and query parameters are taken apart without copying them.

use std::net::IpAddr;

use http::HeaderName;
use regex::bytes::RegexSet;

use super::pattern::PatternList;
use super::regexes::{self, PatternError};

/// What there is to ask, implemented where it is known. A connection that has not sent a request yet has an address and
/// perhaps a certificate; for the rest it says "" and `None`. Nothing has a default, because what is forgotten would
/// let through what a rule denies.
pub trait Facts {
    /// Empty where there is no request.
    fn method(&self) -> &str;

    /// The path without the query, in its normal form: what `rewrite::path::normalised` makes of the path as sent
    /// (computed once per request). Conditions see no other, so that neither `/v1/%63hat` nor `/public/../admin` nor
    /// `//admin` slips past a rule. Empty where there is no request.
    fn normalised_path(&self) -> &str;

    /// What follows the `?`, as sent.
    fn query(&self) -> Option<&str>;

    /// Lower case, without port, with the brackets of an IPv6 address; empty where the request names none.
    fn host(&self) -> &str;

    /// Whether the test holds for the value of a field line of this name. Stops at the first that does.
    fn any_header(&self, name: &HeaderName, test: &mut dyn FnMut(&[u8]) -> bool) -> bool;

    /// Where the request comes from: the peer, or what a trusted proxy says.
    fn src(&self) -> IpAddr;

    /// The name of the API key's owner; `None` for an anonymous client.
    fn client(&self) -> Option<&str>;

    fn plan(&self) -> Option<&str>;

    /// The model that the request gets; `None` where it is no call with a model.
    fn model(&self) -> Option<&str>;

    /// The task by which `auto` was decided.
    fn task(&self) -> Option<&str>;

    fn tls(&self) -> bool;

    /// The common name in the subject of the client's certificate; `None` without a certificate that was verified.
    fn client_cn(&self) -> Option<&str>;

    /// The whole subject of the client's certificate, as RFC 4514 writes it; `None` as with [`Facts::client_cn`].
    fn client_dn(&self) -> Option<&str>;

    /// The status of the answer to the client; `None` while there is none.
    fn status(&self) -> Option<u16>;

    /// The figure of a counter for this request's entry of a table; `None` where there is no entry.
    fn counter(&self, table: usize, counter: usize) -> Option<u64>;
}

/// What is asked of a header or a query parameter.
#[derive(Clone, Debug)]
pub enum ValueTest {
    /// Whether it is there at all, even empty.
    Present(bool),
    /// One of its values is in the list.
    OneOf(PatternList),
    /// One of the regular expressions is found in one of its values.
    Regex(RegexSet),
}

impl ValueTest {
    /// `value_reg`; an error names the first pattern that cannot be used. The syntax is that of the crate `regex`, over
    /// bytes: classes of Unicode (`\p{L}`, `[é]`) are errors, and `.` is any byte.
    pub fn regex<S: AsRef<str>>(
        patterns: impl IntoIterator<Item = S>,
        ignore_case: bool,
    ) -> Result<ValueTest, PatternError> {
        regexes::values(patterns, ignore_case).map(ValueTest::Regex)
    }
}

pub(super) fn header<F: Facts>(facts: &F, name: &HeaderName, test: &ValueTest) -> bool {
    let any = |matches: &dyn Fn(&[u8]) -> bool| {
        facts.any_header(name, &mut |line| {
            let line = line.trim_ascii();
            matches(line)
                || (line.contains(&b',')
                    && line.split(|b| *b == b',').any(|element| matches(element.trim_ascii())))
        })
    };
    match test {
        ValueTest::Present(wanted) => facts.any_header(name, &mut |_| true) == *wanted,
        ValueTest::OneOf(list) => any(&|value| list.matches(value)),
        ValueTest::Regex(set) => any(&|value| set.is_match(value)),
    }
}

pub(super) fn query(query: &str, name: &[u8], test: &ValueTest) -> bool {
    let mut values = values(query, name);
    match test {
        ValueTest::Present(wanted) => values.next().is_some() == *wanted,
        ValueTest::OneOf(list) => values.any(|value| list.matches_decoded(Decoded(value))),
        ValueTest::Regex(set) => {
            // One buffer for all the values of this name; none where nothing is encoded.
            let mut decoded = Vec::new();
            values.any(|value| {
                if !value.iter().any(|b| matches!(b, b'%' | b'+')) {
                    return set.is_match(value);
                }
                decoded.clear();
                decoded.extend(Decoded(value));
                set.is_match(&decoded)
            })
        }
    }
}

/// What stands behind `name=` in a query, as sent.
fn values<'a>(query: &'a str, name: &'a [u8]) -> impl Iterator<Item = &'a [u8]> {
    query.as_bytes().split(|b| *b == b'&').filter_map(move |pair| {
        let end = pair.iter().position(|b| *b == b'=').unwrap_or(pair.len());
        let (key, rest) = pair.split_at(end);
        let named = !pair.is_empty() && Decoded(key).eq(name.iter().copied());
        named.then(|| rest.strip_prefix(b"=").unwrap_or_default())
    })
}

/// The first value of a query parameter, decoded; `None` where the query has no such parameter.
pub fn query_value<'a>(query: &'a str, name: &'a [u8]) -> Option<impl Iterator<Item = u8> + 'a> {
    values(query, name).next().map(Decoded)
}

/// The bytes of a query component, percent-decoded, `+` as a space. A `%` without two hex digits stands for itself.
#[derive(Clone)]
struct Decoded<'a>(&'a [u8]);

impl Iterator for Decoded<'_> {
    type Item = u8;

    fn next(&mut self) -> Option<u8> {
        let (first, rest) = self.0.split_first()?;
        if let [b'%', high, low, rest @ ..] = self.0
            && let Some(byte) = hex_pair(*high, *low)
        {
            self.0 = rest;
            return Some(byte);
        }
        self.0 = rest;
        Some(if *first == b'+' { b' ' } else { *first })
    }
}

impl DoubleEndedIterator for Decoded<'_> {
    fn next_back(&mut self) -> Option<u8> {
        let (last, rest) = self.0.split_last()?;
        if let [rest @ .., b'%', high, low] = self.0
            && let Some(byte) = hex_pair(*high, *low)
        {
            self.0 = rest;
            return Some(byte);
        }
        self.0 = rest;
        Some(if *last == b'+' { b' ' } else { *last })
    }
}

fn hex_pair(high: u8, low: u8) -> Option<u8> {
    let digit = |b: u8| char::from(b).to_digit(16).and_then(|d| u8::try_from(d).ok());
    Some(digit(high)? << 4 | digit(low)?)
}
