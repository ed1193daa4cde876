//! The open file: how it is opened, whether it is still the one that its path names, and what is wrong with it in words
//! that say what to do.

use std::fs;
use std::io;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::{Connection, ErrorCode, OpenFlags};
use thiserror::Error;

use super::{FILE, schema};

/// How long a transaction waits for one of another process.
const BUSY: Duration = Duration::from_millis(500);

#[derive(Debug, Error)]
pub enum Error {
    #[error("cannot make the directory {}: {cause}. Check `global.state_dir` and who may write there", path.display())]
    Directory { path: PathBuf, cause: io::Error },
    #[error(
        "{} was written by a newer tidegate: its schema is {found}, this one knows {known}. It is left alone; start the \
         newer one, or move the file away to begin anew", path.display()
    )]
    Newer { path: PathBuf, found: i64, known: i64 },
    #[error("cannot read {}: {cause}", path.display())]
    Unreadable { path: PathBuf, cause: io::Error },
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
}

#[derive(Debug)]
pub struct Store {
    pub connection: Connection,
    pub path: PathBuf,
    /// Device and inode of the file that is open.
    identity: (u64, u64),
}

impl Store {
    /// Opens the file, makes it if it is not there, and brings it to the version of today.
    pub fn open(dir: &Path) -> Result<Store, Error> {
        fs::create_dir_all(dir).map_err(|cause| Error::Directory { path: dir.to_owned(), cause })?;
        let path = dir.join(FILE);
        // SQLite would let everybody read it. What fails here is told by SQLite, in the same words as ever.
        let _ = fs::OpenOptions::new().write(true).create_new(true).mode(0o640).open(&path);
        let wrong = |cause| Error::Sqlite { path: path.clone(), cause };
        let mut connection = open(&path).map_err(wrong)?;
        let found = schema::migrate(&mut connection).map_err(wrong)?;
        if found > schema::version() {
            return Err(Error::Newer { path, found, known: schema::version() });
        }
        let Some(identity) = identity(&path) else { return Err(Error::Moved { path }) };
        Ok(Store { connection, path, identity })
    }

    /// Whether the path names another file by now, or none: then what is written goes nowhere.
    pub fn has_moved(&self) -> bool {
        identity(&self.path) != Some(self.identity)
    }

    pub fn wrong(&self, cause: rusqlite::Error) -> Error {
        Error::Sqlite { path: self.path.clone(), cause }
    }
}

fn open(path: &Path) -> rusqlite::Result<Connection> {
    let flags =
        OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(BUSY)?;
    // A newer file is not even given another journal.
    if schema::version_of(&connection)? <= schema::version() {
        connection.query_row("PRAGMA journal_mode = WAL", [], |_| Ok(()))?;
    }
    connection.execute_batch("PRAGMA synchronous = FULL; PRAGMA journal_size_limit = 16777216;")?;
    Ok(connection)
}

fn identity(path: &Path) -> Option<(u64, u64)> {
    fs::metadata(path).ok().map(|file| (file.dev(), file.ino()))
}

/// Takes a file that is no database out of the way, with what belongs to it. Its new name.
pub fn move_aside(dir: &Path, unix: Duration) -> io::Result<PathBuf> {
    let name = format!("{FILE}.damaged-{}", unix.as_secs());
    let aside = dir.join(&name);
    fs::rename(dir.join(FILE), &aside)?;
    for suffix in ["-wal", "-shm"] {
        let _ = fs::rename(dir.join(format!("{FILE}{suffix}")), dir.join(format!("{name}{suffix}")));
    }
    Ok(aside)
}

fn in_words(path: &Path, cause: &rusqlite::Error) -> String {
    let file = path.display();
    let what = match cause.sqlite_error_code() {
        Some(ErrorCode::DiskFull) => "the disk is full; make room on its file system",
        Some(ErrorCode::ReadOnly | ErrorCode::PermissionDenied) => {
            "it may not be written: a read-only file system, or the wrong owner"
        }
        Some(ErrorCode::CannotOpen) => {
            "it cannot be opened; check that the directory is there and who may write to it"
        }
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked | ErrorCode::FileLockingProtocolFailed) => {
            "another program has locked it; end the open transaction (in a `sqlite3` shell: COMMIT)"
        }
        Some(ErrorCode::SystemIoFailure) => "the disk reports an error; look at the kernel's log",
        Some(ErrorCode::NotADatabase) => "it is no database",
        Some(ErrorCode::DatabaseCorrupt) => "it is damaged",
        _ => return format!("{file}: {cause}"),
    };
    format!("{file}: {what} ({cause})")
}
