//! What lines are written to, and how far a write came.

use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};

use super::syslog::{Connection, Syslog};

/// Where the lines go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// They are not kept.
    Nowhere,
    Stdout,
    /// Appended to; made if it is not there.
    File(PathBuf),
    Syslog(Syslog),
}

pub(super) enum Sink {
    Stream(Box<dyn Write + Send>),
    File(File, PathBuf),
    Syslog(Box<Connection>),
}

/// What became of lines.
pub(super) struct Written {
    pub lost: u64,
    /// The last that was written is not whole.
    pub torn: bool,
    pub error: Option<io::Error>,
}

impl Sink {
    pub(super) fn open(target: Target) -> io::Result<Sink> {
        Ok(match target {
            Target::Nowhere => Sink::Stream(Box::new(io::sink())),
            Target::Stdout => Sink::Stream(Box::new(io::stdout())),
            Target::File(path) => Sink::File(open(&path)?, path),
            Target::Syslog(settings) => Sink::Syslog(Box::new(Connection::new(settings))),
        })
    }

    pub(super) fn name(&self) -> String {
        match self {
            Sink::Stream(_) => "standard output".to_owned(),
            Sink::File(_, path) => path.display().to_string(),
            Sink::Syslog(connection) => connection.name(),
        }
    }

    /// Tries what may fail before there is a line to write.
    pub(super) fn prepare(&mut self) -> io::Result<()> {
        match self {
            Sink::Syslog(connection) => connection.connect(),
            Sink::Stream(_) | Sink::File(..) => Ok(()),
        }
    }

    /// Opens a file or a socket anew; `false`: there is nothing to open.
    pub(super) fn reopen(&mut self) -> io::Result<bool> {
        match self {
            Sink::Stream(_) => return Ok(false),
            Sink::File(file, path) => *file = open(path)?,
            Sink::Syslog(connection) => {
                connection.forget();
                connection.connect()?;
            }
        }
        Ok(true)
    }

    /// `mend`: what was written last was not a whole line.
    pub(super) fn write(&mut self, lines: &[u8], mend: bool) -> Written {
        let out: &mut dyn Write = match self {
            Sink::Syslog(connection) => {
                let (lost, error) = connection.send(lines);
                return Written { lost, torn: false, error };
            }
            Sink::Stream(stream) => stream,
            Sink::File(file, _) => file,
        };
        let torn = mend && out.write_all(b"\n").is_err();
        let (written, result) = write_most(out, lines);
        let Err(error) = result else { return Written { lost: 0, torn, error: None } };
        let (done, lost) = lines.split_at(written);
        Written {
            lost: count(lost),
            torn: done.last().map_or(torn, |last| *last != b'\n'),
            error: Some(error),
        }
    }
}

pub(super) fn count(lines: &[u8]) -> u64 {
    lines.iter().filter(|byte| **byte == b'\n').count() as u64
}

fn open(path: &Path) -> io::Result<File> {
    OpenOptions::new().create(true).append(true).open(path)
}

/// Like `write_all`, but says how far it came.
fn write_most(out: &mut dyn Write, batch: &[u8]) -> (usize, io::Result<()>) {
    let mut written = 0;
    while let Some(rest) = batch.get(written..).filter(|rest| !rest.is_empty()) {
        match out.write(rest) {
            Ok(0) => return (written, Err(ErrorKind::WriteZero.into())),
            Ok(n) => written += n,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return (written, Err(error)),
        }
    }
    (written, out.flush())
}
