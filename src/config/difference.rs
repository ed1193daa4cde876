//! What is different between two texts of a configuration: as a list of the keys that changed ([`Difference::changes`]) and
//! as lines for people (`Display`). Made to be shown: secrets are masked when it is made, those of both texts in both of
//! them, so that it holds none. The texts need not be good configurations, nor even YAML.

mod changes;
mod hidden;
mod hunks;
mod value;
mod words;

#[cfg(test)]
mod tests;

use std::fmt;

use hidden::Side;
use hunks::Hunk;

pub use value::Value;

/// What is different, without any secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    hunks: Vec<Hunk>,
    changes: Option<Vec<Change>>,
    added: usize,
    removed: usize,
}

/// A key whose value is not the same before and after. Its `Display` is one line: `backends.ai.retry.attempts: 3 -> 5`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// The keys that lead to it, with dots between them. Items of a list have their name, `clients.keys[anna]`, or their
    /// number from 1, `frontends.main.rules#2`.
    pub path: String,
    pub before: Value,
    pub after: Value,
}

/// Compares two texts. Takes half a second at most for the lines, whatever they are: the lines of huge texts that have
/// nothing in common may come as more removed and added ones than need be.
pub fn difference(before: &str, after: &str) -> Difference {
    let (before, after) = (Side::read(before), Side::read(after));
    let secrets = words::Words::new(before.secrets().chain(after.secrets()));
    let changes = match (&before.tree, &after.tree) {
        (Some(_), Some(_)) => Some(changes::changes(&before, &after, &secrets)),
        _ => None,
    };
    let hunks::Lines { hunks, added, removed } = hunks::lines(&before, &after, &secrets);
    Difference { hunks, changes, added, removed }
}

/// A text with its secrets masked, to be shown whole.
pub fn masked(text: &str) -> String {
    let side = Side::read(text);
    hunks::masked(&side, &words::Words::new(side.secrets()))
}

impl Difference {
    /// The two texts are the same, byte for byte.
    pub fn is_empty(&self) -> bool {
        self.hunks.is_empty()
    }

    /// Lines of the later text that the earlier one has not.
    pub fn lines_added(&self) -> usize {
        self.added
    }

    /// Lines of the earlier text that the later one has not.
    pub fn lines_removed(&self) -> usize {
        self.removed
    }

    /// The keys that changed, in the order of the earlier text, new ones behind them. Where a section stands, how it is
    /// indented, and comments are no change, so it may be empty though the texts are not the same. `None` where one of
    /// the texts is no YAML.
    pub fn changes(&self) -> Option<&[Change]> {
        self.changes.as_deref()
    }
}

/// A unified diff with three lines of context. The lines that name the two texts (`---`, `+++`) are left to the caller.
impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.hunks.iter().try_for_each(|hunk| hunk.fmt(f))
    }
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.path)?;
        match (&self.before, &self.after) {
            (Value::Absent, Value::Absent) => f.write_str("(changed)"),
            (Value::Absent, after) => write!(f, "added {after}"),
            (before, Value::Absent) => write!(f, "removed, was {before}"),
            // What differs is a secret in them, or behind what is shown of them.
            (before, after) if before == after => f.write_str("(changed)"),
            (before, after) => write!(f, "{before} -> {after}"),
        }
    }
}
