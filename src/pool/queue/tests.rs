//! The queue by hand: one waiter polled at a time. Orders and schedules by the thousand are in the modules below.

use std::sync::atomic::AtomicBool;
use std::task::Wake;

use super::*;

mod order;
mod schedules;
mod threads;

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
        Waiting::enter_as(queue, Who::default())
    }

    fn enter_as(queue: &Arc<Queue>, who: Who) -> Waiting {
        match queue.enter(1_000_000, who, true, |_| None::<()>) {
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
    assert_eq!((queue.len(), queue.peak(), queue.has_first_attempts(0)), (0, 3, false));
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

#[test]
fn a_higher_one_that_comes_between_gets_the_place_its_holder_cannot_use() {
    let queue = Arc::default();
    let [mut a, b, _c] = three(&queue);
    queue.release();
    assert!(a.woken() && a.poll());
    let mut high = Waiting::enter_as(&queue, Who { priority: Priority::High, ..Who::default() });
    assert!(!high.poll() && !a.poll());
    assert!(high.woken() && !b.woken());
    assert!(high.poll());
}

#[test]
fn who_looked_in_vain_is_the_first_again_at_the_next_place() {
    let queue = Arc::default();
    let [mut a, mut b, mut c] = three(&queue);
    queue.release();
    for waiting in [&mut a, &mut b, &mut c] {
        assert!(waiting.woken() && waiting.poll() && !waiting.poll());
    }
    assert!(!a.woken(), "a place does not go round in circles");
    queue.release();
    assert!(a.woken() && !b.woken() && !c.woken());
}

#[test]
fn who_looks_while_another_place_is_freed_looks_again() {
    let queue = Arc::default();
    let mut a = Waiting::enter(&queue);
    queue.release();
    assert!(a.poll());
    queue.release();
    assert!(a.poll() && !a.poll());
}

#[test]
fn a_change_of_state_opens_the_line_only_until_a_first_attempt_finds_nothing() {
    let queue = Arc::default();
    let mut a = Waiting::enter(&queue);
    assert!(!a.poll());
    queue.wake_all();
    assert!(a.poll());
    let mut early = Waiting::enter(&queue);
    assert!(early.poll());
    assert!(!a.poll());
    let mut late = Waiting::enter(&queue);
    assert!(!late.poll(), "it would overtake those in line");
}
