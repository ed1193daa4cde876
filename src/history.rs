//! The history: every text of the configuration that was applied, kept in `STATE_DIR/history`, so that what was in force
//! can be seen, compared and taken again. It keeps and finds texts; what is in them, and whether they still load, is
//! nothing to it. The texts are as the file had them, secrets and all, so nobody but the owner can read them.
//!
//! A configuration is two files: `000042.yaml`, the text, and `000042.json`, when and by whom it was applied. Both are
//! written elsewhere in the folder and then given their names, the second one last: who finds it finds both whole. A
//! crash, a full disk or a second process writing at the same time leave nothing that counts.

mod disk;
mod entry;
mod folder;

#[cfg(test)]
mod tests;

use std::io;
use std::path::{Path, PathBuf};

use thiserror::Error;

use disk::{Disk, Real};
use folder::Folder;

pub use entry::{Applied, Entry};

/// The name of the folder in `state_dir`.
pub const FOLDER: &str = "history";

/// Configurations that are kept; then the oldest go.
pub const MOST: usize = 200;

#[derive(Debug, Error)]
pub enum Error {
    #[error("cannot make the folder {}: {cause}. Check `global.state_dir` and who may write there", path.display())]
    Folder { path: PathBuf, cause: io::Error },
    #[error("cannot keep the configuration in {}: {cause}. {}", path.display(), remedy(cause))]
    Unwritable { path: PathBuf, cause: io::Error },
    #[error("cannot read {}: {cause}. Check who may read there: the history belongs to the user that tidegate runs as", path.display())]
    Unreadable { path: PathBuf, cause: io::Error },
    #[error("there is no configuration {number} in {}: {kept}", path.display())]
    Unknown { number: u64, path: PathBuf, kept: String },
    #[error("configuration {number} cannot be used: {} {why}. Take another one: {kept}", path.display())]
    Broken { number: u64, path: PathBuf, why: &'static str, kept: String },
}

fn remedy(cause: &io::Error) -> &'static str {
    match cause.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => "Free some space there",
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
            "The user that tidegate runs as must be able to write there: see `global.state_dir`"
        }
        _ => "See `global.state_dir`; what is in force stays in force",
    }
}

/// The folder of the history. Cheap to make; it holds nothing open.
#[derive(Clone, Debug)]
pub struct History {
    folder: PathBuf,
}

impl History {
    /// Of this `state_dir`. Nothing is read or made yet: what is wrong with it is told by what is asked of it.
    pub fn open(state_dir: &Path) -> History {
        History { folder: state_dir.join(FOLDER) }
    }

    /// Keeps what was just applied, and gives its number. The same text as the newest one is not kept twice: it is noted
    /// that it was applied again. Waits for the disk, several times: nothing for a thread that serves requests.
    ///
    /// # Errors
    /// It is not kept, and the history is as it was.
    pub fn keep(&self, applied: Applied<'_>) -> Result<u64, Error> {
        self.keep_on(&Real, &applied)
    }

    fn keep_on(&self, disk: &dyn Disk, applied: &Applied<'_>) -> Result<u64, Error> {
        let unwritable = |cause| Error::Unwritable { path: self.folder.clone(), cause };
        disk.make_folder(&self.folder).map_err(|cause| Error::Folder { path: self.folder.clone(), cause })?;
        let mut folder = Folder::read(&self.folder)?;
        if let Some(newest) = folder.newest().filter(|newest| newest.is_of(applied))
            && folder.text(newest.number).is_ok()
        {
            let again = Entry { again: Some(applied.at), ..newest.clone() };
            if let Err(cause) = folder.rewrite(disk, &again) {
                log::warn!("cannot note in {} that it was applied again: {cause}", self.folder.display());
            }
            return Ok(again.number);
        }
        for broken in folder.broken() {
            log::warn!("the history leaves out {broken}");
        }
        let number = folder.add(disk, applied).map_err(unwritable)?;
        folder.prune(disk, MOST);
        Ok(number)
    }

    /// What is kept, the newest first, without what is [broken](History::broken).
    ///
    /// # Errors
    /// The folder is there and cannot be read.
    pub fn list(&self) -> Result<Vec<Entry>, Error> {
        Ok(Folder::read(&self.folder)?.entries)
    }

    /// What should be in the list and is not, each with why, in words: half written, changed or cut.
    ///
    /// # Errors
    /// Those of [`History::list`].
    pub fn broken(&self) -> Result<Vec<String>, Error> {
        Ok(Folder::read(&self.folder)?.broken().collect())
    }

    /// The text of a configuration, as it was in the file.
    ///
    /// # Errors
    /// There is none of this number, or what is there is not what was kept.
    pub fn text(&self, number: u64) -> Result<String, Error> {
        Folder::read(&self.folder)?.text(number)
    }

    /// The one that was applied last.
    ///
    /// # Errors
    /// Those of [`History::list`].
    pub fn newest(&self) -> Result<Option<Entry>, Error> {
        Ok(Folder::read(&self.folder)?.newest().cloned())
    }

    /// The one that was in force before this number, and is another: what a rollback goes to. `None` where the history
    /// does not go back that far.
    ///
    /// # Errors
    /// Those of [`History::list`].
    pub fn before(&self, number: u64) -> Result<Option<Entry>, Error> {
        Ok(Folder::read(&self.folder)?.before(number).cloned())
    }
}
