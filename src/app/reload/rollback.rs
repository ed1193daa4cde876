//! Back to a configuration that was in force before: ordered by an operator, or by the guard of a reload.

use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;

use log::info;

use super::Reloader;
use crate::base::clock;
use crate::config;
use crate::config::source::Running;
use crate::history::History;
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
        let loaded = config::load_text(file, &text, &Running);
        let mut answer = self.put(loaded, &format!("rollback to {number} by {who}")).await;
        if !answer.done {
            return answer;
        }
        events::rolled_back(
            &self.shared.state,
            &format!("{who} ordered it, to number {number} of the history"),
        );
        let _ = match (write, std::fs::read_to_string(file).is_ok_and(|now| now == text)) {
            (_, true) => Ok(()),
            (false, false) => writeln!(
                answer.message,
                "{} still has another text: the next reload or restart puts that in force. `tidegate rollback {number} \
                 --write` puts this one in its place",
                file.display()
            ),
            (true, false) => match replace(file, &text) {
                Ok(beside) => writeln!(
                    answer.message,
                    "{} has it too; what it had is in {}",
                    file.display(),
                    beside.display()
                ),
                Err(error) => writeln!(answer.message, "{} could not be written: {error}", file.display()),
            },
        };
        answer
    }

    fn older(&self, to: Option<u64>) -> Result<(u64, String), String> {
        let history = History::open(&self.fixed.state_dir);
        let number = match (to, self.in_force.lock().number) {
            (Some(number), _) => number,
            (None, None) => {
                return Err(
                    "the configuration in force could not be kept, so none is known to be before it".into()
                );
            }
            (None, Some(now)) => match history.before(now).map_err(|error| error.to_string())? {
                Some(entry) => entry.number,
                None => return Err(format!("the history has nothing before number {now}")),
            },
        };
        let text = history.text(number).map_err(|error| error.to_string())?;
        Ok((number, text))
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
        let loaded = config::load_text(&self.fixed.file, &before, &Running);
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

/// Writes a text in the place of a file, in one step; what the file had is kept beside it, in the path that comes back.
fn replace(file: &Path, text: &str) -> std::io::Result<PathBuf> {
    let beside = |end: String| {
        let mut name = file.as_os_str().to_owned();
        name.push(end);
        PathBuf::from(name)
    };
    let (kept, new) = (beside(format!(".before-{}", clock::unix_time().as_secs())), beside(".new".into()));
    std::fs::copy(file, &kept)?;
    // With the rights of the file that it replaces.
    std::fs::copy(file, &new)?;
    std::fs::write(&new, text)?;
    std::fs::rename(&new, file)?;
    Ok(kept)
}
