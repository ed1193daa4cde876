//! One HTTP/2 connection: who may open how many streams on it, and when it was of use last.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bytes::Bytes;
use h2::client::{Builder, SendRequest};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::runtime::Handle;
use tokio::sync::Notify;
use tokio::time::Instant;

use super::drive::drive;
use super::heard::Heard;
use crate::base::clock::Tick;
use crate::upstream::connect::ConnectError;
use crate::wire::LARGEST_H2_ANSWER;

/// Streams that we open on one connection, whatever more its server would take.
pub const STREAMS: usize = 128;
/// What a server may send on a stream before its client has taken it.
const STREAM_WINDOW: u32 = 256 * 1024;
/// The same for a connection: enough for all of its streams, so that clients that do not read hold up nobody else.
const CONNECTION_WINDOW: u32 = 128 * STREAM_WINDOW;
/// What a stream may hold that the connection has not written yet.
const SEND_BUFFER: usize = 64 * 1024;
/// What frames that were not read yet may cost beside their payload: events of a few bytes are usual here.
const FRAME_OVERHEAD: usize = 64 * 1024 * 1024;
/// Streams that we broke off and whose late frames are expected, and how long.
const RESET_STREAMS: usize = 1024;
const RESET_MEMORY: Duration = Duration::from_secs(30);

/// A connection with a server. When it is dropped, its streams go on and it closes behind the last one.
pub struct Link {
    request: SendRequest<Bytes>,
    state: Arc<State>,
    idle_timeout: Duration,
}

/// What the connection, its driver and its streams know of each other.
#[derive(Debug)]
pub struct State {
    born: Instant,
    /// Places taken.
    active: AtomicUsize,
    /// How many streams the server takes; 0 until it has said so.
    most: AtomicUsize,
    /// When something was read last, in ms since `born`.
    heard: AtomicU64,
    /// When the last place became free, a [`Tick`]; 0: not known.
    used: AtomicU64,
    over: AtomicBool,
    /// No stream will be opened any more.
    left: AtomicBool,
    /// `most` or `over` changed.
    changed: Notify,
}

/// The right to one stream; given back when dropped.
pub struct Place {
    pub request: SendRequest<Bytes>,
    pub seat: Seat,
}

/// See [`Place`].
#[derive(Debug)]
pub struct Seat(Arc<State>);

impl Link {
    /// Begins HTTP/2 on a stream, and waits for the server's SETTINGS: before, nobody knows how many streams it takes.
    ///
    /// # Errors
    /// The server closes, or does not speak HTTP/2.
    pub async fn begin<S>(stream: S, idle_timeout: Duration) -> Result<Link, ConnectError>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let state = Arc::new(State {
            born: Instant::now(),
            active: AtomicUsize::new(0),
            most: AtomicUsize::new(0),
            heard: AtomicU64::new(0),
            used: AtomicU64::new(0),
            over: AtomicBool::new(false),
            left: AtomicBool::new(false),
            changed: Notify::new(),
        });
        let stream = Heard { stream, state: state.clone() };
        let begun = Builder::new()
            .initial_window_size(STREAM_WINDOW)
            .initial_connection_window_size(CONNECTION_WINDOW)
            .max_header_list_size(u32::try_from(LARGEST_H2_ANSWER).unwrap_or(u32::MAX))
            .max_send_buffer_size(SEND_BUFFER)
            .data_frame_budget(FRAME_OVERHEAD)
            .max_concurrent_reset_streams(RESET_STREAMS)
            .reset_stream_duration(RESET_MEMORY)
            .max_local_error_reset_streams(None)
            .initial_max_send_streams(0)
            .enable_push(false)
            .handshake::<_, Bytes>(stream)
            .await;
        let (request, connection) = begun.map_err(|e| ConnectError::Http2(e.to_string()))?;
        Handle::current().spawn(drive(connection, state.clone()));
        let link = Link { request, state, idle_timeout };
        if link.state.begun().await {
            Ok(link)
        } else {
            Err(ConnectError::Http2("the server closed the connection at once".to_owned()))
        }
    }

    /// A place for one more stream, if there is one.
    pub fn reserve(&self) -> Option<Place> {
        let more = |active: usize| (active < self.most()).then_some(active + 1);
        self.state.active.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more).ok()?;
        self.state.used.store(0, Ordering::Relaxed);
        Some(Place { request: self.request.clone(), seat: Seat(self.state.clone()) })
    }

    /// How many streams it carries at most.
    pub fn most(&self) -> usize {
        self.state.most.load(Ordering::Relaxed).min(STREAMS)
    }

    /// Whether something was read from it within `time`.
    pub fn was_heard_within(&self, time: Duration) -> bool {
        self.state.silence() < time
    }

    /// Whether it takes no new streams: it is closed, or the server says goodbye (RFC 9113 6.8).
    pub fn is_over(&mut self) -> bool {
        let mut cx = Context::from_waker(Waker::noop());
        self.state.over.load(Ordering::Relaxed)
            || matches!(self.request.poll_ready(&mut cx), Poll::Ready(Err(_)))
    }

    /// Whether it was idle for as long as it may be. Asked now and then.
    pub fn is_idle(&self, now: Tick) -> bool {
        let State { active, used, .. } = &*self.state;
        if active.load(Ordering::Relaxed) > 0 {
            used.store(0, Ordering::Relaxed);
            return false;
        }
        match used.load(Ordering::Relaxed) {
            0 => {
                used.store(now.0, Ordering::Relaxed);
                false
            }
            since => now.since(Tick(since)) >= self.idle_timeout,
        }
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        self.state.left.store(true, Ordering::Relaxed);
    }
}

impl Seat {
    /// Its exchange is over.
    pub fn used(&self, now: Tick) {
        self.0.used.store(now.0, Ordering::Relaxed);
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.0.active.fetch_sub(1, Ordering::Relaxed);
    }
}

impl State {
    /// Something was read.
    pub fn heard(&self) {
        self.heard.store(self.elapsed(), Ordering::Relaxed);
    }

    /// How long nothing was read.
    pub fn silence(&self) -> Duration {
        Duration::from_millis(self.elapsed().saturating_sub(self.heard.load(Ordering::Relaxed)))
    }

    pub fn is_active(&self) -> bool {
        self.active.load(Ordering::Relaxed) > 0
    }

    /// Whether the connection only waits to be closed.
    pub fn is_left(&self) -> bool {
        self.left.load(Ordering::Relaxed) && !self.is_active()
    }

    /// How many streams the server takes now.
    pub fn learn(&self, most: usize) {
        if self.most.swap(most, Ordering::Relaxed) != most {
            self.changed.notify_waiters();
        }
    }

    /// The connection is closed.
    pub fn end(&self) {
        self.over.store(true, Ordering::Relaxed);
        self.changed.notify_waiters();
    }

    /// Waits for the server's SETTINGS; false: it closed instead.
    async fn begun(&self) -> bool {
        loop {
            let changed = self.changed.notified();
            if self.over.load(Ordering::Relaxed) {
                return false;
            }
            if self.most.load(Ordering::Relaxed) > 0 {
                return true;
            }
            changed.await;
        }
    }

    fn elapsed(&self) -> u64 {
        u64::try_from(self.born.elapsed().as_millis()).unwrap_or(u64::MAX)
    }
}
