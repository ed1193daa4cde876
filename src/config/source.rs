//! Where the configuration takes its text from: files and environment variables, behind a trait so that a test needs
//! neither.

use std::io::{self, Read};
use std::path::Path;
use std::time::SystemTime;

use super::{LARGEST_FILE, place};

/// What `${NAME}`, `${file:...}` and paths in the file refer to.
pub trait Environment {
    /// The value of a variable; `None` when it is not set.
    fn variable(&self, name: &str) -> Option<String>;

    /// Whether a variable is set to bytes that are no text, which [`Environment::variable`] does not give.
    fn is_not_text(&self, _name: &str) -> bool {
        false
    }

    /// The whole content of a file.
    fn file(&self, path: &Path) -> io::Result<Vec<u8>>;

    /// Why a file could not be written at this path, if so. Makes nothing.
    fn why_no_file(&self, _path: &Path) -> Option<String> {
        None
    }

    /// Why no unix socket could be made at this path, or put in the place of an old one, if so. Makes nothing.
    fn why_no_socket(&self, _path: &Path) -> Option<String> {
        None
    }

    /// Why a directory could not be made and written to, if so. Makes nothing.
    fn why_no_directory(&self, _path: &Path) -> Option<NoDirectory> {
        None
    }

    /// The time by which certificates are judged.
    fn now(&self) -> SystemTime {
        SystemTime::now()
    }
}

/// Why there is no directory to write to, in words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NoDirectory {
    /// Something else is there: the file is wrong.
    Taken(String),
    /// The system does not let us write there. The disk may have become read-only since yesterday, which is no mistake of the
    /// file, and no reason not to start with it.
    NotWritable(String),
}

/// The process's own variables and the disk.
pub struct Process;

impl Environment for Process {
    fn variable(&self, name: &str) -> Option<String> {
        std::env::var(name).ok()
    }

    fn file(&self, path: &Path) -> io::Result<Vec<u8>> {
        // Before it is opened: to open a pipe that nobody writes to would wait for ever.
        regular(&std::fs::metadata(path)?)?;
        let file = std::fs::File::open(path)?;
        regular(&file.metadata()?)?;
        let mut bytes = Vec::new();
        file.take(LARGEST_FILE as u64 + 1).read_to_end(&mut bytes)?;
        if bytes.len() > LARGEST_FILE {
            return Err(io::Error::other(format!("larger than {LARGEST_FILE} bytes")));
        }
        Ok(bytes)
    }

    fn is_not_text(&self, name: &str) -> bool {
        std::env::var_os(name).is_some_and(|value| value.to_str().is_none())
    }

    fn why_no_file(&self, path: &Path) -> Option<String> {
        place::why_no_file(path)
    }

    fn why_no_socket(&self, path: &Path) -> Option<String> {
        place::why_no_socket(path)
    }

    fn why_no_directory(&self, path: &Path) -> Option<NoDirectory> {
        place::why_no_directory(path)
    }
}

/// A device may have no end, a pipe no writer.
fn regular(metadata: &std::fs::Metadata) -> io::Result<()> {
    if metadata.is_file() {
        return Ok(());
    }
    let what = if metadata.is_dir() { "a directory" } else { "a device, a pipe or a socket" };
    Err(io::Error::other(format!("it is {what}, not a regular file")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_regular_files_are_read() {
        let wrong = |path: &str| Process.file(Path::new(path)).unwrap_err().to_string();
        assert!(wrong("/dev/zero").contains("not a regular file"));
        assert!(wrong("/").contains("a directory"));
        assert!(wrong("/no/such/file").contains("No such file"));
        assert!(Process.file(Path::new("/proc/self/status")).is_ok_and(|bytes| !bytes.is_empty()));
    }

    #[test]
    fn a_pipe_without_a_writer_is_refused_at_once() {
        let path = std::env::temp_dir().join(format!("tidegate-pipe-{}", std::process::id()));
        let made = std::process::Command::new("mkfifo").arg(&path).status();
        if made.is_ok_and(|status| status.success()) {
            let wrong = Process.file(&path).unwrap_err().to_string();
            std::fs::remove_file(&path).unwrap();
            assert!(wrong.contains("a pipe"), "{wrong}");
        }
    }
}
