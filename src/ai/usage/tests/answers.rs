use super::*;

fn answer(dialect: Dialect, text: &str) -> Usage {
    let mut meter = AnswerMeter::new(dialect);
    meter.feed(text.as_bytes());
    let whole = meter.finish();
    for at in 0..=text.len() {
        let (one, other) = text.as_bytes().split_at(at);
        let mut meter = AnswerMeter::new(dialect);
        [one, b"", other].iter().for_each(|piece| meter.feed(piece));
        assert_eq!(meter.finish(), whole, "in two pieces at {at}");
    }
    let mut meter = AnswerMeter::new(dialect);
    text.as_bytes().chunks(1).for_each(|byte| meter.feed(byte));
    assert_eq!(meter.finish(), whole, "byte by byte");
    whole
}

#[test]
fn openai() {
    let chat = r#"{
  "id": "chatcmpl-B9MBs8CjcvOU2jLn4n570S5qMJKcT", "object": "chat.completion", "created": 1741569952, "model": "gpt-4.1",
  "choices": [{"index": 0, "message": {"role": "assistant", "content": "Say \"usage\": {\"prompt_tokens\": 5}", "refusal": null, "annotations": []},
      "logprobs": null, "finish_reason": "stop"}],
  "usage": {"prompt_tokens": 19, "completion_tokens": 10, "total_tokens": 29,
    "prompt_tokens_details": {"cached_tokens": 16, "audio_tokens": 1},
    "completion_tokens_details": {"reasoning_tokens": 7, "audio_tokens": 2, "accepted_prediction_tokens": 3}},
  "service_tier": "default"
}"#;
    assert_eq!(answer(Chat, chat), counts(19, 10, 16, 7));
    let legacy = r#"{"id":"cmpl-1","object":"text_completion","created":1,"model":"m","choices":[{"text":"\n\nThis is","index":0,"logprobs":null,"finish_reason":"length"}],"usage":{"prompt_tokens":5,"completion_tokens":7,"total_tokens":12}}"#;
    assert_eq!(answer(Completions, legacy), counts(5, 7, None, None));
    let response = r#"{"id":"resp_1","object":"response","output":[{"type":"message","content":[{"type":"output_text","text":"Hi"}]}],"usage":{"input_tokens":36,"input_tokens_details":{"cached_tokens":0},"output_tokens":87,"output_tokens_details":{"reasoning_tokens":64},"total_tokens":123}}"#;
    assert_eq!(answer(Responses, response), counts(36, 87, 0, 64));
    let images = r#"{"created":1,"data":[{"b64_json":"iVBORw0KGgo="}],"usage":{"total_tokens":100,"input_tokens":50,"output_tokens":50,"input_tokens_details":{"text_tokens":10,"image_tokens":40}}}"#;
    assert_eq!(answer(Other, images), counts(50, 50, None, None));
    let audio = r#"{"text":"Imagine.","usage":{"type":"tokens","input_tokens":14,"input_token_details":{"text_tokens":0,"audio_tokens":14},"output_tokens":45,"total_tokens":59}}"#;
    assert_eq!(answer(Other, audio), counts(14, 45, None, None));
    let seconds = r#"{"text":"Imagine.","usage":{"type":"duration","seconds":9}}"#;
    assert_eq!(answer(Other, seconds), Usage::default());
}

#[test]
fn embeddings_write_nothing() {
    let embeddings = r#"{"object":"list","data":[{"object":"embedding","index":0,"embedding":[0.0023064255,-0.009327292,1e-9,-0.0028842222]},{"object":"embedding","index":1,"embedding":"AAAA"}],"model":"text-embedding-3-small","usage":{"prompt_tokens":8,"total_tokens":8}}"#;
    assert_eq!(answer(Other, embeddings), counts(8, 0, None, None));
    let rerank = r#"{"id":"r","results":[{"index":0,"relevance_score":0.9}],"usage":{"total_tokens":56}}"#;
    assert_eq!(answer(Other, rerank), counts(56, 0, None, None));
}

