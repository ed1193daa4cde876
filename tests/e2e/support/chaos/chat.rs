//! Chat completions by which a client can tell that an answer is whole and its own: the question has an id, the answer
//! repeats it at its beginning and its end.

use serde_json::{Value, json};

use crate::support::http::{Ask, Message, chunk};

/// What a chat completion asks for.
#[derive(Clone, Debug)]
pub struct Question {
    pub id: String,
    pub stream: bool,
}

pub fn ask(id: &str, stream: bool) -> Ask {
    let body = json!({"model": "gpt-4.1", "stream": stream, "messages": [{"role": "user", "content": id}]});
    Ask::post("/v1/chat/completions", body.to_string()).header("content-type", "application/json")
}

/// The question in a request; `None` if it is no chat completion.
pub fn question(request: &Message) -> Option<Question> {
    if request.head.method() != "POST" {
        return None;
    }
    let body: Value = serde_json::from_slice(&request.body).ok()?;
    let id = body["messages"].as_array()?.last()?["content"].as_str()?.to_owned();
    Some(Question { id, stream: body["stream"] == true })
}

/// Why `answer` is not the whole right answer to the question `id`.
pub fn check(answer: &Message, id: &str) -> Result<(), String> {
    let said = || format!("status {}, whole: {}, {:?}", answer.status(), answer.whole, answer.text());
    if answer.status() != 200 || !answer.whole {
        return Err(said());
    }
    let streamed = answer.header("content-type").is_some_and(|kind| kind.starts_with("text/event-stream"));
    let content = if streamed { streamed_content(&answer.text()) } else { plain_content(&answer.body) };
    if content.as_deref() == Some(&*words(id).concat()) {
        Ok(())
    } else {
        Err(format!("not for {id}: {}", said()))
    }
}

fn plain_content(body: &[u8]) -> Option<String> {
    let body: Value = serde_json::from_slice(body).ok()?;
    body["choices"][0]["message"]["content"].as_str().map(str::to_owned)
}

/// Of a stream that ended as it should, with one `[DONE]`.
fn streamed_content(text: &str) -> Option<String> {
    let mut content = String::new();
    for data in text.strip_suffix("data: [DONE]\n\n")?.lines().filter_map(|line| line.strip_prefix("data: "))
    {
        let event: Value = serde_json::from_str(data).ok()?;
        content.push_str(event["choices"][0]["delta"]["content"].as_str().unwrap_or_default());
    }
    Some(content)
}

fn words(id: &str) -> [String; 5] {
    [
        id.to_owned(),
        " was".to_owned(),
        " the question,".to_owned(),
        " and the question was ".to_owned(),
        id.to_owned(),
    ]
}

pub fn plain_body(id: &str, server: &str) -> String {
    let message = json!({"role": "assistant", "content": words(id).concat()});
    json!({
        "id": format!("chatcmpl-{id}"), "object": "chat.completion", "created": 0, "model": "gpt-4.1",
        "system_fingerprint": server,
        "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 1, "completion_tokens": 5, "total_tokens": 6},
    })
    .to_string()
}

pub const STREAM_HEAD: &str =
    "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n";

/// The event before the content.
pub fn first_event(id: &str, server: &str) -> String {
    event_of(id, server, &json!({"role": "assistant", "content": ""}), None)
}

/// What comes after the head: [`first_event`], the content in several events, the end. Each in a chunk of its own.
pub fn stream_chunks(id: &str, server: &str) -> Vec<Vec<u8>> {
    let mut events = vec![first_event(id, server)];
    events.extend(words(id).iter().map(|word| event_of(id, server, &json!({"content": word}), None)));
    events.push(event_of(id, server, &json!({}), Some("stop")));
    events.push("data: [DONE]\n\n".to_owned());
    let mut chunks: Vec<Vec<u8>> = events.iter().map(|event| chunk(event.as_bytes())).collect();
    chunks.push(b"0\r\n\r\n".to_vec());
    chunks
}

fn event_of(id: &str, server: &str, delta: &Value, finish_reason: Option<&str>) -> String {
    let event = json!({
        "id": format!("chatcmpl-{id}"), "object": "chat.completion.chunk", "created": 0, "model": "gpt-4.1",
        "system_fingerprint": server,
        "choices": [{"index": 0, "delta": delta, "finish_reason": finish_reason}],
    });
    format!("data: {event}\n\n")
}

pub fn error_body(message: &str) -> String {
    json!({"error": {"message": message, "type": "server_error", "param": null, "code": null}}).to_string()
}
