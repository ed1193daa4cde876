//! What is wrong with the file, in words that say what to do.

use std::io;
use std::path::{Path, PathBuf};

use rusqlite::ErrorCode;
use thiserror::Error;

#[derive(Debug, Error)]
pub enum Error {
    #[error(
        "cannot make the directory {}: {cause}. Check `global.state_dir` and who may write there",
        path.display()
    )]
    Directory { path: PathBuf, cause: io::Error },
    #[error(
        "{} was written by a newer tidegate: its schema is {found}, this one knows {known}. It is left alone; start \
         the newer one, or move the file away to begin anew",
        path.display()
    )]
    Newer { path: PathBuf, found: i64, known: i64 },
    #[error("cannot read {}: {cause}", path.display())]
    Unreadable { path: PathBuf, cause: io::Error },
    #[error(
        "{} cannot be read by this user ({cause}): it takes the right to read it, and, after a crash of the balancer, to \
         write in its directory. Ask as the user that the balancer runs as",
        path.display()
    )]
    Forbidden { path: PathBuf, cause: rusqlite::Error },
    #[error("{}", in_words(path, cause))]
    Sqlite { path: PathBuf, cause: rusqlite::Error },
    #[error("{} was removed or replaced while it was open; a new one is begun", path.display())]
    Moved { path: PathBuf },
}

impl Error {
    /// What is there is no database, or one that is broken.
    pub fn is_damage(&self) -> bool {
        let Error::Sqlite { cause, .. } = self else { return false };
        matches!(cause.sqlite_error_code(), Some(ErrorCode::NotADatabase | ErrorCode::DatabaseCorrupt))
    }

    /// The file is another one now; to wait would not make it better.
    pub fn is_move(&self) -> bool {
        matches!(self, Error::Moved { .. })
    }
}

fn in_words(path: &Path, cause: &rusqlite::Error) -> String {
    let file = path.display();
    let what = match cause.sqlite_error_code() {
        Some(ErrorCode::DiskFull) => "the disk is full; make room on its file system",
        Some(ErrorCode::ReadOnly | ErrorCode::PermissionDenied) => {
            "it may not be written: a read-only file system, or the wrong owner"
        }
        Some(ErrorCode::CannotOpen) => {
            "it cannot be opened; check that the directory is there, and who may read and write in it"
        }
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked | ErrorCode::FileLockingProtocolFailed) => {
            "another program has locked it; end its open transaction (in a `sqlite3` shell: COMMIT)"
        }
        Some(ErrorCode::SystemIoFailure) => "the disk reports an error; look at the kernel's log",
        Some(ErrorCode::NotADatabase) => "it is no database",
        Some(ErrorCode::DatabaseCorrupt) => "it is damaged",
        _ => return format!("{file}: {cause}"),
    };
    format!("{file}: {what} ({cause})")
}
