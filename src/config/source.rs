//! Where the configuration takes its text from: files and environment variables, behind a trait so that a test needs
//! neither.

use std::io;
use std::path::Path;

/// What `${NAME}`, `${file:...}` and paths in the file refer to.
pub trait Environment {
    /// The value of a variable; `None` when it is not set.
    fn variable(&self, name: &str) -> Option<String>;

    /// The whole content of a file.
    fn file(&self, path: &Path) -> io::Result<Vec<u8>>;
}

/// The process's own variables and the disk.
pub struct Process;

impl Environment for Process {
    fn variable(&self, name: &str) -> Option<String> {
        std::env::var(name).ok()
    }

    fn file(&self, path: &Path) -> io::Result<Vec<u8>> {
        std::fs::read(path)
    }
}
