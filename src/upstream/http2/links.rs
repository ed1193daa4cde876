//! The HTTP/2 connections of one worker thread, and the handshakes under way that several requests wait for together.

use std::sync::Arc;
use std::time::Duration;

use ahash::AHashMap;
use parking_lot::Mutex;
use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio::time::{Instant, timeout_at};

use super::link::{Link, Place, STREAMS};
use crate::base::clock::Tick;
use crate::runtime::target::Target;
use crate::upstream::connect::{ConnectError, Made, make};
use crate::upstream::stream::Line;

/// A request that may not be sent twice goes on a connection only that was heard of so lately.
const LIVELY: Duration = Duration::from_secs(5);
/// Rounds of [`Links::purge`] after which it is forgotten what a target speaks.
const FORGET: u32 = 1000;

/// By [`Target::pool`].
#[derive(Default)]
pub struct Links {
    all: Arc<Mutex<AHashMap<u64, OfTarget>>>,
}

#[derive(Default)]
struct OfTarget {
    open: Vec<Link>,
    dials: Vec<Dial>,
    /// Handshakes begun.
    begun: u64,
    /// How many streams its last connection carries; `None`: it chose HTTP/1.1, or nothing is known.
    most: Option<usize>,
    /// It chose HTTP/1.1 last time: nobody waits for another's handshake.
    only_http1: bool,
    /// Rounds of purging without a use.
    unused: u32,
}

/// A handshake under way.
struct Dial {
    id: u64,
    waiting: usize,
    outcome: watch::Receiver<Option<Outcome>>,
}

#[derive(Clone)]
enum Outcome {
    Http2,
    /// The connection, for the first of those who wait.
    Http1(Arc<Mutex<Option<Line>>>),
    Failed(Arc<ConnectError>),
}

/// How a request got its connection.
pub enum Joined {
    Http1(Line),
    /// `reused`: it was there before.
    Http2 {
        place: Place,
        reused: bool,
    },
    /// The server does not choose HTTP/2: the caller connects for itself, within this time.
    Alone(Duration),
}

impl Links {
    /// A place on a connection that is there.
    pub fn take(&self, pool: u64) -> Option<Place> {
        self.all.lock().get_mut(&pool)?.reserve(Duration::MAX)
    }

    /// A place on a lively connection, or on a new one, which several requests share. `fresh`: on a new one.
    ///
    /// # Errors
    /// See [`ConnectError`].
    pub async fn join(
        &self,
        target: &Arc<Target>,
        timeout: Duration,
        fresh: bool,
    ) -> Result<Joined, ConnectError> {
        let deadline = Instant::now() + timeout;
        let pool = target.pool();
        let mut waited = false;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let mut outcome = {
                let mut all = self.all.lock();
                let of = all.entry(pool).or_default();
                let place = match waited {
                    // The last one is the one that was waited for.
                    true => of.reserve_newest(),
                    false if fresh => None,
                    false => of.reserve(LIVELY),
                };
                if let Some(place) = place {
                    return Ok(Joined::Http2 { place, reused: !waited });
                }
                if left.is_zero() {
                    return Err(ConnectError::Timeout(timeout));
                }
                if of.only_http1 {
                    return Ok(Joined::Alone(left));
                }
                of.wait().unwrap_or_else(|| self.dial(of, target, pool, left))
            };
            waited = true;
            let outcome = match timeout_at(deadline, outcome.wait_for(Option::is_some)).await {
                Ok(Ok(outcome)) => outcome.clone(),
                Ok(Err(_)) => None,
                Err(_) => return Err(ConnectError::Timeout(timeout)),
            };
            match outcome {
                Some(Outcome::Http2) | None => {}
                Some(Outcome::Http1(line)) => {
                    if let Some(line) = line.lock().take() {
                        return Ok(Joined::Http1(line));
                    }
                }
                // It was begun by one who had less time, and says nothing to those who have more.
                Some(Outcome::Failed(e)) if matches!(*e, ConnectError::Timeout(_)) => {}
                Some(Outcome::Failed(e)) => return Err(e.again()),
            }
        }
    }

    /// Begins a handshake as a task of its own: who asked first may leave, the others still wait for it.
    fn dial(
        &self,
        of: &mut OfTarget,
        target: &Arc<Target>,
        pool: u64,
        timeout: Duration,
    ) -> watch::Receiver<Option<Outcome>> {
        of.begun += 1;
        let id = of.begun;
        let (told, outcome) = watch::channel(None);
        of.dials.push(Dial { id, waiting: 1, outcome: outcome.clone() });
        let (all, target) = (self.all.clone(), target.clone());
        Handle::current().spawn(async move {
            let made = make(&target, None, timeout).await;
            let outcome = {
                let mut all = all.lock();
                let of = all.entry(pool).or_default();
                of.dials.retain(|dial| dial.id != id);
                match made {
                    Ok(Made::Http2(link)) => {
                        of.add(link);
                        Outcome::Http2
                    }
                    Ok(Made::Http1(line)) => {
                        of.only_http1 = true;
                        Outcome::Http1(Arc::new(Mutex::new(Some(line))))
                    }
                    Err(e) => Outcome::Failed(Arc::new(e)),
                }
            };
            let _ = told.send(Some(outcome));
        });
        outcome
    }

    /// Keeps a connection that one request has opened for itself, and gives it a place there.
    pub fn add(&self, pool: u64, link: Link) -> Option<Place> {
        let place = link.reserve();
        self.all.lock().entry(pool).or_default().add(link);
        place
    }

    /// Lets go of what was idle for too long, or takes no more streams.
    pub fn purge(&self, now: Tick) {
        let mut gone = Vec::new();
        self.all.lock().retain(|_, of| {
            gone.extend(of.open.extract_if(.., |link| link.is_over() || link.is_idle(now)));
            of.unused = if of.open.is_empty() && of.dials.is_empty() { of.unused + 1 } else { 0 };
            of.unused < FORGET
        });
    }
}

impl OfTarget {
    /// A place on the first connection that has one and was heard of within `lately`.
    fn reserve(&mut self, lately: Duration) -> Option<Place> {
        self.forget_closed();
        self.open.iter().filter(|link| link.was_heard_within(lately)).find_map(Link::reserve)
    }

    /// A place on the last connection that has one.
    fn reserve_newest(&mut self) -> Option<Place> {
        self.forget_closed();
        self.open.iter().rev().find_map(Link::reserve)
    }

    fn forget_closed(&mut self) {
        self.unused = 0;
        self.open.retain_mut(|link| !link.is_over());
    }

    /// Waits for a handshake that has room for one more.
    fn wait(&mut self) -> Option<watch::Receiver<Option<Outcome>>> {
        let most = self.most.unwrap_or(STREAMS);
        let dial = self.dials.iter_mut().find(|dial| dial.waiting < most)?;
        dial.waiting += 1;
        Some(dial.outcome.clone())
    }

    fn add(&mut self, link: Link) {
        self.only_http1 = false;
        self.most = Some(link.most());
        self.open.push(link);
    }
}
