//! Header values that are put together for each request: text, and what is fetched into it.

use http::{HeaderName, HeaderValue};

/// At least one part, none of them empty, no two texts side by side. A literal value is one [`HeaderPart::Text`].
///
/// A value without text, all of whose fetches have nothing, stands for no header at all: setting it removes what the
/// client sent under that name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeaderText(pub Vec<HeaderPart>);

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HeaderPart {
    /// Marked sensitive: it may hold a resolved secret. Spaces at either end belong to it.
    Text(HeaderValue),
    Fetch(HeaderFetch),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HeaderFetch {
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
    /// The client's name, not the key.
    ApiKey,
    /// The plan's name.
    Plan,
    RequestId,
    /// A header of the request.
    Header(HeaderName),
    /// The status of the answer; only in response rules.
    Status,
}
