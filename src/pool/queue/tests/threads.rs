//! Many threads at once: everyone is served or gives up, nobody sleeps for ever, nothing is left behind.

use std::sync::atomic::AtomicU64;
use std::thread::{self, Thread};
use std::time::Duration;

use super::*;

const THREADS: u64 = 8;
const ROUNDS: u64 = 3000;
const PLACES: usize = 3;

struct Unpark(Thread, AtomicBool);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.1.store(true, Ordering::SeqCst);
        self.0.unpark();
    }
}

#[derive(Default)]
struct Servers {
    in_flight: AtomicUsize,
    queue: Arc<Queue>,
    served: AtomicU64,
    gave_up: AtomicU64,
}

impl Servers {
    fn take(&self) -> Option<()> {
        let one_more = |n| (n < PLACES).then_some(n + 1);
        self.in_flight.fetch_update(Ordering::SeqCst, Ordering::SeqCst, one_more).ok().map(drop)
    }

    fn give_back(&self) {
        self.in_flight.fetch_sub(1, Ordering::SeqCst);
        self.queue.release();
    }

    /// One request, from its first look to its end; `patient` or it gives up after a short time.
    fn request(&self, who: Who, patient: bool) -> bool {
        let looked = (!self.queue.has_first_attempts(0)).then(|| self.take()).flatten();
        if looked.is_none() {
            let look = |gated: bool| if gated { None } else { self.take() };
            match self.queue.enter(1000, who, true, look) {
                Entered::Served(()) => {}
                Entered::Waiting(ticket) => {
                    if !self.wait(ticket, patient) {
                        return false;
                    }
                }
                Entered::Full => panic!("there is room for all"),
            }
        }
        thread::yield_now();
        self.give_back();
        true
    }

    fn wait(&self, mut ticket: Ticket, patient: bool) -> bool {
        let unpark = Arc::new(Unpark(thread::current(), AtomicBool::new(false)));
        let waker = Waker::from(Arc::clone(&unpark));
        loop {
            while Pin::new(&mut ticket).poll(&mut Context::from_waker(&waker)).is_ready() {
                if self.take().is_some() {
                    ticket.served();
                    return true;
                }
            }
            if !patient {
                thread::yield_now();
                if !unpark.1.swap(false, Ordering::SeqCst) {
                    return false;
                }
                continue;
            }
            // Parking ends for no reason at times; only this long without a wake-up is a failure.
            let woken = (0..200).any(|_| {
                thread::park_timeout(Duration::from_millis(100));
                unpark.1.swap(false, Ordering::SeqCst)
            });
            assert!(woken, "slept through it: {:?}", self.queue);
        }
    }
}

#[test]
fn nobody_sleeps_through_a_freed_place_and_the_count_returns_to_zero() {
    let servers = Servers::default();
    thread::scope(|scope| {
        for thread in 0..THREADS {
            let servers = &servers;
            scope.spawn(move || {
                for round in 0..ROUNDS {
                    let priority = [Priority::Low, Priority::Normal, Priority::High][(round % 3) as usize];
                    let done = servers
                        .request(Who { priority, client: thread % 3, wants: 0 }, (round + thread) % 4 != 0);
                    let count = if done { &servers.served } else { &servers.gave_up };
                    count.fetch_add(1, Ordering::Relaxed);
                    if round % 100 == 0 {
                        servers.queue.wake_all();
                    }
                }
            });
        }
    });
    let (served, gave_up) = (servers.served.into_inner(), servers.gave_up.into_inner());
    assert_eq!(served + gave_up, THREADS * ROUNDS);
    assert_eq!(servers.in_flight.into_inner(), 0);
    assert_eq!((servers.queue.len(), servers.queue.has_first_attempts(0)), (0, false));
}
