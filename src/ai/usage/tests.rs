//! Answers in the shapes of the providers' public references, and what must hold in any pieces.

use std::fmt::Write;

use proptest::prelude::*;

use super::*;
use crate::ai::path::Dialect;
use crate::ai::path::Dialect::{Chat, Completions, Messages, Other, Responses};

mod answers;
mod cuts;
mod pieces;
mod streams;

/// Counts of a usage: prompt, completion, cached, reasoning.
fn counts(
    prompt: impl Into<Option<u64>>,
    completion: impl Into<Option<u64>>,
    cached: impl Into<Option<u64>>,
    reasoning: impl Into<Option<u64>>,
) -> Usage {
    Usage {
        prompt: prompt.into(),
        completion: completion.into(),
        cached: cached.into(),
        reasoning: reasoning.into(),
    }
}

/// An event stream of these data; a name may go before them, as `name|data`.
fn stream(events: &[&str]) -> String {
    let mut text = String::new();
    for event in events {
        match event.split_once('|') {
            Some((name, data)) => write!(text, "event: {name}\ndata: {data}\n\n").unwrap(),
            None => write!(text, "data: {event}\n\n").unwrap(),
        }
    }
    text
}

/// What the client gets of these pieces, and the meter behind them.
fn passed<'a>(mut meter: StreamMeter, pieces: impl IntoIterator<Item = &'a [u8]>) -> (Vec<u8>, StreamMeter) {
    let mut out = Vec::new();
    for piece in pieces {
        match meter.feed(piece) {
            Passed::Whole => out.extend_from_slice(piece),
            Passed::Instead(bytes) => out.extend_from_slice(bytes),
        }
    }
    out.extend_from_slice(meter.finish());
    (out, meter)
}

fn read(dialect: Dialect, text: &str) -> StreamMeter {
    let (out, meter) = passed(StreamMeter::new(dialect, false), [text.as_bytes()]);
    assert_eq!(out, text.as_bytes());
    meter
}

/// A chunk of a chat with these choices, and more fields.
fn chunk(choices: &str, more: &str) -> String {
    let head =
        r#""id":"chatcmpl-1","object":"chat.completion.chunk","created":1718345013,"model":"gpt-4o-mini""#;
    format!(r#"{{{head},"choices":[{choices}]{more}}}"#)
}

fn delta(fields: &str) -> String {
    format!(r#"{{"index":0,"delta":{fields},"logprobs":null,"finish_reason":null}}"#)
}

/// A chat of OpenAI; `null`: each chunk has `usage`; `told`: the last one tells it.
fn chat(null: bool, told: bool) -> String {
    let more = if null { r#","usage":null"# } else { "" };
    let mut events = vec![
        chunk(&delta(r#"{"role":"assistant","content":"","refusal":null}"#), more),
        chunk(&delta(r#"{"content":"Hello"}"#), more),
        chunk(&delta(r#"{"content":" \"w\u00f6rld\" \ud83d\ude00\n"}"#), more),
        chunk(r#"{"index":0,"delta":{},"logprobs":null,"finish_reason":"stop"}"#, more),
    ];
    if told {
        let details = r#""prompt_tokens_details":{"cached_tokens":1024,"audio_tokens":0},"completion_tokens_details":{"reasoning_tokens":3,"audio_tokens":0,"accepted_prediction_tokens":0,"rejected_prediction_tokens":0}"#;
        let usage = format!(
            r#","usage":{{"prompt_tokens":1200,"completion_tokens":10,"total_tokens":1210,{details}}}"#
        );
        events.push(chunk("", &usage));
    }
    events.push("[DONE]".to_owned());
    stream(&events.iter().map(String::as_str).collect::<Vec<_>>())
}

const MESSAGE: &[&str] = &[
    r#"message_start|{"type":"message_start","message":{"id":"msg_1","type":"message","role":"assistant","model":"claude-sonnet-4","content":[],"stop_reason":null,"stop_sequence":null,"usage":{"input_tokens":25,"cache_creation_input_tokens":100,"cache_read_input_tokens":2000,"output_tokens":1}}}"#,
    r#"content_block_start|{"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}"#,
    r#"ping|{"type": "ping"}"#,
    r#"content_block_delta|{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"Hello"}}"#,
    r#"content_block_delta|{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"!"}}"#,
    r#"content_block_stop|{"type":"content_block_stop","index":0}"#,
    r#"content_block_start|{"type":"content_block_start","index":1,"content_block":{"type":"tool_use","id":"toolu_1","name":"look","input":{}}}"#,
    r#"content_block_delta|{"type":"content_block_delta","index":1,"delta":{"type":"input_json_delta","partial_json":"{\"a\":1}"}}"#,
    r#"content_block_stop|{"type":"content_block_stop","index":1}"#,
    r#"message_delta|{"type":"message_delta","delta":{"stop_reason":"tool_use","stop_sequence":null},"usage":{"output_tokens":15}}"#,
    r#"message_stop|{"type":"message_stop"}"#,
];

const RESPONSE: &[&str] = &[
    r#"response.created|{"type":"response.created","sequence_number":0,"response":{"id":"resp_1","object":"response","created_at":1741290958,"status":"in_progress","error":null,"model":"gpt-4.1-2025-04-14","output":[],"usage":null}}"#,
    r#"response.output_item.added|{"type":"response.output_item.added","sequence_number":1,"output_index":0,"item":{"id":"msg_1","type":"message","status":"in_progress","role":"assistant","content":[]}}"#,
    r#"response.content_part.added|{"type":"response.content_part.added","sequence_number":2,"item_id":"msg_1","output_index":0,"content_index":0,"part":{"type":"output_text","text":"","annotations":[]}}"#,
    r#"response.output_text.delta|{"type":"response.output_text.delta","sequence_number":3,"item_id":"msg_1","output_index":0,"content_index":0,"delta":"Hi","obfuscation":"x8Kq"}"#,
    r#"response.output_text.delta|{"type":"response.output_text.delta","sequence_number":4,"item_id":"msg_1","output_index":0,"content_index":0,"delta":" there","obfuscation":"8K"}"#,
    r#"response.output_text.done|{"type":"response.output_text.done","sequence_number":5,"item_id":"msg_1","output_index":0,"content_index":0,"text":"Hi there"}"#,
    r#"response.completed|{"type":"response.completed","sequence_number":6,"response":{"id":"resp_1","object":"response","created_at":1741290958,"status":"completed","error":null,"incomplete_details":null,"model":"gpt-4.1-2025-04-14","output":[{"id":"msg_1","type":"message","role":"assistant","content":[{"type":"output_text","text":"Hi there","annotations":[]}]}],"usage":{"input_tokens":37,"input_tokens_details":{"cached_tokens":30},"output_tokens":11,"output_tokens_details":{"reasoning_tokens":4},"total_tokens":48},"user":null,"metadata":{}}}"#,
];
