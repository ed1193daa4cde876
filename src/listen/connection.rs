//! One client connection from its TLS handshake to its end: requests one after another on HTTP/1, Pingora's own
//! accept loop on HTTP/2.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;
use log::debug;
use pingora::apps::{HttpServerApp, ServerApp};
use pingora::protocols::http::ServerSession;
use pingora::protocols::{ALPN, Ssl};
use pingora::server::ShutdownWatch;
use rustls::ServerConfig;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::base::clock;
use crate::listen::head::{self, Head};
use crate::transport::io::{Flush, Io, Side, TcpFacts, Wire};
use crate::transport::tls;
use crate::wire::{HeadFault, HeadLimits};

/// How long a connection that is already accepted may still begin its first request once a stop was ordered.
const LAST_CHANCE: Duration = Duration::from_secs(1);
/// How much, and for how long, is read from a client that is told off, so that it can read why.
const LINGER_BYTES: usize = 256 * 1024;
const LINGER_TIME: Duration = Duration::from_secs(2);

/// Why a connection ended before there was a request.
#[derive(Clone, Copy, Debug)]
pub enum Refusal {
    Malformed(HeadFault),
    TooSlow,
    /// The client left in the middle of the head.
    Cut,
}

/// The proxy's part of a request that never came to be: it is counted and logged like any other.
pub trait Refusals: Send + Sync {
    /// Counts and logs it; gives the whole HTTP/1 answer, empty where none can be given.
    /// `took`: from the first byte of the head on.
    fn refuse(&self, refusal: Refusal, peer: SocketAddr, took: Duration, head: &[u8]) -> Vec<u8>;

    /// Counts a TLS handshake that failed or took too long.
    fn handshake_failed(&self);
}

/// What a connection needs to know, as of when it was accepted.
#[derive(Clone, Debug)]
pub struct Settings {
    pub tls: Option<Arc<ServerConfig>>,
    pub request_head: Duration,
    pub keep_alive: Duration,
    pub limits: HeadLimits,
}

/// Who serves the requests of a connection.
pub struct Service<A> {
    pub app: Arc<A>,
    pub refusals: Arc<dyn Refusals>,
    pub stop: ShutdownWatch,
}

impl<A: HttpServerApp + Send + Sync + 'static> Service<A> {
    pub async fn serve(&self, tcp: TcpStream, peer: SocketAddr, settings: Settings) {
        let _ = tcp.set_nodelay(true);
        let facts = TcpFacts::of(&tcp, peer);
        let Some(config) = settings.tls.clone() else {
            let io = Box::new(Io::new(tcp, Side::Client, Flush::BeforeRead, facts, None));
            return self.http1(io, peer, &settings).await;
        };
        let io = match pingora_timeout::timeout(settings.request_head, tls::accept(config, tcp, facts)).await
        {
            Ok(Ok(io)) => Box::new(io),
            Ok(Err(e)) => return self.no_handshake(peer, &e.to_string()),
            Err(_) => return self.no_handshake(peer, "it took too long"),
        };
        if io.selected_alpn_proto() == Some(ALPN::H2) {
            self.http2(io, &settings).await;
        } else {
            self.http1(io, peer, &settings).await;
        }
    }

    /// Pingora waits for the client's preface without a limit: it gets the connection once the client has spoken.
    async fn http2<S>(&self, mut io: Box<Io<S>>, settings: &Settings)
    where
        S: Wire + Send + Sync + std::fmt::Debug + 'static,
    {
        let first = pingora_timeout::timeout(settings.request_head, head::first_bytes(&mut io)).await;
        if let Ok(Ok(Some(bytes))) = first {
            io.unread(&bytes);
            ServerApp::process_new(&self.app, io, &self.stop).await;
        }
    }

    fn no_handshake(&self, peer: SocketAddr, why: &str) {
        debug!("TLS handshake with {peer} failed: {why}");
        self.refusals.handshake_failed();
    }

    async fn http1<S>(&self, mut io: Box<Io<S>>, peer: SocketAddr, settings: &Settings)
    where
        S: Wire + Send + Sync + std::fmt::Debug + 'static,
    {
        let mut first = true;
        loop {
            let (head, took) = self.next_head(&mut io, settings, first).await;
            let refusal = match head {
                Head::Request(head) => {
                    let mut session = ServerSession::new_http1(io);
                    session.set_keepalive(Some(settings.keep_alive.as_secs().max(1)));
                    session.set_pipelined_prefix(head);
                    let Some(reused) = self.app.process_new_http(session, &self.stop).await else { return };
                    let (stream, _) = reused.consume();
                    match stream.into_any().downcast::<Io<S>>() {
                        Ok(back) => io = back,
                        Err(_) => return,
                    }
                    io.hold(false);
                    first = false;
                    continue;
                }
                Head::Idle => return,
                Head::Fault(fault, head) => (Refusal::Malformed(fault), head),
                Head::TooSlow(head) => (Refusal::TooSlow, head),
                Head::Cut(head) => (Refusal::Cut, head),
            };
            return self.refuse(*io, peer, refusal, took).await;
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

    async fn refuse<S>(&self, mut io: Io<S>, peer: SocketAddr, refusal: (Refusal, BytesMut), took: Duration)
    where
        S: Wire,
    {
        let (refusal, head) = refusal;
        let answer = self.refusals.refuse(refusal, peer, took, &head);
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
