//! One client connection: its PROXY header, the connection rules, its TLS handshake, and then its requests, one after
//! another on HTTP/1, beside each other on HTTP/2 ([`super::http2`]).

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;
use pingora::apps::HttpServerApp;
use pingora::protocols::http::ServerSession;
use pingora::server::ShutdownWatch;
use rustls::ServerConfig;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::acl::IpSet;
use crate::base::clock::{self, Clock};
use crate::listen::head::{self, Head};
use crate::listen::proxy_header::{self, NoHeader};
use crate::stick::Tracked;
use crate::transport::client::Client;
use crate::transport::io::{Flush, Io, Side, Watch, Wire};
use crate::transport::socket::{Socket, forget_when_closed};
use crate::transport::tls;
use crate::wire::{HeadFault, HeadLimits, RequestBody, proxy_protocol};

/// How long a connection that is already accepted may still begin its first request once a stop was ordered.
const LAST_CHANCE: Duration = Duration::from_secs(1);
/// How much, and for how long, is read from a client that is told off, so that it can read why.
const LINGER_BYTES: usize = 256 * 1024;
const LINGER_TIME: Duration = Duration::from_secs(2);

/// Why there was no request.
#[derive(Clone, Copy, Debug)]
pub enum Refusal {
    Malformed(HeadFault),
    /// HTTP/2 itself found the request malformed, and has answered it.
    Http2,
    TooSlow,
    /// The client left in the middle of the head.
    Cut,
}

/// What the connection rules say.
pub enum Entry {
    /// It may come in; the entries that it tracks from now on.
    Open(Vec<Arc<Tracked>>),
    Rejected,
    /// The client is to hear nothing at all.
    Forgotten,
}

/// The proxy's part of a connection and of requests that never came to be: they are counted and logged like any other.
pub trait Door: Send + Sync {
    /// Runs the connection rules. `peer`: where it comes from, a PROXY header believed.
    fn admit(&self, peer: SocketAddr) -> Entry;

    /// Counts and logs it; gives the whole HTTP/1 answer, empty where none can be given.
    /// `took`: from the first byte of the head on.
    fn refuse(&self, refusal: Refusal, client: &Arc<Client>, took: Duration, head: &[u8]) -> Vec<u8>;

