//! Writes finished lines to standard output, a file or a syslog daemon without ever making a request wait: workers add to a
//! buffer in memory, one thread writes it out in batches. When the disk or the daemon does not keep up, lines are dropped
//! and counted. It knows nothing of what the lines say.

mod sink;
mod syslog;

use std::io::{self, ErrorKind};
use std::mem;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use parking_lot::{Condvar, Mutex};

use self::sink::Sink;
pub use self::sink::Target;
pub use self::syslog::Syslog;
use crate::base::clock;
use crate::observe::access_log::Severity;

/// A handle; clones share one thread and one buffer.
#[derive(Clone, Debug)]
pub struct LogWriter {
    current: Arc<ArcSwap<Shared>>,
    dropped: Arc<AtomicU64>,
}

/// A target that was opened, with its thread; `None`: the one that there is. Dropped without use it is closed.
#[derive(Debug)]
pub struct Prepared(Option<Arc<Shared>>);

/// One target, its thread and its buffer.
#[derive(Debug)]
struct Shared {
    buffer: Mutex<Buffer>,
    /// Something for the thread to do.
    work: Condvar,
    /// The thread has ended.
    ended: Condvar,
    /// Lines lost since the start of the process, whatever the target was.
    dropped: Arc<AtomicU64>,
    target: Target,
    /// Each line begins with its severity.
    marked: bool,
}

#[derive(Debug, Default)]
struct Buffer {
    bytes: Vec<u8>,
    reopen: bool,
    stop: bool,
    ended: bool,
}

/// Lines waiting in memory, at most.
const CAPACITY: usize = 8 << 20;

/// How long a target may take to open. A pipe waits for its reader.
const OPENING: Duration = Duration::from_secs(2);

/// How long lines are gathered before they are written together.
const GATHER: Duration = Duration::from_millis(5);

/// The shortest time between two warnings about lost lines.
const WARN_EVERY: Duration = Duration::from_secs(10);

impl LogWriter {
    /// Opens the target and starts the thread. Fails when the file cannot be opened or the thread not started. A syslog
    /// daemon need not be there yet.
    pub fn start(target: Target) -> io::Result<LogWriter> {
        LogWriter::with_sink(target.clone(), || Sink::open(target))
    }

    fn with_sink(
        target: Target,
        open: impl FnOnce() -> io::Result<Sink> + Send + 'static,
    ) -> io::Result<LogWriter> {
        let dropped = Arc::new(AtomicU64::new(0));
        let shared = start(target, dropped.clone(), open)?;
        Ok(LogWriter { current: Arc::new(ArcSwap::new(shared)), dropped })
    }

    /// Opens another target, for [`LogWriter::switch`]; nothing, where it is the same.
    ///
    /// # Errors
    /// As [`LogWriter::start`].
    pub fn prepare(&self, target: Target) -> io::Result<Prepared> {
        if self.current.load().target == target {
            return Ok(Prepared(None));
        }
        Ok(Prepared(Some(start(target.clone(), self.dropped.clone(), || Sink::open(target))?)))
    }

    /// Writes to another target from the next line on. What was handed over before still goes to the old one.
    pub fn switch(&self, mut to: Prepared) {
        if let Some(shared) = to.0.take() {
            self.current.swap(shared).stop();
        }
    }

    /// Hands a line over; it must end with its line feed. Never waits: when the buffer is full or the writer has stopped,
    /// the line is dropped and counted.
    pub fn write(&self, line: &[u8], severity: Severity) {
        let mut shared = self.current.load();
        while !shared.take(line, severity) {
            let now = self.current.load();
            if Arc::ptr_eq(&shared, &now) {
                self.dropped.fetch_add(1, Ordering::Relaxed);
                return;
            }
            // The target was changed in this moment.
            shared = now;
        }
    }

    /// Opens the file anew before the next batch: call it after the old one was renamed. Looks for a syslog daemon again.
    /// Nothing on standard output.
    pub fn reopen(&self) {
        let shared = self.current.load();
        shared.buffer.lock().reopen = true;
        shared.work.notify_one();
    }

    /// Lines lost since the start.
    pub fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }

    /// Writes out what was handed over, takes nothing more, and waits for that no longer than `patience`. Whether all
    /// of it was dealt with (written, or counted as dropped).
    pub fn flush_and_stop(&self, patience: Duration) -> bool {
        let shared = self.current.load();
        shared.stop();
        let mut buffer = shared.buffer.lock();
        let timed_out =
            shared.ended.wait_while_for(&mut buffer, |buffer| !buffer.ended, patience).timed_out();
        !timed_out || buffer.ended
    }
}

impl Drop for Prepared {
    fn drop(&mut self) {
        if let Some(shared) = &self.0 {
            shared.stop();
        }
    }
}

impl Shared {
    /// `false`: it takes nothing more.
    fn take(&self, line: &[u8], severity: Severity) -> bool {
        // Not missed: there is no thread.
        if self.target == Target::Nowhere {
            return true;
        }
        let mut buffer = self.buffer.lock();
        if buffer.stop {
            return false;
        }
        if buffer.bytes.len() + line.len() > CAPACITY {
            drop(buffer);
            self.dropped.fetch_add(1, Ordering::Relaxed);
            return true;
        }
        let first = buffer.bytes.is_empty();
        if self.marked {
            buffer.bytes.push(b'0' + severity.code());
        }
        buffer.bytes.extend_from_slice(line);
        drop(buffer);
        // The thread sleeps only while the buffer is empty: one wake-up for each batch.
        if first {
            self.work.notify_one();
        }
        true
    }

