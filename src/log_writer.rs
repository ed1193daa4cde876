//! Writes finished lines to standard output or a file without ever making a request wait: workers add to a buffer in
//! memory, one thread writes it out in batches. When the disk does not keep up, lines are dropped and counted. It
//! knows nothing of what the lines say.

use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::mem;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};

use crate::base::clock;

/// Where the lines go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    Stdout,
    /// Appended to; made if it is not there.
    File(PathBuf),
}

/// A handle; clones share one thread and one buffer.
#[derive(Clone, Debug)]
pub struct LogWriter {
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    buffer: Mutex<Buffer>,
    /// Something for the thread to do.
    work: Condvar,
    /// The thread has ended.
    ended: Condvar,
    dropped: AtomicU64,
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

/// How long lines are gathered before they are written together.
const GATHER: Duration = Duration::from_millis(5);

/// The shortest time between two warnings about lost lines.
const WARN_EVERY: Duration = Duration::from_secs(10);

impl LogWriter {
    /// Opens the target and starts the thread. Fails when the file cannot be opened or the thread not started.
    pub fn start(target: Target) -> io::Result<LogWriter> {
        let sink = match target {
            Target::Stdout => Sink::Stream(Box::new(io::stdout())),
            Target::File(path) => Sink::File(open(&path)?, path),
        };
        LogWriter::with_sink(sink)
    }

    fn with_sink(sink: Sink) -> io::Result<LogWriter> {
        let shared = Arc::new(Shared::default());
        let writer =
            Writer { shared: Arc::clone(&shared), sink: Some(sink), torn: false, warned: None, reported: 0 };
        thread::Builder::new().name("access-log".to_owned()).spawn(move || writer.run())?;
        Ok(LogWriter { shared })
    }

    /// Hands a line over; it must end with its line feed. Never waits for the disk: when the buffer is full or the
    /// writer has stopped, the line is dropped and counted.
    pub fn write(&self, line: &[u8]) {
        let mut buffer = self.shared.buffer.lock();
        if buffer.stop || buffer.bytes.len() + line.len() > CAPACITY {
            drop(buffer);
            self.shared.dropped.fetch_add(1, Ordering::Relaxed);
            return;
        }
        let first = buffer.bytes.is_empty();
        buffer.bytes.extend_from_slice(line);
        drop(buffer);
        // The thread sleeps only while the buffer is empty: one wake-up for each batch.
        if first {
            self.shared.work.notify_one();
        }
    }

    /// Opens the file anew before the next batch: call it after the old one was renamed. Nothing on standard output.
    pub fn reopen(&self) {
        self.shared.buffer.lock().reopen = true;
        self.shared.work.notify_one();
    }

    /// Lines lost since the start.
    pub fn dropped(&self) -> u64 {
        self.shared.dropped.load(Ordering::Relaxed)
    }

    /// Writes out what was handed over, takes nothing more, and waits for that no longer than `patience`. Whether all
    /// of it was dealt with (written, or counted as dropped).
    pub fn flush_and_stop(&self, patience: Duration) -> bool {
        let mut buffer = self.shared.buffer.lock();
        buffer.stop = true;
        self.shared.work.notify_one();
        let timed_out =
            self.shared.ended.wait_while_for(&mut buffer, |buffer| !buffer.ended, patience).timed_out();
        !timed_out || buffer.ended
    }
}

enum Sink {
    Stream(Box<dyn Write + Send>),
    File(File, PathBuf),
}

impl Sink {
    fn name(&self) -> String {
        match self {
            Sink::Stream(_) => "standard output".to_owned(),
            Sink::File(_, path) => path.display().to_string(),
        }
    }
}

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Sink::Stream(stream) => stream.write(bytes),
            Sink::File(file, _) => file.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Sink::Stream(stream) => stream.flush(),
            Sink::File(file, _) => file.flush(),
        }
    }
}

fn open(path: &PathBuf) -> io::Result<File> {
    OpenOptions::new().create(true).append(true).open(path)
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
        let Some(Sink::File(file, path)) = &mut self.sink else { return };
        match open(path) {
            Ok(anew) => {
                *file = anew;
                self.torn = false;
            }
            Err(error) => log::error!(
                "access log: cannot reopen {}: {error}; still writing to the file that was open before; make the \
                 path writable and ask for a reopen again",
                path.display()
            ),
        }
    }

    fn write_out(&mut self, batch: &[u8]) {
        if batch.is_empty() {
            return;
        }
        let Some(sink) = &mut self.sink else { return self.lose(batch) };
        if self.torn && sink.write_all(b"\n").is_ok() {
            self.torn = false;
        }
        let (written, result) = write_most(sink, batch);
        if let Err(error) = result {
            let (done, lost) = batch.split_at(written);
            self.torn = done.last().map_or(self.torn, |last| *last != b'\n');
            self.lose(lost);
            self.complain(&error);
        }
    }

    fn lose(&self, lines: &[u8]) {
        let count = lines.iter().filter(|byte| **byte == b'\n').count();
        self.shared.dropped.fetch_add(count as u64, Ordering::Relaxed);
    }

    fn complain(&mut self, error: &io::Error) {
        let name = self.sink.as_ref().map(Sink::name).unwrap_or_default();
        let gone = error.kind() == ErrorKind::BrokenPipe;
        if gone {
            self.sink = None;
        }
        if self.may_warn() {
            let then = if gone { "no more lines are written until a restart" } else { "trying again" };
            log::error!("access log: cannot write to {name}: {error}; {then}; the lines lost are counted");
        }
    }

    fn warn_of_losses(&mut self) {
        let dropped = self.shared.dropped.load(Ordering::Relaxed);
        if dropped > self.reported && self.may_warn() {
            log::warn!(
                "access log: {} lines were dropped, {dropped} since the start: the disk or the reader is too slow",
                dropped - self.reported
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

/// Like `write_all`, but says how far it came.
fn write_most(sink: &mut Sink, batch: &[u8]) -> (usize, io::Result<()>) {
    let mut written = 0;
    while let Some(rest) = batch.get(written..).filter(|rest| !rest.is_empty()) {
        match sink.write(rest) {
            Ok(0) => return (written, Err(ErrorKind::WriteZero.into())),
            Ok(n) => written += n,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return (written, Err(error)),
        }
    }
    (written, sink.flush())
}

#[cfg(test)]
mod tests;
