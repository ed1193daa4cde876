//! Lists of regular expressions, compiled together: one search over a text, however many they are. What they may cost is
//! bounded when they are compiled; searching takes time linear in the text.

use regex::{RegexSet, RegexSetBuilder, bytes};
use thiserror::Error;

/// Bytes that the patterns of one condition may take when compiled. `\w{1000}` would take ten times that.
const MEMORY: usize = 2 << 20;

/// A `path_reg` or `value_reg` pattern that cannot be used.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("`{pattern}` cannot be used as a regular expression: {problem}")]
pub struct PatternError {
    pub pattern: String,
    /// What the compiler of regular expressions says, several lines with a caret where the syntax is wrong.
    pub problem: String,
}

/// For texts of Unicode: paths.
pub(super) fn text<S: AsRef<str>>(
    patterns: impl IntoIterator<Item = S>,
    ignore_case: bool,
) -> Result<RegexSet, PatternError> {
    compiled(patterns, |patterns| {
        RegexSetBuilder::new(patterns).case_insensitive(ignore_case).size_limit(MEMORY).build()
    })
}

/// For values, which are bytes. A byte is a character: were `.` a character of Unicode, one invalid byte would take a
/// value out of `^.*secret`. It is a line's end too: a query can hold one.
pub(super) fn values<S: AsRef<str>>(
    patterns: impl IntoIterator<Item = S>,
    ignore_case: bool,
) -> Result<bytes::RegexSet, PatternError> {
    compiled(patterns, |patterns| {
        bytes::RegexSetBuilder::new(patterns)
            .unicode(false)
            .dot_matches_new_line(true)
            .case_insensitive(ignore_case)
            .size_limit(MEMORY)
            .build()
    })
}

/// The error of a set does not tell which of its patterns is wrong: each is tried alone then.
fn compiled<S: AsRef<str>, R>(
    patterns: impl IntoIterator<Item = S>,
    build: impl Fn(&[String]) -> Result<R, regex::Error>,
) -> Result<R, PatternError> {
    let patterns: Vec<String> = patterns.into_iter().map(|p| p.as_ref().to_owned()).collect();
    build(&patterns).map_err(|error| {
        let alone = |pattern: &String| {
            let error = build(std::slice::from_ref(pattern)).err()?;
            Some(PatternError { pattern: pattern.clone(), problem: problem(&error, "it") })
        };
        patterns.iter().find_map(alone).unwrap_or_else(|| PatternError {
            pattern: patterns.first().cloned().unwrap_or_default(),
            problem: problem(&error, &format!("the list of {} that it begins", patterns.len())),
        })
    })
}

fn problem(error: &regex::Error, culprit: &str) -> String {
    match error {
        regex::Error::CompiledTooBig(limit) => format!(
            "{culprit} takes more than {} MiB when compiled; use smaller counts in `{{n}}`, `[0-9]` in place of `\\d`, \
             or several conditions",
            limit >> 20
        ),
        other => other.to_string(),
    }
}
