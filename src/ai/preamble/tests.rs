use proptest::prelude::*;

use super::Begun::{Content, NotYet, Over};
use super::Dialect::{Chat, Completions, Messages, Other, Responses};
use super::*;

/// What a stream of these events (a name may go before `data`, as `name|data`) has come to.
fn begun(dialect: Dialect, events: &[&str]) -> Begun {
    Preamble::new(dialect).feed(stream(events).as_bytes())
}

fn stream(events: &[&str]) -> String {
    let lines = events.iter().map(|event| match event.split_once('|') {
        Some((name, data)) => format!("event: {name}\ndata: {data}\n\n"),
        None => format!("data: {event}\n\n"),
    });
    lines.collect()
}

fn check(dialect: Dialect, cases: &[(&str, Begun)]) {
    for (event, wanted) in cases {
        assert_eq!(begun(dialect, &[event]), *wanted, "{event}");
    }
}

fn delta(fields: &str) -> String {
    let head = r#""id":"chatcmpl-1","object":"chat.completion.chunk","created":1,"model":"m","system_fingerprint":"f""#;
    format!(r#"{{{head},"choices":[{{"index":0,"delta":{fields},"logprobs":null,"finish_reason":null}}]}}"#)
}

fn status(status: u16) -> Begun {
    Begun::Error(StreamError { status })
}

#[test]
fn a_chat_has_begun_with_any_delta_that_is_not_empty() {
    for fields in [
        r#"{"content":"a"}"#,
        r#"{"content":" "}"#,
        r#"{"role":"assistant","content":"a","refusal":null}"#,
        r#"{"content":[{"type":"text","text":"a"}]}"#,
        r#"{"content":null,"reasoning_content":"a"}"#,
        r#"{"content":"","reasoning":"a"}"#,
        r#"{"refusal":"a"}"#,
        r#"{"tool_calls":[{"index":0,"id":"c","type":"function","function":{"name":"f","arguments":""}}]}"#,
        r#"{"tool_calls":[{"index":0,"function":{"arguments":"{"}}]}"#,
        r#"{"function_call":{"arguments":"{"}}"#,
        r#"{"audio":{"id":"a","data":"UklG"}}"#,
        r#"{"whatever":"a"}"#,
    ] {
        assert_eq!(begun(Chat, &[&delta(fields)]), Content, "{fields}");
    }
}

#[test]
fn a_chat_has_not_begun_with_a_role() {
    for fields in [
        "{}",
        r#"{"role":"assistant"}"#,
        r#"{"role":"assistant","content":"","refusal":null}"#,
        r#"{"role":"assistant","content":null,"tool_calls":[],"function_call":null,"reasoning_content":""}"#,
        r#"{"role":"assistant","content":"","provider_specific_fields":{"a":"b"}}"#,
    ] {
        assert_eq!(begun(Chat, &[&delta(fields)]), NotYet, "{fields}");
    }
    check(
        Chat,
        &[
            (r#"{"choices":[],"prompt_filter_results":[{"prompt_index":0,"a":"b"}]}"#, NotYet),
            (r#"{"choices":[],"usage":{"prompt_tokens":1}}"#, NotYet),
            (r#"{"usage":{"prompt_tokens":1}}"#, NotYet),
            ("", NotYet),
        ],
    );
    assert_eq!(Preamble::new(Chat).feed(b": OPENROUTER PROCESSING\n\n: a\n\nevent: ping\n\n"), NotYet);
}

#[test]
fn an_answer_without_content_is_over() {
    check(
        Chat,
        &[
            ("[DONE]", Over),
            (r#"{"choices":[{"delta":{},"finish_reason":"stop"}]}"#, Over),
            (r#"{"choices":[{"delta":{"content":"a"},"finish_reason":"stop"}]}"#, Content),
            (r#"{"choices":[{"delta":{},"finish_reason":""}]}"#, NotYet),
        ],
    );
    check(
        Completions,
        &[
            (r#"{"choices":[{"index":0,"text":"","finish_reason":null}]}"#, NotYet),
            (r#"{"choices":[{"index":0,"text":"a","finish_reason":null}]}"#, Content),
            (r#"{"choices":[{"index":0,"text":"","finish_reason":"length"}]}"#, Over),
        ],
    );
}

#[test]
fn a_response_begins_with_its_first_delta() {
    let created = r#"response.created|{"type":"response.created","response":{"id":"r","status":"in_progress","error":null,"output":[],"usage":null}}"#;
    let progress = r#"{"type":"response.in_progress","response":{"error":null}}"#;
    let item = r#"{"type":"response.output_item.added","output_index":0,"item":{"id":"i","type":"message","status":"in_progress","role":"assistant","content":[]}}"#;
    let part =
        r#"{"type":"response.content_part.added","part":{"type":"output_text","text":"","annotations":[]}}"#;
    let text = r#"{"type":"response.output_text.delta","item_id":"i","delta":"a"}"#;
    assert_eq!(begun(Responses, &[created, progress, item, part]), NotYet);
    assert_eq!(begun(Responses, &[created, progress, item, part, text]), Content);
    check(
        Responses,
        &[
            (r#"{"type":"keepalive","sequence_number":3}"#, NotYet),
            (
                r#"{"type":"response.output_item.added","item":{"id":"i","type":"reasoning","summary":[]}}"#,
                NotYet,
            ),
            (r#"{"type":"response.output_item.added","item":{"type":"function_call","name":"f"}}"#, Content),
            (r#"{"type":"response.function_call_arguments.delta","delta":"{"}"#, Content),
            (r#"{"type":"response.output_text.delta","delta":""}"#, NotYet),
            (r#"{"type":"response.completed","response":{"error":null,"output":[]}}"#, Over),
            (r#"{"type":"response.incomplete","response":{"error":null}}"#, Over),
            (r#"{"type":"response.new_thing"}"#, Content),
        ],
    );
}

#[test]
fn a_message_begins_with_its_first_delta() {
    let start = r#"message_start|{"type":"message_start","message":{"id":"m","role":"assistant","content":[],"usage":{"input_tokens":1}}}"#;
    let block = r#"content_block_start|{"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}"#;
    let ping = r#"ping|{"type":"ping"}"#;
    let text = r#"content_block_delta|{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"a"}}"#;
    assert_eq!(begun(Messages, &[start, block, ping]), NotYet);
    assert_eq!(begun(Messages, &[start, block, ping, text]), Content);
    check(
        Messages,
        &[
            (
                r#"{"type":"content_block_start","content_block":{"type":"thinking","thinking":"","signature":""}}"#,
                NotYet,
            ),
            (
                r#"{"type":"content_block_start","content_block":{"type":"tool_use","id":"t","name":"f","input":{}}}"#,
                Content,
            ),
            (r#"{"type":"content_block_delta","delta":{"type":"text_delta","text":""}}"#, NotYet),
            (r#"{"type":"content_block_delta","delta":{"type":"thinking_delta","thinking":"a"}}"#, Content),
            (
                r#"{"type":"content_block_delta","delta":{"type":"input_json_delta","partial_json":"{"}}"#,
                Content,
            ),
            (
                r#"{"type":"message_delta","delta":{"stop_reason":null,"stop_sequence":null},"usage":{}}"#,
                NotYet,
            ),
            (r#"{"type":"message_delta","delta":{"stop_reason":"end_turn","stop_sequence":null}}"#, Over),
            (r#"{"type":"message_stop"}"#, Over),
            (r#"new_event|{"type":"new_event"}"#, Content),
        ],
    );
}

#[test]
fn an_error_instead_of_content_is_told_with_its_status() {
    check(
        Chat,
        &[
            (r#"{"error":{"message":"m","type":"server_error","param":null,"code":null}}"#, status(500)),
            (r#"{"error":{"message":"m","type":"requests","code":"rate_limit_exceeded"}}"#, status(429)),
            (
                r#"{"error":{"message":"m","type":"insufficient_quota","code":"insufficient_quota"}}"#,
                status(429),
            ),
            (
                r#"{"error":{"message":"m","type":"invalid_request_error","code":"invalid_api_key"}}"#,
                status(401),
            ),
            (
                r#"{"error":{"message":"m","type":"invalid_request_error","code":"model_not_found"}}"#,
                status(404),
            ),
            (r#"{"error":{"message":"m","type":"invalid_request_error","code":null}}"#, status(400)),
            (r#"{"error":{"message":"m","type":"BadRequestError","code":400}}"#, status(400)),
            (r#"{"error":{"message":"m","code":"503"}}"#, status(503)),
            (r#"{"error":{"message":"m","code":8,"status":"RESOURCE_EXHAUSTED"}}"#, status(429)),
            (r#"{"error":{"message":"m","code":"request_timeout"}}"#, status(504)),
            (r#"{"error":{"message":"m","code":200}}"#, status(500)),
            (r#"{"error":{"message":"m"}}"#, status(500)),
            (r#"{"error":"Rate limit exceeded"}"#, status(429)),
            (r#"{"error":"it burns","code":502}"#, status(502)),
            (r#"{"object":"error","message":"m","type":"NotFoundError","code":404}"#, status(404)),
            (
                r#"{"id":"g","error":{"code":"server_error","message":"m"},"choices":[{"delta":{"content":""},"finish_reason":"error"}]}"#,
                status(500),
            ),
            (r#"{"choices":[{"delta":{"content":""},"finish_reason":"error"}]}"#, status(500)),
            ("error|it burns", status(500)),
            ("error|", status(500)),
            (r#"error|{"message":"m","code":429}"#, status(429)),
        ],
    );
    check(
        Messages,
        &[
            (
                r#"error|{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}"#,
                status(529),
            ),
            (r#"{"type":"error","error":{"type":"rate_limit_error"}}"#, status(429)),
            (r#"{"type":"error","error":{"type":"authentication_error"}}"#, status(401)),
            (r#"{"type":"error","error":{"type":"permission_error"}}"#, status(403)),
            (r#"{"type":"error","error":{"type":"not_found_error"}}"#, status(404)),
            (r#"{"type":"error","error":{"type":"api_error"}}"#, status(500)),
            (r#"{"type":"error","error":{"type":"timeout_error"}}"#, status(504)),
            (r#"{"type":"error"}"#, status(500)),
        ],
    );
    check(
        Responses,
        &[
            (r#"{"type":"error","code":"rate_limit_exceeded","message":"m","param":null}"#, status(429)),
            (
                r#"{"type":"response.failed","response":{"status":"failed","error":{"code":"server_error"}}}"#,
                status(500),
            ),
            (r#"{"type":"response.failed","response":{"error":{"code":"invalid_prompt"}}}"#, status(400)),
            (r#"{"type":"response.failed","response":{"error":null}}"#, status(500)),
        ],
    );
    check(
        Other,
        &[(r#"{"error":{"type":"overloaded_error"}}"#, status(529)), ("{}", Content), ("a", Content)],
    );
}

#[test]
fn no_error_is_no_error() {
    let chunk = r#"{"error":null,"choices":[{"delta":{"role":"assistant"}}]}"#;
    assert_eq!(begun(Chat, &[chunk]), NotYet);
    assert_eq!(begun(Chat, &[&chunk.replace("null", "{}")]), NotYet);
    assert_eq!(begun(Chat, &[&chunk.replace("null", "\"\"")]), NotYet);
}

#[test]
fn what_is_not_understood_is_content() {
    for event in ["{", "hello", "[1]", "\"error\"", "{\"a\":1}", "{\"choices\":1}", "{\"choices\":[]} x"] {
        assert_eq!(begun(Chat, &[event]), Content, "{event}");
    }
    let mut preamble = Preamble::new(Chat);
    let long = vec![b'a'; LONGEST / 2];
    assert_eq!([&long, &long].map(|piece| preamble.feed(piece)), [NotYet, NotYet]);
    assert_eq!(preamble.feed(b"a"), Content);
}

#[test]
fn what_was_decided_stays() {
    let mut preamble = Preamble::new(Chat);
    assert_eq!(preamble.feed(b"data: {\"error\":{\"code\":429}}\n\n"), status(429));
    assert_eq!(preamble.feed(b"data: [DONE]\n\n"), status(429));
    assert_eq!(
        begun(Chat, &[&delta("{}"), &delta(r#"{"content":"a"}"#), r#"{"error":{"code":500}}"#]),
        Content
    );
}

fn events() -> impl Strategy<Value = Vec<String>> {
    let event = prop::sample::select(vec![
        delta(r#"{"role":"assistant","content":""}"#),
        delta(r#"{"content":"a"}"#),
        r#"{"error":{"code":429}}"#.to_owned(),
        r#"ping|{"type":"ping"}"#.to_owned(),
        r#"{"type":"content_block_delta","delta":{"text":"a"}}"#.to_owned(),
        "[DONE]".to_owned(),
        "{".to_owned(),
        "\u{feff}".to_owned(),
    ]);
    prop::collection::vec(event, 0..6)
}

proptest! {
    #[test]
    fn any_split_comes_to_the_same(
        events in events(), dialect in prop::sample::select(vec![Chat, Completions, Responses, Messages, Other]),
        piece in 1usize..40,
    ) {
        let events: Vec<&str> = events.iter().map(String::as_str).collect();
        let (text, mut preamble) = (stream(&events), Preamble::new(dialect));
        let split = text.as_bytes().chunks(piece).map(|piece| preamble.feed(piece)).last();
        prop_assert_eq!(split.unwrap_or(NotYet), begun(dialect, &events));
    }

    #[test]
    fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let text = format!("data: {{{}\n\n", String::from_utf8_lossy(&bytes));
        Preamble::new(Responses).feed(text.as_bytes());
        Preamble::new(Messages).feed(&bytes);
    }
}
