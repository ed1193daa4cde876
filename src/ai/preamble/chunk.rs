//! The fields of an event's JSON that tell what it is; everything else is skipped unread.

use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::{Value, json};

use super::error::error;
use super::filled::Filled;
use super::{Begun, StreamError};

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Chunk {
    #[serde(rename = "type")]
    kind: Option<String>,
    object: Option<String>,
    /// Small, and only there where something went wrong: kept as it is.
    error: Value,
    code: Value,
    status: Value,
    choices: Option<Vec<Choice>>,
    usage: Option<IgnoredAny>,
    response: Option<Response>,
    item: Filled,
    part: Filled,
    content_block: Filled,
    delta: Filled,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Choice {
    delta: Filled,
    message: Filled,
    text: Filled,
    finish_reason: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Response {
    error: Value,
}

impl Chunk {
    /// `None` for what is no JSON object of this form.
    pub fn parse(data: &[u8]) -> Option<Chunk> {
        data.starts_with(b"{").then(|| serde_json::from_slice(data).ok()).flatten()
    }

    pub fn kind(&self) -> Option<&str> {
        self.kind.as_deref()
    }

    pub fn is_error(&self) -> bool {
        let told = match &self.error {
            Value::String(text) => !text.is_empty(),
            Value::Object(fields) => !fields.is_empty(),
            _ => false,
        };
        let by_kind = matches!(self.kind(), Some("error" | "response.failed" | "response.error"));
        let finish = |choice: &Choice| choice.finish_reason.as_deref() == Some("error");
        told || by_kind
            || self.object.as_deref() == Some("error")
            || self.choices.iter().flatten().any(finish)
    }

    pub fn error(&self) -> StreamError {
        let outer = json!({"code": self.code, "status": self.status});
        error(&[Some(&self.error), self.response.as_ref().map(|r| &r.error), Some(&outer)])
    }

    /// An event of OpenAI's chat completions or legacy completions.
    pub fn choices(&self) -> Begun {
        let Some(choices) = &self.choices else {
            return if self.usage.is_some() { Begun::NotYet } else { Begun::Content };
        };
        let content = |choice: &Choice| choice.delta.0 || choice.message.0 || choice.text.0;
        let finished = |choice: &Choice| choice.finish_reason.as_ref().is_some_and(|why| !why.is_empty());
        if choices.iter().any(content) {
            Begun::Content
        } else if choices.iter().any(finished) {
            Begun::Over
        } else {
            Begun::NotYet
        }
    }

    /// An event of OpenAI's Responses.
    pub fn response_event(&self, kind: &str) -> Begun {
        match kind {
            "response.created" | "response.queued" | "response.in_progress" | "keepalive" | "ping" => {
                Begun::NotYet
            }
            "response.completed" | "response.incomplete" | "response.cancelled" => Begun::Over,
            "response.output_item.added" => filled(self.item),
            "response.content_part.added" | "response.reasoning_summary_part.added" => filled(self.part),
            _ if kind.ends_with(".delta") => filled(self.delta),
            _ => Begun::Content,
        }
    }

    /// An event of Anthropic's Messages.
    pub fn message_event(&self, kind: &str) -> Begun {
        match kind {
            "message_start" | "content_block_stop" | "ping" => Begun::NotYet,
            "content_block_start" => filled(self.content_block),
            "content_block_delta" => filled(self.delta),
            // Its delta is the reason to stop.
            "message_delta" if self.delta.0 => Begun::Over,
            "message_delta" => Begun::NotYet,
            "message_stop" => Begun::Over,
            _ => Begun::Content,
        }
    }
}

fn filled(Filled(filled): Filled) -> Begun {
    if filled { Begun::Content } else { Begun::NotYet }
}
