//! The connections of one worker thread. None ever leaves the thread whose runtime opened it.

use std::sync::Arc;
use std::time::Duration;

use ahash::AHashMap;
use parking_lot::Mutex;

use crate::base::clock::Tick;
use crate::runtime::target::Target;
use crate::upstream::connect::{ConnectError, Made, Want, make};
use crate::upstream::http2::{Joined, Links};
use crate::upstream::session::Session;
use crate::upstream::stream::Line;

struct Idle {
    line: Line,
    /// When it is closed.
    until: Tick,
}

/// Idle HTTP/1.1 connections by [`Target::pool`], and HTTP/2 connections.
#[derive(Default)]
pub struct Connections {
    idle: Mutex<AHashMap<u64, Vec<Idle>>>,
    links: Links,
}

impl Connections {
    /// A stream on an HTTP/2 connection with room, or the HTTP/1.1 connection that was used last, if it is still open
    /// and silent.
    pub fn take(&self, target: &Arc<Target>, want: &Want<'_>, now: Tick) -> Option<Session> {
        if target.send_proxy {
            return None;
        }
        let pool = target.pool();
        if target.offers_http2()
            && !want.upgrade
            && let Some(place) = self.links.take(pool)
        {
            return Some(Session::http2(place, target, want, true));
        }
        loop {
            let mut idle = self.idle.lock().get_mut(&pool)?.pop()?;
            if now < idle.until && idle.line.is_silent() {
                return Some(Session::http1(idle.line, pool, target, want, true));
            }
        }
    }

    /// A new connection, which several requests share if it is HTTP/2, or a stream on a lively HTTP/2 connection: that one
    /// tells which requests it has not touched.
    ///
    /// # Errors
    /// See [`ConnectError`]; of several addresses, the last one's.
    pub async fn connect(
        &self,
        target: &Arc<Target>,
        want: &Want<'_>,
        timeout: Duration,
    ) -> Result<Session, ConnectError> {
        let pool = target.pool();
        let left = if target.offers_http2() && !want.upgrade {
            match self.links.join(target, timeout, want.fresh).await? {
                Joined::Http1(line) => return Ok(Session::http1(line, pool, target, want, false)),
                Joined::Http2 { place, reused } => return Ok(Session::http2(place, target, want, reused)),
                Joined::Alone(left) => left,
            }
        } else {
            timeout
        };
        match make(target, Some(want), left).await? {
            Made::Http1(line) => Ok(Session::http1(line, pool, target, want, false)),
            Made::Http2(link) => match self.links.add(pool, link) {
                Some(place) => Ok(Session::http2(place, target, want, false)),
                None => Err(ConnectError::Http2("the server takes no streams".to_owned())),
            },
        }
    }

    /// Whether an HTTP/1.1 connection is idle.
    pub fn has_idle(&self, target: &Target) -> bool {
        self.idle.lock().get(&target.pool()).is_some_and(|idle| !idle.is_empty())
    }

    /// Keeps a connection of `target`, and of its addresses of then, for the next request.
    pub(super) fn put(&self, pool: u64, target: &Target, line: Line, until: Tick) {
        let mut all = self.idle.lock();
        let idle = all.entry(pool).or_default();
        if idle.len() < target.max_idle {
            idle.push(Idle { line, until });
        }
    }

    /// Closes what was idle for too long, and forgets targets without connections.
    pub fn purge(&self, now: Tick) {
        let mut old = Vec::new();
        let mut all = self.idle.lock();
        all.retain(|_, idle| {
            old.extend(idle.extract_if(.., |one| one.until <= now));
            !idle.is_empty()
        });
        drop(all);
        self.links.purge(now);
    }
}
