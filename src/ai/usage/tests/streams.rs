use super::*;

#[test]
fn a_chat_tells_usage_where_it_is_asked_to() {
    for null in [false, true] {
        let meter = read(Chat, &chat(null, true));
        assert_eq!(meter.usage(), counts(1200, 10, 1024, 3));
        assert_eq!(read(Chat, &chat(null, false)).usage(), Usage::default());
    }
}

#[test]
fn what_is_seen_of_a_chat() {
    let wanted = Seen {
        content_bytes: 5 + " \"wörld\" 😀\n".len() as u64,
        chunks: 2,
        first_content: true,
        done: true,
        finish_reason_seen: true,
    };
    assert_eq!(read(Chat, &chat(true, false)).seen(), wanted);
    let text = chat(false, false);
    let cut = text.split_at(text.find(" \\\"w").unwrap() + 1).0;
    let wanted = Seen { content_bytes: 6, chunks: 1, done: false, finish_reason_seen: false, ..wanted };
    assert_eq!(read(Chat, cut).seen(), wanted);
    let role = stream(&[&chunk(&delta(r#"{"role":"assistant","content":""}"#), "")]);
    assert_eq!(read(Chat, &role).seen(), Seen::default());
}

#[test]
fn content_is_seen_with_the_piece_that_brings_it() {
    let mut meter = StreamMeter::new(Chat, true);
    let saw: Vec<bool> = chat(true, true)
        .split_inclusive("\n\n")
        .map(|event| {
            meter.feed(event.as_bytes());
            meter.saw_content_at_last_feed()
        })
        .collect();
    assert_eq!(saw, [false, true, true, false, false, false]);
}

#[test]
fn reasoning_tools_and_what_is_there_twice() {
    let bytes = |fields: &str| {
        let seen = read(Chat, &stream(&[&chunk(&delta(fields), "")])).seen();
        seen.first_content.then_some(seen.content_bytes)
    };
    assert_eq!(bytes(r#"{"content":null,"reasoning_content":"abc"}"#), Some(3));
    assert_eq!(bytes(r#"{"reasoning":"abc","reasoning_content":"abc"}"#), Some(3));
    assert_eq!(
        bytes(
            r#"{"content":"","reasoning":"abc","reasoning_details":[{"type":"reasoning.text","text":"abc"}]}"#
        ),
        Some(3)
    );
    assert_eq!(
        bytes(
            r#"{"tool_calls":[{"index":0,"id":"call_1","type":"function","function":{"name":"look","arguments":"{\"a\""}}]}"#
        ),
        Some(8)
    );
    assert_eq!(bytes(r#"{"content":[{"type":"text","text":"abc"}]}"#), Some(3));
    assert_eq!(bytes(r#"{"audio":{"id":"a","data":"UklGR"}}"#), Some(0));
    assert_eq!(bytes(r#"{"role":"assistant","tool_calls":[],"content":""}"#), None);
}

#[test]
fn legacy_completions() {
    let event = |text: &str, more: &str| {
        format!(
            r#"{{"id":"cmpl-1","object":"text_completion","created":1,"choices":[{{"text":"{text}","index":0,"logprobs":null,"finish_reason":null}}],"model":"m"{more}}}"#
        )
    };
    let usage = r#"{"id":"cmpl-1","object":"text_completion","created":1,"choices":[],"model":"m","usage":{"prompt_tokens":5,"completion_tokens":2,"total_tokens":7}}"#;
    let text = stream(&[&event("Hi", ""), &event("!", ""), usage, "[DONE]"]);
    let meter = read(Completions, &text);
    assert_eq!(meter.usage(), counts(5, 2, None, None));
    assert_eq!((meter.seen().content_bytes, meter.seen().chunks), (3, 2));
    let (out, _) = passed(StreamMeter::new(Completions, true), [text.as_bytes()]);
    assert_eq!(out, stream(&[&event("Hi", ""), &event("!", ""), "[DONE]"]).as_bytes());
}

#[test]
fn anthropic_counts_output_at_its_end() {
    let meter = read(Messages, &stream(MESSAGE));
    assert_eq!(meter.usage(), counts(2125, 15, 2000, None));
    let wanted = Seen {
        content_bytes: "Hello!look{\"a\":1}".len() as u64,
        chunks: 4,
        first_content: true,
        done: true,
        finish_reason_seen: true,
    };
    assert_eq!(meter.seen(), wanted);
    let cut = read(Messages, &stream(&MESSAGE[..4]));
    assert_eq!(cut.usage(), counts(2125, None, 2000, None), "the 1 of the beginning is no count");
    // Newer ones repeat the input; the last counts.
    let again = r#"message_delta|{"type":"message_delta","delta":{"stop_reason":"end_turn"},"usage":{"input_tokens":30,"cache_creation_input_tokens":0,"cache_read_input_tokens":2000,"output_tokens":20}}"#;
    let meter = read(Messages, &stream(&[MESSAGE[0], again, again]));
    assert_eq!(meter.usage(), counts(2030, 20, 2000, None));
}

#[test]
fn responses_tell_usage_with_the_last_event() {
    let meter = read(Responses, &stream(RESPONSE));
    assert_eq!(meter.usage(), counts(37, 11, 30, 4));
    let wanted =
        Seen { content_bytes: 8, chunks: 2, first_content: true, done: true, finish_reason_seen: true };
    assert_eq!(meter.seen(), wanted);
    assert_eq!(read(Responses, &stream(&RESPONSE[..6])).usage(), Usage::default());
}

#[test]
fn an_event_of_any_length_is_read() {
    let image = "A".repeat(5 << 20);
    let event = format!(
        r#"{{"type":"response.completed","response":{{"id":"r","output":[{{"type":"image_generation_call","result":"{image}"}}],"usage":{{"input_tokens":1,"output_tokens":2,"total_tokens":3}}}}}}"#
    );
    assert_eq!(read(Responses, &stream(&[&event])).usage(), counts(1, 2, None, None));
}

#[test]
fn servers_that_count_on_every_chunk() {
    let counted = |text: &str, n: u64| {
        let usage =
            format!(r#","usage":{{"prompt_tokens":9,"total_tokens":{},"completion_tokens":{n}}}"#, 9 + n);
        chunk(&delta(&format!(r#"{{"content":"{text}"}}"#)), &usage)
    };
    let events = [counted("", 0), counted("a", 1), counted("b", 2)];
    let text = stream(&events.iter().map(String::as_str).collect::<Vec<_>>());
    let (out, meter) = passed(StreamMeter::new(Chat, true), [text.as_bytes()]);
    assert_eq!(out, text.as_bytes(), "chunks with choices stay");
    assert_eq!(meter.usage(), counts(9, 2, None, None));
    // OpenRouter tells it beside an empty choice, after comments; Groq and Moonshot at places of their own.
    let openrouter = r#"{"id":"gen-1","provider":"X","choices":[{"index":0,"delta":{"role":"assistant","content":""},"finish_reason":null}],"usage":{"prompt_tokens":4,"completion_tokens":5,"total_tokens":9}}"#;
    let text = format!(": OPENROUTER PROCESSING\n\n{}", stream(&[openrouter]));
    let (out, meter) = passed(StreamMeter::new(Chat, true), [text.as_bytes()]);
    assert_eq!((out, meter.usage()), (text.into_bytes(), counts(4, 5, None, None)));
    let groq = chunk(
        r#"{"index":0,"delta":{},"finish_reason":"stop"}"#,
        r#","x_groq":{"id":"req_1","usage":{"queue_time":0.1,"prompt_tokens":4,"completion_tokens":5,"total_tokens":9}}"#,
    );
    assert_eq!(read(Chat, &stream(&[&groq])).usage(), counts(4, 5, None, None));
    let moonshot = chunk(
        r#"{"index":0,"delta":{},"finish_reason":"stop","usage":{"prompt_tokens":4,"completion_tokens":5,"total_tokens":9}}"#,
        "",
    );
    assert_eq!(read(Chat, &stream(&[&moonshot])).usage(), counts(4, 5, None, None));
}

/// Azure: the filter's verdict on the prompt, before everything else.
const AZURE: &str = r#"{"choices":[],"created":0,"id":"","model":"","object":"","prompt_filter_results":[{"prompt_index":0,"content_filter_results":{"hate":{"filtered":false,"severity":"safe"}}}]}"#;

#[test]
fn only_the_chunk_of_nothing_but_usage_is_taken_out() {
    let (out, meter) = passed(StreamMeter::new(Chat, true), [chat(true, true).as_bytes()]);
    assert_eq!(String::from_utf8(out).unwrap(), chat(true, false));
    assert_eq!(meter.usage(), counts(1200, 10, 1024, 3));
    let azure_null = AZURE.replace(r#""choices":[]"#, r#""choices":[],"usage":null"#);
    for stays in [
        AZURE,
        &azure_null,
        r#"{"usage":{"prompt_tokens":1}}"#,
        r#"{"choices":null,"usage":{"prompt_tokens":1}}"#,
        r#"{"choices":[],"usage":5}"#,
        r#"{"choices":[],"x":{"usage":{}}}"#,
        r#"{"choices":[null],"usage":{}}"#,
        r#"{"choices":{},"usage":{}}"#,
        r#"{"choices":[],"error":{"message":"usage"}}"#,
    ] {
        let text = stream(&[stays, "[DONE]"]);
        assert_eq!(passed(StreamMeter::new(Chat, true), [text.as_bytes()]).0, text.as_bytes(), "{stays}");
    }
    let other = stream(&[&chunk("", r#","usage":{}"#)]);
    for dialect in [Responses, Messages, Other] {
        assert_eq!(passed(StreamMeter::new(dialect, true), [other.as_bytes()]).0, other.as_bytes());
    }
}

#[test]
fn whole_events_go_out_at_once_and_unfinished_ones_at_their_end() {
    let mut meter = StreamMeter::new(Chat, true);
    assert_eq!(meter.feed(b"data: {\"a\":1}\n\n"), Passed::Whole);
    assert_eq!(meter.feed(b"data: {\"b\":1}\n\ndata: {"), Passed::Instead(b"data: {\"b\":1}\n\n"));
    assert!(meter.is_between_events());
    assert_eq!(meter.feed(b"}"), Passed::Instead(b""));
    assert_eq!(meter.feed(b"\n\ndata: x"), Passed::Instead(b"data: {}\n\n"));
    assert_eq!(meter.finish(), b"data: x");
    let mut meter = StreamMeter::new(Chat, false);
    assert_eq!(meter.feed(b"data: {"), Passed::Whole);
    assert!(!meter.is_between_events());
    assert_eq!(meter.feed(b"}\n\n"), Passed::Whole);
    assert!(meter.is_between_events());
    assert_eq!(meter.finish(), b"");
}

#[test]
fn an_event_that_is_too_long_to_be_held_passes() {
    let long = format!("data: {{\"choices\":[],\"usage\":{{}},\"x\":\"{}\"}}\n\n", "a".repeat(2 << 20));
    let text = long + &chat(true, true);
    let wanted = passed(StreamMeter::new(Chat, true), [text.as_bytes()]).0;
    assert_eq!(wanted.len(), (text.len() + chat(true, false).len()) - chat(true, true).len());
    for size in [1000, 4096, 700_000] {
        let (out, meter) = passed(StreamMeter::new(Chat, true), text.as_bytes().chunks(size));
        assert!(out == wanted, "in pieces of {size}");
        assert_eq!(meter.usage(), counts(1200, 10, 1024, 3));
    }
}

#[test]
fn any_line_ends_and_lines_are_read() {
    let text = chat(true, true);
    for end in ["\r", "\r\n"] {
        let text = text.replace('\n', end);
        let meter = read(Chat, &text);
        assert_eq!((meter.usage(), meter.seen().done), (counts(1200, 10, 1024, 3), true));
        let (out, _) = passed(StreamMeter::new(Chat, true), [text.as_bytes()]);
        assert_eq!(out, chat(true, false).replace('\n', end).as_bytes());
    }
    let mark = format!("\u{feff}{text}");
    assert_eq!(read(Chat, &mark).usage(), counts(1200, 10, 1024, 3));
    let lines =
        "data:{\"choices\":[],\ndata\ndata: \"usage\":\ndata: {\"prompt_tokens\":\ndata: 5}}\nid: 1\n\n";
    let (out, meter) = passed(StreamMeter::new(Chat, true), [lines.as_bytes()]);
    assert_eq!((out, meter.usage()), (Vec::new(), counts(5, None, None, None)));
    let no = "datax: {\"usage\":{\"prompt_tokens\":1}}\n : data\n\ndat: 1\n\n: data: 1\n\n";
    assert_eq!(read(Chat, no).seen(), Seen::default());
}
