//! The live request as the conditions of the rules see it.

use std::borrow::Cow;
use std::cell::OnceCell;
use std::net::IpAddr;

use http::HeaderName;
use http::header::HOST;
use pingora::http::RequestHeader;

use crate::acl::Facts;
use crate::proxy::context::Context;
use crate::rewrite::path;
use crate::transport::client::Subject;

pub struct Live<'a> {
    context: &'a Context,
    head: &'a RequestHeader,
    path: OnceCell<Cow<'a, str>>,
    host: OnceCell<String>,
    status: Option<u16>,
    /// Instead of the model that is asked for.
    model: Option<&'a str>,
}

impl<'a> Live<'a> {
    pub fn new(context: &'a Context, head: &'a RequestHeader) -> Live<'a> {
        Live { context, head, path: OnceCell::new(), host: OnceCell::new(), status: None, model: None }
    }

    /// The request as if it asked for this model.
    pub fn asking(context: &'a Context, head: &'a RequestHeader, model: &'a str) -> Live<'a> {
        Live { model: Some(model), ..Live::new(context, head) }
    }

    /// The request together with the status of its answer.
    pub fn answered(context: &'a Context, head: &'a RequestHeader, status: u16) -> Live<'a> {
        Live { status: Some(status), ..Live::new(context, head) }
    }

    pub fn context(&self) -> &'a Context {
        self.context
    }

    pub fn head(&self) -> &'a RequestHeader {
        self.head
    }

    fn subject(&self) -> Option<&'a Subject> {
        self.context.client.tls.as_ref()?.subject.as_ref()
    }
}

/// The authority that the request names: HTTP/2's pseudo-header, an absolute target's, or `Host`; as sent.
pub fn authority(head: &RequestHeader) -> &str {
    match head.uri.authority() {
        Some(authority) => authority.as_str(),
        None => head.headers.get(HOST).and_then(|host| host.to_str().ok()).unwrap_or(""),
    }
}

/// Splits `host:port`; the brackets of an IPv6 address stay.
pub fn split_port(authority: &str) -> (&str, Option<u16>) {
    match authority.rsplit_once(':') {
        Some((host, port)) if !port.contains(']') => (host, port.parse().ok()),
        _ => (authority, None),
    }
}

impl Facts for Live<'_> {
    fn method(&self) -> &str {
        self.head.method.as_str()
    }

    fn normalised_path(&self) -> &str {
        self.path.get_or_init(|| path::normalised(self.head.uri.path()))
    }

    fn query(&self) -> Option<&str> {
        self.head.uri.query()
    }

    fn host(&self) -> &str {
        self.host.get_or_init(|| split_port(authority(self.head)).0.to_ascii_lowercase())
    }

    fn any_header(&self, name: &HeaderName, test: &mut dyn FnMut(&[u8]) -> bool) -> bool {
        self.head.headers.get_all(name).iter().any(|value| test(value.as_bytes()))
    }

    fn src(&self) -> IpAddr {
        self.context.src
    }

    fn client(&self) -> Option<&str> {
        self.context.identity.client().map(|client| &*client.name)
    }

    fn plan(&self) -> Option<&str> {
        let plan = self.context.identity.client()?.plan?;
        self.context.snapshot.plans.get(plan).map(|plan| &*plan.name)
    }

    fn model(&self) -> Option<&str> {
        self.model.or_else(|| Some(&*self.context.call.as_ref()?.route.model))
    }

    fn task(&self) -> Option<&str> {
        self.context.snapshot.ai.catalogue.task_name(self.context.call.as_ref()?.route.task?)
    }

    fn tls(&self) -> bool {
        self.context.client.tls.is_some()
    }

    fn client_cn(&self) -> Option<&str> {
        self.subject()?.common_name.as_deref()
    }

    fn client_dn(&self) -> Option<&str> {
        self.subject().map(|subject| &*subject.distinguished_name)
    }

    fn status(&self) -> Option<u16> {
        self.status
    }

    fn counter(&self, table: usize, counter: usize) -> Option<u64> {
        Some(self.context.tracked(table)?.read(counter, self.context.now()))
    }
}

#[cfg(test)]
mod tests {
    use super::split_port;

    #[test]
    fn ports_are_told_from_addresses() {
        assert_eq!(split_port("example.test:8443"), ("example.test", Some(8443)));
        assert_eq!(split_port("example.test"), ("example.test", None));
        assert_eq!(split_port("[::1]:80"), ("[::1]", Some(80)));
        assert_eq!(split_port("[::1]"), ("[::1]", None));
    }
}
