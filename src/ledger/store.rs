//! The open file: how it is opened, whether it is still the one that its path names, and how its journal is kept small.

use std::fs;
use std::io;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};

use super::error::Error;
use super::{FILE, schema};

/// How long a transaction waits for one of another process.
const BUSY: Duration = Duration::from_millis(500);

/// A journal of this size is emptied. SQLite does that by itself at half of it, unless somebody reads at that moment.
const LARGE_JOURNAL: u64 = 8 << 20;

/// Device and inode: which file it is, whatever its name.
pub type Identity = (u64, u64);

#[derive(Debug)]
pub struct Store {
    pub connection: Connection,
    pub path: PathBuf,
    pub identity: Identity,
    /// The file's journal.
    journal: Option<Identity>,
}

impl Store {
    /// Opens the file, makes it if it is not there, and brings it to the version of today.
    pub fn open(dir: &Path) -> Result<Store, Error> {
        fs::create_dir_all(dir).map_err(|cause| Error::Directory { path: dir.to_owned(), cause })?;
        let path = dir.join(FILE);
        // SQLite would let everybody read it. What fails here is told by SQLite, in the same words as ever.
        let _ = fs::OpenOptions::new().write(true).create_new(true).mode(0o640).open(&path);
        let wrong = |cause| Error::Sqlite { path: path.clone(), cause };
        let mut connection = connect(&path).map_err(wrong)?;
        let found = schema::migrate(&mut connection).map_err(wrong)?;
        if found > schema::version() {
            return Err(Error::Newer { path, found, known: schema::version() });
        }
        // Told now, not with the first call: that it may not be written, or is locked.
        connection.execute_batch("BEGIN IMMEDIATE; ROLLBACK").map_err(wrong)?;
        let Some(identity) = identity(dir) else { return Err(Error::Moved { path }) };
        let journal = identity_of(&beside(&path, "-wal"));
        Ok(Store { connection, path, identity, journal })
    }

    /// Whether the path names another file by now, or none: then what is written goes nowhere.
    pub fn has_moved(&self) -> bool {
        identity_of(&self.path) != Some(self.identity)
    }

    pub fn wrong(&self, cause: rusqlite::Error) -> Error {
        Error::Sqlite { path: self.path.clone(), cause }
    }

    /// Bytes of the journal.
    pub fn journal(&self) -> u64 {
        fs::metadata(beside(&self.path, "-wal")).map_or(0, |file| file.len())
    }

    /// Empties a journal that grew large. How large it still is: whoever reads a moment of the past holds it.
    pub fn shrink_journal(&self) -> rusqlite::Result<u64> {
        if self.journal() > LARGE_JOURNAL {
            self.connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))?;
        }
        Ok(self.journal())
    }
}

impl Drop for Store {
    /// The journal of a file that was moved or replaced must not be there when its successor is opened: SQLite would write it
    /// over that. What it holds goes where it belongs first: the file may live on under another name.
    fn drop(&mut self) {
        let elsewhere = match fs::metadata(&self.path) {
            Ok(file) => identity_in(&file) != self.identity,
            Err(error) => error.kind() == io::ErrorKind::NotFound,
        };
        if !elsewhere {
            return;
        }
        let journal = beside(&self.path, "-wal");
        let ours = self.journal.is_some() && identity_of(&journal) == self.journal;
        if ours {
            let _ = self.connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()));
        }
        let _ = self.connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true);
        if ours {
            let _ = fs::remove_file(journal);
            let _ = fs::remove_file(beside(&self.path, "-shm"));
        }
    }
}

/// SQLite's own files have the name of the database and a suffix.
fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.to_owned().into_os_string();
    name.push(suffix);
    PathBuf::from(name)
}

fn connect(path: &Path) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE
        | OpenFlags::SQLITE_OPEN_CREATE
        | OpenFlags::SQLITE_OPEN_NO_MUTEX
        | OpenFlags::SQLITE_OPEN_EXRESCODE;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(BUSY)?;
    // A newer file is not even given another journal.
    if schema::version_of(&connection)? <= schema::version() {
        connection.query_row("PRAGMA journal_mode = WAL", [], |_| Ok(()))?;
    }
    connection.execute_batch("PRAGMA synchronous = FULL; PRAGMA journal_size_limit = 16777216;")?;
    Ok(connection)
}

/// Which file the directory has now.
pub fn identity(dir: &Path) -> Option<Identity> {
    identity_of(&dir.join(FILE))
}

fn identity_of(path: &Path) -> Option<Identity> {
    fs::metadata(path).ok().as_ref().map(identity_in)
}

fn identity_in(file: &fs::Metadata) -> Identity {
    (file.dev(), file.ino())
}

/// Takes a file that is no database out of the way, with what belongs to it. Its new name; `None` where another process
/// has done so.
pub fn move_aside(dir: &Path, file: Identity, unix: Duration) -> io::Result<Option<PathBuf>> {
    if identity(dir) != Some(file) {
        return Ok(None);
    }
    let path = dir.join(FILE);
    let aside = beside(&path, &format!(".damaged-{}", unix.as_secs()));
    fs::rename(&path, &aside)?;
    for suffix in ["-wal", "-shm"] {
        let _ = fs::rename(beside(&path, suffix), beside(&aside, suffix));
    }
    Ok(Some(aside))
}
