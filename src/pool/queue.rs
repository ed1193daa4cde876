//! Who waits for a free place on a backend's servers: first come, first served, over threads and runtimes (plain
//! `std::task` wakers). Nothing is paid while nobody waits but one atomic read per finished request. The queue knows no
//! time: the caller bounds the wait and drops the [`Ticket`].
//!
//! A freed place makes one waiter ready: it is granted a look at the pool. A grant that its holder cannot use (it lost
//! the race, waits for another server, gave up) goes to the next one, so that no freed place is forgotten.

use std::collections::VecDeque;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Waker};

use parking_lot::Mutex;

#[derive(Debug, Default)]
pub struct Queue {
    /// Everyone who waits. Raised before the last look at the servers: see [`Queue::enter`].
    waiting: AtomicUsize,
    /// Those among them that wait for the active tier, as newcomers would.
    first_attempts: AtomicUsize,
    line: Mutex<Line>,
}

#[derive(Debug, Default)]
struct Line {
    waiters: VecDeque<Waiter>,
    next_id: u64,
    peak: usize,
    /// Freed places that nobody could be told of, because everyone had a grant already: for those who come next.
    unclaimed: usize,
    /// The servers' state changed: everyone who comes should look, until the line is empty once.
    reopened: bool,
}

#[derive(Debug)]
struct Waiter {
    id: u64,
    grant: Grant,
    first_attempt: bool,
    waker: Option<Waker>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Grant {
    None,
    /// Look again; nobody loses when you do not use it.
    Hint,
    /// A place was freed: use it or hand it on.
    Place,
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

    /// Whether first attempts wait: then a free place in the active tier is theirs.
    pub(super) fn has_first_attempts(&self) -> bool {
        self.first_attempts.load(Ordering::Relaxed) > 0
    }

    /// Takes a place at the end of the line, unless `look` (told whether others wait before it) finds something now.
    ///
    /// No wake-up can be lost between the look and the place in the line: the count of waiters is raised before the
    /// look, and a place is freed before that count is read (both sequentially consistent), so either the look sees the
    /// place or the one who frees it sees the waiter, and then waits for the lock that is held here.
    pub(super) fn enter<T>(
        self: &Arc<Queue>,
        max: usize,
        _who: Who,
        first_attempt: bool,
        look: impl FnOnce(bool) -> Option<T>,
    ) -> Entered<T> {
        let mut line = self.line.lock();
        self.waiting.fetch_add(1, Ordering::SeqCst);
        let found = look(self.has_first_attempts());
        if found.is_some() || line.waiters.len() >= max {
            self.waiting.fetch_sub(1, Ordering::SeqCst);
            return found.map_or(Entered::Full, Entered::Served);
        }
        if first_attempt {
            self.first_attempts.fetch_add(1, Ordering::Relaxed);
        }
        let grant = line.grant_for_newcomer();
        let id = line.next_id;
        line.next_id += 1;
        line.waiters.push_back(Waiter { id, grant, first_attempt, waker: None });
        line.peak = line.peak.max(line.waiters.len());
        Entered::Waiting(Ticket { queue: Arc::clone(self), id, owes: false })
    }

    /// A place was freed: the first without a grant may look.
    pub(super) fn release(&self) {
        if self.waiting.load(Ordering::SeqCst) == 0 {
            return;
        }
        let waker = self.line.lock().give_place(0);
        wake(waker);
    }

    /// Something about the servers changed (health, weight, limits, a reload): everyone looks again.
    pub fn wake_all(&self) {
        if self.waiting.load(Ordering::SeqCst) == 0 {
            return;
        }
        let wakers: Vec<Waker> = {
            let mut line = self.line.lock();
            line.reopened = !line.waiters.is_empty();
            line.waiters.iter_mut().filter_map(Waiter::hint).collect()
        };
        wakers.into_iter().for_each(Waker::wake);
    }
}

impl Line {
    fn grant_for_newcomer(&mut self) -> Grant {
        if self.waiters.is_empty() {
            // It has just looked itself.
            return Grant::None;
        }
        if self.unclaimed > 0 {
            self.unclaimed -= 1;
            return Grant::Place;
        }
        if self.reopened { Grant::Hint } else { Grant::None }
    }

