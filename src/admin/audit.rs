//! The audit log: one line for each change that somebody orders at a door, whatever comes of it. Who it was, what was
//! ordered, what became of it. Its lines have a target of their own, so that they can be told from all others.

use std::sync::atomic::{AtomicU64, Ordering};

use log::info;

use crate::base::clock::{Clock, Tick};
use crate::runtime::orders::Answer;

/// The target of the lines in the log of the process.
pub const TARGET: &str = "audit";

/// What became of an order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome<'a> {
    Done,
    /// Nothing has changed, and why.
    Refused(&'a str),
}

impl Outcome<'_> {
    pub fn of(answer: &Answer) -> Outcome<'_> {
        if answer.done { Outcome::Done } else { Outcome::Refused(&answer.message) }
    }
}

/// `by="socket uid 0" change="set server ai/one weight 5" outcome=done`. Quoted as JSON is: a line stays a line.
pub fn write(who: &str, what: &str, outcome: Outcome<'_>) {
    info!(target: TARGET, "{}", line(who, what, outcome));
}

fn line(who: &str, what: &str, outcome: Outcome<'_>) -> String {
    let (who, what) = (quoted(who), quoted(what));
    match outcome {
        Outcome::Done => format!("by={who} change={what} outcome=done"),
        Outcome::Refused(why) => format!("by={who} change={what} outcome=refused why={}", quoted(why)),
    }
}

/// Characters of a part of a line. What is refused may be as long as its sender likes.
const LONGEST: usize = 300;

fn quoted(text: &str) -> String {
    let mut shown: String = text.trim().chars().take(LONGEST).collect();
    if shown.len() < text.trim().len() {
        shown.push_str("...");
    }
    serde_json::Value::String(shown).to_string()
}

/// Lines about those who may not change anything, at most one a second: everyone who reaches the listener can make them.
#[derive(Debug, Default)]
pub struct Strangers {
    /// In milliseconds; 0: there was none.
    last: AtomicU64,
    untold: AtomicU64,
}

impl Strangers {
    pub fn refused(&self, clock: &Clock, who: &str, what: &str, why: &str) {
        let (Tick(now), last) = (clock.now(), self.last.load(Ordering::Relaxed));
        let due = last == 0 || now.saturating_sub(last) >= 1000;
        if !due || self.last.compare_exchange(last, now.max(1), Ordering::Relaxed, Ordering::Relaxed).is_err()
        {
            self.untold.fetch_add(1, Ordering::Relaxed);
            return;
        }
        match self.untold.swap(0, Ordering::Relaxed) {
            0 => write(who, what, Outcome::Refused(why)),
            more => {
                write(
                    who,
                    what,
                    Outcome::Refused(&format!("{why} ({more} more were refused since the last)")),
                );
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_is_sent_a_line_stays_a_line() {
        assert_eq!(
            line("socket uid 0", "kill stream \"a\nb\"", Outcome::Done),
            r#"by="socket uid 0" change="kill stream \"a\nb\"" outcome=done"#
        );
        let long = line("http 127.0.0.1", &"x".repeat(10_000), Outcome::Refused("no\n"));
        assert!(long.ends_with("...\" outcome=refused why=\"no\"") && long.len() < 500, "{long}");
    }
}
