//! The beginning of an event stream of an AI API: whether content has come, or an error instead of it. An answer is
//! passed on only once it has content, so that another server can be asked before; what this module does not understand
//! is therefore content.

use self::chunk::Chunk;
use super::sse::{Event, Splitter};

pub use super::path::Dialect;

mod chunk;
mod error;
mod filled;

/// Longest event that is looked into, in bytes; a longer one is content.
const LONGEST: usize = 1 << 20;

/// What a stream has come to so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Begun {
    /// Only a role, comments, pings and the like.
    NotYet,
    Content,
    /// An error, before any content.
    Error(StreamError),
    /// The answer ended well without any content.
    Over,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StreamError {
    /// The status that would have told it, 400..=599; 500 where the error does not say.
    pub status: u16,
}

/// Reads a stream up to its first content.
#[derive(Debug)]
pub struct Preamble {
    dialect: Dialect,
    splitter: Splitter,
    begun: Begun,
}

impl Preamble {
    pub fn new(dialect: Dialect) -> Preamble {
        Preamble { dialect, splitter: Splitter::new(LONGEST), begun: Begun::NotYet }
    }

    /// Takes the next piece of the stream, whose bytes must not be compressed. What was once decided stays.
    pub fn feed(&mut self, bytes: &[u8]) -> Begun {
        if self.begun != Begun::NotYet {
            return self.begun;
        }
        let mut begun = Begun::NotYet;
        let fed = self.splitter.feed(bytes, &mut |event| {
            if begun == Begun::NotYet {
                begun = judge(self.dialect, event);
            }
        });
        if fed.is_err() && begun == Begun::NotYet {
            begun = Begun::Content;
        }
        self.begun = begun;
        begun
    }
}

/// What one event is.
fn judge(dialect: Dialect, event: Event<'_>) -> Begun {
    let data = event.data.trim_ascii();
    if data == b"[DONE]" {
        return Begun::Over;
    }
    let chunk = Chunk::parse(data);
    let kind = chunk.as_ref().and_then(Chunk::kind).or(event.name);
    if event.name == Some("error") || chunk.as_ref().is_some_and(Chunk::is_error) {
        return Begun::Error(chunk.map(|chunk| chunk.error()).unwrap_or_default());
    }
    if data.is_empty() {
        return Begun::NotYet;
    }
    let Some(chunk) = &chunk else { return Begun::Content };
    match dialect {
        Dialect::Chat | Dialect::Completions => chunk.choices(),
        Dialect::Responses => chunk.response_event(kind.unwrap_or_default()),
        Dialect::Messages => chunk.message_event(kind.unwrap_or_default()),
        Dialect::Other => Begun::Content,
    }
}

#[cfg(test)]
mod tests;