    fn position(&self, id: u64) -> Option<usize> {
        self.waiters.binary_search_by_key(&id, |waiter| waiter.id).ok()
    }

    /// Grants a freed place to the first at or after `from` who has none. Wake the result without the lock.
    fn give_place(&mut self, from: usize) -> Option<Waker> {
        if self.waiters.is_empty() {
            return None;
        }
        match self.waiters.iter_mut().skip(from).find(|waiter| waiter.grant != Grant::Place) {
            Some(waiter) => {
                waiter.grant = Grant::Place;
                waiter.waker.take()
            }
            None => {
                self.unclaimed += 1;
                None
            }
        }
    }

    fn remove(&mut self, id: u64) -> Option<Waiter> {
        let position = self.position(id)?;
        let waiter = self.waiters.remove(position);
        if self.waiters.is_empty() {
            self.unclaimed = 0;
            self.reopened = false;
        }
        waiter
    }
}

impl Waiter {
    fn hint(&mut self) -> Option<Waker> {
        if self.grant == Grant::None {
            self.grant = Grant::Hint;
        }
        self.waker.take()
    }
}

fn wake(waker: Option<Waker>) {
    if let Some(waker) = waker {
        waker.wake();
    }
}

/// A place in the line. Await it (by `&mut`, to keep it), then give it to [`super::Pool::resume`]. Dropped, it leaves
/// the line and hands on what it was granted.
#[derive(Debug)]
pub struct Ticket {
    queue: Arc<Queue>,
    id: u64,
    /// It was told of a freed place and has not used it.
    owes: bool,
}

impl Ticket {
    /// Leaves the line with what it waited for.
    pub(super) fn served(mut self) {
        self.owes = false;
    }
}

impl Future for Ticket {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let ticket = &mut *self;
        let mut line = ticket.queue.line.lock();
        let Some(position) = line.position(ticket.id) else { return Poll::Ready(()) };
        // Polled again: it could not use the place it was told of, so the next may look.
        let passed_on = if std::mem::take(&mut ticket.owes) { line.give_place(position + 1) } else { None };
        let Some(waiter) = line.waiters.get_mut(position) else { return Poll::Ready(()) };
        let grant = std::mem::replace(&mut waiter.grant, Grant::None);
        let (poll, replaced) = if grant == Grant::None {
            let fits = waiter.waker.as_ref().is_some_and(|waker| waker.will_wake(context.waker()));
            (Poll::Pending, if fits { None } else { waiter.waker.replace(context.waker().clone()) })
        } else {
            ticket.owes = grant == Grant::Place;
            (Poll::Ready(()), waiter.waker.take())
        };
        drop(line);
        // Wakers run code that is not ours: never under the lock.
        drop(replaced);
        wake(passed_on);
        poll
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        let mut line = self.queue.line.lock();
        let Some(waiter) = line.remove(self.id) else { return };
        if waiter.first_attempt {
            self.queue.first_attempts.fetch_sub(1, Ordering::Relaxed);
        }
        self.queue.waiting.fetch_sub(1, Ordering::SeqCst);
        let first = if self.owes { line.give_place(0) } else { None };
        let second = if waiter.grant == Grant::Place { line.give_place(0) } else { None };
        drop(line);
        drop(waiter);
        wake(first);
        wake(second);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicBool;
    use std::task::Wake;

    use super::*;

    #[derive(Default)]
    struct Flag(AtomicBool);

    impl Wake for Flag {
        fn wake(self: Arc<Self>) {
            self.0.store(true, Ordering::SeqCst);
        }
    }

    struct Waiting {
        ticket: Ticket,
        flag: Arc<Flag>,
    }

