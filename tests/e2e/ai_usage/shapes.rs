//! What providers tell of their usage: each API's own shape, plain and as a stream, in one piece and byte by byte.

use super::{Counted, Upstream, call, counted, counted_since, dripped, is_whole, json, site};
use crate::support::http::Ask;
use crate::support::sse::streams;
use crate::support::wait::until;

struct Shape {
    path: &'static str,
    ask: &'static str,
    answer: &'static str,
    tokens: u64,
    /// In micro-dollars.
    cost: u64,
}

impl Shape {
    fn ask(&self) -> Ask {
        call(self.path, self.ask)
    }

    #[track_caller]
    fn is_counted(&self, one: Upstream) {
        let site = site(one);
        for answer in site.everywhere(&self.ask()) {
            is_whole(&answer, self.answer);
        }
        until("all are counted", || counted(&site.edge).tokens >= 3 * self.tokens);
        let counted = counted(&site.edge);
        assert_eq!(counted, Counted { tokens: 3 * self.tokens, cost: 3 * self.cost }, "{}", self.answer);
    }
}

const PLAIN: &[Shape] = &[
    Shape {
        path: "/v1/chat/completions",
        ask: r#"{"model":"gpt-4.1","messages":[]}"#,
        answer: r#"{"id":"c","object":"chat.completion","choices":[{"index":0,"message":{"role":"assistant","content":"\"usage\":{\"prompt_tokens\":7777777}"},"finish_reason":"stop"}],"usage":{"prompt_tokens":1000,"completion_tokens":100,"total_tokens":1100,"prompt_tokens_details":{"cached_tokens":200,"audio_tokens":0},"completion_tokens_details":{"reasoning_tokens":64,"accepted_prediction_tokens":0}}}"#,
        tokens: 1100,
        cost: 800 * 2 + 100 + 100 * 8,
    },
    Shape {
        path: "/v1/completions",
        ask: r#"{"model":"gpt-4.1","prompt":"hi"}"#,
        answer: r#"{"usage":{"prompt_tokens":3,"completion_tokens":4,"total_tokens":7},"choices":[{"text":"hello there","index":0,"finish_reason":"length"}]}"#,
        tokens: 7,
        cost: 3 * 2 + 4 * 8,
    },
    Shape {
        path: "/v1/responses",
        ask: r#"{"model":"gpt-4.1","input":"hi"}"#,
        answer: r#"{"id":"r","object":"response","status":"completed","output":[{"type":"message","content":[{"type":"output_text","text":"hello"}]}],"usage":{"input_tokens":36,"input_tokens_details":{"cached_tokens":16},"output_tokens":87,"output_tokens_details":{"reasoning_tokens":40},"total_tokens":123}}"#,
        tokens: 123,
        cost: 20 * 2 + 8 + 87 * 8,
    },
    Shape {
        path: "/v1/embeddings",
        ask: r#"{"model":"text-embedding-3-small","input":["hi"]}"#,
        answer: r#"{"object":"list","data":[{"object":"embedding","index":0,"embedding":[0.1,-0.2,1e-3]}],"model":"x","usage":{"prompt_tokens":150,"total_tokens":150}}"#,
        tokens: 150,
        cost: 3,
    },
    Shape {
        path: "/v1/messages",
        ask: r#"{"model":"claude-sonnet-4.5","max_tokens":9,"messages":[]}"#,
        // What went through the cache is not part of input_tokens.
        answer: r#"{"id":"m","type":"message","role":"assistant","content":[{"type":"text","text":"Hello!"}],"stop_reason":"end_turn","usage":{"input_tokens":10,"cache_creation_input_tokens":0,"cache_read_input_tokens":100,"output_tokens":20}}"#,
        tokens: 130,
        cost: 10 * 3 + 30 + 20 * 15,
    },
    Shape {
        path: "/v1/chat/completions",
        ask: r#"{"model":"gpt-4.1","messages":[]}"#,
        // Some count reasoning only in the total.
        answer: r#"{"choices":[{"message":{"content":"hello"}}],"usage":{"prompt_tokens":10,"completion_tokens":5,"total_tokens":65}}"#,
        tokens: 65,
        cost: 10 * 2 + 55 * 8,
    },
];

