//! The ledger: what every call took and cost, kept on disk so that a restart forgets nothing. One thread of its own
//! writes to `usage.db` (SQLite) in batches; whoever records a call never waits for it. What the disk does not take is
//! kept in memory, up to a bound, and written when it does again. It knows no prices and refuses nobody.

pub mod compare;
pub mod query;
pub mod range;

mod backlog;
mod call;
mod error;
mod insert;
mod json;
mod reader;
mod restore;
mod retention;
mod schema;
mod store;
mod writer;

use std::hash::{BuildHasher, RandomState};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use parking_lot::{Condvar, Mutex};

use backlog::Backlog;
use writer::Writer;

pub use crate::config::checked::Keep;
pub use call::Call;
pub use error::Error;
pub use restore::Totals;

/// The name of the file in `state_dir`.
pub const FILE: &str = "usage.db";

/// Calls of one transaction, at most.
const BATCH: usize = 1000;

/// Calls that wait in memory while the disk takes none; then the oldest go. About 60 MB.
const MOST_WAITING: usize = 200_000;

/// A handle; clones share one thread.
#[derive(Clone, Debug)]
pub struct Ledger {
    shared: Arc<Shared>,
}

/// How it stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Figures {
    /// Calls in memory that are not on disk yet.
    pub pending: u64,
    /// Calls that never came to disk, since the start.
    pub lost: u64,
    /// Calls on disk, since the start.
    pub written: u64,
    /// Whether the disk takes what is recorded. False also before the file was opened for the first time.
    pub durable: bool,
}

/// What somebody should know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// Calls are kept in memory only; why, and what to do about it.
    Degraded(String),
    /// The disk takes them again; this many had waited and are on it now.
    Recovered { kept: u64 },
    /// This many calls, the oldest that waited, are on no disk and never will be.
    Lost(u64),
}

#[derive(Debug)]
struct Shared {
    queue: Mutex<Queue>,
    /// Something for the thread to do before its time.
    work: Condvar,
    /// The thread has ended.
    ended: Condvar,
    /// Calls in the hands of the thread, which are not in the queue.
    in_hand: AtomicU64,
    lost: AtomicU64,
    written: AtomicU64,
    durable: AtomicBool,
}

#[derive(Debug)]
struct Queue {
    backlog: Backlog,
    stop: bool,
    ended: bool,
}

impl Ledger {
    /// Opens `usage.db` in `dir`, or makes it. Never fails: what is wrong with the disk is told, and tried again each
    /// second. `told` is called on the ledger's thread.
    pub fn start(dir: &Path, keep: Keep, told: impl Fn(Change) + Send + 'static) -> Ledger {
        let shared = Arc::new(Shared {
            queue: Mutex::new(Queue { backlog: Backlog::new(MOST_WAITING), stop: false, ended: false }),
            work: Condvar::new(),
            ended: Condvar::new(),
            in_hand: AtomicU64::new(0),
            lost: AtomicU64::new(0),
            written: AtomicU64::new(0),
            durable: AtomicBool::new(false),
        });
        let writer = Writer::new(Arc::clone(&shared), dir, keep, number_of_process(), told);
        if let Err(error) = thread::Builder::new().name("ledger".to_owned()).spawn(move || writer.run()) {
            log::error!("the ledger cannot start its thread, calls are kept in memory only: {error}");
            shared.queue.lock().ended = true;
        }
        Ledger { shared }
    }

    /// Hands a call over. Never waits for the disk.
    pub fn record(&self, call: Call) {
        let mut queue = self.shared.queue.lock();
        if queue.stop {
            drop(queue);
            self.shared.lost.fetch_add(1, Ordering::Relaxed);
            return;
        }
        let lost = queue.backlog.push(call);
        let full = queue.backlog.len() == BATCH;
        drop(queue);
        if lost > 0 {
            self.shared.lost.fetch_add(lost, Ordering::Relaxed);
        }
        if full {
            self.shared.work.notify_one();
        }
    }

    /// What was spent on this UTC day and in this UTC month, at the time `unix`. A file that is not there yet has
    /// nothing.
    ///
    /// # Errors
    /// The file is there and cannot be read.
    pub fn restore(dir: &Path, unix: Duration) -> Result<Totals, Error> {
        restore::restore(dir, unix)
    }

    pub fn figures(&self) -> Figures {
        let queued = u64::try_from(self.shared.queue.lock().backlog.len()).unwrap_or(u64::MAX);
        Figures {
            pending: queued + self.shared.in_hand.load(Ordering::Relaxed),
            lost: self.shared.lost.load(Ordering::Relaxed),
            written: self.shared.written.load(Ordering::Relaxed),
            durable: self.shared.durable.load(Ordering::Relaxed),
        }
    }

    /// Writes what was recorded, takes nothing more, and waits for that no longer than `patience`.
    pub fn flush_and_stop(&self, patience: Duration) {
        let mut queue = self.shared.queue.lock();
        queue.stop = true;
        self.shared.work.notify_one();
        self.shared.ended.wait_while_for(&mut queue, |queue| !queue.ended, patience);
    }
}

/// Tells this process from every other that writes to the same file.
fn number_of_process() -> i64 {
    // The standard library's keys are random for each process; SQLite's numbers have 63 bits and a sign.
    let random = RandomState::new().hash_one(std::process::id());
    i64::try_from(random >> 1).unwrap_or_default()
}

#[cfg(test)]
mod tests;
