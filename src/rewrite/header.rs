//! Header fields: the ones that end at this hop, and the changes that rules ask for.

mod text;

pub use text::{Fetch, Fetched, HeaderFacts, HeaderText, Part};

use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use thiserror::Error;

/// Fields that speak of one connection and are never passed on (RFC 9110 7.6.1), in requests and in answers. With them
/// go the announcement of trailers, which are not passed on either, and proxy credentials: they are for this hop.
static HOP_BY_HOP: [HeaderName; 9] = [
    header::CONNECTION,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
    header::TE,
    header::TRAILER,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
    header::PROXY_AUTHENTICATE,
    header::PROXY_AUTHORIZATION,
];

/// Fields that `Connection` cannot remove: framing, routing, credentials and what proxies tell each other. RFC 9110
/// 7.6.1 forbids to name end-to-end fields there; a client that names one of these wants to mislead the server.
const NOT_FOR_CONNECTION: [&str; 24] = [
    "host",
    "content-length",
    "content-type",
    "content-encoding",
    "expect",
    "authorization",
    "x-api-key",
    "api-key",
    "x-goog-api-key",
    "cookie",
    "set-cookie",
    "cache-control",
    "date",
    "forwarded",
    "via",
    "x-forwarded-for",
    "x-forwarded-host",
    "x-forwarded-port",
    "x-forwarded-proto",
    "x-real-ip",
    "x-request-id",
    "x-upstream-request-id",
    "retry-after",
    "location",
];

/// The fields of a message that end at this hop.
#[derive(Clone, Debug, Default)]
pub struct HopByHop {
    /// Bit `i` says that `HOP_BY_HOP[i]` is there.
    usual: u16,
    /// What `Connection` names beyond those: in practice nothing, and then nothing is allocated.
    nominated: Vec<HeaderName>,
}

impl HopByHop {
    pub fn is_empty(&self) -> bool {
        self.usual == 0 && self.nominated.is_empty()
    }

    /// Their names, for the caller to remove.
    pub fn names(&self) -> impl Iterator<Item = &HeaderName> {
        let usual =
            HOP_BY_HOP.iter().enumerate().filter(|(i, _)| self.usual >> i & 1 == 1).map(|(_, name)| name);
        usual.chain(&self.nominated)
    }
}

/// Finds the hop-by-hop fields of a message, those that `Connection` names included. To keep an upgrade or
/// `te: trailers` ([`accepts_trailers`]) the caller looks before and sets its own fields after.
pub fn hop_by_hop(headers: &HeaderMap) -> HopByHop {
    let mut found = HopByHop::default();
    for name in headers.keys() {
        if let Some(place) = HOP_BY_HOP.iter().position(|hop| hop == name) {
            found.usual |= 1 << place;
        }
    }
    if found.usual & 1 == 0 {
        return found;
    }
    for option in connection_options(headers) {
        if option.eq_ignore_ascii_case(b"close") || option.eq_ignore_ascii_case(b"keep-alive") {
            continue;
        }
        // Not a name: then it names no field.
        let Ok(name) = HeaderName::from_bytes(option) else { continue };
        if headers.contains_key(&name)
            && !NOT_FOR_CONNECTION.contains(&name.as_str())
            && !HOP_BY_HOP.contains(&name)
            && !found.nominated.contains(&name)
        {
            found.nominated.push(name);
        }
    }
    found
}

/// What `Connection` lists, in order.
pub fn connection_options(headers: &HeaderMap) -> impl Iterator<Item = &[u8]> {
    headers.get_all(header::CONNECTION).iter().flat_map(elements)
}

/// Whether `Connection` names a field that is there and is meant for everybody on the way: RFC 9110 7.6.1 forbids it, and
/// who does it wants us to pass on less, or something else, than the rules have seen.
pub fn names_end_to_end_field(headers: &HeaderMap) -> bool {
    connection_options(headers).any(|option| {
        let Ok(name) = HeaderName::from_bytes(option) else { return false };
        NOT_FOR_CONNECTION.contains(&name.as_str()) && headers.contains_key(&name)
    })
}

/// Whether the client takes trailers (`te: trailers`), which HTTP/2 servers of gRPC want to hear.
pub fn accepts_trailers(headers: &HeaderMap) -> bool {
    headers
        .get_all(header::TE)
        .iter()
        .flat_map(elements)
        .any(|coding| coding.eq_ignore_ascii_case(b"trailers"))
}

fn elements(value: &HeaderValue) -> impl Iterator<Item = &[u8]> {
    value.as_bytes().split(|b| *b == b',').map(<[u8]>::trim_ascii)
}

/// A change that a rule makes to the header. A text that renders to `None` adds nothing; what it replaces is gone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HeaderChange {
    /// Replaces every line of this name.
    Set(HeaderName, HeaderText),
    /// Adds a line.
    Add(HeaderName, HeaderText),
    /// Removes every line of this name.
    Remove(HeaderName),
}

