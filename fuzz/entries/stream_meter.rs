//! A stream that is counted as it passes, and an answer: the counts, the bytes that go on and the events of a cut do not
//! depend on the pieces. Only chunks of nothing but usage are taken out, and a full parser agrees on which those are.

use serde_json::Value;
use tidegate::ai::path::Dialect;
use tidegate::ai::sse::Splitter;
use tidegate::ai::usage::{AnswerMeter, Passed, Seen, StreamMeter, Usage};

const USAGE: Usage = Usage { prompt: Some(7), completion: Some(5), cached: Some(3), reasoning: None };

/// Passed bytes, counts, what was seen, and a cut at the end.
type Outcome = (Vec<u8>, Usage, Seen, Vec<u8>);

pub fn run(input: &[u8]) {
    let (dialect, stream) = match input {
        [b'c', stream @ ..] => (Dialect::Chat, stream),
        [b'l', stream @ ..] => (Dialect::Completions, stream),
        [b'r', stream @ ..] => (Dialect::Responses, stream),
        [b'm', stream @ ..] => (Dialect::Messages, stream),
        [_, stream @ ..] => (Dialect::Other, stream),
        [] => return,
    };
    answer(stream);
    let watched = outcome(StreamMeter::new(dialect, false), stream, usize::MAX);
    assert_eq!(watched.0, stream, "a stream that is only watched is changed");
    for size in [1, 3, 7] {
        let again = outcome(StreamMeter::new(dialect, false), stream, size);
        assert_eq!(again, watched, "watched in pieces of {size}");
    }
    let held = outcome(StreamMeter::new(dialect, false).holding(), stream, 2);
    assert_eq!(held, watched, "held");
    let stripped = outcome(StreamMeter::new(dialect, true), stream, usize::MAX);
    for size in [1, 3, 7] {
        let again = outcome(StreamMeter::new(dialect, true), stream, size);
        assert_eq!(again, stripped, "stripped in pieces of {size}");
    }
    assert_eq!((stripped.1, stripped.2), (watched.1, watched.2), "what is stripped is counted");
    let strips = matches!(dialect, Dialect::Chat | Dialect::Completions);
    // A mark that nobody wrote first would be one once the event before it is gone.
    if !stream.windows(3).any(|bytes| bytes == b"\xef\xbb\xbf") {
        left_out(&events(stream), &events(&stripped.0), strips);
    }
    cut(stream, &watched);
}

fn outcome(mut meter: StreamMeter, stream: &[u8], size: usize) -> Outcome {
    let mut out = Vec::new();
    for piece in stream.chunks(size) {
        match meter.feed(piece) {
            Passed::Whole => out.extend_from_slice(piece),
            Passed::Instead(bytes) => out.extend_from_slice(bytes),
        }
    }
    out.extend_from_slice(meter.finish());
    let cut = meter.cut(USAGE, true);
    (out, meter.usage(), meter.seen(), cut)
}

fn events(stream: &[u8]) -> Vec<Vec<u8>> {
    let mut events = Vec::new();
    let told = Splitter::new(usize::MAX).feed(stream, &mut |event| events.push(event.data.to_vec()));
    assert_eq!(told, Ok(()));
    events
}

/// Every event of `all` is among those that passed, in its order, but the chunks of nothing but usage.
fn left_out(all: &[Vec<u8>], passed: &[Vec<u8>], strips: bool) {
    let mut passed = passed.iter().peekable();
    for event in all {
        // Of two events alike either both pass or none.
        let passes = passed.next_if_eq(&event).is_some();
        assert!(passes || strips, "nothing is taken out in this dialect");
        if let Some(only_usage) = only_usage(event) {
            assert_eq!(passes, !(strips && only_usage), "{}", String::from_utf8_lossy(event));
        }
    }
    assert_eq!(passed.next(), None, "an event that was not there");
}

/// By a tree; `None` for what the two readers may take differently: no JSON, keys that are there twice or written with
/// escapes, nesting that is not followed.
fn only_usage(event: &[u8]) -> Option<bool> {
    let text = std::str::from_utf8(event).ok()?;
    let deep = text.matches(['{', '[']).count() > 60;
    let twice = text.matches("usage").count() > 1 || text.matches("choices").count() > 1;
    if deep || twice || text.contains('\\') {
        return None;
    }
    let tree: Value = serde_json::from_str(text).ok()?;
    let no_choices = tree.get("choices").and_then(Value::as_array).is_some_and(Vec::is_empty);
    Some(no_choices && tree.get("usage").is_some_and(Value::is_object))
}

/// What ends a stream by our hand is JSON, event by event, and ends it.
fn cut(stream: &[u8], (_, _, seen, cut): &Outcome) {
    assert!(cut.is_empty() || !seen.done, "a stream ends twice");
    for event in events(cut) {
        let data = String::from_utf8_lossy(&event);
        assert!(data == "[DONE]" || serde_json::from_str::<Value>(&data).is_ok(), "{data}");
    }
    let whole = [stream, b"\n\n", cut].concat();
    if !cut.is_empty() && events(stream).len() == events(&whole).len() - events(cut).len() {
        let (.., seen, again) = outcome(StreamMeter::new(Dialect::Chat, false), &whole, usize::MAX);
        assert!(seen.done && again.is_empty(), "a cut stream has not ended");
    }
}

/// The same bytes as an answer of one document.
fn answer(text: &[u8]) {
    let read = |size: usize| {
        let mut meter = AnswerMeter::new(Dialect::Other);
        text.chunks(size).for_each(|piece| meter.feed(piece));
        (meter.content_bytes(), meter.finish())
    };
    let whole = read(usize::MAX);
    for size in [1, 5] {
        assert_eq!(read(size), whole, "an answer in pieces of {size}");
    }
}
