//! `show history`, `show config` and `show diff`: the configurations that were in force, without their secrets.

use std::fmt::Write;
use std::path::Path;

use crate::admin::View;
use crate::base::calendar::Civil;
use crate::config::difference::{difference, masked};
use crate::history::{Entry, History};

/// A line for each, the newest first.
pub fn list(view: &View) -> String {
    match history(view).and_then(|history| history.list().map_err(|error| error.to_string())) {
        Ok(entries) if entries.is_empty() => "The history is empty.\n".to_owned(),
        Ok(entries) => {
            let mut out = String::from("# number applied_at sha256 bytes by\n");
            entries.iter().for_each(|entry| line(&mut out, entry));
            out
        }
        Err(why) => format!("{why}\n"),
    }
}

fn line(out: &mut String, entry: &Entry) {
    let Entry { number, bytes, who, .. } = entry;
    let at = Civil::from_unix(entry.again.unwrap_or(entry.at));
    let Civil { year, month, day, hour, minute, second, .. } = at;
    let digest = entry.sha256.get(..12).unwrap_or(&entry.sha256);
    let _ = writeln!(
        out,
        "{number} {year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z {digest} {bytes} {who}"
    );
}

/// A text of the history, or the newest one.
pub fn text(view: &View, number: Option<&str>) -> String {
    let shown = || -> Result<String, String> {
        let history = history(view)?;
        let number = match number {
            Some(number) => parse(number)?,
            None => newest(&history)?,
        };
        Ok(masked(&history.text(number).map_err(|error| error.to_string())?))
    };
    shown().unwrap_or_else(|why| format!("{why}\n"))
}

/// What changed from one to another, or to the newest.
pub fn diff(view: &View, from: &str, to: Option<&str>) -> String {
    let shown = || -> Result<String, String> {
        let history = history(view)?;
        let from = parse(from)?;
        let to = match to {
            Some(to) => parse(to)?,
            None => newest(&history)?,
        };
        let text = |number| history.text(number).map_err(|error| error.to_string());
        let difference = difference(&text(from)?, &text(to)?);
        if difference.is_empty() {
            return Ok(format!("Numbers {from} and {to} are the same.\n"));
        }
        let mut out = String::new();
        for change in difference.changes().unwrap_or_default() {
            let _ = writeln!(out, "{change}");
        }
        let _ = write!(out, "--- number {from}\n+++ number {to}\n{difference}");
        Ok(out)
    };
    shown().unwrap_or_else(|why| format!("{why}\n"))
}

fn history(view: &View) -> Result<History, String> {
    view.state_dir
        .as_deref()
        .map(Path::to_path_buf)
        .map(|dir| History::open(&dir))
        .ok_or_else(|| "There is no history here.".to_owned())
}

fn newest(history: &History) -> Result<u64, String> {
    let newest = history.newest().map_err(|error| error.to_string())?;
    newest.map(|entry| entry.number).ok_or_else(|| "The history is empty.".to_owned())
}

fn parse(number: &str) -> Result<u64, String> {
    number.parse().map_err(|_| format!("`{number}` is no number of the history: 'show history' lists them."))
}
