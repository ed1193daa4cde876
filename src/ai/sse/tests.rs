use proptest::prelude::*;

use super::*;

type Told = (Option<String>, Vec<u8>);

fn told(limit: usize, pieces: &[&[u8]]) -> (Vec<Told>, Result<(), TooLarge>) {
    let (mut splitter, mut events) = (Splitter::new(limit), Vec::new());
    let mut keep = |event: Event<'_>| events.push((event.name.map(str::to_owned), event.data.to_vec()));
    let end = pieces.iter().try_for_each(|piece| splitter.feed(piece, &mut keep));
    (events, end)
}

fn events(text: &str) -> Vec<(Option<String>, String)> {
    let (events, end) = told(1000, &[text.as_bytes()]);
    assert_eq!(end, Ok(()));
    events.into_iter().map(|(name, data)| (name, String::from_utf8(data).unwrap())).collect()
}

fn data(text: &str) -> Vec<String> {
    events(text).into_iter().map(|(_, data)| data).collect()
}

#[test]
fn the_examples_of_the_standard_hold() {
    assert_eq!(data("data: YHOO\ndata: +2\ndata: 10\n\n"), ["YHOO\n+2\n10"]);
    let stream = ": test stream\n\ndata: first event\nid: 1\n\ndata:second event\nid\n\ndata:  third event\n";
    assert_eq!(data(stream), ["first event", "second event"]);
    assert_eq!(data(&format!("{stream}\n")), ["first event", "second event", " third event"]);
    assert_eq!(data("data\n\ndata\ndata\n\ndata:"), ["", "\n"]);
    assert_eq!(data("data:test\n\ndata: test\n\n"), ["test", "test"]);
}

#[test]
fn lines_end_with_any_of_three() {
    for end in ["\n", "\r", "\r\n"] {
        let stream = "event: a|data: 1||data: 2|data: 3||".replace('|', end);
        assert_eq!(events(&stream), [(Some("a".into()), "1".into()), (None, "2\n3".into())]);
    }
    assert_eq!(data("data: 1\r\rdata: 2\n\r\ndata: 3\r\n\n"), ["1", "2", "3"]);
}

#[test]
fn a_line_feed_in_the_next_piece_belongs_to_the_carriage_return() {
    let (events, _) = told(100, &[b"data: 1\r", b"\ndata: 2\r", b"", b"\n\r", b"\ndata: 3\n\n"]);
    assert_eq!(events, [(None, b"1\n2".to_vec()), (None, b"3".to_vec())]);
}

#[test]
fn an_event_is_told_with_the_byte_that_ends_it() {
    assert_eq!(told(100, &[b"data: 1\r\n\r"]).0.len(), 1);
    assert_eq!(told(100, &[b"data: 1\n", b"\n"]).0.len(), 1);
    assert_eq!(told(100, &[b"data: 1\r\n"]).0.len(), 0);
}

#[test]
fn a_mark_is_left_out_once_and_only_at_the_beginning() {
    assert_eq!(data("\u{feff}data: 1\n\n\u{feff}data: 2\n\n"), ["1"]);
    assert_eq!(data("\u{feff}\u{feff}data: 1\n\ndata: 2\n\n"), ["2"]);
    assert_eq!(told(100, &[b"\xef", b"\xbb", b"\xbfdata: 1\n\n"]).0.len(), 1);
    assert_eq!(told(100, &[b"\xef", b"\xbb", b"data: 1\n\ndata: 2\n\n"]).0, [(None, b"2".to_vec())]);
}

#[test]
fn the_last_name_counts_and_only_for_its_event() {
    assert_eq!(
        events(
            "event: a\nevent: b\ndata: 1\n\ndata: 2\n\nevent: c\n\ndata: 3\n\nevent: d\nevent\ndata: 4\n\n"
        ),
        [(Some("b".into()), "1".into()), (None, "2".into()), (None, "3".into()), (None, "4".into())]
    );
    let (events, _) = told(100, &[b"event: a\ndata: 1\n", b"event: b\n\nevent: \xff\ndata: 2\n\n"]);
    assert_eq!(events, [(Some("b".to_owned()), b"1".to_vec()), (Some("\u{fffd}".to_owned()), b"2".to_vec())]);
}

#[test]
fn comments_and_unknown_fields_are_not_told() {
    assert_eq!(
        data(": data: 1\n\nretry: 5\n\nid: 6\n\n data: 2\n\nDATA: 3\n\ndata : 4\n\ndatax: 5\n\n"),
        [""; 0]
    );
    assert_eq!(data(": OPENROUTER PROCESSING\n\ndata: 1\nid: 4\n: c\nwhatever\n\n"), ["1"]);
}

