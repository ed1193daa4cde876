//! The files of the history: what they are called, which of them count, and how they come and go.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, UNIX_EPOCH};

use super::Error;
use super::disk::Disk;
use super::entry::{Applied, Entry, digest};
use crate::base::clock;

/// What the names of files begin with that are not finished.
const UNFINISHED: &str = ".new-";

/// Unfinished files of this age belong to nobody any more.
const ABANDONED: Duration = Duration::from_secs(600);

/// Numbers that others took first, before it is given up: there are not that many writers.
const MOST_CLAIMS: usize = 1000;

/// The folder as it was when it was read.
pub(super) struct Folder {
    path: PathBuf,
    /// Those that count, the newest first.
    pub entries: Vec<Entry>,
    /// Files that should be one and are none, and why.
    broken: Vec<(PathBuf, &'static str)>,
    /// The numbers in all names, also of what is broken.
    numbers: BTreeSet<u64>,
    /// Of a writer that did not come to its end.
    abandoned: Vec<PathBuf>,
}

const NO_TEXT: &str = "has no text beside it";
const OTHER_TEXT: &str = "has not the text that was kept: it was changed, or cut";
const NO_ENTRY: &str = "has no entry (`.json`) beside it: it is being written, or its writer was interrupted";
const NOT_READABLE: &str = "is no entry that this version can read";

impl Folder {
    /// A folder that is not there has nothing in it.
    pub fn read(path: &Path) -> Result<Folder, Error> {
        let mut folder = Folder {
            path: path.to_owned(),
            entries: Vec::new(),
            broken: Vec::new(),
            numbers: BTreeSet::new(),
            abandoned: Vec::new(),
        };
        let unreadable = |cause| Error::Unreadable { path: path.to_owned(), cause };
        let files = match fs::read_dir(path) {
            Err(cause) if cause.kind() == io::ErrorKind::NotFound => return Ok(folder),
            files => files.map_err(unreadable)?,
        };
        let (mut texts, mut written) = (BTreeMap::new(), BTreeSet::new());
        for file in files {
            let file = file.map_err(unreadable)?;
            let name = file.file_name();
            let Some(name) = name.to_str() else { continue };
            if name.starts_with(UNFINISHED) {
                folder.abandoned.extend(is_abandoned(&file).then(|| file.path()));
            } else if let Some(number) = number_of(name, ".yaml") {
                // Of anything else than a file, no length is the right one.
                let length =
                    file.metadata().ok().filter(fs::Metadata::is_file).map(|metadata| metadata.len());
                texts.insert(number, length);
            } else if let Some(number) = number_of(name, ".json") {
                written.insert(number);
            }
        }
        for number in written.iter().rev().copied() {
            let path = folder.entry_file(number);
            match fs::read(&path).map(|bytes| Entry::read(number, &bytes)) {
                Ok(Some(entry)) => match texts.get(&number) {
                    Some(length) if *length == Some(entry.bytes) => folder.entries.push(entry),
                    Some(_) => folder.broken.push((folder.text_file(number), OTHER_TEXT)),
                    None => folder.broken.push((path, NO_TEXT)),
                },
                // Taken away by another process between then and now.
                Err(cause) if cause.kind() == io::ErrorKind::NotFound => {}
                _ => folder.broken.push((path, NOT_READABLE)),
            }
        }
        for number in texts.keys().filter(|number| !written.contains(number)) {
            folder.broken.push((folder.text_file(*number), NO_ENTRY));
        }
        folder.numbers = texts.into_keys().chain(written).collect();
        Ok(folder)
    }

    pub fn broken(&self) -> impl Iterator<Item = String> {
        self.broken.iter().map(|(path, why)| format!("{}: it {why}", path.display()))
    }

    pub fn newest(&self) -> Option<&Entry> {
        self.entries.first()
    }

    pub fn before(&self, number: u64) -> Option<&Entry> {
        let here = self.entries.iter().find(|entry| entry.number == number).map(|entry| &entry.sha256);
        self.entries.iter().find(|entry| entry.number < number && Some(&entry.sha256) != here)
    }

    pub fn text(&self, number: u64) -> Result<String, Error> {
        let broken = |path: PathBuf, why| Error::Broken { number, path, why, kept: self.kept() };
        let Some(entry) = self.entries.iter().find(|entry| entry.number == number) else {
            let files = [self.text_file(number), self.entry_file(number)];
            return Err(match self.broken.iter().find(|(path, _)| files.contains(path)) {
                Some((path, why)) => broken(path.clone(), why),
                None => Error::Unknown { number, path: self.path.clone(), kept: self.kept() },
            });
        };
        let path = self.text_file(number);
        let bytes = match fs::read(&path) {
            Err(cause) if cause.kind() == io::ErrorKind::NotFound => return Err(broken(path, NO_TEXT)),
            bytes => bytes.map_err(|cause| Error::Unreadable { path: path.clone(), cause })?,
        };
        String::from_utf8(bytes)
            .ok()
            .filter(|text| digest(text) == entry.sha256)
            .ok_or_else(|| broken(path, OTHER_TEXT))
    }

