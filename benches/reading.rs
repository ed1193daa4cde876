//! What it costs to read the model of a call of a megabyte: `ai::request::read`, in one piece and in pieces of 16 KB as
//! they come from a connection, beside a copy of the same bytes and a search through them (`memchr`) in the same run.
//! `cargo bench --bench reading`. The goal: at most 300 us each.

use std::hint::black_box;

use bytes::Bytes;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use tidegate::ai::request::read;

const SIZE: usize = 1_000_000;
const PIECE: usize = 16 * 1024;

const PROSE: &str = "It was a bright cold day in April, and the clocks were striking thirteen; \\\"so they do\\\", he said, \
    and went on through the glass doors, though not quickly enough to keep the dust from coming in with him.\\n\\n";
const CODE: &str = "    if let Some(value) = map.get(\\\"key\\\") {\\n\\t\\treturn format!(\\\"{value}\\\\n\\\");\\n    }\\n";
const RESULT: &str =
    r#"{\"id\":17,\"name\":\"a b\",\"path\":\"C:\\\\temp\\\\x\",\"tags\":[\"x\",\"y\"],\"ok\":true},\n"#;
const TOOL: &str = r#"{"type":"function","function":{"name":"look_up","description":"Looks up what is known.","parameters":{"type":"object","properties":{"place":{"type":"string","enum":["here","there"]},"days":{"type":"integer","minimum":1}},"required":["place"],"additionalProperties":false},"strict":true}}"#;

/// `unit` as often as it fits, with `comma` between.
fn many(unit: &str, comma: &str, size: usize) -> String {
    vec![unit; size / (unit.len() + comma.len())].join(comma)
}

/// A call whose model stands last, where all before it has to be read.
fn call(members: &str) -> String {
    format!(r#"{{{members},"stream":true,"max_tokens":1024,"model":"gpt-4.1-mini"}}"#)
}

/// Messages of 8 KB of this text each.
fn messages(text: &str) -> String {
    let message = format!(r#"{{"role":"user","content":"{}"}}"#, many(text, "", 8_000));
    call(&format!(r#""messages":[{}]"#, many(&message, ",", SIZE)))
}

/// Bytes without a pattern, the same in each run, as base64.
fn base64(size: usize) -> String {
    const DIGITS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut state = 1u64;
    let mut digit = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        char::from(DIGITS[(state >> 58) as usize])
    };
    (0..size).map(|_| digit()).collect()
}

fn bodies() -> Vec<(&'static str, String)> {
    let tiny = many(r#"{"role":"user","content":"hi"}"#, ",", SIZE);
    let image = base64(SIZE);
    let numbers = many("101,2003,17,40000,5", ",", SIZE);
    vec![
        ("prose", messages(PROSE)),
        ("code", messages(CODE)),
        ("JSON within strings", messages(RESULT)),
        (
            "image",
            call(&format!(
                r#""messages":[{{"role":"user","content":[{{"type":"image_url","image_url":{{"url":"data:image/png;base64,{image}"}}}}]}}]"#
            )),
        ),
        ("tiny messages", call(&format!(r#""messages":[{tiny}]"#))),
        ("tools", call(&format!(r#""messages":[],"tools":[{}]"#, many(TOOL, ",", SIZE)))),
        ("numbers", call(&format!(r#""input":[{numbers}]"#))),
    ]
}

fn reading(criterion: &mut Criterion) {
    for (name, body) in bodies() {
        let mut group = criterion.benchmark_group(name);
        group.throughput(Throughput::Bytes(body.len() as u64));
        let mut copy = vec![0; body.len()];
        group.bench_function("copy", |bench| {
            bench.iter(|| black_box(&mut copy).copy_from_slice(black_box(body.as_bytes())));
        });
        group.bench_function("memchr", |bench| {
            bench.iter(|| memchr::memchr(0, black_box(body.as_bytes())));
        });
        let whole = [Bytes::from(body.clone())];
        assert!(read(&whole).is_ok_and(|call| call.stream), "{name}");
        group.bench_function("read whole", |bench| bench.iter(|| read(black_box(&whole))));
        let pieces: Vec<Bytes> = body.as_bytes().chunks(PIECE).map(Bytes::copy_from_slice).collect();
        group.bench_function("read in pieces", |bench| bench.iter(|| read(black_box(&pieces))));
        group.finish();
    }
}

criterion_group!(benches, reading);
criterion_main!(benches);
