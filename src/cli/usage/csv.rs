//! A report for spreadsheets: a line of names, then a line for each row (RFC 4180). What is unknown is empty. There is no
//! total, so that a sum over a column is one.

use std::borrow::Cow;

use super::money::plain_dollars;
use crate::ledger::compare::{Compared, Comparison};
use crate::ledger::query::{Report, Sums};

const COLUMNS: [&str; 10] = [
    "requests",
    "failed",
    "estimated",
    "uncounted",
    "unpriced",
    "prompt_tokens",
    "cached_tokens",
    "completion_tokens",
    "reasoning_tokens",
    "cost_usd",
];

const COMPARED: [&str; 4] = ["here_usd", "there_usd", "saved_usd", "saved_percent"];

pub fn render(report: &Report, comparison: Option<&Comparison>) -> String {
    let mut text = String::new();
    let compared = comparison.map_or(&[][..], |_| &COMPARED[..]);
    let names = report.by.iter().map(|by| by.name()).chain(COLUMNS).chain(compared.iter().copied());
    line(&mut text, names.map(str::to_owned));
    for (at, row) in report.rows.iter().enumerate() {
        let names = row.names.iter().map(|name| guarded(name));
        let compared = comparison.map(|found| cells_compared(found.rows.get(at).copied().flatten()));
        line(&mut text, names.chain(cells(&row.sums)).chain(compared.into_iter().flatten()));
    }
    text
}

fn cells(sums: &Sums) -> impl Iterator<Item = String> {
    let counts = [sums.requests, sums.failed, sums.estimated, sums.uncounted, sums.unpriced].map(Some);
    let tokens = [sums.prompt, sums.cached, sums.completion, sums.reasoning];
    let counts = counts.into_iter().chain(tokens).map(|n| n.map_or(String::new(), |n| n.to_string()));
    counts.chain([sums.cost.map_or(String::new(), |cost| plain_dollars(cost.into()))])
}

fn cells_compared(compared: Option<Compared>) -> [String; 4] {
    let Some(compared) = compared else { return Default::default() };
    let percent = compared.percent().map_or(String::new(), |percent| format!("{percent:.2}"));
    let [here, there] = [compared.here, compared.there].map(|micro| plain_dollars(micro.into()));
    [here, there, plain_dollars(compared.saved()), percent]
}

fn line(text: &mut String, cells: impl Iterator<Item = String>) {
    for (at, cell) in cells.enumerate() {
        if at > 0 {
            text.push(',');
        }
        text.push_str(&quoted(&cell));
    }
    text.push('\n');
}

/// A client may have chosen the name of a model: one that a spreadsheet would take for a formula becomes text.
fn guarded(name: &str) -> String {
    if name.starts_with(['=', '+', '-', '@', '\t', '\r']) { format!("'{name}") } else { name.to_owned() }
}

fn quoted(cell: &str) -> Cow<'_, str> {
    if cell.contains([',', '"', '\n', '\r']) {
        return Cow::Owned(format!("\"{}\"", cell.replace('"', "\"\"")));
    }
    Cow::Borrowed(cell)
}
