//! What is known of a client's connection before its first request, and handed to each of its requests. Pingora carries
//! it from the stream to the session in its `ProxyDigest`, the one place of a digest that is open to others.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use pingora::http::ResponseHeader;
use pingora::protocols::Digest;
use pingora::protocols::raw_connect::ProxyDigest;
use tokio::sync::Notify;

use crate::stick::Tracked;

#[derive(Debug)]
pub struct Client {
    /// Where it comes from: what a trusted PROXY header says, else the other end of the socket.
    pub peer: SocketAddr,
    /// The address it meant to reach.
    pub local: SocketAddr,
    pub tls: Option<Tls>,
    /// Entries that the connection itself tracks; all of its requests count in them.
    pub tracked: Vec<Arc<Tracked>>,
    /// Requests in progress beside each other, on HTTP/2.
    requests: AtomicUsize,
    forgotten: AtomicBool,
    /// The last request has ended, or the connection is to be forgotten. The owner of the connection waits, nobody else.
    wake: Notify,
}

/// A request in progress.
pub struct Active(Arc<Client>);

/// The connection is encrypted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tls {
    /// `TLSv1.3`, as HAProxy writes it.
    pub version: &'static str,
    /// IANA's name of the cipher suite.
    pub cipher: &'static str,
    /// The client's certificate, which has been verified.
    pub subject: Option<Subject>,
}

/// Whom a certificate names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Subject {
    /// `CN`, the first one; `None` too where it holds what a header cannot carry.
    pub common_name: Option<String>,
    /// RFC 4514, all of it printable ASCII.
    pub distinguished_name: String,
}

impl Client {
    pub fn new(
        peer: SocketAddr,
        local: SocketAddr,
        tls: Option<Tls>,
        tracked: Vec<Arc<Tracked>>,
    ) -> Arc<Client> {
        let (requests, forgotten, wake) = (AtomicUsize::new(0), AtomicBool::new(false), Notify::new());
        Arc::new(Client { peer, local, tls, tracked, requests, forgotten, wake })
    }

    /// The client of a session.
    pub fn of(digest: Option<&Digest>) -> Option<Arc<Client>> {
        let carried = digest?.proxy_digest.as_ref()?.user_data.as_ref()?;
        carried.downcast_ref::<Arc<Client>>().cloned()
    }

    /// For Pingora to carry.
    pub(super) fn carried(self: &Arc<Client>) -> Option<Arc<ProxyDigest>> {
        let nothing = ResponseHeader::build_no_case(200, Some(0)).ok()?;
        Some(Arc::new(ProxyDigest::new(Box::new(nothing), Some(Box::new(self.clone())))))
    }

    /// The connection is to end without a word, all of its requests with it.
    pub fn forget(&self) {
        self.forgotten.store(true, Ordering::Relaxed);
        self.wake.notify_one();
    }

    pub fn is_forgotten(&self) -> bool {
        self.forgotten.load(Ordering::Relaxed)
    }

    /// A request begins.
    pub fn begin(self: &Arc<Client>) -> Active {
        self.requests.fetch_add(1, Ordering::Relaxed);
        Active(self.clone())
    }

    /// Resolves when no request is in progress, or the connection is to be forgotten.
    pub async fn quiet(&self) {
        while self.requests.load(Ordering::Relaxed) > 0 && !self.is_forgotten() {
            self.wake.notified().await;
        }
    }
}

impl Drop for Active {
    fn drop(&mut self) {
        if self.0.requests.fetch_sub(1, Ordering::Relaxed) == 1 {
            self.0.wake.notify_one();
        }
    }
}
