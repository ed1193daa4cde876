//! One HTTP/2 connection: its streams become requests, and a client that sends more than any lawful one does is told
//! so (GOAWAY, ENHANCE_YOUR_CALM) and cut. Pingora's own loop would keep its count of malformed streams to itself, and
//! knows nothing of floods.

use std::future::poll_fn;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use bytes::Bytes;
use h2::Reason;
use log::debug;
use pingora::apps::HttpServerApp;
use pingora::protocols::http::ServerSession;
use pingora::protocols::http::v2::server::{H2Accept, H2Options, HttpSession, default_h2_options, handshake};
use pingora::protocols::{Digest, GetProxyDigest, Stream};
use pingora::server::ShutdownWatch;

use crate::listen::accept::spawn;
use crate::listen::connection::{Refusal, Service, Settings};
use crate::transport::client::Client;
use crate::transport::io::{Conduct, Io, Watch, Wire};
use crate::transport::socket::LAST_ACKNOWLEDGEMENTS;
use crate::wire::Flood;

/// Bytes that a client may send ahead on one stream. HTTP/2's own 64 KB make uploads crawl over distance.
const STREAM_WINDOW: u32 = 512 * 1024;
/// The same for the whole connection.
const CONNECTION_WINDOW: u32 = 4 * STREAM_WINDOW;
/// Requests that HTTP/2 itself finds malformed, on one connection.
const MALFORMED: usize = 32;
/// Streams that are reset for what the client did wrong on them, before the connection is given up.
const STREAM_ERRORS: usize = 128;
/// How long a client may take to hear that its connection ends.
const FAREWELL: Duration = Duration::from_secs(1);

type Connection = h2::server::Connection<Stream, Bytes>;

impl<A: HttpServerApp + Send + Sync + 'static> Service<A> {
    pub(super) async fn http2<S>(&self, mut io: Box<Io<S>>, client: &Arc<Client>, settings: &Settings)
    where
        S: Wire + Send + Sync + std::fmt::Debug + 'static,
    {
        let conduct = Arc::new(Conduct::default());
        io.watch(Watch::frames(self.clock.clone(), conduct.clone()));
        let digest = Digest { proxy_digest: io.get_proxy_digest(), ..Digest::default() };
        let begun = pingora_timeout::timeout(settings.request_head, handshake(io, Some(options()))).await;
        match begun {
            Ok(Ok(connection)) => {
                let all = Loop { service: self, client, digest: Arc::new(digest), conduct: conduct.clone() };
                all.run(connection, settings).await;
            }
            Ok(Err(e)) => debug!("no HTTP/2 from {}: {e}", client.peer),
            Err(_) => debug!("no HTTP/2 from {}: it took too long", client.peer),
        }
        self.note(&conduct, client);
    }

    /// Counts what the library has refused: it tells nobody else.
    fn note(&self, conduct: &Conduct, client: &Client) {
        let (streams, connections) = conduct.take_refused();
        (0..streams).for_each(|_| self.end(client, "h2_stream_error"));
        (0..connections).for_each(|_| self.end(client, "h2_connection_error"));
        if conduct.take_calmed() {
            self.end(client, "h2_other_flood");
        }
    }

    /// A stream or the connection is ended for what its client did: it has its line in the log, and counts in the entries
    /// that the connection tracks.
    fn end(&self, client: &Client, reason: &'static str) {
        self.door.ended(client.peer, reason);
        let now = self.clock.now();
        client.tracked.iter().for_each(|tracked| tracked.error(now));
    }
}

fn options() -> H2Options {
    let mut options = default_h2_options();
    options.initial_window_size(STREAM_WINDOW).initial_connection_window_size(CONNECTION_WINDOW);
    options.max_local_error_reset_streams(Some(STREAM_ERRORS));
    // Resets are counted by the guard, which says what they are; the library's own limit is behind it.
    options.max_pending_accept_reset_streams(2 * usize::from(Flood::RapidReset.budget()));
    options
}

struct Loop<'a, A> {
    service: &'a Service<A>,
    client: &'a Arc<Client>,
    digest: Arc<Digest>,
    conduct: Arc<Conduct>,
}

impl<A: HttpServerApp + Send + Sync + 'static> Loop<'_, A> {
    async fn run(&self, mut connection: Connection, settings: &Settings) {
        let (mut stop, mut drain) = (self.service.stop.clone(), self.service.drain.clone());
        let (mut leaving, mut served, mut malformed) = (false, false, 0);
        loop {
            let patience = if leaving { FAREWELL } else { settings.keep_alive };
            let event = tokio::select! {
                biased;
                () = ordered(&mut stop), if !leaving => Event::Leave,
                // Not before its first request: whoever was sent away with none would only come again.
                () = ordered(&mut drain), if served && !leaving => Event::Leave,
                next = HttpSession::from_h2_conn(&mut connection, self.digest.clone()) => Event::Next(next),
                // Frames are read just above, nowhere else: nobody need be woken for a flood.
                kind = poll_fn(|_| self.conduct.flood().map_or(Poll::Pending, Poll::Ready)) => Event::Flood(kind),
                event = self.quiet(patience) => event,
            };
            self.service.note(&self.conduct, self.client);
            match event {
                Event::Next(Ok(Some(H2Accept::Session(session)))) => {
                    served = true;
                    self.serve(session);
                }
                Event::Next(Ok(Some(H2Accept::Rejected))) => {
                    malformed += 1;
                    self.service.door.refuse(Refusal::Http2, self.client, Duration::ZERO, b"");
                    if malformed >= MALFORMED {
                        self.service.end(self.client, "h2_malformed_flood");
                        return self.calm(connection).await;
                    }
                }
                Event::Next(Ok(None)) => return,
                Event::Next(Err(e)) => {
                    return debug!("HTTP/2 connection of {} failed: {e}", self.client.peer);
                }
                Event::Flood(kind) => {
                    self.service.end(self.client, kind.reason());
                    return self.calm(connection).await;
                }
                Event::Forgotten => return pingora_timeout::sleep(LAST_ACKNOWLEDGEMENTS).await,
                Event::Idle if leaving => return,
                Event::Idle | Event::Leave => {
                    connection.graceful_shutdown();
                    leaving = true;
                }
            }
        }
    }

    /// Says why the connection ends, and gives the client a moment to hear it.
    async fn calm(&self, mut connection: Connection) {
        self.conduct.is_told();
        connection.abrupt_shutdown(Reason::ENHANCE_YOUR_CALM);
        let closed = poll_fn(|cx| connection.poll_closed(cx));
        let _ = pingora_timeout::timeout(FAREWELL, closed).await;
    }

    /// Resolves when there has been no request for so long.
    async fn quiet(&self, time: Duration) -> Event {
        self.client.quiet().await;
        if self.client.is_forgotten() {
            return Event::Forgotten;
        }
        pingora_timeout::sleep(time).await;
        Event::Idle
    }

    fn serve(&self, session: HttpSession) {
        let (app, stop, active) = (self.service.app.clone(), self.service.stop.clone(), self.client.begin());
        spawn(async move {
            app.process_new_http(ServerSession::new_http2(session), &stop).await;
            drop(active);
        });
    }
}

/// What may happen on a connection.
#[expect(
    clippy::large_enum_variant,
    reason = "one at a time, on the stack; a box would be an allocation per request"
)]
enum Event {
    Next(pingora::Result<Option<H2Accept>>),
    Flood(Flood),
    Idle,
    Forgotten,
    Leave,
}

/// Resolves when it is ordered.
async fn ordered(stop: &mut ShutdownWatch) {
    let _ = stop.wait_for(|stop| *stop).await;
}
