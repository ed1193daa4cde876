//! A child process that cannot outlive its test: killed and reaped when dropped, on a panic too. What it writes is
//! collected line by line.

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use super::wait::{eventually, until};

type Lines = Arc<Mutex<Vec<String>>>;

pub struct Process {
    child: Child,
    stdout: Lines,
    stderr: Lines,
    readers: Vec<JoinHandle<()>>,
}

impl Process {
    pub fn start(command: &mut Command) -> Process {
        Process::start_reading(command, Stdio::null())
    }

    /// The same with something for its standard input.
    pub fn start_reading(command: &mut Command, input: impl Into<Stdio>) -> Process {
        let mut child = command
            .stdin(input)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("cannot start {command:?}: {error}"));
        let (stdout, stderr) = (Lines::default(), Lines::default());
        let readers = vec![
            collect(child.stdout.take().unwrap(), Arc::clone(&stdout)),
            collect(child.stderr.take().unwrap(), Arc::clone(&stderr)),
        ];
        Process { child, stdout, stderr, readers }
    }

    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// The lines of standard output so far.
    pub fn stdout(&self) -> Vec<String> {
        self.stdout.lock().unwrap().clone()
    }

    /// The lines of standard error so far.
    pub fn stderr(&self) -> Vec<String> {
        self.stderr.lock().unwrap().clone()
    }

    /// Waits for something in the lines of both streams; panics with all of them if the process ends first.
    pub fn await_lines<T>(&mut self, what: &str, find: impl Fn(&[String], &[String]) -> Option<T>) -> T {
        eventually(&format!("{what}\n{}", self.transcript()), || {
            let found = find(&self.stdout(), &self.stderr());
            if found.is_none() && self.exited().is_some() {
                self.join_readers();
                if let Some(late) = find(&self.stdout(), &self.stderr()) {
                    return Some(late);
                }
                panic!("ended before: {what}\n{}", self.transcript());
            }
            found
        })
    }

    /// The exit status, if the process has ended.
    pub fn exited(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().unwrap()
    }

    /// Waits for the end, then for the last of its output.
    pub fn wait(&mut self) -> ExitStatus {
        let transcript = self.transcript();
        let status = eventually(&format!("the process ends\n{transcript}"), || self.exited());
        self.join_readers();
        status
    }

    /// Sends a signal by name, as `kill` spells it: `TERM`, `INT`, `KILL`.
    pub fn signal(&self, name: &str) {
        let sent = Command::new("sh").arg("-c").arg(format!("kill -{name} {}", self.id())).status().unwrap();
        assert!(sent.success(), "kill -{name} {}", self.id());
    }

    /// Kills it at once and waits until the kernel has closed its sockets.
    pub fn kill(&mut self) {
        let _ = self.child.kill();
        until("the killed process is gone", || self.exited().is_some());
    }

    /// Everything it wrote, for a failing test.
    pub fn transcript(&self) -> String {
        format!("--- stderr\n{}\n--- stdout\n{}", self.stderr().join("\n"), self.stdout().join("\n"))
    }

    fn join_readers(&mut self) {
        for reader in self.readers.drain(..) {
            let _ = reader.join();
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        self.join_readers();
        if std::thread::panicking() {
            eprintln!("{}", self.transcript());
        }
    }
}

fn collect(stream: impl Read + Send + 'static, lines: Lines) -> JoinHandle<()> {
    std::thread::spawn(move || {
        let mut reader = BufReader::new(stream);
        let mut line = Vec::new();
        while matches!(reader.read_until(b'\n', &mut line), Ok(count) if count > 0) {
            let text = String::from_utf8_lossy(&line).trim_end().to_owned();
            lines.lock().unwrap().push(text);
            line.clear();
        }
    })
}
