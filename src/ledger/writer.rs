//! The thread that writes: gathers for a moment, writes a batch, and keeps in memory what the disk does not take. Between
//! batches it deletes what is old and keeps the journal small.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::backlog::Block;
use super::error::Error;
use super::retention::{self, Retention};
use super::store::{self, Identity, Store};
use super::{BATCH, Change, FILE, Keep, Shared};
use crate::base::clock::{self, Clock, Tick};

/// How long calls are gathered before they are written together: with the time to write, what a kill can cost.
const GATHER: Duration = Duration::from_millis(250);

/// Between two tries while the disk takes nothing.
const AGAIN: Duration = Duration::from_secs(1);

/// Between two words about lost calls, or about a new reason why the disk takes nothing.
const TELL_AGAIN: Duration = Duration::from_secs(60);

/// A journal of this size is worth a word: somebody has been reading one moment of the past for long.
const HUGE_JOURNAL: u64 = 256 << 20;

pub struct Writer<T> {
    shared: Arc<Shared>,
    dir: PathBuf,
    /// The number of this process.
    number: i64,
    told: T,
    clock: Clock,
    store: Option<Store>,
    /// The file that was opened last, or could not be.
    file: Option<Identity>,
    trouble: Option<Trouble>,
    retention: Retention,
    /// Calls that were told to be lost, and when.
    told_lost: (u64, Tick),
    /// The next look at the journal, and the next word about it.
    journal: (Tick, Tick),
}

/// The disk takes nothing.
struct Trouble {
    again: Tick,
    /// Calls that waited and are written by now.
    kept: u64,
    why: String,
    told: Tick,
}

