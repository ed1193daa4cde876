//! The idle connections of one worker thread. A connection never leaves the thread whose runtime opened it.

use std::pin::Pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use ahash::AHashMap;
use parking_lot::Mutex;
use pingora::protocols::Stream;
use tokio::io::ReadBuf;

use crate::base::clock::Tick;

/// How long an idle connection is kept: below the keep-alive of common servers (nginx 75 s, uvicorn 5 s apart), so that
/// few requests meet a connection that is just being closed.
const KEEP: Duration = Duration::from_secs(30);
/// Idle connections to one server, per thread.
const PER_TARGET: usize = 256;

struct Idle {
    stream: Stream,
    since: Tick,
}

/// Idle connections by [`crate::runtime::target::Target::pool`].
#[derive(Default)]
pub struct IdlePool {
    idle: Mutex<AHashMap<u64, Vec<Idle>>>,
}

impl IdlePool {
    /// The connection that was used last, if it is still open and silent.
    pub fn take(&self, target: u64, now: Tick) -> Option<Stream> {
        loop {
            let mut idle = self.idle.lock().get_mut(&target)?.pop()?;
            if now.since(idle.since) < KEEP && silent(&mut idle.stream) {
                return Some(idle.stream);
            }
        }
    }

    /// Whether there is one already.
    pub fn has(&self, target: u64) -> bool {
        self.idle.lock().get(&target).is_some_and(|pool| !pool.is_empty())
    }

    pub fn put(&self, target: u64, stream: Stream, now: Tick) {
        let mut pools = self.idle.lock();
        let pool = pools.entry(target).or_default();
        if pool.len() < PER_TARGET {
            pool.push(Idle { stream, since: now });
        }
    }

    /// Closes what was idle for too long, and forgets targets without connections.
    pub fn purge(&self, now: Tick) {
        let mut dropped = Vec::new();
        let mut pools = self.idle.lock();
        pools.retain(|_, pool| {
            let old = pool.iter().take_while(|idle| now.since(idle.since) >= KEEP).count();
            dropped.extend(pool.drain(..old));
            !pool.is_empty()
        });
        drop(pools);
    }
}

/// A server that says something, or closes, while nothing was asked has no usable connection. One poll; it costs a
/// system call only when the socket is readable.
fn silent(stream: &mut Stream) -> bool {
    let mut space = [0u8; 1];
    let mut buffer = ReadBuf::new(&mut space);
    let mut cx = Context::from_waker(Waker::noop());
    matches!(Pin::new(&mut **stream).poll_read(&mut cx, &mut buffer), Poll::Pending)
}