    impl Waiting {
        fn enter(queue: &Arc<Queue>) -> Waiting {
            match queue.enter(10, Who::default(), true, |_| None::<()>) {
                Entered::Waiting(ticket) => Waiting { ticket, flag: Arc::default() },
                other => panic!("{other:?}"),
            }
        }

        fn poll(&mut self) -> bool {
            let waker = Waker::from(Arc::clone(&self.flag));
            Pin::new(&mut self.ticket).poll(&mut Context::from_waker(&waker)).is_ready()
        }

        fn woken(&self) -> bool {
            self.flag.0.swap(false, Ordering::SeqCst)
        }
    }

    fn three(queue: &Arc<Queue>) -> [Waiting; 3] {
        let mut waiting = [(); 3].map(|()| Waiting::enter(queue));
        assert!(waiting.iter_mut().all(|w| !w.poll()));
        waiting
    }

    #[test]
    fn the_first_who_came_is_woken_first() {
        let queue = Arc::default();
        let [mut a, mut b, c] = three(&queue);
        queue.release();
        assert_eq!((a.woken(), b.woken(), c.woken()), (true, false, false));
        assert!(a.poll());
        a.ticket.served();
        queue.release();
        assert_eq!((b.woken(), c.woken()), (true, false));
        assert!(b.poll());
    }

    #[test]
    fn a_release_before_the_first_poll_is_not_lost() {
        let queue = Arc::default();
        let mut a = Waiting::enter(&queue);
        queue.release();
        assert!(a.poll());
        assert!(!a.poll());
    }

    #[test]
    fn who_loses_the_race_keeps_the_place_and_the_next_may_look() {
        let queue = Arc::default();
        let [mut a, mut b, c] = three(&queue);
        queue.release();
        assert!(a.poll());
        assert!(!a.poll(), "waits again");
        assert!(b.woken() && !c.woken());
        assert!(b.poll());
        b.ticket.served();
        queue.release();
        assert!(a.woken() && !c.woken(), "still the first");
    }

    #[test]
    fn a_dropped_ticket_hands_its_wake_up_on() {
        let queue = Arc::default();
        let [a, mut b, c] = three(&queue);
        queue.release();
        drop(a);
        assert!(b.woken() && !c.woken());
        assert!(b.poll());
        drop(b);
        assert!(c.woken(), "looked, but gave up before using it");
    }

    #[test]
    fn a_ticket_dropped_without_a_grant_wakes_nobody() {
        let queue = Arc::default();
        let [a, b, c] = three(&queue);
        drop(a);
        assert!(!b.woken() && !c.woken());
        assert_eq!(queue.len(), 2);
        drop((b, c));
        assert_eq!((queue.len(), queue.peak(), queue.has_first_attempts()), (0, 3, false));
    }

    #[test]
    fn places_freed_while_all_are_awake_go_to_those_who_come_next() {
        let queue = Arc::default();
        let mut a = Waiting::enter(&queue);
        queue.release();
        queue.release();
        let mut b = Waiting::enter(&queue);
        assert!(a.poll() && b.poll());
        let mut c = Waiting::enter(&queue);
        assert!(!c.poll());
    }

    #[test]
    fn a_change_of_state_wakes_everyone_and_those_who_come_meanwhile() {
        let queue = Arc::default();
        let mut waiting = three(&queue);
        queue.wake_all();
        assert!(waiting.iter().all(Waiting::woken));
        let mut late = Waiting::enter(&queue);
        assert!(late.poll());
        assert!(waiting.iter_mut().all(Waiting::poll));
        assert!(waiting.iter_mut().all(|w| !w.poll()));
    }

    #[test]
    fn a_full_queue_refuses_but_looks_first() {
        let queue: Arc<Queue> = Arc::default();
        let _waiting = Waiting::enter(&queue);
        assert!(matches!(queue.enter(1, Who::default(), true, |_| None::<()>), Entered::Full));
        assert!(matches!(queue.enter(1, Who::default(), true, Some), Entered::Served(true)));
        assert_eq!(queue.len(), 1);
    }
}
