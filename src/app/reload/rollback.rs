//! Back to a configuration that was in force before: ordered by an operator, or by the guard of a reload.

use std::fs::{self, Metadata, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, chown};
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;

use log::{info, warn};

use super::Reloader;
use crate::base::clock;
use crate::config;
use crate::config::source::Process;
use crate::history::{self, History};
use crate::runtime::events;
use crate::runtime::orders::Answer;

impl Reloader {
    /// Puts a text of the history in force: `to`, or the one that was in force before. `write`: the file has it then too,
    /// and what it had stands beside it.
    pub async fn rollback(&self, to: Option<u64>, write: bool, who: &str) -> Answer {
        let (number, text) = match self.older(to) {
            Ok(older) => older,
            Err(why) => return Answer::refused(format!("rollback refused, nothing has changed: {why}")),
        };
        info!("rollback: to number {number} (ordered by {who})");
        let file = &self.fixed.file;
        let loaded = config::load_text(file, &text, &Process);
        let mut answer = self.put(loaded, &format!("rollback to {number} by {who}")).await;
        if !answer.done {
            return answer;
        }
        events::rolled_back(
            &self.shared.state,
            &format!("{who} ordered it, to number {number} of the history"),
        );
        let rest = match (write, std::fs::read_to_string(file)) {
            (_, Ok(now)) if now.strip_prefix('\u{feff}').unwrap_or(&now) == text => String::new(),
            (true, _) => written(file, &text),
            (false, Ok(_)) => format!(
                "{} still has another text: the next reload or restart puts that in force. `tidegate rollback {number} \
                 --write` puts this one in its place\n",
                file.display()
            ),
            (false, Err(error)) => format!(
                "{} cannot be read ({error}): a restart would fail. `tidegate rollback {number} --write` puts this text \
                 there\n",
                file.display()
            ),
        };
        answer.message.push_str(&rest);
        answer
    }

    fn older(&self, to: Option<u64>) -> Result<(u64, String), String> {
        let history = History::open(&self.fixed.state_dir);
        let number = match to {
            Some(number) => number,
            None => self.before(&history)?,
        };
        let text = history.text(number).map_err(|error| error.to_string())?;
        Ok((number, text))
    }

    /// The number of what was in force before.
    fn before(&self, history: &History) -> Result<u64, String> {
        let (now, text) = {
            let in_force = self.in_force.lock();
            (in_force.number, in_force.text.clone())
        };
        let words = |error: history::Error| error.to_string();
        let newest = history.newest().map_err(words)?;
        let before = match (now, newest) {
            (Some(now), _) => history.before(now).map_err(words)?,
            (None, Some(newest)) if history.text(newest.number).is_ok_and(|kept| kept == text) => {
                history.before(newest.number).map_err(words)?
            }
            // What is in force could not be kept: what was kept last came before it.
            (None, newest) => newest,
        };
        let none = || match now {
            Some(now) => format!("the history has nothing before number {now}"),
            None => "the history has nothing else than what is in force".to_owned(),
        };
        before.map(|entry| entry.number).ok_or_else(none)
    }

    /// Puts back what was in force before the change that came as `generation`, because of what is worse since. Not where
    /// another change has come meanwhile.
    pub async fn undo(&self, generation: u64, why: &str) -> Answer {
        let before = self.in_force.lock().before.clone();
        if self.generation.load(Ordering::Relaxed) != generation {
            return Answer::refused(format!(
                "{why}; another configuration is in force meanwhile, so nothing is put back"
            ));
        }
        let loaded = config::load_text(&self.fixed.file, &before, &Process);
        let mut answer = self.put(loaded, "guard").await;
        if answer.done {
            events::rolled_back(&self.shared.state, why);
            answer.message = format!(
                "rolled back: {why}. What was in force before is in force again; {} still has the new text",
                self.fixed.file.display()
            );
        }
        answer
    }
}

/// Writes a text in the place of a file; what came of it, in words.
fn written(file: &Path, text: &str) -> String {
    let shown = file.display();
    match replace(file, text) {
        Ok(Some(kept)) => format!("{shown} has it too; what it had is in {}\n", kept.display()),
        Ok(None) => format!("{shown} was not there; it has this text now\n"),
        Err(error) => {
            warn!(
                "rollback: {shown} could not be written: {error}. The next reload or restart reads it as it is"
            );
            format!("{shown} could not be written: {error}\n")
        }
    }
}

/// In one step; what the file had is kept beside it, in the path that comes back.
fn replace(file: &Path, text: &str) -> io::Result<Option<PathBuf>> {
    // A link stays one.
    let file = &fs::canonicalize(file).unwrap_or_else(|_| file.to_owned());
    let new = &beside(file, ".new");
    let old = match fs::metadata(file) {
        Ok(old) => old,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return put(new, file, text, None).map(|()| None);
        }
        Err(error) => return Err(error),
    };
    let kept = free(file);
    fs::copy(file, &kept)?;
    put(new, file, text, Some(&old)).map(|()| Some(kept))
}

/// With the rights of the file that it replaces; where there was none it is for its owner alone, as it may hold secrets.
fn put(new: &Path, file: &Path, text: &str, old: Option<&Metadata>) -> io::Result<()> {
    // What an earlier one did not bring to its end.
    let _ = fs::remove_file(new);
    let written = || {
        let mut made = OpenOptions::new().write(true).create_new(true).mode(0o600).open(new)?;
        made.write_all(text.as_bytes())?;
        if let Some(old) = old {
            // Only the superuser may, and only for the superuser can it be another one.
            let _ = chown(new, Some(old.uid()), Some(old.gid()));
            made.set_permissions(old.permissions())?;
        }
        made.sync_all()?;
        fs::rename(new, file)
    };
    written().inspect_err(|_| drop(fs::remove_file(new)))
}

/// A name beside the file that nothing has.
fn free(file: &Path) -> PathBuf {
    let seconds = clock::unix_time().as_secs();
    let first = beside(file, &format!(".before-{seconds}"));
    let next = (2_u32..1000).map(|number| beside(file, &format!(".before-{seconds}-{number}")));
    std::iter::once(first.clone()).chain(next).find(|path| !path.exists()).unwrap_or(first)
}

fn beside(file: &Path, end: &str) -> PathBuf {
    let mut name = file.as_os_str().to_owned();
    name.push(end);
    PathBuf::from(name)
}