    /// Counts and logs a connection that was closed for `reason`, a label of `tidegate_denied_total`, before anything was
    /// asked on it; `why`, in words.
    fn turn_away(&self, peer: SocketAddr, reason: &'static str, why: &str);

    /// Counts and logs a connection, or a stream of one, that is ended for `reason`, whatever was asked on it.
    fn ended(&self, peer: SocketAddr, reason: &'static str);

    /// Counts and logs a TLS handshake that failed or took too long.
    fn handshake_failed(&self, peer: SocketAddr, why: &str);
}

/// What a connection needs to know, as of when it was accepted.
#[derive(Clone, Debug)]
pub struct Settings {
    pub tls: Option<Arc<ServerConfig>>,
    /// Who must send a PROXY header.
    pub accept_proxy: Option<Arc<IpSet>>,
    pub request_head: Duration,
    pub keep_alive: Duration,
    pub limits: HeadLimits,
}

/// Who serves the requests of a connection.
pub struct Service<A> {
    pub app: Arc<A>,
    pub door: Arc<dyn Door>,
    pub clock: Clock,
    pub stop: ShutdownWatch,
    /// An operator wants connections to end, politely.
    pub drain: ShutdownWatch,
}

impl<A: HttpServerApp + Send + Sync + 'static> Service<A> {
    pub async fn serve(&self, mut socket: Socket, peer: SocketAddr, settings: Settings) {
        let Some((peer, local)) = self.addresses(&mut socket, peer, &settings).await else { return };
        let tracked = match self.door.admit(peer) {
            Entry::Open(tracked) => tracked,
            Entry::Rejected => return,
            Entry::Forgotten => return socket.tcp().map_or((), forget_when_closed),
        };
        let Some(config) = settings.tls.clone() else {
            let client = Client::new(peer, local, None, tracked);
            let io = Io::new(socket, Side::Client, Flush::BeforeRead, Some(client.clone()));
            return self.http1(Box::new(io), &client, &settings).await;
        };
        let accepted =
            match pingora_timeout::timeout(settings.request_head, tls::accept(config, socket)).await {
                Ok(Ok(Some(accepted))) => accepted,
                Ok(Ok(None)) => return,
                Ok(Err(e)) => return self.door.handshake_failed(peer, &e.to_string()),
                Err(_) => return self.door.handshake_failed(peer, "it took too long"),
            };
        let client = Client::new(peer, local, Some(accepted.tls), tracked);
        let flush = if accepted.http2 { Flush::AtOnce } else { Flush::BeforeRead };
        let io = Box::new(Io::new(accepted.stream, Side::Client, flush, Some(client.clone())));
        if accepted.http2 {
            self.http2(io, &client, &settings).await;
        } else {
            self.http1(io, &client, &settings).await;
        }
    }

    /// Where the connection comes from and where it meant to go; `None` ends it.
    async fn addresses(
        &self,
        socket: &mut Socket,
        peer: SocketAddr,
        settings: &Settings,
    ) -> Option<(SocketAddr, SocketAddr)> {
        let own = (peer, socket.local_address());
        if !settings.accept_proxy.as_ref().is_some_and(|from| from.contains(peer.ip())) {
            return Some(own);
        }
        let why = match pingora_timeout::timeout(settings.request_head, proxy_header::read(socket)).await {
            Ok(Ok(told)) => return Some(told.unwrap_or(own)),
            // Whoever only looks whether somebody listens is nobody's concern.
            Ok(Err(NoHeader::Silent)) => return None,
            Ok(Err(e)) => e.to_string(),
            Err(_) => "it did not come in time".to_owned(),
        };
        self.door.turn_away(peer, "bad_proxy_header", &why);
        None
    }

    async fn http1<S>(&self, mut io: Box<Io<S>>, client: &Arc<Client>, settings: &Settings)
    where
        S: Wire + Send + Sync + std::fmt::Debug + 'static,
    {
        let mut first = true;
        loop {
            let (head, took) = self.next_head(&mut io, settings, first).await;
            let refusal = match head {
                Head::Request(head, framing) => {
                    io.watch(Watch::Request(RequestBody::new(framing)));
                    let mut session = ServerSession::new_http1(io);
                    session.set_keepalive(Some(settings.keep_alive.as_secs().max(1)));
                    session.set_pipelined_prefix(head);
                    let Some(reused) = self.app.process_new_http(session, &self.stop).await else { return };
                    let (stream, _) = reused.consume();
                    match stream.into_any().downcast::<Io<S>>() {
                        // What is left of a request that was not read to its end is never read as another.
                        Ok(back) if back.is_between_messages() => io = back,
                        _ => return,
                    }
                    io.watch(Watch::Off);
                    first = false;
                    continue;
                }
                Head::Idle => return,
                Head::Fault(_, head) if proxy_protocol::looks_like(&head) => {
                    (Refusal::Malformed(HeadFault::UnexpectedProxyHeader), head)
                }
                Head::Fault(fault, head) => (Refusal::Malformed(fault), head),
                Head::TooSlow(head) => (Refusal::TooSlow, head),
                Head::Cut(head) => (Refusal::Cut, head),
            };
            return self.refuse(*io, client, refusal, took).await;
        }
    }

    /// The next head, and how long it took from its first byte.
    async fn next_head<S>(&self, io: &mut Io<S>, settings: &Settings, first: bool) -> (Head, Duration)
    where
        S: Wire,
    {
        let begun = tokio::select! {
            biased; // what is already here is served, whatever was ordered meanwhile
            begun = pingora_timeout::timeout(settings.keep_alive, head::first_bytes(io)) => begun,
            () = stopping(self.stop.clone(), first) => return (Head::Idle, Duration::ZERO),
        };
        let Ok(Ok(Some(bytes))) = begun else { return (Head::Idle, Duration::ZERO) };
        let begun = clock::instant();
        let head = head::rest(io, bytes, settings.request_head, &settings.limits).await;
        (head, begun.elapsed())
    }

    async fn refuse<S>(
        &self,
        mut io: Io<S>,
        client: &Arc<Client>,
        refusal: (Refusal, BytesMut),
        took: Duration,
    ) where
        S: Wire,
    {
        let (refusal, head) = refusal;
        let answer = self.door.refuse(refusal, client, took, &head);
        if answer.is_empty() || io.write_all(&answer).await.is_err() {
            return;
        }
        let _ = pingora_timeout::timeout(LINGER_TIME, linger(io)).await;
    }
}

/// Closes our side and reads on for a while: closing with unread bytes would reset the connection, and the client
/// would lose the answer.
async fn linger<S: Wire>(mut io: Io<S>) {
    if io.shutdown().await.is_err() {
        return;
    }
    let mut space = [0u8; 4096];
    let mut read = 0;
    while read < LINGER_BYTES {
        match io.read(&mut space).await {
            Ok(n) if n > 0 => read += n,
            _ => return,
        }
    }
}

/// Resolves when a stop is ordered; for a connection that had no request yet a little later.
async fn stopping(mut stop: ShutdownWatch, first: bool) {
    let _ = stop.wait_for(|stop| *stop).await;
    if first {
        pingora_timeout::sleep(LAST_CHANCE).await;
    }
}