    fn stop(&self) {
        self.buffer.lock().stop = true;
        self.work.notify_one();
    }
}

/// Opens the target on its own thread: whatever hangs there, hangs nobody else.
fn start(
    target: Target,
    dropped: Arc<AtomicU64>,
    open: impl FnOnce() -> io::Result<Sink> + Send + 'static,
) -> io::Result<Arc<Shared>> {
    let nowhere = target == Target::Nowhere;
    let shared = Arc::new(Shared {
        buffer: Mutex::new(Buffer { ended: nowhere, ..Buffer::default() }),
        work: Condvar::new(),
        ended: Condvar::new(),
        dropped,
        marked: matches!(target, Target::Syslog(_)),
        target,
    });
    if nowhere {
        return Ok(shared);
    }
    let (tell, told) = mpsc::channel();
    let own = shared.clone();
    thread::Builder::new().name("access-log".to_owned()).spawn(move || match open() {
        Ok(sink) => {
            let _ = tell.send(Ok(()));
            Writer { shared: own, sink: Some(sink), torn: false, warned: None, reported: 0 }.run();
        }
        Err(error) => drop(tell.send(Err(error))),
    })?;
    match told.recv_timeout(OPENING) {
        Ok(opened) => opened.map(|()| shared),
        Err(_) => {
            shared.stop();
            Err(io::Error::new(ErrorKind::TimedOut, "it does not open; a pipe needs somebody who reads it"))
        }
    }
}

/// The thread's own side.
struct Writer {
    shared: Arc<Shared>,
    /// `None`: the reader of standard output is gone for good.
    sink: Option<Sink>,
    /// A write failed in the middle of a line: the next one must not be glued to it.
    torn: bool,
    warned: Option<Instant>,
    /// Lost lines that a warning has told of.
    reported: u64,
}

impl Writer {
    fn run(mut self) {
        self.reported = self.shared.dropped.load(Ordering::Relaxed);
        if let Some(Err(error)) = self.sink.as_mut().map(Sink::prepare) {
            self.complain(&error);
        }
        let mut batch = Vec::new();
        loop {
            let (reopen, stop) = self.next_batch(&mut batch);
            if reopen {
                self.reopen();
            }
            self.write_out(&batch);
            batch.clear();
            self.warn_of_losses();
            if stop {
                break;
            }
        }
        self.shared.buffer.lock().ended = true;
        self.shared.ended.notify_all();
    }

    /// Waits for something to do and swaps the full buffer for the empty `batch`. (reopen, stop)
    fn next_batch(&self, batch: &mut Vec<u8>) -> (bool, bool) {
        let mut buffer = self.shared.buffer.lock();
        let idle = |buffer: &mut Buffer| buffer.bytes.is_empty() && !buffer.reopen && !buffer.stop;
        self.shared.work.wait_while(&mut buffer, idle);
        if !buffer.stop && !buffer.reopen {
            self.shared.work.wait_while_for(&mut buffer, |buffer| !buffer.stop && !buffer.reopen, GATHER);
        }
        mem::swap(&mut buffer.bytes, batch);
        (mem::take(&mut buffer.reopen), buffer.stop)
    }

    fn reopen(&mut self) {
        let Some(sink) = &mut self.sink else { return };
        match (sink.reopen(), sink) {
            (Ok(false), _) => {}
            (Ok(true), sink) => {
                self.torn = false;
                log::info!("access log: {} is opened anew", sink.name());
            }
            (Err(error), Sink::Syslog(connection)) => {
                log::error!(
                    "access log: {} cannot be reached: {error}; lines are dropped and counted until it is there",
                    connection.name()
                );
            }
            (Err(error), sink) => log::error!(
                "access log: cannot reopen {}: {error}; still writing to the file that was open before; make the \
                 path writable and ask for a reopen again",
                sink.name()
            ),
        }
    }

    fn write_out(&mut self, batch: &[u8]) {
        if batch.is_empty() {
            return;
        }
        let Some(sink) = &mut self.sink else { return self.lose(sink::count(batch)) };
        let written = sink.write(batch, self.torn);
        self.torn = written.torn;
        self.lose(written.lost);
        if let Some(error) = written.error {
            self.complain(&error);
        }
    }

    fn lose(&self, lines: u64) {
        self.shared.dropped.fetch_add(lines, Ordering::Relaxed);
    }

    fn complain(&mut self, error: &io::Error) {
        let name = self.sink.as_ref().map(Sink::name).unwrap_or_default();
        let gone = error.kind() == ErrorKind::BrokenPipe && matches!(self.sink, Some(Sink::Stream(_)));
        if gone {
            self.sink = None;
        }
        if self.may_warn() {
            let then = if gone {
                "no more lines are written until a restart, or until log.access.to changes"
            } else {
                "trying again"
            };
            log::error!("access log: cannot write to {name}: {error}; {then}; the lines lost are counted");
        }
    }

    fn warn_of_losses(&mut self) {
        let dropped = self.shared.dropped.load(Ordering::Relaxed);
        if dropped > self.reported && self.may_warn() {
            log::warn!(
                "access log: {} lines were dropped, {dropped} since the start: {} does not keep up",
                dropped - self.reported,
                self.sink.as_ref().map_or("its reader".to_owned(), Sink::name)
            );
            self.reported = dropped;
        }
    }

    fn may_warn(&mut self) -> bool {
        let now = clock::instant();
        let may = self.warned.is_none_or(|last| now.duration_since(last) >= WARN_EVERY);
        if may {
            self.warned = Some(now);
        }
        may
    }
}

#[cfg(test)]
mod tests;