#[test]
fn an_event_longer_than_the_limit_ends_it_all() {
    let too_large = Err(TooLarge { limit: 20 });
    assert_eq!(told(20, &[b"data: 78901234567890\n\n"]).0.len(), 1);
    assert_eq!(told(20, &[b"data: 1\n\ndata: 789012345678901"]), (vec![(None, b"1".to_vec())], too_large));
    assert_eq!(told(20, &[b"data: 7890\n", b"event: 89", b"01\n\n"]).1, too_large);
    assert_eq!(told(20, &[b": 34567890123456789012\n"]).1, too_large);
    let (mut splitter, mut ignore) = (Splitter::new(5), |_: Event<'_>| ());
    assert!(splitter.feed(b"data: 1", &mut ignore).is_err());
    assert!(splitter.feed(b"\n\ndata\n\n", &mut ignore).is_err());
}

#[test]
fn comments_without_an_end_of_event_are_not_too_large() {
    assert_eq!(told(20, &[b": keepalive\n".as_slice(); 1000]).1, Ok(()));
    assert_eq!(told(20, &[b"data\n".as_slice(); 6]).1, Err(TooLarge { limit: 20 }));
}

/// The standard, word by word, for bytes that have all come.
fn by_the_standard(bytes: &[u8]) -> Vec<Told> {
    let bytes = bytes.strip_prefix(BOM).unwrap_or(bytes);
    let text = bytes.to_vec();
    let mut lines: Vec<Vec<u8>> = vec![Vec::new()];
    let mut at = 0;
    while let Some(byte) = text.get(at) {
        match byte {
            b'\r' | b'\n' => {
                at += usize::from(text[at..].starts_with(b"\r\n"));
                lines.push(Vec::new());
            }
            byte => lines.last_mut().unwrap().push(*byte),
        }
        at += 1;
    }
    lines.pop();
    let (mut events, mut name, mut data) = (Vec::new(), String::new(), Vec::new());
    for line in lines {
        if line.is_empty() {
            if !data.is_empty() {
                data.pop();
                events.push((Some(name.clone()).filter(|name| !name.is_empty()), data.clone()));
            }
            (name, data) = (String::new(), Vec::new());
            continue;
        }
        let colon = line.iter().position(|byte| *byte == b':').unwrap_or(line.len());
        let value = line.get(colon + 1..).unwrap_or_default();
        let value = value.strip_prefix(b" ").unwrap_or(value);
        match &line[..colon] {
            b"data" => data.extend([value, b"\n"].concat()),
            b"event" => name = String::from_utf8_lossy(value).into_owned(),
            _ => {}
        }
    }
    events
}

fn streams() -> impl Strategy<Value = Vec<u8>> {
    let part = prop::sample::select(vec![
        "data: ",
        "data:",
        "data",
        "event: ",
        "event",
        "id: 1",
        ": note",
        "\n",
        "\n\n",
        "\r",
        "\r\n",
        "\r\n\r\n",
        ":",
        " ",
        "x",
        "{\"choices\":[{\"delta\":{\"content\":\"words\"}}]}",
        "\u{feff}",
        "\u{fffd}",
    ]);
    let parts = prop::collection::vec(part, 0..40).prop_map(|parts| parts.concat().into_bytes());
    prop_oneof![4 => parts, 1 => prop::collection::vec(any::<u8>(), 0..100)]
}

fn split<'a>(bytes: &'a [u8], places: &[prop::sample::Index]) -> Vec<&'a [u8]> {
    let mut places: Vec<usize> = places.iter().map(|place| place.index(bytes.len() + 1)).collect();
    places.extend([0, bytes.len()]);
    places.sort_unstable();
    places.windows(2).map(|ends| &bytes[ends[0]..ends[1]]).collect()
}

proptest! {
    #[test]
    fn any_split_tells_what_the_standard_says(
        bytes in streams(), places in prop::collection::vec(any::<prop::sample::Index>(), 0..12)
    ) {
        prop_assert_eq!(told(usize::MAX, &split(&bytes, &places)), (by_the_standard(&bytes), Ok(())));
    }

    #[test]
    fn any_split_finds_the_same_too_large(
        bytes in streams(), limit in 0usize..60, places in prop::collection::vec(any::<prop::sample::Index>(), 0..12)
    ) {
        prop_assert_eq!(told(limit, &split(&bytes, &places)), told(limit, &[&bytes]));
    }

    #[test]
    fn the_first_line_end_is_found(bytes in prop::collection::vec(prop::sample::select(b"abcdefgh\n\r:".to_vec()), 0..200)) {
        let filled: Vec<u8> = std::iter::repeat_n(b'x', bytes.len()).chain(bytes.iter().copied()).collect();
        for bytes in [bytes, filled] {
            prop_assert_eq!(line_end(&bytes), bytes.iter().position(|byte| b"\r\n".contains(byte)));
        }
    }
}
