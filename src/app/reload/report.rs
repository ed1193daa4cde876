//! What was put in force, in words.

use std::fmt::Write;

use crate::config::checked::Checked;
use crate::config::difference::{Change, Difference, difference};
use crate::runtime::orders::Answer;

/// What was put in force, in words.
pub(super) fn report(
    checked: &Checked,
    difference: &Difference,
    waiting: Vec<&str>,
    kept: Result<u64, String>,
) -> Answer {
    let waiting: Vec<String> = waiting.into_iter().map(str::to_owned).collect();
    let changes = lines(difference);
    let mut message = format!("{} is in force", checked.file.display());
    if let Ok(number) = kept {
        let _ = write!(message, ", as number {number} of the history");
    }
    message.push_str(match (changes.is_empty(), difference.is_empty()) {
        (true, true) => ": nothing has changed\n",
        (true, false) => ": only its layout or its comments have changed\n",
        (false, _) => ". What has changed:\n",
    });
    for change in &changes {
        let _ = writeln!(message, "  {change}");
    }
    if !waiting.is_empty() {
        let _ = writeln!(message, "waits for a restart: {}", waiting.join(", "));
    }
    if checked.warnings.warnings() > 0 {
        let _ = writeln!(message, "{}", checked.warnings);
    }
    if let Err(why) = &kept {
        let _ = writeln!(message, "not kept in the history, so no rollback leads to it: {why}");
    }
    Answer { done: true, message, number: kept.ok(), changes, waiting }
}

/// The keys that differ.
pub(super) fn changes(before: &str, after: &str) -> Vec<String> {
    lines(&difference(before, after))
}

fn lines(difference: &Difference) -> Vec<String> {
    difference.changes().unwrap_or_default().iter().map(Change::to_string).collect()
}
