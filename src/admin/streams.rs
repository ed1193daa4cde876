//! Ends calls and event streams in flight, at whichever door, and says in words which they were.

use std::fmt::Write;

use log::info;

use crate::admin::change::Door;
use crate::admin::report::Stream;
use crate::admin::{View, units};

/// Ends the one with this number, or all with this request id. Those that were; none, where there is no such one.
pub fn end(view: &View, id: &str, door: Door) -> Vec<Stream> {
    let mut streams = view.streams(usize::MAX).list;
    if view.state.streams.kill(id) == 0 {
        return Vec::new();
    }
    let number = id.parse::<u64>().ok();
    let numbered = streams.iter().any(|stream| Some(stream.number) == number);
    streams.retain(|stream| if numbered { Some(stream.number) == number } else { stream.request_id == id });
    for stream in &streams {
        info!("{} is ended by an order {door}", describe(stream));
    }
    streams
}

/// `stream 12 (request abc of client mobile, model gpt-4.1 on ai/primary, 63s old)`.
pub fn describe(stream: &Stream) -> String {
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

pub fn place(stream: &Stream) -> Option<String> {
    Some(format!("{}/{}", stream.backend.as_ref()?, stream.server.as_ref()?))
}

/// Clients write models and request ids: whatever they are, a line stays a line and a column a column. `-` is nothing.
pub fn word(text: Option<&str>) -> String {
    let plain = |c: char| if c.is_whitespace() || c.is_control() { '?' } else { c };
    match text {
        None | Some("") => "-".to_owned(),
        Some(text) => text.chars().take(LONGEST).map(plain).collect(),
    }
}

/// Characters of a column.
const LONGEST: usize = 128;

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
