//! Who waits for a free place on a backend's servers, over threads and runtimes (plain `std::task` wakers). High
//! [`Priority`] goes before normal and normal before low, even if lower ones starve by it; within a priority clients
//! take turns, so that one with a hundred requests in line delays another's first one by no more than one service; the
//! requests of one client go in order of arrival. The queue knows no time: the caller bounds the wait and drops the
//! [`Ticket`]. A full queue is full for everyone.
//!
//! Nothing is paid while nobody waits but one atomic read per finished request. A freed place makes one waiter ready: it
//! may look at the pool. A place that its holder cannot use (it lost the race, waits for another server, gave up) goes
//! to the next one, so that no freed place is forgotten.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Waker};

use ahash::AHashMap;
use parking_lot::Mutex;

use self::line::Line;

mod line;
mod turns;

#[derive(Debug, Default)]
pub struct Queue {
    /// Everyone who waits. Raised before the last look at the servers: see [`Queue::enter`].
    waiting: AtomicUsize,
    /// Those among them that wait for the active tier, as newcomers would.
    first_attempts: AtomicUsize,
    /// The same by [`Who::wants`].
    wants: Mutex<AHashMap<u64, usize>>,
    line: Mutex<Line>,
}

/// Which class of requests is served first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Priority {
    Low,
    #[default]
    Normal,
    High,
}

/// Whose request it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Who {
    pub priority: Priority,
    /// Any two requests of one client have the same.
    pub client: u64,
    /// Which servers it may use: two requests that may use the same ones have the same. 0: any.
    pub wants: u64,
}

/// What came of trying to wait.
#[derive(Debug)]
pub enum Entered<T> {
    /// The last look found what it wanted.
    Served(T),
    Waiting(Ticket),
    Full,
}

impl Queue {
    /// How many wait now.
    pub fn len(&self) -> usize {
        self.waiting.load(Ordering::Relaxed)
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The most that ever waited at once.
    pub fn peak(&self) -> usize {
        self.line.lock().peak
    }

    /// Those who wait now are the most who did.
    pub fn forget_peak(&self) {
        self.line.lock().forget_peak();
    }

    /// Whether first attempts wait for what this one wants, or for any server: then a free place in the active tier is
    /// theirs. Those that wait for other servers keep nobody from an idle one.
    pub(super) fn has_first_attempts(&self, wants: u64) -> bool {
        if self.first_attempts.load(Ordering::Relaxed) == 0 {
            return false;
        }
        let waiting = self.wants.lock();
        waiting.contains_key(&0) || waiting.contains_key(&wants)
    }

    fn first_attempt_joins(&self, wants: u64) {
        *self.wants.lock().entry(wants).or_default() += 1;
        self.first_attempts.fetch_add(1, Ordering::Relaxed);
    }

    fn first_attempt_leaves(&self, wants: u64) {
        self.first_attempts.fetch_sub(1, Ordering::Relaxed);
        let mut waiting = self.wants.lock();
        if let Some(count) = waiting.get_mut(&wants) {
            *count -= 1;
            if *count == 0 {
                waiting.remove(&wants);
            }
        }
    }

    /// Takes a place in the line, unless `look` (told whether others wait already) finds something now, or `max` wait.
    ///
    /// No wake-up can be lost between the look and the place in the line: the count of waiters is raised before the
    /// look, and a place is freed before that count is read (both sequentially consistent), so either the look sees the
    /// place or the one who frees it sees the waiter, and then waits for the lock that is held here.
    pub(super) fn enter<T>(
        self: &Arc<Queue>,
        max: usize,
        who: Who,
        first_attempt: bool,
        look: impl FnOnce(bool) -> Option<T>,
    ) -> Entered<T> {
        let mut line = self.line.lock();
        self.waiting.fetch_add(1, Ordering::SeqCst);
        let found = look(self.has_first_attempts(who.wants));
        if found.is_some() || line.len() >= max {
            self.waiting.fetch_sub(1, Ordering::SeqCst);
            return found.map_or(Entered::Full, Entered::Served);
        }
        if first_attempt {
            self.first_attempt_joins(who.wants);
        }
        let id = line.join(who, first_attempt);
        Entered::Waiting(Ticket { queue: Arc::clone(self), id, served: false })
    }

    /// A place was freed: the first who may be told of it is.
    pub(super) fn release(&self) {
        if self.waiting.load(Ordering::SeqCst) == 0 {
            return;
        }
        let waker = self.line.lock().free_place();
        wake(waker);
    }

    /// Something about the servers changed (health, weight, limits, a reload): everyone looks again. This takes longer
    /// the more wait.
    pub fn wake_all(&self) {
        if self.waiting.load(Ordering::SeqCst) == 0 {
            return;
        }
        let wakers = self.line.lock().hint_all();
        wakers.into_iter().for_each(Waker::wake);
    }
}

fn wake(waker: Option<Waker>) {
    if let Some(waker) = waker {
        waker.wake();
    }
}

/// A place in the line. Await it (by `&mut`, to keep it), then give it to [`super::Pool::resume`]. Dropped, it leaves
/// the line and hands on the place it was told of.
#[derive(Debug)]
pub struct Ticket {
    queue: Arc<Queue>,
    id: u64,
    served: bool,
}

impl Ticket {
    /// Leaves the line with what it waited for.
    pub(super) fn served(mut self) {
        self.served = true;
    }
}

impl Future for Ticket {
    type Output = ();

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let mut line = self.queue.line.lock();
        let (poll, replaced, heir) = line.poll(self.id, context);
        drop(line);
        // Wakers run code that is not ours: never under the lock.
        drop(replaced);
        wake(heir);
        poll
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        let mut line = self.queue.line.lock();
        let Some(left) = line.leave(self.id, self.served) else { return };
        if left.first_attempt {
            self.queue.first_attempt_leaves(left.wants);
        }
        self.queue.waiting.fetch_sub(1, Ordering::SeqCst);
        drop(line);
        drop(left.waker);
        wake(left.heir);
    }
}

#[cfg(test)]
mod tests;
