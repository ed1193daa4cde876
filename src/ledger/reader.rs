//! The file opened to be read, while the balancer runs and when it does not. Nothing is ever changed by it.

use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::{Connection, OpenFlags};

use super::store::Error;
use super::{FILE, schema};

/// How long a reader waits for somebody who holds the file for himself.
const BUSY: Duration = Duration::from_secs(3);

#[derive(Debug)]
pub struct Reader {
    pub connection: Connection,
    pub path: PathBuf,
}

/// `None` where there is no file, or one that nothing was written to yet.
///
/// # Errors
/// The file cannot be read, or a newer tidegate wrote it.
pub fn open(dir: &Path) -> Result<Option<Reader>, Error> {
    let path = dir.join(FILE);
    match std::fs::metadata(&path) {
        Ok(file) if file.len() > 0 => {}
        Ok(_) => return Ok(None),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(cause) => return Err(Error::Unreadable { path, cause }),
    }
    let wrong = |cause| Error::Sqlite { path: path.clone(), cause };
    let connection = connect(&path).map_err(wrong)?;
    let found = schema::version_of(&connection).map_err(wrong)?;
    match found {
        0 => Ok(None),
        _ if found > schema::version() => Err(Error::Newer { path, found, known: schema::version() }),
        _ => Ok(Some(Reader { connection, path })),
    }
}

impl Reader {
    pub fn wrong(&self, cause: rusqlite::Error) -> Error {
        Error::Sqlite { path: self.path.clone(), cause }
    }
}

fn connect(path: &Path) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(BUSY)?;
    Ok(connection)
}
