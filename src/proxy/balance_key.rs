//! What of a request a backend hashes to choose its server (`balance: hash(...)`). Nothing is copied.

use std::net::IpAddr;

use http::HeaderValue;
use pingora::http::RequestHeader;

use crate::acl;
use crate::config::checked::{Balance, HashKey};
use crate::pool::balance::hash::key;
use crate::proxy::context::Context;
use crate::rewrite::path;
use crate::runtime::snapshot::Backend;

/// `None` where nothing is hashed, and where the request has nothing there or something empty.
pub fn of(backend: &Backend, context: &Context, head: &RequestHeader) -> Option<u64> {
    let Balance::Hash(what) = &backend.balance else { return None };
    match what {
        HashKey::Src => Some(key(octets(context.src))),
        HashKey::Path => Some(key(path::normalised(head.uri.path()).bytes())),
        HashKey::Header(name) => {
            let line = head.headers.get(name).map(HeaderValue::as_bytes)?.trim_ascii();
            (!line.is_empty()).then(|| key(line.iter().copied()))
        }
        HashKey::ApiKey => context.identity.digest().map(|digest| key(*digest)),
        HashKey::Query(name) => {
            let mut value = acl::query_value(head.uri.query()?, name.as_bytes())?.peekable();
            value.peek()?;
            Some(key(value))
        }
    }
}

/// An IPv4 address hashes alike however the socket shows it.
pub fn octets(address: IpAddr) -> impl Iterator<Item = u8> {
    let (four, six) = match address.to_canonical() {
        IpAddr::V4(address) => (Some(address.octets()), None),
        IpAddr::V6(address) => (None, Some(address.octets())),
    };
    four.into_iter().flatten().chain(six.into_iter().flatten())
}
