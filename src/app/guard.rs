//! The guard of a reload: while it lasts, what requests come to is held against what they came to before
//! ([`crate::observe::guard`] has the test); when it is worse, what was in force before is put back.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::Mutex;

use crate::app::reload::Reloader;
use crate::observe::guard::{Sums, worse};
use crate::proxy::Shared;
use crate::runtime::orders::{Answer, Order, Orders};

/// How often requests are summed up.
const EVERY: Duration = Duration::from_secs(1);
/// Sums that are kept, for guards of up to ten minutes.
const KEPT: usize = 600;
/// What is before the change is looked at for at least so long.
const LEAST: usize = 60;

/// What all requests had come to, each second of the last minutes; the newest last.
#[derive(Default)]
pub struct Readings(Mutex<VecDeque<Sums>>);

impl Readings {
    /// What came in so many seconds until `now`, or since the first reading.
    fn before(&self, now: &Sums, seconds: usize) -> Sums {
        let kept = self.0.lock();
        let earlier = kept.len().saturating_sub(seconds);
        kept.get(earlier).map_or_else(|| now.clone(), |earlier| now.since(earlier))
    }
}

/// Keeps the readings, for the life of the process.
pub async fn read(shared: Arc<Shared>, readings: Arc<Readings>) {
    loop {
        let sums = sums(&shared);
        {
            let mut kept = readings.0.lock();
            if kept.len() >= KEPT {
                kept.pop_front();
            }
            kept.push_back(sums);
        }
        tokio::time::sleep(EVERY).await;
    }
}

/// What all requests came to since the start.
fn sums(shared: &Shared) -> Sums {
    let mut sums = Sums::default();
    for frontend in shared.state.all_frontend_stats() {
        let classes = frontend.answers.read();
        sums.add(classes.iter().sum(), classes[SERVER_ERRORS], &frontend.first_byte);
    }
    let cut = |backend: &crate::runtime::snapshot::Backend| backend.stats.traffic.server_aborts.get();
    sums.failed += shared.store.load().backends.iter().map(cut).sum::<u64>();
    sums.failed = sums.failed.min(sums.answers);
    sums
}

/// The place of 5xx among the classes of answers.
const SERVER_ERRORS: usize = 4;

/// One reload that is watched.
pub struct Guard {
    shared: Arc<Shared>,
    orders: Orders,
    time: Duration,
    before: Sums,
    start: Sums,
    generation: u64,
    now: Arc<AtomicU64>,
}

impl Guard {
    /// Begins with what has just been put in force.
    pub fn new(
        reloader: &Reloader,
        shared: &Arc<Shared>,
        readings: &Readings,
        orders: Orders,
        time: Duration,
    ) -> Guard {
        let start = sums(shared);
        let seconds = usize::try_from(time.as_secs()).unwrap_or(KEPT).clamp(LEAST, KEPT);
        let now = reloader.generation();
        Guard {
            shared: shared.clone(),
            orders,
            time,
            before: readings.before(&start, seconds),
            generation: now.load(Ordering::Relaxed),
            start,
            now,
        }
    }

    /// Watches to the end. `applied` is what the reload came to.
    pub async fn watch(self, applied: Answer) -> Answer {
        let (mut left, message) = (self.time, applied.message.trim_end());
        loop {
            tokio::time::sleep(EVERY.min(left)).await;
            left = left.saturating_sub(EVERY);
            if self.now.load(Ordering::Relaxed) != self.generation {
                let message = format!("{message}\nguard: ended, another configuration is in force meanwhile");
                return Answer { message, ..applied };
            }
            let after = sums(&self.shared).since(&self.start);
            if let Some(why) = worse(&self.before, &after) {
                let order = Order::Undo { generation: self.generation, why };
                let undone = self.orders.give(order, "guard".to_owned()).await;
                return Answer { done: false, message: format!("{message}\n{}", undone.message), ..applied };
            }
            if left.is_zero() {
                let seen = match after.answers {
                    0 => "no request came, so nothing is known".to_owned(),
                    answers => format!("nothing is worse in {answers} answers"),
                };
                let message = format!("{message}\nguard: {seen}; the configuration stays");
                return Answer { message, ..applied };
            }
        }
    }
}
