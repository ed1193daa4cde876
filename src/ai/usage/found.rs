//! What the documents of one answer said: of the one at hand, and of all so far.

use super::counts::Counts;
use super::place::{Identity, Text};

/// Longest `id` and `model` that are kept, in bytes.
const LONGEST: usize = 256;

/// Choices that can be told apart; more of one call than any provider gives.
pub const CHOICES: u64 = 128;

#[derive(Debug, Default)]
pub struct Found {
    pub counts: Counts,
    /// As they stand in the JSON, without the quotes; the first that was said.
    pub id: Vec<u8>,
    pub model: Vec<u8>,
    pub created: Option<u64>,
    /// The last `sequence_number` (Responses).
    pub sequence: Option<u64>,
    /// A reason to stop was told.
    pub finish: bool,
    /// Bit by index: choices that were seen, and those that have ended.
    pub choices: u128,
    pub finished: u128,
    /// Something of any content, since it was last set to false.
    pub fresh: bool,
    /// Content of the documents before.
    content: u64,
    pub document: Document,
}

/// What is known of the document at hand.
#[derive(Debug, Default)]
pub struct Document {
    pub kind: Kind,
    /// `choices` is a list, and whether it has an element.
    pub choices: Option<bool>,
    /// `usage` is an object, beside `choices`.
    pub usage: bool,
    /// `index` beside `type`.
    pub index: Option<u64>,
    pub has_content: bool,
    /// The choice at hand: its `index`, and whether it ends.
    pub choice: (Option<u64>, bool),
    said: u64,
    reasoning: u64,
    reasoning_content: u64,
}

/// `type` of the events that matter.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Kind {
    BlockStart,
    BlockStop,
    MessageStop,
    /// The answer of Responses ended well.
    ResponseEnded,
    ResponseFailed,
    #[default]
    Other,
}

impl Kind {
    pub fn of(text: &[u8]) -> Kind {
        match text {
            b"content_block_start" => Kind::BlockStart,
            b"content_block_stop" => Kind::BlockStop,
            b"message_stop" => Kind::MessageStop,
            b"response.completed" | b"response.incomplete" | b"response.cancelled" => Kind::ResponseEnded,
            b"response.failed" => Kind::ResponseFailed,
            _ => Kind::Other,
        }
    }
}

impl Document {
    /// The chunk that only tells usage. Azure's first chunk has empty `choices` too, but no usage.
    pub fn only_usage(&self) -> bool {
        self.usage && self.choices == Some(false)
    }

    fn content(&self) -> u64 {
        self.said + self.reasoning.max(self.reasoning_content)
    }
}

impl Found {
    /// The document at hand is over.
    pub fn next_document(&mut self) {
        self.content = self.content_bytes();
        self.document = Document::default();
    }

    /// Bytes of what the model wrote, the document at hand included.
    pub fn content_bytes(&self) -> u64 {
        self.content + self.document.content()
    }

    /// A part of a text, and how many bytes of UTF-8 it is once decoded.
    pub fn text(&mut self, text: Text, bytes: u64) {
        let document = &mut self.document;
        match text {
            Text::Said => document.said += bytes,
            Text::Reasoning => document.reasoning += bytes,
            Text::ReasoningContent => document.reasoning_content += bytes,
            Text::Uncounted => {}
        }
        document.has_content = true;
        self.fresh = true;
    }

    pub fn identity(&mut self, identity: Identity, raw: &[u8]) {
        let kept = match identity {
            Identity::Id => &mut self.id,
            Identity::Model => &mut self.model,
        };
        if kept.is_empty() && !raw.is_empty() && raw.len() <= LONGEST && is_text(raw) {
            kept.extend_from_slice(raw);
        }
    }

    /// The choice at hand is over; without an index it is the first.
    pub fn end_choice(&mut self) {
        let (index, finished) = std::mem::take(&mut self.document.choice);
        let index = index.unwrap_or(0);
        if index < CHOICES {
            self.choices |= 1 << index;
            self.finished |= u128::from(finished) << index;
        }
    }
}

/// Whether these bytes between quotes are a text of JSON: they are written as they are when a stream is cut.
fn is_text(raw: &[u8]) -> bool {
    let quoted = [b"\"", raw, b"\""].concat();
    serde_json::from_slice::<String>(&quoted).is_ok()
}