impl<T: Fn(Change)> Writer<T> {
    pub fn new(shared: Arc<Shared>, dir: &Path, keep: Keep, number: i64, told: T) -> Writer<T> {
        Writer {
            shared,
            dir: dir.to_owned(),
            number,
            told,
            clock: Clock::real(),
            store: None,
            file: None,
            trouble: None,
            retention: Retention::new(keep),
            told_lost: (0, Tick(0)),
            journal: (Tick(0), Tick(0)),
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
        self.shared.queue.lock().ended = true;
        self.shared.ended.notify_all();
    }

    /// Until there is a batch, time is up, or the ledger stops: whether it does.
    fn wait(&self) -> bool {
        let mut queue = self.shared.queue.lock();
        let begun = self.store.is_some() || self.trouble.is_some();
        if begun && !queue.stop && (queue.backlog.len() < BATCH || self.trouble.is_some()) {
            self.shared.work.wait_for(&mut queue, GATHER);
        }
        queue.stop
    }

    fn turn(&mut self, stop: bool) {
        let now = self.clock.now();
        if stop || self.trouble.as_ref().is_none_or(|trouble| now >= trouble.again) {
            // A file that is gone, or of no use, is one to begin anew; what waits goes there at once.
            for _ in 0..2 {
                match self.write_all(stop).and_then(|()| if stop { Ok(()) } else { self.tidy() }) {
                    Ok(()) => self.recovered(),
                    Err(error) if self.degraded(&error) => continue,
                    Err(_) => {}
                }
                break;
            }
        }
        if stop {
            let left = self.shared.queue.lock().backlog.clear();
            self.shared.lost.fetch_add(left, Ordering::Relaxed);
        }
        self.tell_lost(stop);
    }

    /// Writes what waits; of a steady flow whole batches only, after the first. After trouble all that had waited: only
    /// then is it over, and its number whole.
    fn write_all(&mut self, stop: bool) -> Result<(), Error> {
        self.open()?;
        let mut due = if self.trouble.is_some() { self.shared.queue.lock().backlog.len() } else { 1 };
        loop {
            let mut queue = self.shared.queue.lock();
            if due == 0 && !stop && queue.backlog.len() < BATCH {
                return Ok(());
            }
            let Some(block) = queue.backlog.take() else { return Ok(()) };
            due = due.saturating_sub(block.len());
            let len = u64::try_from(block.len()).unwrap_or(u64::MAX);
            self.shared.in_hand.store(len, Ordering::Relaxed);
            drop(queue);
            match self.write(&block) {
                Ok(()) => self.written(block),
                Err(error) => {
                    self.put_back(block);
                    return Err(error);
                }
            }
        }
    }

    fn write(&mut self, block: &Block) -> Result<(), Error> {
        let Some(store) = &mut self.store else { return Ok(()) };
        store.write(self.number, block).map_err(|cause| store.wrong(cause))?;
        // What went into a file that has no name any more is nowhere.
        if store.has_moved() { Err(Error::Moved { path: store.path.clone() }) } else { Ok(()) }
    }

    fn written(&mut self, mut block: Block) {
        let written = u64::try_from(block.len()).unwrap_or(0);
        if let Some(trouble) = &mut self.trouble {
            trouble.kept += written;
        }
        block.clear();
        let mut queue = self.shared.queue.lock();
        queue.backlog.recycle(block);
        self.shared.in_hand.store(0, Ordering::Relaxed);
        self.shared.written.fetch_add(written, Ordering::Relaxed);
    }

    fn put_back(&self, block: Block) {
        let mut queue = self.shared.queue.lock();
        let lost = queue.backlog.put_back(block);
        self.shared.in_hand.store(0, Ordering::Relaxed);
        drop(queue);
        self.shared.lost.fetch_add(lost, Ordering::Relaxed);
    }

    fn open(&mut self) -> Result<(), Error> {
        if let Some(store) = &self.store {
            return if store.has_moved() { Err(Error::Moved { path: store.path.clone() }) } else { Ok(()) };
        }
        self.file = store::identity(&self.dir);
        let store = Store::open(&self.dir)?;
        self.file = Some(store.identity);
        let newest = retention::newest(&store.connection).map_err(|cause| store.wrong(cause))?;
        if self.retention.opened(newest, self.clock.now(), clock::unix_time()) {
            log::info!(
                "the ledger's newest call is more than a day old: nothing is deleted from it for a day, in case the \
                 clock is wrong"
            );
        }
        self.store = Some(store);
        if self.trouble.is_none() {
            self.shared.durable.store(true, Ordering::Relaxed);
        }
        Ok(())
    }

    /// Deletes what is old, and empties the journal.
    fn tidy(&mut self) -> Result<(), Error> {
        let Some(store) = &self.store else { return Ok(()) };
        let (now, unix) = (self.clock.now(), clock::unix_time());
        if let Some(jump) = self.retention.look(now, unix) {
            log::warn!(
                "the clock jumped {} s ahead: nothing is deleted from the ledger for a day, in case it is wrong",
                jump.as_secs()
            );
        }
        if let Some(limits) = self.retention.due(now, unix) {
            let more = retention::delete(&store.connection, limits).map_err(|cause| store.wrong(cause))?;
            self.retention.done(more, now);
        }
        let (look, tell) = self.journal;
        if now < look {
            return Ok(());
        }
        self.journal.0 = now + AGAIN;
        let journal = store.shrink_journal().map_err(|cause| store.wrong(cause))?;
        if journal > HUGE_JOURNAL && now >= tell {
            self.journal.1 = now + TELL_AGAIN;
            log::warn!(
                "the ledger's journal {}-wal has {} MB and cannot be emptied: a program has been reading the ledger \
                 for long. End it, or its transaction",
                store.path.display(),
                journal >> 20
            );
        }
        Ok(())
    }

    /// Whether to try again at once.
    fn degraded(&mut self, error: &Error) -> bool {
        let now = self.clock.now();
        self.shared.durable.store(false, Ordering::Relaxed);
        let mut why = error.to_string();
        let mut at_once = error.is_move();
        let file = self.file.filter(|_| error.is_damage());
        // Opened anew each time: a file that was moved, a disk that was mounted again are found so.
        self.store = None;
        match file.map(|file| store::move_aside(&self.dir, file, clock::unix_time())) {
            Some(Ok(aside)) => {
                at_once = true;
                if let Some(aside) = aside {
                    why = format!("{why}. It is {} now, and a new {FILE} is begun", aside.display());
                }
            }
            Some(Err(cause)) => why = format!("{why}, and cannot be moved out of the way: {cause}"),
            None => {}
        }
        let kept = self.trouble.as_ref().map_or(0, |trouble| trouble.kept);
        let told = self.trouble.as_ref().map(|trouble| (trouble.told, trouble.why == why));
        let tell = told.is_none_or(|(when, same)| !same && now.since(when) >= TELL_AGAIN);
        let told = if tell { now } else { told.map_or(now, |(when, _)| when) };
        self.trouble = Some(Trouble { again: now + AGAIN, kept, why: why.clone(), told });
        if tell {
            (self.told)(Change::Degraded(why));
        }
        at_once
    }

    fn recovered(&mut self) {
        if let Some(trouble) = self.trouble.take() {
            self.shared.durable.store(true, Ordering::Relaxed);
            (self.told)(Change::Recovered { kept: trouble.kept });
        }
    }

    fn tell_lost(&mut self, stop: bool) {
        let (now, lost) = (self.clock.now(), self.shared.lost.load(Ordering::Relaxed));
        let (told, when) = self.told_lost;
        if lost > told && (stop || told == 0 || now.since(when) >= TELL_AGAIN) {
            self.told_lost = (lost, now);
            (self.told)(Change::Lost(lost - told));
        }
    }
}
