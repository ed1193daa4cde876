//! The file opened to be read, while the balancer runs and when it does not. Nothing is ever changed by it.

use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::{Connection, ErrorCode, OpenFlags};

use super::error::Error;
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
    let connection = match connect(&path) {
        Err(cause) if is_forbidden(&cause) => return Err(Error::Forbidden { path, cause }),
        result => result.map_err(wrong)?,
    };
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
    let open = |name: &Path, flags: OpenFlags| {
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX | flags;
        let connection = Connection::open_with_flags(name, flags)?;
        connection.busy_timeout(BUSY)?;
        schema::version_of(&connection).map(|_| connection)
    };
    match open(path, OpenFlags::empty()) {
        // In a directory that this user may not write to, SQLite cannot make the files by which readers and writers
        // find each other. Where nobody writes none are needed.
        Err(error) if is_forbidden(&error) && nobody_writes(path) => {
            open(&immutable(path), OpenFlags::SQLITE_OPEN_URI).map_err(|_| error)
        }
        result => result,
    }
}

fn is_forbidden(error: &rusqlite::Error) -> bool {
    let code = error.sqlite_error_code();
    matches!(code, Some(ErrorCode::CannotOpen | ErrorCode::ReadOnly | ErrorCode::PermissionDenied))
}

fn nobody_writes(path: &Path) -> bool {
    let mut journal = path.to_owned().into_os_string();
    journal.push("-wal");
    std::fs::metadata(journal).map_or(true, |file| file.len() == 0)
}

fn immutable(path: &Path) -> PathBuf {
    let mut name = std::ffi::OsString::from("file:");
    for byte in path.as_os_str().as_bytes() {
        match byte {
            b'%' | b'?' | b'#' => name.push(format!("%{byte:02X}")),
            _ => name.push(std::ffi::OsStr::from_bytes(std::slice::from_ref(byte))),
        }
    }
    name.push("?immutable=1");
    PathBuf::from(name)
}
