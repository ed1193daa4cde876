//! Header changes of rules, on requests and on answers.

use std::net::IpAddr;

use http::{HeaderName, HeaderValue};
use pingora::http::{RequestHeader, ResponseHeader};

use crate::acl::Facts;
use crate::proxy::facts::Live;
use crate::rewrite::header::{Fetch, Fetched, HeaderChange, HeaderFacts};

/// A head whose fields can be changed.
pub trait Fields {
    fn set(&mut self, name: &HeaderName, value: HeaderValue) -> pingora::Result<()>;
    fn add(&mut self, name: &HeaderName, value: HeaderValue) -> pingora::Result<()>;
    fn remove(&mut self, name: &HeaderName);
}

impl Fields for RequestHeader {
    fn set(&mut self, name: &HeaderName, value: HeaderValue) -> pingora::Result<()> {
        self.insert_header(name, value)
    }

    fn add(&mut self, name: &HeaderName, value: HeaderValue) -> pingora::Result<()> {
        self.append_header(name, value).map(drop)
    }

    fn remove(&mut self, name: &HeaderName) {
        self.remove_header(name);
    }
}

impl Fields for ResponseHeader {
    fn set(&mut self, name: &HeaderName, value: HeaderValue) -> pingora::Result<()> {
        self.insert_header(name, value)
    }

    fn add(&mut self, name: &HeaderName, value: HeaderValue) -> pingora::Result<()> {
        self.append_header(name, value).map(drop)
    }

    fn remove(&mut self, name: &HeaderName) {
        self.remove_header(name);
    }
}

/// Makes the changes. A value that comes out empty is no field: what it would replace goes all the same.
pub fn apply(
    head: &mut impl Fields,
    changes: &[HeaderChange],
    facts: &impl HeaderFacts,
) -> pingora::Result<()> {
    for change in changes {
        match change {
            HeaderChange::Set(name, text) => match text.render(facts) {
                Some(value) => head.set(name, value)?,
                None => head.remove(name),
            },
            HeaderChange::Add(name, text) => {
                if let Some(value) = text.render(facts) {
                    head.add(name, value)?;
                }
            }
            HeaderChange::Remove(name) => head.remove(name),
        }
    }
    Ok(())
}

/// Values without fetches, for changes that were rendered before.
pub struct Nothing;

impl HeaderFacts for Nothing {
    fn fetch(&self, _: &Fetch) -> Option<Fetched<'_>> {
        None
    }
}

impl HeaderFacts for Live<'_> {
    fn fetch(&self, fetch: &Fetch) -> Option<Fetched<'_>> {
        let tls = || self.context().client.tls.as_ref();
        match fetch {
            Fetch::Src => Some(self.src()).filter(|src| *src != NO_ADDRESS).map(Fetched::Address),
            Fetch::ClientCn => self.client_cn().map(Fetched::from),
            Fetch::ClientDn => self.client_dn().map(Fetched::from),
            Fetch::TlsVersion => tls().map(|tls| Fetched::from(tls.version)),
            Fetch::TlsCipher => tls().map(|tls| Fetched::from(tls.cipher)),
            Fetch::Host => Some(Fetched::from(self.host())),
            Fetch::Path => Some(Fetched::from(self.normalised_path())),
            Fetch::Method => Some(Fetched::from(self.method())),
            Fetch::ApiKey => self.client().map(Fetched::from),
            Fetch::Plan => self.plan().map(Fetched::from),
            Fetch::RequestId => Some(Fetched::from(self.context().id.as_str())),
            Fetch::Header(name) => Some(Fetched::Lines(self.head().headers.get_all(name))),
            Fetch::Status => self.status().map(Fetched::Number),
        }
    }
}

const NO_ADDRESS: IpAddr = IpAddr::V4(std::net::Ipv4Addr::UNSPECIFIED);
