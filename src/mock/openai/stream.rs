//! Completions as server-sent events: role, content piece by piece, finish, usage when asked for, `[DONE]`.

use bytes::Bytes;
use serde_json::{Value, json};

use super::CREATED;
use super::words::Reply;

/// Which of the two endpoints shapes the answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    Chat,
    Text,
}

impl Shape {
    pub fn id_prefix(self) -> &'static str {
        match self {
            Shape::Chat => "chatcmpl",
            Shape::Text => "cmpl",
        }
    }

    /// The `object` of an answer that is not a stream.
    pub fn object(self) -> &'static str {
        match self {
            Shape::Chat => "chat.completion",
            Shape::Text => "text_completion",
        }
    }

    fn chunk_object(self) -> &'static str {
        match self {
            Shape::Chat => "chat.completion.chunk",
            Shape::Text => "text_completion",
        }
    }

    /// A whole choice.
    pub fn choice(self, index: u64, reply: &Reply) -> Value {
        let (text, finish) = (reply.text(), reply.finish);
        match self {
            Shape::Chat => json!({
                "index": index, "logprobs": null, "finish_reason": finish,
                "message": {"role": "assistant", "content": text, "refusal": null, "annotations": []},
            }),
            Shape::Text => json!({"index": index, "text": text, "logprobs": null, "finish_reason": finish}),
        }
    }

    /// A choice's first chunk, which only names the role.
    fn opening(self, index: u64) -> Value {
        match self {
            Shape::Chat => delta(index, json!({"role": "assistant", "content": "", "refusal": null}), None),
            Shape::Text => self.piece(index, ""),
        }
    }

    fn piece(self, index: u64, text: &str) -> Value {
        match self {
            Shape::Chat => delta(index, json!({"content": text}), None),
            Shape::Text => json!({"index": index, "text": text, "logprobs": null, "finish_reason": null}),
        }
    }

    fn closing(self, index: u64, finish: &str) -> Value {
        match self {
            Shape::Chat => delta(index, json!({}), Some(finish)),
            Shape::Text => json!({"index": index, "text": "", "logprobs": null, "finish_reason": finish}),
        }
    }
}

fn delta(index: u64, delta: Value, finish: Option<&str>) -> Value {
    json!({"index": index, "delta": delta, "logprobs": null, "finish_reason": finish})
}

pub struct Stream {
    pub shape: Shape,
    pub id: String,
    pub model: String,
    pub fingerprint: String,
    pub choices: u64,
    /// `Some` where the client asked for it; then every other chunk carries a null.
    pub usage: Option<Value>,
}

impl Stream {
    pub fn events(&self, reply: &Reply) -> Vec<Bytes> {
        let (shape, indexes) = (self.shape, || 0..self.choices);
        let mut events: Vec<Bytes> = indexes().map(|index| self.event(shape.opening(index))).collect();
        for piece in &reply.pieces {
            events.extend(indexes().map(|index| self.event(shape.piece(index, piece))));
        }
        events.extend(indexes().map(|index| self.event(shape.closing(index, reply.finish))));
        if let Some(usage) = &self.usage {
            let mut last = self.chunk(json!([]));
            last["usage"] = usage.clone();
            events.push(frame(&last.to_string()));
        }
        events.push(frame("[DONE]"));
        events
    }

    fn event(&self, choice: Value) -> Bytes {
        let mut chunk = self.chunk(json!([choice]));
        if self.usage.is_some() {
            chunk["usage"] = Value::Null;
        }
        frame(&chunk.to_string())
    }

    fn chunk(&self, choices: Value) -> Value {
        json!({
            "id": self.id, "object": self.shape.chunk_object(), "created": CREATED, "model": self.model,
            "system_fingerprint": self.fingerprint, "choices": choices,
        })
    }
}

pub fn frame(data: &str) -> Bytes {
    Bytes::from(format!("data: {data}\n\n"))
}
