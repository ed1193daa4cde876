//! What is wrong with a file: where, what, and what to do. Rendering masks secrets, so a [`Diagnostics`] may be
//! printed, logged or sent anywhere.

use std::fmt;
use std::path::{Path, PathBuf};

use super::mask::{self, Mask, Shown};
use super::tree;

/// A stretch of the file. Lines and columns count from 1, columns in characters; the end is exclusive.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Span {
    pub line: usize,
    pub column: usize,
    pub end_line: usize,
    pub end_column: usize,
}

impl Span {
    pub const START: Span = Span { line: 1, column: 1, end_line: 1, end_column: 1 };

    /// `width` characters of one line, from `offset` characters after the start of this span.
    pub fn part(self, offset: usize, width: usize) -> Span {
        let column = self.column + offset;
        Span { line: self.line, column, end_line: self.line, end_column: column + width }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    Error,
    Warning,
}

/// What kind of mistake it is; stable, for programs that read diagnostics.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Code {
    Unreadable,
    Syntax,
    UnknownKey,
    DuplicateKey,
    MissingKey,
    NotImplemented,
    WrongType,
    BadValue,
    OutOfRange,
    UnknownName,
    MissingVariable,
    Conflict,
    Unused,
    Unreachable,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    pub severity: Severity,
    pub code: Code,
    pub span: Span,
    pub message: String,
    pub hint: Option<String>,
}

impl Diagnostic {
    pub fn error(code: Code, span: Span, message: impl Into<String>) -> Diagnostic {
        Diagnostic { severity: Severity::Error, code, span, message: message.into(), hint: None }
    }

    pub fn warning(code: Code, span: Span, message: impl Into<String>) -> Diagnostic {
        Diagnostic { severity: Severity::Warning, code, span, message: message.into(), hint: None }
    }

    pub fn hint(mut self, hint: impl Into<String>) -> Diagnostic {
        self.hint = Some(hint.into());
        self
    }

    /// With a hint if there is one to give.
    pub fn maybe_hint(self, hint: Option<String>) -> Diagnostic {
        match hint {
            Some(hint) => self.hint(hint),
            None => self,
        }
    }
}

/// All that was found in one file, in the order of the file.
#[derive(Clone, PartialEq, Eq)]
pub struct Diagnostics {
    file: PathBuf,
    /// At most [`MOST`] of them.
    found: Vec<(Diagnostic, Option<Excerpt>)>,
    errors: usize,
    warnings: usize,
}

/// Mistakes that are shown; nobody reads more, and a terminal would lose the first ones.
pub(super) const MOST: usize = 100;

/// A line of the file as it may be shown, and the part of it that is meant.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Excerpt {
    text: String,
    column: usize,
    width: usize,
}

impl Diagnostics {
    pub(super) fn new(file: &Path, text: &str, masks: Vec<Mask>, mut found: Vec<Diagnostic>) -> Diagnostics {
        let place = |d: &Diagnostic| (d.span, d.severity, d.code);
        found.sort_by_key(place);
        found.dedup();
        let errors = found.iter().filter(|d| d.severity == Severity::Error).count();
        let warnings = found.len() - errors;
        if found.len() > MOST {
            found.sort_by_key(|d| d.severity);
            found.truncate(MOST);
            found.sort_by_key(place);
        }
        let masks = mask::ordered(masks);
        let mut last: Option<(usize, Shown)> = None;
        let lines: Vec<&str> = tree::lines(text).collect();
        let found = found
            .into_iter()
            .map(|d| {
                let number = d.span.line;
                if last.as_ref().is_none_or(|(n, _)| *n != number) {
                    last = lines.get(number - 1).map(|line| (number, mask::apply(line, number, &masks)));
                }
                let line = last.as_ref().filter(|(n, _)| *n == number);
                let excerpt = line.and_then(|(_, shown)| excerpt(shown, d.span));
                (d, excerpt)
            })
            .collect();
        Diagnostics { file: file.to_path_buf(), found, errors, warnings }
    }

    /// One error about the file as a whole.
    pub(super) fn of_file(file: &Path, message: String) -> Diagnostics {
        let found = vec![(Diagnostic::error(Code::Unreadable, Span::START, message), None)];
        Diagnostics { file: file.to_path_buf(), found, errors: 1, warnings: 0 }
    }

    pub fn errors(&self) -> usize {
        self.errors
    }

    pub fn warnings(&self) -> usize {
        self.warnings
    }

    pub fn is_empty(&self) -> bool {
        self.found.is_empty()
    }

    /// Those that are shown.
    pub fn iter(&self) -> impl Iterator<Item = &Diagnostic> {
        self.found.iter().map(|(d, _)| d)
    }
}

/// Every diagnostic with its line, then how many there are. Empty when there are none.
impl fmt::Display for Diagnostics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let file = self.file.display().to_string();
        let file = mask::visible(&file);
        for (d, excerpt) in &self.found {
            let message = mask::visible(&d.message);
            let severity = match d.severity {
                Severity::Error => "error",
                Severity::Warning => "warning",
            };
            match d.code {
                Code::Unreadable if excerpt.is_none() => writeln!(f, "{file}: {severity}: {message}")?,
                _ => writeln!(f, "{file}:{}:{}: {severity}: {message}", d.span.line, d.span.column)?,
            }
            if let Some(e) = excerpt {
                writeln!(f, "{:>5} | {}", d.span.line, e.text)?;
                writeln!(f, "      | {}{}", " ".repeat(e.column), "^".repeat(e.width))?;
            }
            if let Some(hint) = &d.hint {
                writeln!(f, "      = hint: {}", mask::visible(hint))?;
            }
            writeln!(f)?;
        }
        let more = self.errors + self.warnings - self.found.len();
        if more > 0 {
            writeln!(f, "... and {more} more, not shown\n")?;
        }
        match (self.errors, self.warnings) {
            (0, 0) => Ok(()),
            (e, 0) => writeln!(f, "{} in {file}", plural(e, "error")),
            (0, w) => writeln!(f, "{} in {file}", plural(w, "warning")),
            (e, w) => writeln!(f, "{}, {} in {file}", plural(e, "error"), plural(w, "warning")),
        }
    }
}

/// The same as what is printed: a dump must not show more.
impl fmt::Debug for Diagnostics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl std::error::Error for Diagnostics {}

fn plural(n: usize, what: &str) -> String {
    format!("{n} {what}{}", if n == 1 { "" } else { "s" })
}

/// Longer lines are cut to a window around what is meant.
const WIDEST: usize = 140;

fn excerpt(shown: &Shown, span: Span) -> Option<Excerpt> {
    let last = shown.text.len();
    if shown.text.iter().all(|c| c.is_whitespace()) {
        return None;
    }
    let start = shown.place(span.column - 1);
    let end = if span.end_line == span.line { shown.place(span.end_column - 1) } else { last };
    let width = end.saturating_sub(start).max(1);
    let text =
        |from: usize, to: usize| shown.text.get(from..to).unwrap_or_default().iter().collect::<String>();
    if last <= WIDEST {
        return Some(Excerpt { text: text(0, last), column: start, width });
    }
    let from = start.min(last).saturating_sub(WIDEST / 2);
    let mut text = text(from, last.min(from + WIDEST));
    text.truncate(text.trim_end().len());
    if from + WIDEST < last {
        text.push_str("...");
    }
    let column = start - from;
    Some(Excerpt { text, column, width: width.min(WIDEST.saturating_sub(column)).max(1) })
}
