//! The thread that writes: gathers for a moment, writes a batch, and keeps in memory what the disk does not take.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::backlog::Block;
use super::store::{self, Error, Store};
use super::{BATCH, Change, Keep, Shared};
use crate::base::clock::{self, Clock, Tick};

/// How long calls are gathered before they are written together: with the time to write, what a kill can cost.
const GATHER: Duration = Duration::from_millis(250);

/// Between two tries while the disk takes nothing.
const AGAIN: Duration = Duration::from_secs(1);

/// Between two words about lost calls.
const TELL_LOST: Duration = Duration::from_secs(10);

pub struct Writer<T> {
    shared: Arc<Shared>,
    dir: PathBuf,
    #[expect(dead_code, reason = "retention follows")]
    keep: Keep,
    /// The number of this process.
    number: i64,
    told: T,
    clock: Clock,
    store: Option<Store>,
    trouble: Option<Trouble>,
    /// Calls that were told to be lost, and when.
    told_lost: (u64, Tick),
}

/// The disk takes nothing.
struct Trouble {
    again: Tick,
    /// Calls that waited and are written by now.
    kept: u64,
}

impl<T: Fn(Change)> Writer<T> {
    pub fn new(shared: Arc<Shared>, dir: &Path, keep: Keep, number: i64, told: T) -> Writer<T> {
        Writer {
            shared,
            dir: dir.to_owned(),
            keep,
            number,
            told,
            clock: Clock::real(),
            store: None,
            trouble: None,
            told_lost: (0, Tick(0)),
        }
    }

    pub fn run(mut self) {
        loop {
            let stop = self.wait();
            self.turn(stop);
            if stop {
                break;
            }
        }
        self.store = None;
        self.tell_lost(true);
        self.shared.queue.lock().ended = true;
        self.shared.ended.notify_all();
    }

    /// Until there is a batch, time is up, or the ledger stops: whether it does.
    fn wait(&self) -> bool {
        let mut queue = self.shared.queue.lock();
        let opened = self.store.is_some() || self.trouble.is_some();
        if opened && !queue.stop && (queue.backlog.len() < BATCH || self.trouble.is_some()) {
            self.shared.work.wait_for(&mut queue, GATHER);
        }
        queue.stop
    }

    fn turn(&mut self, stop: bool) {
        let now = self.clock.now();
        if stop || self.trouble.as_ref().is_none_or(|trouble| now >= trouble.again) {
            match self.write_all(stop) {
                Ok(()) => self.recovered(),
                Err(error) => self.degraded(&error),
            }
        }
        if stop {
            let left = self.shared.queue.lock().backlog.len();
            self.shared.lost.fetch_add(u64::try_from(left).unwrap_or(u64::MAX), Ordering::Relaxed);
        }
        self.tell_lost(false);
    }

    /// Writes what waits; of a steady flow whole batches only, after the first.
    fn write_all(&mut self, stop: bool) -> Result<(), Error> {
        self.open()?;
        let mut first = true;
        loop {
            let mut queue = self.shared.queue.lock();
            if !first && !stop && queue.backlog.len() < BATCH {
                return Ok(());
            }
            first = false;
            let Some(block) = queue.backlog.take() else { return Ok(()) };
            let len = u64::try_from(block.len()).unwrap_or(u64::MAX);
            self.shared.in_hand.store(len, Ordering::Relaxed);
            drop(queue);
            let result = self.write(&block);
            match result {
                Ok(written) => {
                    self.shared.written.fetch_add(written, Ordering::Relaxed);
                    self.shared.in_hand.store(0, Ordering::Relaxed);
                    if let Some(trouble) = &mut self.trouble {
                        trouble.kept += len;
                    }
                }
                Err(error) => {
                    self.put_back(block);
                    return Err(error);
                }
            }
        }
    }

    fn put_back(&self, block: Block) {
        let mut queue = self.shared.queue.lock();
        let lost = queue.backlog.put_back(block);
        self.shared.in_hand.store(0, Ordering::Relaxed);
        drop(queue);
        self.shared.lost.fetch_add(lost, Ordering::Relaxed);
    }

    fn write(&mut self, block: &Block) -> Result<u64, Error> {
        let Some(store) = &mut self.store else { return Ok(0) };
        let written = store.write(self.number, block).map_err(|cause| store.wrong(cause))?;
        // What went into a file that has no name any more is nowhere.
        if store.has_moved() { Err(Error::Moved { path: store.path.clone() }) } else { Ok(written) }
    }

    fn open(&mut self) -> Result<(), Error> {
        if let Some(store) = &self.store {
            if store.has_moved() {
                return Err(Error::Moved { path: store.path.clone() });
            }
            return Ok(());
        }
        self.store = Some(Store::open(&self.dir)?);
        self.shared.durable.store(true, Ordering::Relaxed);
        Ok(())
    }

    fn degraded(&mut self, error: &Error) {
        // Opened anew each time: a file that was moved, a disk that was mounted again are found so.
        self.store = None;
        let again = self.clock.now() + AGAIN;
        self.shared.durable.store(false, Ordering::Relaxed);
        let mut why = error.to_string();
        if error.is_damage() {
            match store::move_aside(&self.dir, clock::unix_time()) {
                Ok(aside) => why = format!("{why}. It is now {}, and a new one is begun", aside.display()),
                Err(cause) => why = format!("{why}, and cannot be moved away: {cause}"),
            }
        }
        if let Some(trouble) = &mut self.trouble {
            trouble.again = again;
            return;
        }
        self.trouble = Some(Trouble { again, kept: 0 });
        (self.told)(Change::Degraded(why));
    }

    fn recovered(&mut self) {
        if let Some(trouble) = self.trouble.take() {
            self.shared.durable.store(true, Ordering::Relaxed);
            (self.told)(Change::Recovered { kept: trouble.kept });
        }
    }

    fn tell_lost(&mut self, last: bool) {
        let (now, lost) = (self.clock.now(), self.shared.lost.load(Ordering::Relaxed));
        let (told, when) = self.told_lost;
        if lost > told && (last || told == 0 || now.since(when) >= TELL_LOST) {
            self.told_lost = (lost, now);
            (self.told)(Change::Lost(lost - told));
        }
    }
}
