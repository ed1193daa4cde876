//! Counting allocates nothing while a stream passes: every allocation of this process is counted, and after a few chunks
//! there must be none. One test alone, since others would allocate beside it.

#![expect(unsafe_code, reason = "an allocator that counts is one, and can be written in no other way")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicU64, Ordering};

use tidegate::ai::path::Dialect;
use tidegate::ai::usage::{AnswerMeter, Passed, StreamMeter};

struct Counting;

static ALLOCATIONS: AtomicU64 = AtomicU64::new(0);

// SAFETY: everything is passed to the system's allocator as it came.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.fetch_add(1, Ordering::Relaxed);
        unsafe { System.alloc(layout) }
    }

    unsafe fn realloc(&self, old: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        ALLOCATIONS.fetch_add(1, Ordering::Relaxed);
        unsafe { System.realloc(old, layout, size) }
    }

    unsafe fn dealloc(&self, old: *mut u8, layout: Layout) {
        unsafe { System.dealloc(old, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Allocations while this runs.
fn during(run: impl FnOnce()) -> u64 {
    let before = ALLOCATIONS.load(Ordering::Relaxed);
    run();
    ALLOCATIONS.load(Ordering::Relaxed) - before
}

fn chat(text: &str) -> String {
    format!(
        r#"data: {{"id":"chatcmpl-1","object":"chat.completion.chunk","created":1718345013,"model":"gpt-4o-mini","choices":[{{"index":0,"delta":{{"content":"{text}"}},"logprobs":null,"finish_reason":null}}],"usage":null}}"#
    )
}

fn told(text: &str) -> String {
    format!(
        r#"data: {{"id":"c","created":1,"model":"m","choices":[{{"delta":{{"content":"{text}"}}}}],"usage":{{"prompt_tokens":1200,"completion_tokens":7,"total_tokens":1207}}}}"#
    )
}

/// A chunk of usage alone, which is stripped.
fn usage(_: &str) -> String {
    r#"data: {"id":"c","created":1,"model":"m","choices":[],"usage":{"prompt_tokens":1200,"completion_tokens":7}}"#
        .to_owned()
}

fn completion(text: &str) -> String {
    format!(
        r#"data: {{"id":"cmpl-1","object":"text_completion","created":1,"choices":[{{"text":"{text}","index":0}}],"model":"m"}}"#
    )
}

fn responses(text: &str) -> String {
    let data = format!(
        r#"{{"type":"response.output_text.delta","sequence_number":3,"item_id":"msg_1","output_index":0,"content_index":0,"delta":"{text}","logprobs":[]}}"#
    );
    format!("event: response.output_text.delta\ndata: {data}")
}

fn anthropic(text: &str) -> String {
    let data = format!(
        r#"{{"type":"content_block_delta","index":0,"delta":{{"type":"text_delta","text":"{text}"}}}}"#
    );
    format!("event: content_block_delta\ndata: {data}")
}

/// Feeds the stream again and again; after the first time nothing may be allocated, whatever the pieces.
fn stream_allocates_nothing(name: &str, mut meter: StreamMeter, stream: &[u8], size: usize) {
    let mut passed = 0;
    let mut feed = || {
        for piece in stream.chunks(size) {
            passed += match meter.feed(piece) {
                Passed::Whole => piece.len(),
                Passed::Instead(bytes) => bytes.len(),
            };
        }
    };
    feed();
    let allocations = during(|| (0..3).for_each(|_| feed()));
    assert_eq!(allocations, 0, "{name}, in pieces of {size}");
    // What is looked at while it passes allocates no more.
    assert_eq!(during(|| assert!(meter.seen().chunks > 0 || meter.usage().prompt.is_some())), 0, "{name}");
}

#[test]
fn counting_allocates_nothing_per_chunk() {
    assert_eq!(during(|| drop(std::hint::black_box(Box::new(1)))), 1, "allocations are not counted");
    type Event = fn(&str) -> String;
    let events: [(&str, Dialect, Event); 6] = [
        ("chat", Dialect::Chat, chat),
        ("chat with usage in each", Dialect::Chat, told),
        ("chat with nothing but usage", Dialect::Chat, usage),
        ("completions", Dialect::Completions, completion),
        ("responses", Dialect::Responses, responses),
        ("anthropic", Dialect::Messages, anthropic),
    ];
    for (name, dialect, event) in events {
        for end in ["\n\n", "\r\n\r\n"] {
            let texts = [" word", " \\\"w\\u00f6rld\\\"\\n", &"long ".repeat(40)];
            let stream: String = texts.iter().cycle().take(60).map(|text| event(text) + end).collect();
            for size in [1, 20, 300, 16 * 1024] {
                let meter = |strip| StreamMeter::new(dialect, strip);
                stream_allocates_nothing(name, meter(false), stream.as_bytes(), size);
                stream_allocates_nothing(
                    &format!("{name}, held"),
                    meter(false).holding(),
                    stream.as_bytes(),
                    size,
                );
                stream_allocates_nothing(&format!("{name}, stripped"), meter(true), stream.as_bytes(), size);
            }
        }
    }
    answer_allocates_nothing();
}

/// An answer of a megabyte. Its `id` and `model` are kept, which come first.
fn answer_allocates_nothing() {
    let text = "So it goes on, \\\"line\\\" after line, as answers do.\\n".repeat(20_000);
    let head = r#"{"id":"chatcmpl-1","object":"chat.completion","created":1,"model":"m","choices":[{"index":0,"message":"#;
    let tail = r#"],"usage":{"prompt_tokens":8,"completion_tokens":9,"total_tokens":17}}"#;
    let answer = format!(r#"{{"role":"assistant","content":"{text}"}},"finish_reason":"stop"}}{tail}"#);
    for size in [1, 1000, 16 * 1024] {
        let mut meter = AnswerMeter::new(Dialect::Chat);
        meter.feed(head.as_bytes());
        let allocations = during(|| answer.as_bytes().chunks(size).for_each(|piece| meter.feed(piece)));
        assert_eq!(allocations, 0, "in pieces of {size}");
        assert!(meter.content_bytes() > 900_000);
        assert_eq!(meter.finish().total(), Some(17));
    }
}
