//! Regular expressions, compiled here for the error at its place, with the options and bounds of whoever uses them; again
//! there.

use regex::{Error, RegexBuilder, RegexSetBuilder, bytes};

use crate::config::diagnostic::Code;
use crate::config::value::Value;

/// Bytes that the patterns of one ACL, or that of one rule, may take when compiled. `\w{1000}` takes ten times that.
const MEMORY: usize = 2 << 20;

/// What a pattern is compared with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::config::section) enum Subject {
    /// Text of Unicode.
    Path,
    /// Bytes: of a header, or a parameter of the query.
    Value,
}

/// One pattern.
pub(in crate::config::section) fn one(
    value: Value<'_>,
    source: String,
    subject: Subject,
    ignore_case: bool,
) -> Option<String> {
    let compiled = match subject {
        Subject::Path => {
            RegexBuilder::new(&source).case_insensitive(ignore_case).size_limit(MEMORY).build().map(drop)
        }
        Subject::Value => set(std::slice::from_ref(&source), subject, ignore_case),
    };
    match compiled {
        Ok(()) => Some(source),
        Err(e) => rejected(value, &e),
    }
}

/// Patterns that are good one by one, as they are compiled together.
pub(super) fn together(
    value: Value<'_>,
    sources: Vec<String>,
    subject: Subject,
    ignore_case: bool,
) -> Option<Vec<String>> {
    match set(&sources, subject, ignore_case) {
        Ok(()) => Some(sources),
        Err(e) => rejected(value, &e),
    }
}

fn set(sources: &[String], subject: Subject, ignore_case: bool) -> Result<(), Error> {
    match subject {
        Subject::Path => {
            RegexSetBuilder::new(sources).case_insensitive(ignore_case).size_limit(MEMORY).build().map(drop)
        }
        Subject::Value => bytes::RegexSetBuilder::new(sources)
            .unicode(false)
            .dot_matches_new_line(true)
            .case_insensitive(ignore_case)
            .size_limit(MEMORY)
            .build()
            .map(drop),
    }
}

fn rejected<T>(value: Value<'_>, error: &Error) -> Option<T> {
    if let Error::CompiledTooBig(_) = error {
        let message = "this regular expression takes more than 2 MB when compiled";
        return value.reject(Code::OutOfRange, message, "use smaller counts in `{n}`, or fewer patterns");
    }
    let reason = error.to_string();
    let reason = reason.lines().last().unwrap_or_default().trim_start_matches("error: ");
    let message = format!("not a regular expression: {reason}");
    value.reject(Code::BadValue, message, "the syntax is that of https://docs.rs/regex")
}
