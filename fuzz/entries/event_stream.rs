//! An event stream: its events and what it begins with do not depend on the pieces that it came in, and the events are
//! those of the standard's grammar.

use tidegate::ai::path::Dialect;
use tidegate::ai::preamble::{Begun, Preamble};
use tidegate::ai::sse::{Splitter, TooLarge};

type Told = (Option<String>, Vec<u8>);

pub fn run(input: &[u8]) {
    let (dialect, stream) = match input {
        [b'c', stream @ ..] => (Dialect::Chat, stream),
        [b'l', stream @ ..] => (Dialect::Completions, stream),
        [b'r', stream @ ..] => (Dialect::Responses, stream),
        [b'm', stream @ ..] => (Dialect::Messages, stream),
        [_, stream @ ..] => (Dialect::Other, stream),
        [] => return,
    };
    let read = by_the_standard(stream);
    for size in [1, 3, usize::MAX] {
        assert_eq!(events(stream, usize::MAX, size), (read.clone(), Ok(())), "in pieces of {size}");
        assert_eq!(events(stream, 40, size), events(stream, 40, 2), "limited, in pieces of {size}");
    }
    let begun = begin(dialect, stream, usize::MAX);
    assert_eq!(begin(dialect, stream, 1), begun, "begun in pieces of one byte");
    match begun {
        Begun::NotYet => {}
        Begun::Error(error) => assert!((400..=599).contains(&error.status), "status {}", error.status),
        Begun::Content | Begun::Over => assert!(!read.is_empty(), "begun without an event"),
    }
}

fn events(stream: &[u8], limit: usize, size: usize) -> (Vec<Told>, Result<(), TooLarge>) {
    let (mut splitter, mut told) = (Splitter::new(limit), Vec::new());
    let end = stream.chunks(size).try_for_each(|piece| {
        splitter.feed(piece, &mut |event| told.push((event.name.map(str::to_owned), event.data.to_vec())))
    });
    for (_, data) in &told {
        assert!(data.len() <= limit, "an event beyond the limit");
    }
    (told, end)
}

fn begin(dialect: Dialect, stream: &[u8], size: usize) -> Begun {
    let mut preamble = Preamble::new(dialect);
    let begun = stream.chunks(size).fold(Begun::NotYet, |before, piece| {
        let begun = preamble.feed(piece);
        assert!(before == Begun::NotYet || before == begun, "{before:?} became {begun:?}");
        begun
    });
    assert_eq!(preamble.feed(b""), begun, "nothing more changes it");
    begun
}

/// WHATWG HTML 9.2.6, step by step, on bytes that are all there.
fn by_the_standard(stream: &[u8]) -> Vec<Told> {
    let stream = stream.strip_prefix(b"\xef\xbb\xbf").unwrap_or(stream);
    let (mut told, mut name, mut data) = (Vec::new(), String::new(), Vec::new());
    for line in lines(stream) {
        let mut parts = line.splitn(2, |byte| *byte == b':');
        let (field, value) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
        let value = value.strip_prefix(b" ").unwrap_or(value);
        match field {
            b"data" => data.extend([value, b"\n"].concat()),
            b"event" => name = String::from_utf8_lossy(value).into_owned(),
            _ if !line.is_empty() => {}
            _ => {
                if data.pop().is_some() {
                    told.push((Some(name).filter(|name| !name.is_empty()), data));
                }
                (name, data) = (String::new(), Vec::new());
            }
        }
    }
    told
}

/// Those that have an end.
fn lines(stream: &[u8]) -> Vec<Vec<u8>> {
    let (mut lines, mut line, mut last) = (Vec::new(), Vec::new(), b' ');
    for byte in stream {
        match byte {
            b'\n' if last == b'\r' => {}
            b'\r' | b'\n' => lines.push(std::mem::take(&mut line)),
            byte => line.push(*byte),
        }
        last = *byte;
    }
    lines
}
