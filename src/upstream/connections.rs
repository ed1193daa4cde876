//! The connections of one worker thread. None ever leaves the thread whose runtime opened it.

use std::sync::Arc;
use std::time::Duration;

use ahash::AHashMap;
use parking_lot::Mutex;

use crate::base::clock::Tick;
use crate::runtime::target::Target;
use crate::upstream::connect::{ConnectError, Want, within};
use crate::upstream::session::Session;
use crate::upstream::stream::Line;

struct Idle {
    line: Line,
    /// When it is closed.
    until: Tick,
}

/// Idle connections, by [`Target::pool`].
#[derive(Default)]
pub struct Connections {
    idle: Mutex<AHashMap<u64, Vec<Idle>>>,
}

impl Connections {
    /// The connection that was used last, if it is still open and silent.
    pub fn take(&self, target: &Arc<Target>, want: &Want<'_>, now: Tick) -> Option<Session> {
        if target.send_proxy {
            return None;
        }
        loop {
            let mut idle = self.idle.lock().get_mut(&target.pool())?.pop()?;
            if now < idle.until && idle.line.is_silent() {
                return Some(Session::http1(idle.line, target, want, true));
            }
        }
    }

    /// A new connection.
    ///
    /// # Errors
    /// See [`ConnectError`]; of several addresses, the last one's.
    pub async fn connect(
        &self,
        target: &Arc<Target>,
        want: &Want<'_>,
        timeout: Duration,
    ) -> Result<Session, ConnectError> {
        let line = within(target, want, timeout).await?;
        Ok(Session::http1(line, target, want, false))
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
    }
}