const STREAMS: &[Shape] = &[
    Shape {
        path: "/v1/chat/completions",
        ask: r#"{"model":"gpt-4.1","stream":true,"stream_options":{"include_usage":true},"messages":[]}"#,
        answer: "data: {\"id\":\"c\",\"choices\":[{\"index\":0,\"delta\":{\"role\":\"assistant\",\"content\":\"\"}}],\"usage\":null}\n\n\
                 data: {\"id\":\"c\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\"gr\u{fc}\u{df} \\\"usage\\\":{}\"}}],\"usage\":null}\n\n\
                 data: {\"id\":\"c\",\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}],\"usage\":null}\n\n\
                 data: {\"id\":\"c\",\"choices\":[],\"usage\":{\"prompt_tokens\":1000,\"completion_tokens\":100,\"total_tokens\":1100,\"prompt_tokens_details\":{\"cached_tokens\":200}}}\n\n\
                 data: [DONE]\n\n",
        tokens: 1100,
        cost: 800 * 2 + 100 + 100 * 8,
    },
    Shape {
        path: "/v1/completions",
        ask: r#"{"model":"gpt-4.1","stream":true,"stream_options":{"include_usage":true},"prompt":"hi"}"#,
        answer: "data: {\"choices\":[{\"text\":\"hello\",\"index\":0,\"finish_reason\":null}]}\r\n\r\n\
                 data: {\"choices\":[{\"text\":\"\",\"index\":0,\"finish_reason\":\"stop\"}]}\r\n\r\n\
                 data: {\"choices\":[],\"usage\":{\"prompt_tokens\":3,\"completion_tokens\":4,\"total_tokens\":7}}\r\n\r\n\
                 data: [DONE]\r\n\r\n",
        tokens: 7,
        cost: 3 * 2 + 4 * 8,
    },
    Shape {
        // Usage on every chunk: the last one says it.
        path: "/v1/chat/completions",
        ask: r#"{"model":"gpt-4.1","stream":true,"messages":[]}"#,
        answer: "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"a\"}}],\"usage\":{\"prompt_tokens\":8,\"completion_tokens\":1,\"total_tokens\":9}}\n\n\
                 : keep-alive\n\n\
                 data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"b\"}}],\"usage\":{\"prompt_tokens\":8,\"completion_tokens\":2,\"total_tokens\":10}}\n\n\
                 data: {\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}],\"usage\":{\"prompt_tokens\":8,\"completion_tokens\":3,\"total_tokens\":11}}\n\n\
                 data: [DONE]\n\n",
        tokens: 11,
        cost: 8 * 2 + 3 * 8,
    },
    Shape {
        path: "/v1/responses",
        ask: r#"{"model":"gpt-4.1","stream":true,"input":"hi"}"#,
        answer: "event: response.created\ndata: {\"type\":\"response.created\",\"sequence_number\":0,\"response\":{\"id\":\"r\",\"usage\":null}}\n\n\
                 event: response.output_text.delta\ndata: {\"type\":\"response.output_text.delta\",\"sequence_number\":1,\"delta\":\"hello\"}\n\n\
                 event: response.completed\ndata: {\"type\":\"response.completed\",\"sequence_number\":2,\"response\":{\"id\":\"r\",\"usage\":{\"input_tokens\":36,\"input_tokens_details\":{\"cached_tokens\":16},\"output_tokens\":87,\"output_tokens_details\":{\"reasoning_tokens\":40},\"total_tokens\":123}}}\n\n",
        tokens: 123,
        cost: 20 * 2 + 8 + 87 * 8,
    },
    Shape {
        path: "/v1/messages",
        ask: r#"{"model":"claude-sonnet-4.5","max_tokens":9,"stream":true,"messages":[]}"#,
        answer: "event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"id\":\"m\",\"content\":[],\"usage\":{\"input_tokens\":10,\"cache_creation_input_tokens\":0,\"cache_read_input_tokens\":100,\"output_tokens\":1}}}\n\n\
                 event: content_block_start\ndata: {\"type\":\"content_block_start\",\"index\":0,\"content_block\":{\"type\":\"text\",\"text\":\"\"}}\n\n\
                 event: ping\ndata: {\"type\": \"ping\"}\n\n\
                 event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"text_delta\",\"text\":\"Hello\"}}\n\n\
                 event: content_block_stop\ndata: {\"type\":\"content_block_stop\",\"index\":0}\n\n\
                 event: message_delta\ndata: {\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"end_turn\",\"stop_sequence\":null},\"usage\":{\"output_tokens\":20}}\n\n\
                 event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n",
        tokens: 130,
        cost: 10 * 3 + 30 + 20 * 15,
    },
];

#[test]
fn plain_answers_of_every_api_are_counted() {
    for shape in PLAIN {
        shape.is_counted(json(shape.answer));
    }
}

