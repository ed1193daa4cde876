use serde_json::{Value, json};

use super::*;

const USAGE: Usage = Usage { prompt: Some(20), completion: Some(5), cached: Some(8), reasoning: None };

fn cut(dialect: Dialect, events: &[&str], asked: bool) -> String {
    String::from_utf8(read(dialect, &stream(events)).cut(USAGE, asked)).unwrap()
}

/// The data of the events.
fn data(stream: &str) -> Vec<Value> {
    let data = stream.lines().filter_map(|line| line.strip_prefix("data: "));
    data.map(|data| serde_json::from_str(data).unwrap_or_else(|_| json!(data))).collect()
}

#[test]
fn a_chat_ends_for_its_length() {
    let begun = [&*chunk(&delta(r#"{"content":"Hi"}"#), "")];
    let head = json!({"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1718345013, "model": "gpt-4o-mini"});
    let with = |more: Value| {
        let mut all = head.clone();
        all.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        all
    };
    let choice = json!({"index": 0, "delta": {}, "logprobs": null, "finish_reason": "length"});
    let last = with(json!({"choices": [choice]}));
    assert_eq!(data(&cut(Chat, &begun, false)), [last.clone(), json!("[DONE]")]);
    let counts = json!({"prompt_tokens": 20, "completion_tokens": 5, "total_tokens": 25, "prompt_tokens_details": {"cached_tokens": 8}});
    let usage = with(json!({"choices": [], "usage": counts}));
    assert_eq!(data(&cut(Chat, &begun, true)), [last, usage, json!("[DONE]")]);
    assert_eq!(
        data(&String::from_utf8(read(Chat, &stream(&begun)).cut(Usage::default(), true)).unwrap()).len(),
        2,
        "unknown usage is not told"
    );
}

#[test]
fn each_choice_that_has_not_ended_ends() {
    let choice = |index: u64, finish: &str| {
        chunk(&format!(r#"{{"finish_reason":{finish},"delta":{{"content":"a"}},"index":{index}}}"#), "")
    };
    let events = [choice(0, "null"), choice(2, "null"), choice(0, r#""stop""#), choice(1, "null")];
    let events: Vec<&str> = events.iter().map(String::as_str).collect();
    let ended = data(&cut(Chat, &events, false));
    let indices: Vec<&Value> =
        ended[0]["choices"].as_array().unwrap().iter().map(|choice| &choice["index"]).collect();
    assert_eq!(indices, [1, 2]);
    let over = chunk(r#"{"index":0,"delta":{},"finish_reason":"stop"}"#, "");
    assert_eq!(cut(Chat, &[&over], false), "data: [DONE]\n\n");
    assert_eq!(data(&cut(Chat, &[&over], true)).len(), 2);
    let told = chunk("", r#","usage":{"prompt_tokens":1}"#);
    assert_eq!(cut(Chat, &[&over, &told], true), "data: [DONE]\n\n");
    assert_eq!(cut(Chat, &[&over, "[DONE]"], true), "");
}

#[test]
fn a_cut_stream_reads_back_as_one_that_ended() {
    let legacy = r#"{"id":"cmpl-1","object":"text_completion","created":1,"choices":[{"text":"a","index":0,"finish_reason":null}],"model":"m"}"#;
    let begun = [
        (Chat, vec![chunk(&delta(r#"{"content":"Hi"}"#), "")]),
        (Completions, vec![legacy.to_owned()]),
        (Messages, MESSAGE[..4].iter().map(ToString::to_string).collect()),
        (Messages, MESSAGE[..1].iter().map(ToString::to_string).collect()),
        (Responses, RESPONSE[..5].iter().map(ToString::to_string).collect()),
    ];
    for (dialect, events) in begun {
        let events: Vec<&str> = events.iter().map(String::as_str).collect();
        let text = stream(&events) + &cut(dialect, &events, true);
        let meter = read(dialect, &text);
        let seen = meter.seen();
        assert!(seen.done && seen.finish_reason_seen, "{text}");
        assert_eq!(meter.usage().completion, Some(5), "{text}");
        assert_eq!(meter.cut(USAGE, true), b"");
    }
}

#[test]
fn a_message_ends_its_block_first() {
    let wanted = [
        json!({"type": "content_block_stop", "index": 0}),
        json!({"type": "message_delta", "delta": {"stop_reason": "max_tokens", "stop_sequence": null}, "usage": {"output_tokens": 5}}),
        json!({"type": "message_stop"}),
    ];
    assert_eq!(data(&cut(Messages, &MESSAGE[..4], false)), wanted);
    assert_eq!(data(&cut(Messages, &MESSAGE[..6], false)), wanted[1..]);
    assert_eq!(
        data(&cut(Messages, &MESSAGE[..7], false))[0],
        json!({"type": "content_block_stop", "index": 1})
    );
    assert_eq!(data(&cut(Messages, &MESSAGE[..10], false)), wanted[2..]);
    assert_eq!(cut(Messages, MESSAGE, false), "");
    assert!(cut(Messages, &MESSAGE[..4], false).starts_with("event: content_block_stop\ndata: "));
}

#[test]
fn a_response_ends_incomplete() {
    let events = data(&cut(Responses, &RESPONSE[..5], false));
    let [event] = events.as_slice() else { panic!("{events:?}") };
    assert_eq!(event["type"], "response.incomplete");
    assert_eq!(event["sequence_number"], 5);
    let response = &event["response"];
    assert_eq!(response["id"], "resp_1");
    assert_eq!(response["model"], "gpt-4.1-2025-04-14");
    assert_eq!(response["created_at"], 1_741_290_958);
    assert_eq!(response["incomplete_details"], json!({"reason": "max_output_tokens"}));
    assert_eq!(response["usage"]["total_tokens"], 25);
}

#[test]
fn what_an_upstream_names_itself_cannot_break_out() {
    for id in [r#"a\u12"#, "a\ndata: [DONE]\n\n", "\u{1}", r#"a\"#, &"a".repeat(300)] {
        let text = format!("data: {{\"id\":\"{id}\",\"model\":\"m\"}}\n\ndata: {{}}\n\n");
        let events = data(&String::from_utf8(read(Chat, &text).cut(USAGE, true)).unwrap());
        assert!(
            events.is_empty() || (events.len() == 3 && events[0]["choices"][0]["index"] == 0),
            "{events:?}"
        );
    }
    let odd = r#"{"id":"a\"b\\","model":"m\u00e9"}"#;
    assert_eq!(data(&cut(Chat, &[odd], false))[0]["id"], "a\"b\\");
}
