//! Where a server is and how to speak to it, resolved from its url: what a connection attempt needs, and nothing of
//! the request.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use http::HeaderValue;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;

use crate::base::clock::Tick;

pub use crate::runtime::addresses::{Addresses, Moved};

/// How to reach a server.
#[derive(Debug)]
pub struct Target {
    /// The same for the same address and TLS settings, over reloads too.
    pub id: u64,
    /// The server's name in its backend, for messages.
    pub name: Arc<str>,
    /// As the file has it: see [`Target::place`].
    pub addresses: Arc<Addresses>,
    pub moved: Arc<Moved>,
    pub tls: Option<TargetTls>,
    /// The `Host` header that the server gets.
    pub host: HeaderValue,
    /// Each connection begins with a PROXY header, and so belongs to one client.
    pub send_proxy: bool,
    /// How long a connection is kept without a request.
    pub idle_timeout: Duration,
    /// Idle connections, per worker thread.
    pub max_idle: usize,
    /// Replaces a leading `/v1` of the client's path.
    pub base_path: Option<String>,
    /// When a failure to connect was last written to the log, in ms: a dead server is not news a thousand times a second.
    pub warned: AtomicU64,
}

impl Target {
    /// Where it is: as an operator says, else as the file does.
    pub fn place(&self) -> Arc<Addresses> {
        self.moved.load().unwrap_or_else(|| self.addresses.clone())
    }

    /// Under what its idle connections are kept: when the name has new addresses, or an operator moved it, those to the
    /// old ones are left alone, and expire.
    pub fn pool(&self) -> u64 {
        let mark = self.moved.mark();
        if mark != 0 {
            return self.id ^ mark;
        }
        self.id ^ self.addresses.version().wrapping_mul(0x9e37_79b9_7f4a_7c15)
    }

    /// Whether a server may choose HTTP/2 here. A PROXY header is about one client, so such a connection carries no others.
    pub fn offers_http2(&self) -> bool {
        !self.send_proxy && self.tls.as_ref().is_some_and(|tls| tls.http2)
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
    /// Offers what the file allows.
    pub config: Arc<ClientConfig>,
    /// Offers HTTP/1.1 alone: for upgrades and connections with a PROXY header.
    pub only_http1: Arc<ClientConfig>,
    /// Asked for by SNI and verified.
    pub name: ServerName<'static>,
    /// What `config` offers. At least one of the two.
    pub http2: bool,
    pub http1: bool,
}