    /// What there is, in words.
    fn kept(&self) -> String {
        match (self.entries.last(), self.entries.first()) {
            (Some(oldest), Some(newest)) if oldest.number < newest.number => {
                format!("kept are {} to {}, see `tidegate history`", oldest.number, newest.number)
            }
            (Some(only), _) => format!("the only one that is kept is {}", only.number),
            _ => "none is kept".to_owned(),
        }
    }

    /// Adds a configuration behind all others, and gives its number.
    pub fn add(&mut self, disk: &dyn Disk, applied: &Applied<'_>) -> io::Result<u64> {
        let entry = Entry::of(0, applied);
        let (text, written) = (self.unfinished(), self.unfinished());
        let added = disk
            .write(&text, applied.text.as_bytes())
            // All that takes room on the disk comes before the number.
            .and_then(|()| disk.write(&written, &entry.write()?))
            .and_then(|()| self.claim(disk))
            .and_then(|number| {
                let named = disk
                    .rename(&text, &self.text_file(number))
                    // With this it counts.
                    .and_then(|()| disk.rename(&written, &self.entry_file(number)));
                if named.is_err() {
                    let _ = disk.remove(&self.text_file(number));
                }
                named.map(|()| number)
            });
        let number = match added {
            Ok(number) => number,
            Err(cause) => {
                let _ = (disk.remove(&text), disk.remove(&written));
                return Err(cause);
            }
        };
        self.numbers.insert(number);
        self.entries.insert(0, Entry { number, ..entry });
        // It is there for everybody who looks; what is not sure is whether it would be after a loss of power.
        if let Err(cause) = disk.sync_folder(&self.path) {
            log::warn!("{} may lose configuration {number} in a loss of power: {cause}", self.path.display());
        }
        Ok(number)
    }

    /// Takes the next number by making its file. Who comes second takes the one behind it.
    fn claim(&self, disk: &dyn Disk) -> io::Result<u64> {
        let next = self.numbers.last().map_or(1, |last| last.saturating_add(1));
        for number in (next..).take(MOST_CLAIMS) {
            match disk.claim(&self.text_file(number)) {
                Err(cause) if cause.kind() == io::ErrorKind::AlreadyExists => {}
                claimed => return claimed.map(|()| number),
            }
        }
        Err(io::Error::other(format!("{MOST_CLAIMS} numbers from {next} on are taken already")))
    }

    /// Writes down anew what is known of an entry.
    pub fn rewrite(&self, disk: &dyn Disk, entry: &Entry) -> io::Result<()> {
        let unfinished = self.unfinished();
        let written = disk
            .write(&unfinished, &entry.write()?)
            .and_then(|()| disk.rename(&unfinished, &self.entry_file(entry.number)));
        if written.is_err() {
            let _ = disk.remove(&unfinished);
        }
        written
    }

    /// Removes all but the newest `most`, broken ones that are older, and what others left unfinished. What cannot be
    /// removed is told in the log: the history is no worse for it, but longer.
    pub fn prune(&mut self, disk: &dyn Disk, most: usize) {
        let Some(oldest) =
            self.entries.get(most.max(1) - 1).or(self.entries.last()).map(|entry| entry.number)
        else {
            return;
        };
        let mut left = None;
        let mut remove = |path: &Path| match disk.remove(path) {
            Err(cause) if cause.kind() != io::ErrorKind::NotFound => left = Some(cause),
            _ => {}
        };
        for number in self.numbers.iter().copied().filter(|number| *number < oldest) {
            // In this order: without its entry, a text does not count.
            remove(&self.entry_file(number));
            remove(&self.text_file(number));
        }
        self.abandoned.iter().for_each(|path| remove(path));
        if let Some(cause) = left {
            log::warn!("cannot remove what is old from {}: {cause}", self.path.display());
        }
        self.entries.retain(|entry| entry.number >= oldest);
        self.numbers.retain(|number| *number >= oldest);
    }

    fn text_file(&self, number: u64) -> PathBuf {
        self.path.join(format!("{number:06}.yaml"))
    }

    fn entry_file(&self, number: u64) -> PathBuf {
        self.path.join(format!("{number:06}.json"))
    }

    /// A name that nobody else has, in this process or another.
    fn unfinished(&self) -> PathBuf {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        // Process numbers come again; that of a container is always the same.
        let now = clock::unix_time().as_nanos();
        self.path.join(format!("{UNFINISHED}{}-{now}-{count}", std::process::id()))
    }
}

/// `000042.yaml` is 42.
fn number_of(name: &str, extension: &str) -> Option<u64> {
    let digits = name.strip_suffix(extension)?;
    let number: u64 = digits.parse().ok()?;
    // Not `42.yaml` beside it, nor `+00042.yaml`.
    (number > 0 && format!("{number:06}") == digits).then_some(number)
}

fn is_abandoned(file: &fs::DirEntry) -> bool {
    let written = file.metadata().and_then(|metadata| metadata.modified()).ok();
    let written = written.and_then(|time| time.duration_since(UNIX_EPOCH).ok());
    written.is_some_and(|written| clock::unix_time().saturating_sub(written) > ABANDONED)
}