/// A field that the proxy itself answers for.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error(
    "`{0}` frames the message or speaks of the connection; the proxy writes it itself and no rule can change it"
)]
pub struct ReservedField(pub HeaderName);

impl HeaderChange {
    pub fn name(&self) -> &HeaderName {
        match self {
            HeaderChange::Set(name, _) | HeaderChange::Add(name, _) | HeaderChange::Remove(name) => name,
        }
    }

    /// The same change with its text as it is now; `None` where it adds nothing.
    pub fn rendered(&self, facts: &impl HeaderFacts) -> Option<HeaderChange> {
        match self {
            HeaderChange::Set(name, text) => Some(match text.render(facts) {
                Some(value) => HeaderChange::Set(name.clone(), value.into()),
                None => HeaderChange::Remove(name.clone()),
            }),
            HeaderChange::Add(name, text) => {
                Some(HeaderChange::Add(name.clone(), text.render(facts)?.into()))
            }
            HeaderChange::Remove(name) => Some(HeaderChange::Remove(name.clone())),
        }
    }

    /// Whether it is the same for every request.
    pub fn is_literal(&self) -> bool {
        match self {
            HeaderChange::Set(_, text) | HeaderChange::Add(_, text) => text.is_literal(),
            HeaderChange::Remove(_) => true,
        }
    }

    /// An error for a field whose change would break the framing of messages: `content-length` and what ends at a hop;
    /// and for a second or missing `host`.
    pub fn check(&self) -> Result<(), ReservedField> {
        let name = self.name();
        let host_kept = *name != header::HOST || matches!(self, HeaderChange::Set(..));
        if *name == header::CONTENT_LENGTH || HOP_BY_HOP.contains(name) || !host_kept {
            return Err(ReservedField(name.clone()));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(fields: &[(&'static str, &'static str)]) -> HeaderMap {
        fields.iter().map(|(n, v)| (HeaderName::from_static(n), HeaderValue::from_static(v))).collect()
    }

    fn stripped(fields: &[(&'static str, &'static str)]) -> Vec<String> {
        hop_by_hop(&headers(fields)).names().map(|n| n.as_str().to_owned()).collect()
    }

    #[test]
    fn end_to_end_fields_stay() {
        let found = hop_by_hop(&headers(&[("host", "a"), ("content-length", "3"), ("x-keep-alive", "1")]));
        assert!(found.is_empty());
        assert_eq!(found.names().count(), 0);
    }

    #[test]
    fn fields_of_the_connection_are_found() {
        let all: Vec<_> = HOP_BY_HOP.iter().map(|n| (n.clone(), HeaderValue::from_static("x"))).collect();
        let found = hop_by_hop(&all.into_iter().collect());
        assert_eq!(found.names().collect::<Vec<_>>(), HOP_BY_HOP.iter().collect::<Vec<_>>());
        assert_eq!(stripped(&[("connection", "keep-alive"), ("host", "a")]), ["connection"]);
    }

    #[test]
    fn connection_takes_along_what_it_names() {
        let fields =
            [("connection", "close, X-Secret ,foo"), ("connection", "x-secret, upgrade"), ("x-secret", "1")];
        assert_eq!(stripped(&fields), ["connection", "x-secret"]);
    }

    #[test]
    fn connection_cannot_take_framing_routing_and_credentials() {
        let fields = [
            ("connection", "host, Content-Length, AUTHORIZATION, x-forwarded-for, (, , te"),
            ("host", "a"),
            ("content-length", "3"),
            ("authorization", "Bearer x"),
            ("x-forwarded-for", "192.0.2.1"),
        ];
        assert_eq!(stripped(&fields), ["connection"]);
    }

    #[test]
    fn trailers_are_accepted_when_te_says_so() {
        assert!(accepts_trailers(&headers(&[("te", "deflate, Trailers")])));
        assert!(!accepts_trailers(&headers(&[("te", "gzip;q=1")])));
    }

    #[test]
    fn rules_cannot_change_framing() {
        let value = HeaderText::from(HeaderValue::from_static("1"));
        for name in ["content-length", "transfer-encoding", "connection", "te"] {
            let name = HeaderName::from_static(name);
            assert!(HeaderChange::Set(name.clone(), value.clone()).check().is_err());
            assert!(HeaderChange::Remove(name).check().is_err());
        }
        assert!(HeaderChange::Set(header::HOST, value.clone()).check().is_ok());
        assert!(HeaderChange::Add(header::HOST, value.clone()).check().is_err());
        assert!(HeaderChange::Remove(header::HOST).check().is_err());
        assert!(HeaderChange::Add(HeaderName::from_static("x-a"), value).check().is_ok());
    }
}
