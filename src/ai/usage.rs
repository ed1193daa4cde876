//! How many tokens a call took, read from the answer as it passes: nothing is kept of it, and any pieces that it comes in
//! give the same counts. Providers name and add their counts differently; here they mean one thing. What an answer does
//! not say is unknown.

pub use self::answer::AnswerMeter;
pub use self::gate::Passed;
pub use self::stream::{Seen, StreamMeter};

mod answer;
mod counts;
mod cut;
mod found;
mod gate;
mod lines;
mod place;
mod scan;
mod stream;

/// Tokens of one call. `None`: the answer does not say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Those read from or written to a cache included.
    pub prompt: Option<u64>,
    /// Those of reasoning included.
    pub completion: Option<u64>,
    /// Of `prompt`: read from a cache.
    pub cached: Option<u64>,
    /// Of `completion`: not shown to the client.
    pub reasoning: Option<u64>,
}

impl Usage {
    /// All tokens; `None` where one of the two sides is unknown.
    pub fn total(&self) -> Option<u64> {
        Some(self.prompt?.saturating_add(self.completion?))
    }
}

#[cfg(test)]
mod tests;
