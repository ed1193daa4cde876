//! `show streams`: the calls and event streams in flight, a line for each; and `kill stream`, which ends one.

use std::fmt::Write;

use crate::admin::report::Stream;
use crate::admin::streams::{self, place, word};
use crate::admin::{View, units};

/// What `show streams` begins with. `-` below it is what is not known, or not known yet.
const HEADING: [&str; 12] = [
    "# number",
    "age",
    "client",
    "plan",
    "model",
    "server",
    "attempts",
    "streamed",
    "prompt_tokens",
    "completion_tokens",
    "cost_usd",
    "request_id",
];

/// In the order in which they began.
pub fn text(view: &View) -> String {
    let streams = view.streams(usize::MAX).list;
    if streams.is_empty() {
        return "No call and no event stream is in flight.\n".to_owned();
    }
    let rows: Vec<[String; 12]> = streams.iter().map(row).collect();
    let mut widths = HEADING.map(str::len);
    for row in &rows {
        widths.iter_mut().zip(row).for_each(|(width, cell)| *width = cell.chars().count().max(*width));
    }
    let mut out = String::new();
    line(&mut out, &HEADING, &widths);
    rows.iter().for_each(|row| line(&mut out, row, &widths));
    out
}

fn line(out: &mut String, cells: &[impl AsRef<str>], widths: &[usize]) {
    for (cell, width) in cells.iter().zip(widths) {
        let _ = write!(out, "{:<width$} ", cell.as_ref());
    }
    out.truncate(out.trim_end_matches(' ').len());
    out.push('\n');
}

fn row(stream: &Stream) -> [String; 12] {
    let number = |tokens: Option<u64>| tokens.map_or(NONE.to_owned(), |tokens| tokens.to_string());
    [
        stream.number.to_string(),
        units::seconds(stream.age_seconds as u64).replace(' ', ""),
        word(stream.client.as_deref()),
        word(stream.plan.as_deref()),
        word(stream.model.as_deref()),
        place(stream).unwrap_or(NONE.to_owned()),
        stream.attempts.to_string(),
        stream.streamed.map_or(NONE, |streamed| if streamed { "yes" } else { "no" }).to_owned(),
        number(stream.prompt_tokens),
        number(stream.completion_tokens),
        stream.cost_usd.map_or(NONE.to_owned(), |cost| format!("{cost:.6}")),
        word(Some(&stream.request_id)),
    ]
}

const NONE: &str = "-";

/// Ends the one with this number, or all with this request id, and says which they were.
///
/// # Errors
/// There is none, or it is not said which.
pub fn kill(view: &View, id: &str) -> Result<String, String> {
    let ended = streams::end(view, id, "on the runtime socket");
    if ended.is_empty() {
        let why = if id.is_empty() {
            "Which one?".to_owned()
        } else {
            format!("No such stream: {}.", word(Some(id)))
        };
        return Err(format!(
            "{why} 'kill stream' takes the number in the first column of 'show streams', or a request id; one that has \
             ended by itself is no longer there.\n"
        ));
    }
    let line = |stream| {
        format!("Ended {}. What it took until now is counted and paid.\n", streams::describe(stream))
    };
    Ok(ended.iter().map(line).collect())
}
