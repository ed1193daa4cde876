//! Watches a change: while it lasts, what requests come to is held against what they came to before, or come to without it
//! ([`crate::observe::guard`] has the test); when it is worse, what was in force before is in force again.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::Mutex;

use crate::app::reload::Reloader;
use crate::observe::guard::{Sums, worse};
use crate::proxy::Shared;
use crate::runtime::orders::{Answer, Order, Orders};
use crate::runtime::store::Canary;

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

/// What came before a change, and the sums at which it came.
pub struct Before {
    shared: Arc<Shared>,
    sums: Sums,
    start: Sums,
}

impl Before {
    /// Of a change that has just come, for a guard of this length.
    pub fn new(shared: &Arc<Shared>, readings: &Readings, time: Duration) -> Before {
        let start = sums(shared);
        let seconds = usize::try_from(time.as_secs()).unwrap_or(KEPT).clamp(LEAST, KEPT);
        Before { shared: shared.clone(), sums: readings.before(&start, seconds), start }
    }

    /// And what came since.
    fn and_after(&self) -> (Sums, Sums) {
        (self.sums.clone(), sums(&self.shared).since(&self.start))
    }
}

/// One change that is watched.
pub struct Watch {
    orders: Orders,
    time: Duration,
    generation: u64,
    now: Arc<AtomicU64>,
}

/// What came of watching.
enum Seen {
    /// What was worse.
    Worse(String),
    /// Nothing was, in so many answers.
    Well(u64),
    /// Another change came.
    Overtaken,
}

impl Watch {
    /// Of the change that came last.
    pub fn new(reloader: &Reloader, orders: Orders, time: Duration) -> Watch {
        let now = reloader.generation();
        Watch { orders, time, generation: now.load(Ordering::Relaxed), now }
    }

    /// Watches a reload to the end; `applied` is what it came to.
    pub async fn guard(self, before: &Before, applied: Answer) -> Answer {
        let message = applied.message.trim_end();
        let (done, end) = match self.look(|| before.and_after()).await {
            Seen::Overtaken => (true, "guard: ended, another configuration is in force meanwhile".to_owned()),
            Seen::Well(0) => {
                (true, "guard: no request came, so nothing is known; the configuration stays".to_owned())
            }
            Seen::Well(answers) => {
                (true, format!("guard: nothing is worse in {answers} answers; the configuration stays"))
            }
            Seen::Worse(why) => {
                let order = Order::Undo { generation: self.generation, why };
                (false, self.orders.give(order, "guard".to_owned()).await.message)
            }
        };
        Answer { done, message: format!("{message}\n{end}"), ..applied }
    }

    /// Watches a canary to the end, which puts it in force for all clients, or for none.
    pub async fn canary(self, canary: &Canary, begun: Answer) -> Answer {
        let message = begun.message.trim_end();
        let seen = self.look(|| canary.sums()).await;
        let generation = self.generation;
        let (worse, seen) = match seen {
            Seen::Overtaken => {
                let message =
                    format!("{message}\nthe canary is over: another configuration is in force meanwhile");
                return Answer { done: false, message, ..begun };
            }
            Seen::Worse(why) => (Some(why), String::new()),
            Seen::Well(0) => {
                let why = "none of them came, so nothing is known of it".to_owned();
                (Some(why), String::new())
            }
            Seen::Well(answers) => (None, format!("nothing is worse in {answers} answers of theirs\n")),
        };
        let ended = self.orders.give(Order::EndCanary { generation, worse }, "canary".to_owned()).await;
        Answer { message: format!("{message}\n{seen}{}", ended.message), ..ended }
    }

    /// Looks each second, until something is worse or the time is over. `sums` are those before, and those after.
    async fn look(&self, sums: impl Fn() -> (Sums, Sums)) -> Seen {
        let mut left = self.time;
        loop {
            tokio::time::sleep(EVERY.min(left)).await;
            left = left.saturating_sub(EVERY);
            if self.now.load(Ordering::Relaxed) != self.generation {
                return Seen::Overtaken;
            }
            let (before, after) = sums();
            if let Some(why) = worse(&before, &after) {
                return Seen::Worse(why);
            }
            if left.is_zero() {
                return Seen::Well(after.answers);
            }
        }
    }
}