#[test]
fn anthropic_counts_its_cache_aside() {
    let message = r#"{"id":"msg_1","type":"message","role":"assistant","model":"claude","content":[{"type":"text","text":"Hi"}],"stop_reason":"end_turn","stop_sequence":null,"usage":{"input_tokens":12,"cache_creation_input_tokens":300,"cache_read_input_tokens":4000,"cache_creation":{"ephemeral_5m_input_tokens":300,"ephemeral_1h_input_tokens":0},"output_tokens":6,"service_tier":"standard"}}"#;
    assert_eq!(answer(Messages, message), counts(4312, 6, 4000, None));
    assert_eq!(
        answer(Messages, r#"{"usage":{"input_tokens":12,"output_tokens":6,"cache_read_input_tokens":null}}"#),
        counts(12, 6, None, None)
    );
}

#[test]
fn others_of_the_openai_shape() {
    let deepseek = r#"{"choices":[],"usage":{"prompt_tokens":16,"completion_tokens":10,"total_tokens":26,"prompt_cache_hit_tokens":12,"prompt_cache_miss_tokens":4,"completion_tokens_details":{"reasoning_tokens":5}}}"#;
    assert_eq!(answer(Chat, deepseek), counts(16, 10, 12, 5));
    let openrouter = r#"{"usage":{"prompt_tokens":10,"completion_tokens":4,"total_tokens":14,"cost":0.00014,"is_byok":false,"prompt_tokens_details":{"cached_tokens":0},"cost_details":{"upstream_inference_cost":null},"completion_tokens_details":{"reasoning_tokens":0}}}"#;
    assert_eq!(answer(Chat, openrouter), counts(10, 4, 0, 0));
    let moonshot =
        r#"{"usage":{"prompt_tokens":19,"completion_tokens":21,"total_tokens":40,"cached_tokens":10}}"#;
    assert_eq!(answer(Chat, moonshot), counts(19, 21, 10, None));
    // LiteLLM, before Anthropic: the same names beside OpenAI's do not add up.
    let litellm = r#"{"usage":{"completion_tokens":6,"prompt_tokens":4312,"total_tokens":4318,"cache_creation_input_tokens":300,"cache_read_input_tokens":4000}}"#;
    assert_eq!(answer(Chat, litellm), counts(4312, 6, 4000, None));
    let vllm = r#"{"usage":{"prompt_tokens":7,"total_tokens":27,"completion_tokens":20,"prompt_tokens_details":null}}"#;
    assert_eq!(answer(Chat, vllm), counts(7, 20, None, None));
}

#[test]
fn reasoning_that_is_only_in_the_total_is_completion() {
    let gemini = r#"{"choices":[],"usage":{"completion_tokens":9,"prompt_tokens":11,"total_tokens":320}}"#;
    assert_eq!(answer(Chat, gemini), counts(11, 309, None, None));
    let grok = r#"{"usage":{"prompt_tokens":32,"completion_tokens":9,"total_tokens":135,"prompt_tokens_details":{"text_tokens":32,"cached_tokens":6},"completion_tokens_details":{"reasoning_tokens":94}}}"#;
    assert_eq!(answer(Chat, grok), counts(32, 103, 6, 94));
}

#[test]
fn a_total_that_no_reasoning_explains_is_not_believed() {
    let told = |total: u64| {
        let text =
            format!(r#"{{"usage":{{"prompt_tokens":10,"completion_tokens":5,"total_tokens":{total}}}}}"#);
        answer(Chat, &text)
    };
    assert_eq!(told(15 + 262_144), counts(10, 262_149, None, None));
    assert_eq!(told(15 + 262_145), counts(10, 5, None, None));
    assert_eq!(told(9_999_999), counts(10, 5, None, None));
    assert_eq!(told(u64::MAX), counts(10, 5, None, None));
    let half = r#"{"usage":{"prompt_tokens":10,"total_tokens":9999999}}"#;
    assert_eq!(answer(Chat, half), counts(10, None, None, None));
}

#[test]
fn counts_that_no_call_can_have_are_unknown() {
    let told = |prompt: u64, completion: u64, total: &str| {
        let text =
            format!(r#"{{"usage":{{"prompt_tokens":{prompt},"completion_tokens":{completion}{total}}}}}"#);
        answer(Chat, &text)
    };
    let most = 100_000_000;
    let absurd = 1_000_000_000_000_000_000;
    assert_eq!(told(most, most, ""), counts(most, most, None, None));
    assert_eq!(told(most + 1, 5, ""), counts(None, 5, None, None));
    assert_eq!(told(10, absurd, ""), counts(10, None, None, None));
    assert_eq!(told(absurd, u64::MAX, ""), Usage::default());
    // The total fills in for one of them, not for both.
    assert_eq!(told(10, absurd, r#","total_tokens":15"#), counts(10, 5, None, None));
    assert_eq!(told(absurd, 5, r#","total_tokens":15"#), counts(10, 5, None, None));
    assert_eq!(told(absurd, absurd, r#","total_tokens":15"#), Usage::default());
    let cache = r#"{"usage":{"input_tokens":60000000,"cache_read_input_tokens":60000000,"output_tokens":5}}"#;
    assert_eq!(answer(Messages, cache), counts(None, 5, 60_000_000, None));
}

#[test]
fn a_part_is_at_most_its_whole() {
    let text = r#"{"usage":{"prompt_tokens":10,"completion_tokens":5,"prompt_tokens_details":{"cached_tokens":99},"completion_tokens_details":{"reasoning_tokens":77}}}"#;
    assert_eq!(answer(Chat, text), counts(10, 5, 10, 5));
}

#[test]
fn what_is_not_said_is_unknown() {
    for text in [
        "",
        "{}",
        r#"{"usage":null}"#,
        r#"{"usage":{}}"#,
        r#"{"usage":[{"prompt_tokens":1}]}"#,
        r#"{"usage":{"prompt_tokens":null,"completion_tokens":"5"}}"#,
        r#"{"usage":{"prompt_tokens":-1,"completion_tokens":1e3}}"#,
        r#"{"usage":{"prompt_tokens":99999999999999999999}}"#,
        r#"{"data":{"usage":{"prompt_tokens":1}}}"#,
        r#"{"choices":[{"message":{"usage":{"prompt_tokens":1}}}]}"#,
        r#"[{"usage":{"prompt_tokens":1}}]"#,
        r#"{"error":{"message":"no \"usage\"","usage":{"prompt_tokens":1}}}"#,
        "<html>usage 5</html>",
    ] {
        assert_eq!(answer(Chat, text), Usage::default(), "{text}");
    }
    assert_eq!(
        answer(Chat, r#"{"usage":{"prompt_tokens":12.0,"completion_tokens":3}"#),
        counts(12, 3, None, None)
    );
}

#[test]
fn nesting_without_end_is_given_up() {
    let deep = format!(r#"{{"a":{}1{},"usage":{{"prompt_tokens":1}}}}"#, "[".repeat(100), "]".repeat(100));
    assert_eq!(answer(Chat, &deep), Usage::default());
    let fine = format!(r#"{{"a":{}1{},"usage":{{"prompt_tokens":1}}}}"#, "[".repeat(60), "]".repeat(60));
    assert_eq!(answer(Chat, &fine), counts(1, None, None, None));
}

#[test]
fn an_answer_without_counts_has_its_content() {
    let content = |text: &str| {
        let mut meter = AnswerMeter::new(Chat);
        meter.feed(text.as_bytes());
        meter.content_bytes()
    };
    assert_eq!(
        content(
            r#"{"choices":[{"message":{"role":"assistant","content":"caf\u00e9","reasoning":"ab","reasoning_content":"ab"}}]}"#
        ),
        7
    );
    assert_eq!(content(r#"{"type":"message","content":[{"type":"text","text":"Hello"}]}"#), 5);
    assert_eq!(
        content(r#"{"output":[{"type":"message","content":[{"type":"output_text","text":"Hello"}]}]}"#),
        5
    );
}
