//! What Pingora wants of a stream beside reading and writing. The accept path knows about TLS, sockets and times, and
//! tells the proxy itself.

use std::sync::Arc;

use ::pingora::protocols::raw_connect::ProxyDigest;
use ::pingora::protocols::{
    GetProxyDigest, GetSocketDigest, GetTimingDigest, Peek, Shutdown, SocketDigest, Ssl, TimingDigest,
    UniqueID, UniqueIDType,
};
use async_trait::async_trait;
use tokio::io::AsyncWriteExt;

use super::{Io, Wire};

#[async_trait]
impl<S: Wire + Send> Shutdown for Io<S> {
    async fn shutdown(&mut self) {
        let _ = AsyncWriteExt::shutdown(self).await;
    }
}

impl<S: Wire> UniqueID for Io<S> {
    fn id(&self) -> UniqueIDType {
        0
    }
}

impl<S: Wire> Ssl for Io<S> {}

impl<S: Wire> GetTimingDigest for Io<S> {
    fn get_timing_digest(&self) -> Vec<Option<TimingDigest>> {
        Vec::new()
    }
}

/// Carries the client to the session: see [`crate::transport::client`].
impl<S: Wire> GetProxyDigest for Io<S> {
    fn get_proxy_digest(&self) -> Option<Arc<ProxyDigest>> {
        self.client.as_ref().and_then(|(_, carried)| carried.clone())
    }
}

impl<S: Wire> GetSocketDigest for Io<S> {
    fn get_socket_digest(&self) -> Option<Arc<SocketDigest>> {
        None
    }
}

impl<S: Wire> Peek for Io<S> {}
