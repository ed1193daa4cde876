//! Where a server is and how to speak to it, resolved from its url: what a connection attempt needs, and nothing of
//! the request.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use arc_swap::ArcSwap;
use http::HeaderValue;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;

use crate::base::clock::Tick;

/// The addresses of a host name, replaced whenever it is resolved again. Empty until the name was resolved once.
#[derive(Debug)]
pub struct Addresses {
    pub host: String,
    pub port: u16,
    list: ArcSwap<Vec<SocketAddr>>,
    /// Where the last connection succeeded, to begin there.
    preferred: AtomicUsize,
    /// Changes whenever the list does.
    version: AtomicU64,
}

impl Addresses {
    pub fn new(host: String, port: u16, list: Vec<SocketAddr>) -> Addresses {
        Addresses {
            host,
            port,
            list: ArcSwap::from_pointee(list),
            preferred: AtomicUsize::new(0),
            version: AtomicU64::new(0),
        }
    }

    pub fn load(&self) -> Arc<Vec<SocketAddr>> {
        self.list.load_full()
    }

    /// True when the list changed.
    pub fn replace(&self, mut list: Vec<SocketAddr>) -> bool {
        // Resolvers turn the order round; that is no change.
        list.sort_unstable();
        list.dedup();
        let changed = **self.list.load() != list;
        if changed {
            self.list.store(Arc::new(list));
            self.version.fetch_add(1, Ordering::Relaxed);
        }
        changed
    }

    pub fn preferred(&self) -> usize {
        self.preferred.load(Ordering::Relaxed)
    }

    pub fn prefer(&self, index: usize) {
        self.preferred.store(index, Ordering::Relaxed);
    }
}

/// How to reach a server.
#[derive(Debug)]
pub struct Target {
    /// The same for the same address and TLS settings, over reloads too.
    pub id: u64,
    /// The server's name in its backend, for messages.
    pub name: Arc<str>,
    pub addresses: Arc<Addresses>,
    pub tls: Option<TargetTls>,
    /// The `Host` header that the server gets.
    pub host: HeaderValue,
    /// Each connection begins with a PROXY header, and so belongs to one client.
    pub send_proxy: bool,
    /// Replaces a leading `/v1` of the client's path.
    pub base_path: Option<String>,
    /// When a failure to connect was last written to the log, in ms: a dead server is not news a thousand times a second.
    pub warned: AtomicU64,
}

impl Target {
    /// Under what its idle connections are kept: when the name has new addresses, those to the old ones are left alone,
    /// and expire.
    pub fn pool(&self) -> u64 {
        let version = self.addresses.version.load(Ordering::Relaxed);
        self.id ^ version.wrapping_mul(0x9e37_79b9_7f4a_7c15)
    }

    /// At most once a second.
    pub fn may_warn(&self, now: Tick) -> bool {
        let last = self.warned.load(Ordering::Relaxed);
        now.0 >= last
            && self.warned.compare_exchange(last, now.0 + 1000, Ordering::Relaxed, Ordering::Relaxed).is_ok()
    }
}

#[derive(Clone, Debug)]
pub struct TargetTls {
    pub config: Arc<ClientConfig>,
    /// Asked for by SNI and verified.
    pub name: ServerName<'static>,
}
