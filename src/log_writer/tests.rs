use std::fs;
use std::io::Write;
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, Sender, channel};

use super::*;

const SOON: Duration = Duration::from_secs(20);

/// A sink that does what the test says and shows what it was given.
#[derive(Clone, Default)]
struct Fake(Arc<Mutex<FakeState>>);

#[derive(Default)]
struct FakeState {
    seen: Vec<u8>,
    writes: usize,
    /// Every write waits for a word, and fails when it is an error.
    gate: Option<Receiver<Option<ErrorKind>>>,
    /// Takes at most so many bytes at once.
    mouthful: Option<usize>,
}

impl Write for Fake {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let gate = self.0.lock().gate.take();
        let word = gate.as_ref().and_then(|gate| gate.recv().ok().flatten());
        let mut state = self.0.lock();
        state.gate = gate;
        if let Some(kind) = word {
            return Err(kind.into());
        }
        let taken = bytes.len().min(state.mouthful.unwrap_or(usize::MAX));
        state.seen.extend_from_slice(&bytes[..taken]);
        state.writes += 1;
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Fake {
    fn start(&self) -> LogWriter {
        let fake = self.clone();
        LogWriter::with_sink(Target::Stdout, || Ok(Sink::Stream(Box::new(fake)))).unwrap()
    }

    fn gated(mouthful: Option<usize>) -> (Fake, Sender<Option<ErrorKind>>) {
        let (open, gate) = channel();
        let state = FakeState { gate: Some(gate), mouthful, ..FakeState::default() };
        (Fake(Arc::new(Mutex::new(state))), open)
    }

    fn text(&self) -> String {
        String::from_utf8(self.0.lock().seen.clone()).unwrap()
    }
}

/// Polls until `condition` holds.
fn eventually(what: &str, condition: impl Fn() -> bool) {
    let start = clock::instant();
    while !condition() {
        assert!(start.elapsed() < SOON, "{what}");
        thread::yield_now();
    }
}

fn scratch(name: &str) -> PathBuf {
    let dir = std::env::temp_dir().join(format!("tidegate-log-writer-{}-{name}", std::process::id()));
    fs::create_dir_all(&dir).unwrap();
    dir
}

#[test]
fn lines_of_many_threads_arrive_whole_in_few_writes() {
    let fake = Fake::default();
    let writer = fake.start();
    thread::scope(|scope| {
        for worker in 0..4 {
            let writer = writer.clone();
            scope.spawn(move || {
                (0..1000).for_each(|i| writer.write(format!("{worker}:{i}\n").as_bytes(), Severity::Info))
            });
        }
    });
    assert!(writer.flush_and_stop(SOON));
    let text = fake.text();
    for worker in 0..4 {
        let own = text.lines().filter_map(|line| line.strip_prefix(&format!("{worker}:"))).map(str::parse);
        assert_eq!(own.collect::<Result<Vec<u32>, _>>().unwrap(), (0..1000).collect::<Vec<_>>());
    }
    assert!(fake.0.lock().writes < 1000, "batched");
    assert_eq!(writer.dropped(), 0);
}

#[test]
fn a_line_is_written_without_waiting_for_another() {
    let fake = Fake::default();
    let writer = fake.start();
    for line in ["a\n", "b\n"] {
        writer.write(line.as_bytes(), Severity::Info);
        eventually("the line is written", || fake.text().ends_with(line));
    }
}

#[test]
fn a_slow_disk_costs_lines_not_time() {
    let (fake, open) = Fake::gated(None);
    let writer = fake.start();
    let line = vec![b'x'; 1 << 20].into_iter().chain(*b"\n").collect::<Vec<u8>>();
    (0..40).for_each(|_| writer.write(&line, Severity::Info));
    assert!(writer.dropped() >= 40 - 16, "{}", writer.dropped());
    assert!(!writer.flush_and_stop(Duration::from_millis(20)), "the disk hangs");
    drop(open);
    assert!(writer.flush_and_stop(SOON));
    let written = fake.text().lines().count() as u64;
    assert_eq!(written + writer.dropped(), 40);
}

#[test]
fn a_closed_pipe_stops_the_writing_and_counts() {
    let (fake, open) = Fake::gated(None);
    let writer = fake.start();
    open.send(Some(ErrorKind::BrokenPipe)).unwrap();
    writer.write(b"a\n", Severity::Info);
    eventually("the loss is counted", || writer.dropped() == 1);
    writer.write(b"b\n", Severity::Info);
    assert!(writer.flush_and_stop(SOON));
    assert_eq!((writer.dropped(), fake.text()), (2, String::new()));
}

#[test]
fn after_a_full_disk_writing_goes_on_at_a_new_line() {
    let (fake, open) = Fake::gated(Some(4));
    let writer = fake.start();
    open.send(None).unwrap();
    open.send(Some(ErrorKind::StorageFull)).unwrap();
    writer.write(b"first line\nsecond\n", Severity::Info);
    eventually("the losses are counted", || writer.dropped() == 2);
    writer.write(b"third\n", Severity::Info);
    drop(open);
    assert!(writer.flush_and_stop(SOON));
    assert_eq!(fake.text(), "firs\nthird\n");
}

#[test]
fn a_file_is_appended_to_and_reopened_after_a_rename() {
    let dir = scratch("rotate");
    let (path, old) = (dir.join("access.log"), dir.join("access.log.1"));
    fs::write(&path, "before\n").unwrap();
    let writer = LogWriter::start(Target::File(path.clone())).unwrap();
    writer.write(b"one\n", Severity::Info);
    eventually("the line is in the file", || fs::read_to_string(&path).unwrap() == "before\none\n");
    fs::rename(&path, &old).unwrap();
    writer.reopen();
    eventually("the file is there again", || path.exists());
    writer.write(b"two\n", Severity::Info);
    assert!(writer.flush_and_stop(SOON));
    assert_eq!(fs::read_to_string(&path).unwrap(), "two\n");
    assert_eq!(fs::read_to_string(&old).unwrap(), "before\none\n");
    fs::remove_dir_all(dir).unwrap();
}

#[test]
fn what_cannot_be_opened_is_refused_at_the_start() {
    let dir = scratch("refused");
    assert!(LogWriter::start(Target::File(dir.clone())).is_err());
    let writer = LogWriter::start(Target::Nowhere).unwrap();
    assert!(writer.prepare(Target::File(dir.clone())).is_err());
    fs::remove_dir_all(dir).unwrap();
}

#[test]
fn lines_after_the_stop_are_counted_as_dropped() {
    let writer = Fake::default().start();
    assert!(writer.flush_and_stop(SOON));
    writer.write(b"late\n", Severity::Info);
    assert_eq!(writer.dropped(), 1);
}

#[test]
fn another_target_takes_over_without_losing_a_line() {
    let dir = scratch("switch");
    let (first, second) = (dir.join("first.log"), dir.join("second.log"));
    let writer = LogWriter::start(Target::File(first.clone())).unwrap();
    thread::scope(|scope| {
        for worker in 0..4 {
            let writer = writer.clone();
            scope.spawn(move || {
                (0..5000).for_each(|i| writer.write(format!("{worker}:{i}\n").as_bytes(), Severity::Info));
            });
        }
        writer.switch(writer.prepare(Target::File(second.clone())).unwrap());
        drop(writer.prepare(Target::File(dir.join("unused.log"))).unwrap());
    });
    assert!(writer.flush_and_stop(SOON));
    let lines = |path: &PathBuf| fs::read_to_string(path).unwrap().lines().count();
    eventually("every line is in one of the files", || lines(&first) + lines(&second) == 20_000);
    assert_eq!(writer.dropped(), 0);
    fs::remove_dir_all(dir).unwrap();
}

#[test]
fn a_pipe_without_a_reader_is_refused_and_not_waited_for() {
    let dir = scratch("pipe");
    let path = dir.join("pipe");
    assert!(std::process::Command::new("mkfifo").arg(&path).status().unwrap().success());
    let refused = LogWriter::start(Target::File(path.clone())).unwrap_err();
    assert!(refused.to_string().contains("needs somebody who reads it"), "{refused}");
    drop(fs::File::open(&path).unwrap());
    fs::remove_dir_all(dir).unwrap();
}

#[test]
fn lines_for_nowhere_are_not_missed() {
    let writer = LogWriter::start(Target::Nowhere).unwrap();
    writer.write(b"a\n", Severity::Info);
    assert!(writer.flush_and_stop(SOON));
    assert_eq!(writer.dropped(), 0);
}

#[test]
fn a_file_that_cannot_be_reopened_goes_on() {
    let dir = scratch("stuck");
    let path = dir.join("access.log");
    let writer = LogWriter::start(Target::File(path.clone())).unwrap();
    let moved = dir.join("access.log.1");
    fs::rename(&path, &moved).unwrap();
    // A directory in its place cannot be opened, whoever asks.
    fs::create_dir(&path).unwrap();
    writer.reopen();
    writer.write(b"one\n", Severity::Info);
    assert!(writer.flush_and_stop(SOON));
    assert_eq!((fs::read_to_string(&moved).unwrap(), writer.dropped()), ("one\n".to_owned(), 0));
    fs::remove_dir_all(dir).unwrap();
}
