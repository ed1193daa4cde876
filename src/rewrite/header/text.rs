//! Header values that are put together for each message: `%[src] via %[tls_version]`, compiled. Owns how the pieces become
//! a value that a header may carry; what the pieces are comes through [`HeaderFacts`], and the spelling is the
//! configuration's business.

use std::io::Write;
use std::net::IpAddr;

use bytes::Bytes;
use http::header::{GetAll, HeaderName, HeaderValue};

/// Bytes of a value that was put together. A longer one is no value at all: half of an identity is another's.
const LONGEST: usize = 8 * 1024;

/// What can be fetched into a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fetch {
    /// The client's address.
    Src,
    /// The common name in the subject of the client's certificate.
    ClientCn,
    /// The whole subject of the client's certificate, as RFC 4514 writes it.
    ClientDn,
    TlsVersion,
    TlsCipher,
    Host,
    /// Without the query.
    Path,
    Method,
    /// The client's name, never the key.
    ApiKey,
    /// The plan's name.
    Plan,
    RequestId,
    /// A field of the request; several lines are joined with `, ` (RFC 9110 5.3).
    Header(HeaderName),
    /// The status of the answer.
    Status,
}

/// What a fetch finds. Borrowed: it is copied once, into the value.
#[derive(Debug)]
pub enum Fetched<'a> {
    Bytes(&'a [u8]),
    Address(IpAddr),
    Number(u16),
    Lines(GetAll<'a, HeaderValue>),
}

impl<'a> From<&'a str> for Fetched<'a> {
    fn from(text: &'a str) -> Fetched<'a> {
        Fetched::Bytes(text.as_bytes())
    }
}

/// Where the pieces come from. One exhaustive match implements it, so that no fetch is forgotten.
pub trait HeaderFacts {
    /// `None`, or a text without bytes, where there is nothing.
    fn fetch(&self, fetch: &Fetch) -> Option<Fetched<'_>>;
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Part {
    Text(HeaderValue),
    Fetch(Fetch),
}

/// A compiled value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeaderText(Kind);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Kind {
    Literal(HeaderValue),
    Template {
        parts: Box<[Part]>,
        /// A text among the parts holds a secret, so the value does.
        sensitive: bool,
    },
}

impl From<HeaderValue> for HeaderText {
    fn from(literal: HeaderValue) -> HeaderText {
        HeaderText(Kind::Literal(literal))
    }
}

impl HeaderText {
    /// No part at all is the empty literal. Two texts side by side are written one after the other.
    pub fn new(parts: impl IntoIterator<Item = Part>) -> HeaderText {
        let parts: Box<[Part]> = parts.into_iter().collect();
        match &*parts {
            [] => HeaderText::from(HeaderValue::from_static("")),
            [Part::Text(literal)] => HeaderText::from(literal.clone()),
            _ => {
                let sensitive =
                    parts.iter().any(|part| matches!(part, Part::Text(text) if text.is_sensitive()));
                HeaderText(Kind::Template { parts, sensitive })
            }
        }
    }

    /// Whether nothing is fetched into it.
    pub fn is_literal(&self) -> bool {
        matches!(self.0, Kind::Literal(_))
    }

    /// The value for a message. A literal one is not copied. Bytes that no header may carry are left out of what was
    /// fetched, and spaces at both ends of the whole.
    ///
    /// `None` when nothing is left of it, and when it is longer than 8 KiB: then there is no such field to add, and
    /// setting it removes what the client sent under its name.
    pub fn render(&self, facts: &impl HeaderFacts) -> Option<HeaderValue> {
        let (parts, sensitive) = match &self.0 {
            Kind::Literal(literal) => return Some(literal.clone()),
            Kind::Template { parts, sensitive } => (parts, *sensitive),
        };
        let mut value = Vec::with_capacity(64);
        for part in parts {
            match part {
                Part::Text(text) => value.extend_from_slice(text.as_bytes()),
                Part::Fetch(fetch) => push(&mut value, facts.fetch(fetch)),
            }
            if value.len() > LONGEST {
                return None;
            }
        }
        finished(value, sensitive)
    }
}

fn push(value: &mut Vec<u8>, fetched: Option<Fetched<'_>>) {
    // Writing to a Vec does not fail.
    match fetched {
        None => {}
        Some(Fetched::Bytes(bytes)) => value.extend(bytes.iter().filter(|b| allowed(**b))),
        Some(Fetched::Address(address)) => drop(write!(value, "{}", address.to_canonical())),
        Some(Fetched::Number(number)) => drop(write!(value, "{number}")),
        Some(Fetched::Lines(lines)) => {
            let start = value.len();
            for line in lines.iter().filter(|line| !line.is_empty()) {
                if value.len() > start {
                    value.extend_from_slice(b", ");
                }
                value.extend_from_slice(line.as_bytes());
            }
        }
    }
}

/// RFC 9110 5.5: visible characters, space, tab, and what is not ASCII.
fn allowed(byte: u8) -> bool {
    !byte.is_ascii_control() || byte == b'\t'
}

fn finished(value: Vec<u8>, sensitive: bool) -> Option<HeaderValue> {
    let value = Bytes::from(value);
    let trimmed = value.trim_ascii();
    if trimmed.is_empty() {
        return None;
    }
    let mut value = HeaderValue::from_maybe_shared(value.slice_ref(trimmed)).ok()?;
    value.set_sensitive(sensitive);
    Some(value)
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderMap;
    use proptest::prelude::*;

    #[derive(Default)]
    struct Known {
        cn: Option<Vec<u8>>,
        headers: HeaderMap,
    }

    impl HeaderFacts for Known {
        fn fetch(&self, fetch: &Fetch) -> Option<Fetched<'_>> {
            match fetch {
                Fetch::Src => Some(Fetched::Address("::ffff:192.0.2.1".parse().unwrap())),
                Fetch::ClientCn => self.cn.as_deref().map(Fetched::Bytes),
                Fetch::Header(name) => Some(Fetched::Lines(self.headers.get_all(name))),
                Fetch::Status => Some(Fetched::Number(503)),
                Fetch::Method => Some(Fetched::from("GET")),
                _ => None,
            }
        }
    }

    fn known(cn: &[u8], fields: &[(&'static str, &'static str)]) -> Known {
        let field = |(name, value): &(&'static str, &'static str)| {
            (HeaderName::from_static(name), HeaderValue::from_static(value))
        };
        Known { cn: Some(cn.to_vec()), headers: fields.iter().map(field).collect() }
    }

    fn text(text: &'static str) -> Part {
        Part::Text(HeaderValue::from_static(text))
    }

    fn header(name: &'static str) -> Part {
        Part::Fetch(Fetch::Header(HeaderName::from_static(name)))
    }

    #[test]
    fn a_literal_value_is_not_copied() {
        let literal = HeaderValue::from_maybe_shared(Bytes::from(vec![b'x'; 100])).unwrap();
        let text = HeaderText::new([Part::Text(literal.clone())]);
        assert_eq!(text, HeaderText::from(literal.clone()));
        let rendered = text.render(&Known::default()).unwrap();
        assert_eq!(rendered.as_bytes().as_ptr(), literal.as_bytes().as_ptr());
        assert_eq!(HeaderText::new([]).render(&Known::default()).unwrap(), "");
    }

    #[test]
    fn text_and_what_is_fetched_stand_side_by_side() {
        let template = HeaderText::new([
            text("for="),
            Part::Fetch(Fetch::Src),
            text(";by="),
            Part::Fetch(Fetch::ClientCn),
            text("; "),
            Part::Fetch(Fetch::Method),
            text(" "),
            Part::Fetch(Fetch::Status),
            text(" "),
            header("x-a"),
        ]);
        let facts = known(b"app1", &[("x-a", "1"), ("x-b", "no"), ("x-a", ""), ("x-a", "2")]);
        assert_eq!(template.render(&facts).unwrap(), "for=192.0.2.1;by=app1; GET 503 1, 2");
        let nothing = Known::default();
        assert_eq!(template.render(&nothing).unwrap(), "for=192.0.2.1;by=; GET 503");
    }

    #[test]
    fn fetches_without_a_value_and_without_text_are_no_field() {
        let template =
            HeaderText::new([Part::Fetch(Fetch::ClientCn), Part::Fetch(Fetch::Plan), header("x-a")]);
        assert_eq!(template.render(&Known::default()), None);
        assert_eq!(template.render(&known(b"", &[("x-a", ""), ("x-a", "")])), None);
        assert_eq!(template.render(&known(b"\r\n", &[])), None);
        assert_eq!(template.render(&known(b"app1", &[])).unwrap(), "app1");
        assert_eq!(HeaderText::new([text(" "), Part::Fetch(Fetch::Plan)]).render(&Known::default()), None);
    }

    #[test]
    fn control_bytes_are_left_out_and_spaces_trimmed() {
        let template = HeaderText::new([Part::Fetch(Fetch::ClientCn)]);
        assert_eq!(template.render(&known(b" a\r\nx: b\0\x7f\tc\x1b ", &[])).unwrap(), "ax: b\tc");
        assert_eq!(template.render(&known("é".as_bytes(), &[])).unwrap().as_bytes(), "é".as_bytes());
    }

    #[test]
    fn an_overlong_value_is_no_value() {
        let template = HeaderText::new([text("cn="), Part::Fetch(Fetch::ClientCn)]);
        assert_eq!(template.render(&known(&[b'a'; LONGEST - 3], &[])).unwrap().len(), LONGEST);
        assert_eq!(template.render(&known(&[b'a'; LONGEST - 2], &[])), None);
    }

    #[test]
    fn a_value_with_a_secret_in_it_is_one() {
        let mut secret = HeaderValue::from_static("Bearer ");
        secret.set_sensitive(true);
        let facts = known(b"app1", &[]);
        let with = HeaderText::new([Part::Text(secret), Part::Fetch(Fetch::ClientCn)]);
        assert!(with.render(&facts).unwrap().is_sensitive());
        let without = HeaderText::new([text("x"), Part::Fetch(Fetch::ClientCn)]);
        assert!(!without.render(&facts).unwrap().is_sensitive());
    }

    fn part() -> impl Strategy<Value = Part> {
        prop_oneof![
            "[ -~\t]{1,6}".prop_map(|t| Part::Text(HeaderValue::from_str(&t).unwrap())),
            Just(Part::Fetch(Fetch::ClientCn)),
            Just(Part::Fetch(Fetch::Src)),
            Just(Part::Fetch(Fetch::Plan)),
            Just(header("x-a")),
        ]
    }

    proptest! {
        #[test]
        fn nothing_that_is_fetched_can_end_the_line(
            parts in proptest::collection::vec(part(), 2..6),
            cn in proptest::collection::vec(any::<u8>(), 0..40),
            repeated in 1usize..1000,
        ) {
            let facts = Known { cn: Some(cn.repeat(repeated)), ..Known::default() };
            if let Some(value) = HeaderText::new(parts).render(&facts) {
                let bytes = value.as_bytes();
                prop_assert!(bytes.iter().all(|b| *b == b'\t' || (*b >= b' ' && *b != 0x7f)));
                prop_assert!(bytes.len() <= LONGEST && !bytes.is_empty());
                prop_assert_eq!(bytes.trim_ascii(), bytes);
            }
        }
    }
}
