//! What it costs to count a stream while it passes: `ai::usage::StreamMeter`, chunk by chunk, beside a copy of the same
//! chunks in the same run, which is what a proxy does that knows nothing of them. And an answer of a megabyte in pieces
//! of 16 KB through `AnswerMeter`. `cargo bench --bench counting`. The goal: at most 2 us a chunk over the copy.

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use tidegate::ai::path::Dialect;
use tidegate::ai::usage::{AnswerMeter, Passed, StreamMeter};

const SIZE: usize = 1_000_000;
const PIECE: usize = 16 * 1024;
/// Chunks that are fed in one round.
const CHUNKS: usize = 64;

fn chat(nth: usize) -> String {
    format!(
        r#"data: {{"id":"chatcmpl-B9MBs8CjcvOU2jLn4n570S5qMJKcT","object":"chat.completion.chunk","created":1718345013,"model":"gpt-4o-mini-2024-07-18","service_tier":"default","system_fingerprint":"fp_44709d6fcb","choices":[{{"index":0,"delta":{{"content":" word{nth}"}},"logprobs":null,"finish_reason":null}}],"usage":null}}"#
    )
}

fn told(nth: usize) -> String {
    format!(
        r#"data: {{"id":"cmpl-1","object":"chat.completion.chunk","created":1718345013,"model":"m","choices":[{{"index":0,"delta":{{"content":"w"}}}}],"usage":{{"prompt_tokens":1200,"total_tokens":{},"completion_tokens":{nth}}}}}"#,
        1200 + nth
    )
}

fn completion(nth: usize) -> String {
    format!(
        r#"data: {{"id":"cmpl-1","object":"text_completion","created":1718345013,"choices":[{{"text":" word{nth}","index":0,"logprobs":null,"finish_reason":null}}],"model":"gpt-3.5-turbo-instruct"}}"#
    )
}

fn responses(nth: usize) -> String {
    format!(
        "event: response.output_text.delta\ndata: {}",
        format_args!(
            r#"{{"type":"response.output_text.delta","sequence_number":{nth},"item_id":"msg_67cb3acccc188190a9c","output_index":0,"content_index":0,"delta":" word{nth}","logprobs":[],"obfuscation":"x8Kq"}}"#
        )
    )
}

fn anthropic(nth: usize) -> String {
    format!(
        "event: content_block_delta\ndata: {}",
        format_args!(
            r#"{{"type":"content_block_delta","index":0,"delta":{{"type":"text_delta","text":" word{nth}"}}}}"#
        )
    )
}

/// The same stream in chunks of another size.
fn cut(chunks: &[Vec<u8>], size: usize) -> Vec<Vec<u8>> {
    chunks.concat().chunks(size).map(<[u8]>::to_vec).collect()
}

fn pass(meter: &mut StreamMeter, chunks: &[Vec<u8>], out: &mut [u8]) {
    for chunk in chunks {
        let passed = match meter.feed(black_box(chunk)) {
            Passed::Whole => chunk,
            Passed::Instead(bytes) => bytes,
        };
        if let Some(room) = out.get_mut(..passed.len()) {
            room.copy_from_slice(passed);
        }
        black_box(&mut *out);
    }
}

fn stream(criterion: &mut Criterion, name: &str, dialect: Dialect, chunks: &[Vec<u8>]) {
    let mut group = criterion.benchmark_group(name);
    group.throughput(Throughput::Elements(chunks.len() as u64));
    let mut out = vec![0; 4096];
    group.bench_function("copy", |bench| {
        bench.iter(|| {
            for chunk in chunks {
                if let Some(room) = out.get_mut(..chunk.len()) {
                    room.copy_from_slice(black_box(chunk));
                }
                black_box(&mut out);
            }
        });
    });
    let mut meters = vec![
        ("counted", StreamMeter::new(dialect, false)),
        ("held", StreamMeter::new(dialect, false).holding()),
    ];
    if matches!(dialect, Dialect::Chat | Dialect::Completions) {
        meters.push(("stripped", StreamMeter::new(dialect, true)));
    }
    for (how, mut meter) in meters {
        group.bench_function(how, |bench| bench.iter(|| pass(&mut meter, chunks, &mut out)));
    }
    group.finish();
}

fn streams(criterion: &mut Criterion) {
    type Event = fn(usize) -> String;
    let all: [(&str, Dialect, Event); 5] = [
        ("chat", Dialect::Chat, chat),
        ("chat with usage in each", Dialect::Chat, told),
        ("completions", Dialect::Completions, completion),
        ("responses", Dialect::Responses, responses),
        ("anthropic", Dialect::Messages, anthropic),
    ];
    for (name, dialect, event) in all {
        let events: Vec<Vec<u8>> = (0..CHUNKS).map(|nth| (event(nth) + "\n\n").into_bytes()).collect();
        stream(criterion, name, dialect, &events);
        stream(criterion, &format!("{name} in pieces of 20 bytes"), dialect, &cut(&events, 20));
    }
}

fn answers(criterion: &mut Criterion) {
    let text = "So it goes on, \\\"line\\\" after line, as answers do.\\n".repeat(SIZE / 54);
    let vector = vec!["-0.009327292"; 1536].join(",");
    let vector = format!(r#"{{"object":"embedding","index":0,"embedding":[{vector}]}}"#);
    let vectors = vec![vector.as_str(); SIZE / vector.len()].join(",");
    let usage = r#""usage":{"prompt_tokens":8,"completion_tokens":9,"total_tokens":17}"#;
    let answers = [
        ("chat", format!(r#"{{"choices":[{{"message":{{"content":"{text}"}}}}],{usage}}}"#)),
        ("embeddings", format!(r#"{{"data":[{vectors}],{usage}}}"#)),
    ];
    let mut group = criterion.benchmark_group("answer of a megabyte");
    for (name, answer) in answers {
        group.throughput(Throughput::Bytes(answer.len() as u64));
        let mut out = vec![0; PIECE];
        group.bench_function(BenchmarkId::new("copy", name), |bench| {
            bench.iter(|| {
                for piece in answer.as_bytes().chunks(PIECE) {
                    if let Some(room) = out.get_mut(..piece.len()) {
                        room.copy_from_slice(black_box(piece));
                    }
                    black_box(&mut out);
                }
            });
        });
        group.bench_function(BenchmarkId::new("counted", name), |bench| {
            bench.iter(|| {
                let mut meter = AnswerMeter::new(Dialect::Chat);
                answer.as_bytes().chunks(PIECE).for_each(|piece| meter.feed(black_box(piece)));
                meter.finish()
            });
        });
    }
    group.finish();
}

criterion_group!(benches, streams, answers);
criterion_main!(benches);
