//! `show streams`: the calls and event streams in flight, a line for each; and `kill stream`, which ends one.

use std::fmt::Write;

use log::info;

use crate::admin::View;
use crate::admin::report::Stream;
use crate::admin::units;

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

/// Clients write models and request ids: whatever they are, a line stays a line and a column a column.
pub fn word(text: Option<&str>) -> String {
    let plain = |c: char| if c.is_whitespace() || c.is_control() { '?' } else { c };
    match text {
        None | Some("") => NONE.to_owned(),
        Some(text) => text.chars().take(LONGEST).map(plain).collect(),
    }
}

/// Characters of a column.
const LONGEST: usize = 128;

fn place(stream: &Stream) -> Option<String> {
    Some(format!("{}/{}", stream.backend.as_ref()?, stream.server.as_ref()?))
}

/// Ends the one with this number, or all with this request id, and says which they were.
pub fn kill(view: &View, id: &str) -> String {
    let streams = view.streams(usize::MAX).list;
    if view.state.streams.kill(id) == 0 {
        let why = if id.is_empty() {
            "Which one?".to_owned()
        } else {
            format!("No such stream: {}.", word(Some(id)))
        };
        return format!(
            "{why} 'kill stream' takes the number in the first column of 'show streams', or a request id; one that has \
             ended by itself is no longer there.\n"
        );
    }
    let number = id.parse::<u64>().ok();
    let numbered = streams.iter().find(|stream| Some(stream.number) == number);
    let named = streams.iter().filter(|stream| numbered.is_none() && stream.request_id == id);
    let mut out = String::new();
    for stream in numbered.into_iter().chain(named) {
        let told = describe(stream);
        info!("{told} is ended by an order on the runtime socket");
        let _ = writeln!(out, "Ended {told}. What it took until now is counted and paid.");
    }
    out
}

/// `stream 12 (request abc of client mobile, model gpt-4.1 on ai/primary, 63s old)`.
fn describe(stream: &Stream) -> String {
    let mut out = format!("stream {} (request {}", stream.number, word(Some(&stream.request_id)));
    if let Some(client) = &stream.client {
        let _ = write!(out, " of client {}", word(Some(client)));
    }
    if let Some(model) = &stream.model {
        let _ = write!(out, ", model {}", word(Some(model)));
    }
    if let Some(place) = place(stream) {
        let _ = write!(out, " on {place}");
    }
    let _ = write!(out, ", {} old)", units::seconds(stream.age_seconds as u64));
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_client_wrote_stays_in_its_column() {
        assert_eq!(word(Some("a b\nc\u{7f}")), "a?b?c?");
        assert_eq!((word(None), word(Some(""))), ("-".to_owned(), "-".to_owned()));
        assert_eq!(word(Some(&"é".repeat(500))).chars().count(), LONGEST);
    }
}
