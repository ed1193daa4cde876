//! A request's place on a server.

use std::num::NonZeroU32;
use std::sync::Arc;

use super::breaker::{self, Round};
use super::condition::Place;
use super::server::Server;
use super::slow_start;
use crate::base::clock::Tick;

/// A request's place on a server; it is free again when this is dropped, and one who waits is woken. So is the place of a
/// trial that told nothing.
#[derive(Debug)]
pub struct Slot {
    server: Arc<Server>,
    index: usize,
    /// Its server's breaker is half open, and this is one of its trials.
    trial: Option<Round>,
    told: bool,
    /// Its server is out, and it looks whether it answers again.
    knocks: bool,
}

/// What bounds the requests on a server.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bounds<'a> {
    pub max: Option<NonZeroU32>,
    /// Of the slow start.
    pub step: u32,
    pub breaker: Option<&'a breaker::Rules>,
}

impl Slot {
    /// Takes a place, unless all are taken; exact whatever the number of threads.
    pub(super) fn reserve(server: &Arc<Server>, index: usize, bounds: Bounds<'_>, now: Tick) -> Option<Slot> {
        let max = bounds.max.map_or(u32::MAX, |max| slow_start::limit(max, bounds.step));
        let trial = server.reserve(max, bounds.breaker, now)?;
        Some(Slot { server: Arc::clone(server), index, trial, told: false, knocks: false })
    }

    /// Takes the place of the one request that looks whether a server answers again.
    pub(super) fn knock(
        server: &Arc<Server>,
        index: usize,
        place: &Place,
        max: Option<NonZeroU32>,
        now: Tick,
    ) -> Option<Slot> {
        let max = max.map_or(u32::MAX, NonZeroU32::get);
        server.knock(place, max, now).then(|| Slot {
            server: Arc::clone(server),
            index,
            trial: None,
            told: false,
            knocks: true,
        })
    }

    /// Whether it looks if its server answers again.
    pub(super) fn knocks(&self) -> bool {
        self.knocks
    }

    pub fn server(&self) -> &Arc<Server> {
        &self.server
    }

    /// The server's position in the pool, for [`super::retry::Tried`].
    pub fn index(&self) -> usize {
        self.index
    }

    /// Whether it is to find out if its server is well again.
    pub fn is_trial(&self) -> bool {
        self.trial.is_some()
    }

    /// The one time that something is told of it; `None` from then on.
    pub(super) fn begin_telling(&mut self) -> Option<Option<Round>> {
        (!std::mem::replace(&mut self.told, true)).then(|| self.trial.take())
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.server.release(self.trial.take());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pool::slow_start::STEPS;

    #[test]
    fn the_limit_is_exact_under_concurrency() {
        let server = Arc::new(Server::new("a", Arc::default()));
        let bounds = Bounds { max: NonZeroU32::new(3), step: STEPS, breaker: None };
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..5000 {
                        let slot = Slot::reserve(&server, 0, bounds, Tick(0));
                        assert!(server.in_flight() <= 3);
                        drop(slot);
                    }
                });
            }
        });
        assert_eq!(server.in_flight(), 0);
    }
}
