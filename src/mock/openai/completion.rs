//! Chat completions, and the older plain completions: the same answer in two shapes.

use hyper::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};

use super::super::deliver::{Answer, Events};
use super::stream::{Shape, Stream};
use super::words::{Reply, count_tokens};
use super::{CREATED, Call, Problem};

/// Tokens that each message of a chat costs beside its text, and the chat as a whole.
const PER_MESSAGE: u64 = 4;
const PER_CHAT: u64 = 3;

/// Both kinds of request; what is not named here is accepted and has no effect.
#[derive(Debug, Deserialize)]
struct Ask {
    model: Option<String>,
    messages: Option<Vec<Message>>,
    prompt: Option<Value>,
    #[serde(default)]
    stream: Option<bool>,
    stream_options: Option<StreamOptions>,
    max_tokens: Option<u64>,
    max_completion_tokens: Option<u64>,
    n: Option<u64>,
}

#[derive(Debug, Deserialize)]
struct Message {
    role: String,
    /// Text, a list of parts, or null beside tool calls.
    content: Option<Value>,
}

#[derive(Debug, Default, Deserialize)]
struct StreamOptions {
    include_usage: Option<bool>,
}

pub fn chat(call: &Call<'_>) -> Result<Answer, Problem> {
    let ask: Ask = call.parse()?;
    let missing = || Problem::bad_request("Missing required parameter: 'messages'.".into(), Some("messages"));
    let messages = ask.messages.as_deref().filter(|all| !all.is_empty()).ok_or_else(missing)?;
    let texts: Vec<String> = messages.iter().map(|message| text_of(message.content.as_ref())).collect();
    let prompt_tokens = PER_CHAT + texts.iter().map(|text| PER_MESSAGE + count_tokens(text)).sum::<u64>();
    let last = messages.iter().rposition(|message| message.role == "user").unwrap_or(0);
    let prompt = texts.get(last).cloned().unwrap_or_default();
    respond(call, ask, Shape::Chat, &prompt, prompt_tokens)
}

pub fn completion(call: &Call<'_>) -> Result<Answer, Problem> {
    let ask: Ask = call.parse()?;
    let prompt = text_of(ask.prompt.as_ref());
    let prompt_tokens = count_tokens(&prompt);
    respond(call, ask, Shape::Text, &prompt, prompt_tokens)
}

fn respond(
    call: &Call<'_>,
    ask: Ask,
    shape: Shape,
    prompt: &str,
    prompt_tokens: u64,
) -> Result<Answer, Problem> {
    let model = call.model(ask.model)?;
    let choices = ask.n.unwrap_or(1);
    if !(1..=128).contains(&choices) {
        return Err(Problem::bad_request(format!("'n' is {choices}; it must be from 1 to 128."), Some("n")));
    }
    let limit = ask.max_completion_tokens.or(ask.max_tokens);
    let reply = Reply::compose(call.name, prompt, call.chunks, limit);
    let usage = usage(prompt_tokens, reply.tokens() * choices);
    let id = call.id(shape.id_prefix());
    let fingerprint = format!("fp_{}", call.name);
    if ask.stream.unwrap_or(false) {
        let counted = ask.stream_options.and_then(|options| options.include_usage).unwrap_or(false);
        let stream = Stream { shape, id, model, fingerprint, choices, usage: counted.then_some(usage) };
        let opening = usize::try_from(choices).unwrap_or_default();
        return Ok(Answer::Events(Events { all: stream.events(&reply), opening }));
    }
    let choices: Vec<Value> = (0..choices).map(|index| shape.choice(index, &reply)).collect();
    let body = json!({
        "id": id, "object": shape.object(), "created": CREATED, "model": model, "choices": choices,
        "usage": usage, "service_tier": "default", "system_fingerprint": fingerprint,
    });
    Ok(Answer::Whole(StatusCode::OK, body))
}

fn usage(prompt: u64, completion: u64) -> Value {
    json!({
        "prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": prompt + completion,
        "prompt_tokens_details": {"cached_tokens": 0, "audio_tokens": 0},
        "completion_tokens_details": {
            "reasoning_tokens": 0, "audio_tokens": 0,
            "accepted_prediction_tokens": 0, "rejected_prediction_tokens": 0,
        },
    })
}

/// The text of a message or prompt: itself, or its parts one after the other.
fn text_of(content: Option<&Value>) -> String {
    match content {
        Some(Value::String(text)) => text.clone(),
        Some(Value::Array(parts)) => {
            let texts = parts.iter().filter_map(|part| part.as_str().or_else(|| part.get("text")?.as_str()));
            texts.collect::<Vec<_>>().join(" ")
        }
        _ => String::new(),
    }
}