#[test]
fn streams_of_every_api_are_counted() {
    for shape in STREAMS {
        shape.is_counted(streams(shape.answer));
    }
}

#[test]
fn streams_that_come_byte_by_byte_are_counted() {
    for shape in STREAMS {
        shape.is_counted(dripped(shape.answer));
    }
}

#[test]
fn an_answer_without_usage_is_counted_by_what_was_seen() {
    // 34 bytes of a body nobody has counted yet, and 10 of content, at four bytes a token.
    let answer = r#"{"choices":[{"index":0,"message":{"role":"assistant","content":"0123456789"},"finish_reason":"stop"}]}"#;
    let site = site(json(answer));
    is_whole(&site.ask(&call("/v1/chat/completions", r#"{"model":"gpt-4.1", "messages":[]}"#)), answer);
    super::counts(&site.edge, 9 + 3);
}

#[test]
fn an_answer_that_tells_nothing_counts_nothing() {
    let site = site(json("{\"data\":[{\"b64_json\":\"AAAA\"}]}"));
    let image = call("/v1/images/generations", r#"{"model":"gpt-4.1","prompt":"a cat"}"#);
    for answer in site.everywhere(&image) {
        assert_eq!(answer.status(), 200);
    }
    assert_eq!(counted(&site.edge), Counted::default());
}

#[test]
fn counts_of_a_server_that_lies_do_no_harm() {
    for usage in [
        r#"{"prompt_tokens":-5,"completion_tokens":-7,"total_tokens":-12}"#,
        r#"{"prompt_tokens":"12","completion_tokens":[1],"total_tokens":{"a":1}}"#,
        r#"{"prompt_tokens":null,"completion_tokens":null}"#,
        r#"{"prompt_tokens":99999999999999999999999999,"completion_tokens":18446744073709551615}"#,
        r#"[1,2,3]"#,
        r#""many""#,
    ] {
        let answer = format!(r#"{{"choices":[{{"index":0,"message":{{"content":"hi"}}}}],"usage":{usage}}}"#);
        let site = site(json(&answer));
        let ask = call("/v1/chat/completions", r#"{"model":"gpt-4.1","messages":[]}"#);
        is_whole(&site.ask(&ask), &answer);
        is_whole(&site.ask(&ask), &answer);
        counted_since(&site.edge, Counted::default());
    }
}

#[test]
fn asking_how_many_tokens_a_prompt_has_takes_none() {
    for (path, answer) in [
        ("/v1/messages/count_tokens", r#"{"input_tokens":1400}"#),
        ("/v1/responses/input_tokens", r#"{"object":"response.input_tokens","input_tokens":1400}"#),
    ] {
        let site = site(json(answer));
        for got in site.everywhere(&call(path, r#"{"model":"claude-sonnet-4.5","messages":[]}"#)) {
            is_whole(&got, answer);
        }
        assert_eq!(counted(&site.edge), Counted::default());
    }
}

#[test]
fn what_the_model_wrote_is_no_usage() {
    // Arguments of tools, structured answers, metadata: only the provider's own object counts.
    let answer = r#"{"metadata":{"usage":{"prompt_tokens":7000,"completion_tokens":7000}},"choices":[{"index":0,"message":{"content":"{\"usage\":{\"prompt_tokens\":7000}}","tool_calls":[{"function":{"name":"f","arguments":"{\"usage\":{\"completion_tokens\":9000}}"}}],"usage":{"prompt_tokens":8000,"completion_tokens":8000}}}],"usage":{"prompt_tokens":30,"completion_tokens":12,"total_tokens":42}}"#;
    let site = site(json(answer));
    is_whole(&site.ask(&call("/v1/chat/completions", r#"{"model":"gpt-4.1","messages":[]}"#)), answer);
    super::counts(&site.edge, 42);
}

#[test]
fn the_log_has_what_the_tables_count() {
    let shape = &PLAIN[0];
    let site = site(json(shape.answer));
    site.ask(&shape.ask());
    let line = site.edge.logged("of the call", |line| line["path"] == shape.path);
    let told = ["prompt_tokens", "completion_tokens", "cached_tokens", "reasoning_tokens"]
        .map(|name| line[name].as_u64());
    assert_eq!(told, [Some(1000), Some(100), Some(200), Some(64)], "{line}");
    assert_eq!(line["cost_usd"], 0.0025);
    until("the metric counts", || {
        site.edge.metrics().sum("tidegate_tokens_total", &[("model", "gpt-4.1")]) > 0.0
    });
}
