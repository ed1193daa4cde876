//! The lines that differ, with those around them, as they may be shown.

use std::fmt;
use std::time::Duration;

use similar::{Algorithm, ChangeTag, DiffOp};

use super::hidden::{BOM, Side};
use super::words::Words;
use crate::base::clock;
use crate::config::diagnostic::Span;
use crate::config::mask::{self, Mask};

/// Lines around a change.
const CONTEXT: usize = 3;

/// After this, lines are no longer compared with each other, but given as removed and added.
const PATIENCE: Duration = Duration::from_millis(500);

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Hunk {
    /// First line, from 0, and how many, in each text.
    before: (usize, usize),
    after: (usize, usize),
    lines: Vec<Line>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Line {
    sign: char,
    /// Without secrets, and without what commands a terminal.
    text: String,
    /// The text ends here, without an end of the line.
    open: bool,
}

pub(super) struct Lines {
    pub hunks: Vec<Hunk>,
    pub added: usize,
    pub removed: usize,
}

pub(super) fn lines(before: &Side<'_>, after: &Side<'_>, secrets: &Words<'_>) -> Lines {
    let deadline = clock::instant() + PATIENCE;
    let ops =
        similar::capture_diff_slices_deadline(Algorithm::Myers, &before.lines, &after.lines, Some(deadline));
    let tagged = |tag: ChangeTag| ops.iter().filter_map(move |op| count(op, tag)).sum();
    let (added, removed) = (tagged(ChangeTag::Insert), tagged(ChangeTag::Delete));
    let both = Both { before, after, secrets, ends_shown: style(before) != style(after) };
    let groups = if added + removed == 0 { Vec::new() } else { similar::group_diff_ops(ops, CONTEXT) };
    Lines { hunks: groups.iter().map(|ops| both.hunk(ops)).collect(), added, removed }
}

/// All of one text.
pub(super) fn masked(side: &Side<'_>, secrets: &Words<'_>) -> String {
    let both = Both { before: side, after: side, secrets, ends_shown: false };
    (0..side.lines.len()).map(|index| both.line(' ', Some(index), None).text + "\n").collect()
}

/// How many lines an operation removes or adds.
fn count(op: &DiffOp, tag: ChangeTag) -> Option<usize> {
    match (op, tag) {
        (DiffOp::Delete { old_len, .. } | DiffOp::Replace { old_len, .. }, ChangeTag::Delete) => {
            Some(*old_len)
        }
        (DiffOp::Insert { new_len, .. } | DiffOp::Replace { new_len, .. }, ChangeTag::Insert) => {
            Some(*new_len)
        }
        _ => None,
    }
}

/// How all lines of a text end; `None` where they do not agree, or there is but one without an end.
fn style(side: &Side<'_>) -> Option<&'static str> {
    let end = |line: &&str| match () {
        () if line.ends_with("\r\n") => Some("\r\n"),
        () if line.ends_with('\n') => Some("\n"),
        () if line.ends_with('\r') => Some("\r"),
        () => None,
    };
    let mut ends = side.lines.iter().filter_map(end);
    let first = ends.next()?;
    ends.all(|end| end == first).then_some(first)
}

struct Both<'a, 'b> {
    before: &'a Side<'b>,
    after: &'a Side<'b>,
    secrets: &'a Words<'a>,
    /// The texts end their lines in different ways, so the ways are part of what is shown.
    ends_shown: bool,
}

impl Both<'_, '_> {
    fn hunk(&self, ops: &[DiffOp]) -> Hunk {
        let around = |ranges: Vec<std::ops::Range<usize>>| {
            let start = ranges.first().map_or(0, |range| range.start);
            (start, ranges.last().map_or(0, |range| range.end) - start)
        };
        let mut lines = Vec::new();
        for op in ops {
            let (old, new) = (op.old_range(), op.new_range());
            if let DiffOp::Equal { .. } = op {
                lines.extend(old.zip(new).map(|(old, new)| self.line(' ', Some(old), Some(new))));
            } else {
                lines.extend(old.map(|index| self.line('-', Some(index), None)));
                lines.extend(new.map(|index| self.line('+', None, Some(index))));
            }
        }
        Hunk {
            before: around(ops.iter().map(DiffOp::old_range).collect()),
            after: around(ops.iter().map(DiffOp::new_range).collect()),
            lines,
        }
    }

    /// A line of one text, or the same line of both: what one of them hides is hidden.
    fn line(&self, sign: char, before: Option<usize>, after: Option<usize>) -> Line {
        let text = |side: &Side<'_>, index: Option<usize>| -> String {
            index.and_then(|i| side.lines.get(i)).copied().unwrap_or_default().to_owned()
        };
        let whole = match before {
            Some(_) => text(self.before, before),
            None => text(self.after, after),
        };
        let bare = whole.strip_prefix(BOM).filter(|_| before.or(after) == Some(0));
        let mark = if bare.is_some() { "\\u{feff}" } else { "" };
        let line = bare.unwrap_or(&whole);
        let line = line.strip_suffix('\n').unwrap_or(line);
        let line = if self.ends_shown { line } else { line.strip_suffix('\r').unwrap_or(line) };
        let mut masks: Vec<Mask> = Vec::new();
        masks.extend(before.into_iter().flat_map(|index| self.before.masks_of(index)));
        masks.extend(after.into_iter().flat_map(|index| self.after.masks_of(index)));
        masks.extend(self.secrets.find(line).into_iter().map(|(from, to)| {
            let column = |byte: usize| line.get(..byte).unwrap_or(line).chars().count() + 1;
            Mask(Span { line: 1, column: column(from), end_line: 1, end_column: column(to) })
        }));
        let shown: String = mask::apply(line, 1, &mask::ordered(masks)).text.into_iter().collect();
        Line { sign, text: format!("{mark}{shown}"), open: !whole.ends_with(['\n', '\r']) }
    }
}

impl fmt::Display for Hunk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "@@ -{} +{} @@", Range(self.before), Range(self.after))?;
        for line in &self.lines {
            writeln!(f, "{}{}", line.sign, line.text)?;
            if line.open {
                f.write_str("\\ No newline at end of file\n")?;
            }
        }
        Ok(())
    }
}

/// As POSIX has it: `first,count`, the count left out where it is 1, and of no lines the one before them.
struct Range((usize, usize));

impl fmt::Display for Range {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            (start, 1) => write!(f, "{}", start + 1),
            (start, 0) => write!(f, "{start},0"),
            (start, count) => write!(f, "{},{count}", start + 1),
        }
    }
}
