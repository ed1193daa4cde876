//! What a piece of text must be, and how a piece of text is shown to people.

use std::fmt;

use regex::bytes::Regex;

use crate::config::checked::TextMatch;

/// Characters of a value that a message shows.
const SHOWN: usize = 60;

#[derive(Debug)]
pub(super) enum Text {
    Equals(String),
    Contains(String),
    /// `None`: it does not compile, so nothing matches. The configuration lets no such pattern pass.
    Matches(Option<Regex>, String),
    Present,
}

impl Text {
    pub(super) fn new(expected: &TextMatch) -> Text {
        match expected {
            TextMatch::Equals(text) => Text::Equals(text.clone()),
            TextMatch::Contains(part) => Text::Contains(part.clone()),
            TextMatch::Regex(pattern) => Text::Matches(Regex::new(pattern).ok(), pattern.clone()),
            TextMatch::Present => Text::Present,
        }
    }

    pub(super) fn holds(&self, value: &[u8]) -> bool {
        match self {
            Text::Equals(text) => value == text.as_bytes(),
            Text::Contains(part) => super::contains(value, part.as_bytes()),
            Text::Matches(regex, _) => regex.as_ref().is_some_and(|regex| regex.is_match(value)),
            Text::Present => true,
        }
    }
}

/// What follows `expected`.
impl fmt::Display for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Text::Equals(text) => f.write_str(&short(text)),
            Text::Contains(part) => write!(f, "one that contains {}", short(part)),
            Text::Matches(_, pattern) => write!(f, "one that matches {}", short(pattern)),
            Text::Present => f.write_str("any"),
        }
    }
}

/// In quotes, on one line, cut after 60 characters.
pub(super) fn short(text: &str) -> String {
    match text.char_indices().nth(SHOWN) {
        None => format!("{text:?}"),
        Some((end, _)) => format!("{:?}...", &text[..end]),
    }
}
