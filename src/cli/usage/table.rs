//! A report for people: names to the left, numbers to the right, the total below, and what has to be known to believe it.

use std::fmt::Write;
use std::path::Path;

use super::money::{decimals, dollars, grouped};
use crate::ledger::compare::{Compared, Comparison};
use crate::ledger::query::{Report, Sums};
use crate::ledger::range;

/// Where nothing is known, or there is no name.
const NOTHING: &str = "-";

pub fn render(report: &Report, comparison: Option<(&Path, &Comparison)>) -> String {
    let mut text = String::new();
    let (since, until) = (range::text(report.range.since), range::text(report.range.until));
    let _ =
        writeln!(text, "Usage from {since} to {until}, of {}", visible(&report.file.display().to_string()));
    if let Some(begins) = report.begins.filter(|begins| *begins > report.range.since) {
        let _ = writeln!(text, "The ledger begins at {}.", range::text(begins));
    }
    if report.rows.is_empty() {
        text.push_str("\nNo calls in this time.\n");
        return text;
    }
    text.push('\n');
    grid(report, comparison.map(|(_, found)| found)).write(&mut text, report.by.len());
    text.push('\n');
    notes(&mut text, &report.total);
    if let Some((file, found)) = comparison {
        compared(&mut text, &visible(&file.display().to_string()), found);
    }
    text
}

/// Cells as text, line by line; the first line has the names, the last the total.
struct Grid(Vec<Vec<String>>);

impl Grid {
    fn write(&self, text: &mut String, names: usize) {
        let columns = self.0.first().map_or(0, Vec::len);
        let cells = |column: usize| self.0.iter().filter_map(move |line| line.get(column));
        let width = |column| cells(column).map(|cell| cell.chars().count()).max().unwrap_or(0);
        let widths: Vec<usize> = (0..columns).map(width).collect();
        for line in &self.0 {
            let cells = line.iter().zip(&widths).enumerate().map(|(at, (cell, width))| {
                if at < names { format!("{cell:<width$}") } else { format!("{cell:>width$}") }
            });
            text.push_str(cells.collect::<Vec<_>>().join("  ").trim_end());
            text.push('\n');
        }
    }
}

fn grid(report: &Report, comparison: Option<&Comparison>) -> Grid {
    let usd =
        widest(report.rows.iter().map(|row| &row.sums).chain([&report.total]).filter_map(|sums| sums.cost));
    let theirs = comparison.map_or(2, |found| {
        widest(found.rows.iter().flatten().chain(&found.total).flat_map(|c| [c.here, c.there]))
    });
    let mut header: Vec<String> = report.by.iter().map(|by| by.name().to_owned()).collect();
    let names = ["requests", "failed", "prompt", "cached", "completion", "reasoning", "USD"];
    header.extend(names.map(str::to_owned));
    if comparison.is_some() {
        header.extend(["compared", "there", "saved", "saved %"].map(str::to_owned));
    }
    let mut lines = vec![header];
    for (at, row) in report.rows.iter().enumerate() {
        let mut line: Vec<String> = row.names.iter().map(|name| shown(name)).collect();
        line.extend(cells(&row.sums, usd));
        if let Some(found) = comparison {
            line.extend(cells_compared(found.rows.get(at).copied().flatten(), theirs));
        }
        lines.push(line);
    }
    let mut total = vec![String::new(); report.by.len()];
    if let Some(first) = total.first_mut() {
        *first = "total".to_owned();
    }
    total.extend(cells(&report.total, usd));
    if let Some(found) = comparison {
        total.extend(cells_compared(found.total, theirs));
    }
    lines.push(total);
    Grid(lines)
}

/// The decimals of a column are those of its finest amount: so they stand below each other, and add up.
fn widest(amounts: impl Iterator<Item = u64>) -> usize {
    amounts.map(|micro| decimals(micro.into())).max().unwrap_or(2)
}

fn cells(sums: &Sums, usd: usize) -> [String; 7] {
    let count = |n: Option<u64>| n.map_or(NOTHING.to_owned(), |n| grouped(n.into()));
    [
        count(Some(sums.requests)),
        count(Some(sums.failed)),
        count(sums.prompt),
        count(sums.cached),
        count(sums.completion),
        count(sums.reasoning),
        sums.cost.map_or(NOTHING.to_owned(), |cost| dollars(cost.into(), usd)),
    ]
}

fn cells_compared(compared: Option<Compared>, usd: usize) -> [String; 4] {
    let Some(compared) = compared else { return [(); 4].map(|()| NOTHING.to_owned()) };
    let [here, there] = [compared.here, compared.there].map(|micro| dollars(micro.into(), usd));
    [here, there, dollars(compared.saved(), usd), percent(compared)]
}

fn percent(compared: Compared) -> String {
    compared.percent().map_or(NOTHING.to_owned(), |percent| format!("{percent:.1}"))
}

fn notes(text: &mut String, total: &Sums) {
    let mut note = |calls: u64, one: &str, many: &str| {
        let _ = match calls {
            0 => Ok(()),
            1 => writeln!(text, "1 call has {one}."),
            _ => writeln!(text, "{} calls have {many}.", grouped(calls.into())),
        };
    };
    note(
        total.estimated,
        "estimated tokens: its provider did not tell",
        "estimated tokens: their providers did not tell",
    );
    let uncounted = "no count of tokens, or only of one side: what is unknown is in no sum";
    note(total.uncounted, uncounted, uncounted);
    note(
        total.unpriced,
        "no cost: its tokens are unknown, or its model has no price. It is not in USD",
        "no cost: their tokens are unknown, or their models have no price. They are not in USD",
    );
}

fn compared(text: &mut String, file: &str, found: &Comparison) {
    match found.total {
        Some(total) => {
            let saved = total.saved();
            let finest = [total.here.into(), total.there.into(), saved];
            let usd = finest.into_iter().map(decimals).max().unwrap_or(2);
            let word = if saved < 0 { "more" } else { "less" };
            let share = match total.percent() {
                Some(percent) => format!(" ({:.1} % {word})", percent.abs()),
                None => String::new(),
            };
            let _ = writeln!(
                text,
                "The same tokens would have cost {} USD by {file}; here they cost {} USD, {} USD {word}{share}.",
                dollars(total.there.into(), usd),
                dollars(total.here.into(), usd),
                dollars(saved.abs(), usd),
            );
        }
        None => {
            let _ = writeln!(text, "Nothing can be compared: {file} has a price for none of these models.");
        }
    }
    if !found.missing.is_empty() {
        let names: Vec<String> = found.missing.keys().map(|name| visible(name)).collect();
        let _ = writeln!(
            text,
            "Without a price there, and so left out of both sides: {}. A price for \"*\" stands for all others.",
            names.join(", ")
        );
    }
    text.push_str(
        "Cached prompt tokens are reckoned at the other list's `cached_input`, or at its `input` where it has none; calls \
         without a cost here are on neither side.\n",
    );
}

fn shown(name: &str) -> String {
    if name.is_empty() { NOTHING.to_owned() } else { visible(name) }
}

/// A client may have chosen a name: it must not drive the terminal.
fn visible(name: &str) -> String {
    name.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}
