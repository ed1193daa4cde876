use super::*;

fn recorded() -> Vec<(Dialect, String)> {
    let azure = r#"{"choices":[],"id":"","prompt_filter_results":[{"prompt_index":0}]}"#;
    vec![
        (Chat, chat(false, false)),
        (Chat, chat(true, true)),
        (Chat, format!("\u{feff}: hi\r\n\r\n{}", chat(false, true).replace('\n', "\r\n"))),
        (Chat, chat(true, true).replace('\n', "\r")),
        (Chat, stream(&[azure]) + &chat(true, true)),
        (Messages, stream(MESSAGE)),
        (Responses, stream(RESPONSE)),
        (
            Other,
            "data: {\"delta\":\"a\\ud83d\\ude00\"}\n\ndata\n\ndata: {\"usage\":{\"input_tokens\":12"
                .to_owned(),
        ),
    ]
}

type Outcome = (Vec<u8>, Usage, Seen, Vec<u8>);

fn outcome<'a>(dialect: Dialect, strip: bool, pieces: impl IntoIterator<Item = &'a [u8]>) -> Outcome {
    let (out, meter) = passed(StreamMeter::new(dialect, strip), pieces);
    let cut = meter.cut(counts(1, 2, None, None), true);
    (out, meter.usage(), meter.seen(), cut)
}

#[test]
fn every_split_of_every_shape_gives_the_same() {
    for (dialect, text) in recorded() {
        let text = text.as_bytes();
        for strip in [false, true] {
            let whole = outcome(dialect, strip, [text]);
            for at in 0..=text.len() {
                let (one, other) = text.split_at(at);
                assert!(outcome(dialect, strip, [one, b"", other]) == whole, "{dialect:?} at {at}");
            }
            for size in 1..20 {
                assert!(outcome(dialect, strip, text.chunks(size)) == whole, "{dialect:?} by {size}");
            }
            if !strip {
                assert!(whole.0 == text);
            }
        }
    }
}

/// Pieces of these lengths, over and over.
fn split<'a>(mut text: &'a [u8], lengths: &'a [usize]) -> Vec<&'a [u8]> {
    let mut pieces = Vec::new();
    for length in lengths.iter().cycle().take_while(|_| !lengths.is_empty()) {
        if text.is_empty() {
            break;
        }
        let (piece, rest) = text.split_at((*length).min(text.len()));
        pieces.push(piece);
        text = rest;
    }
    if lengths.is_empty() { vec![text] } else { pieces }
}

fn bytes() -> impl Strategy<Value = Vec<u8>> {
    let words = [
        "data: ",
        "data:",
        "data",
        "\n",
        "\n\n",
        "\r",
        "\r\n",
        "event: x",
        ":",
        "\u{feff}",
        "{",
        "}",
        "[",
        "]",
        ",",
        "\"choices\":[]",
        "\"usage\":{",
        "\"prompt_tokens\":5",
        "\"delta\":",
        "\"content\":\"",
        "\\u00e9",
        "\\",
        "\"",
        "\"choices\":[{",
        "\"index\":1",
        "\"finish_reason\":\"stop\"",
        "\"type\":\"content_block_start\"",
        "[DONE]",
        "\"id\":\"a\"",
        "\"message\":{",
        "12",
        ".5",
        "e3",
        "-",
        "null",
        " ",
    ];
    let word = prop_oneof![
        8 => prop::sample::select(words.to_vec()).prop_map(|word| word.as_bytes().to_vec()),
        1 => any::<u8>().prop_map(|byte| vec![byte]),
    ];
    prop::collection::vec(word, 0..60).prop_map(|words| words.concat())
}

proptest! {
    #[test]
    fn any_bytes_in_any_pieces_give_the_same(
        text in bytes(),
        lengths in prop::collection::vec(1..30usize, 1..8),
        strip: bool,
        dialect in prop::sample::select(vec![Chat, Completions, Responses, Messages, Other]),
    ) {
        let whole = outcome(dialect, strip, [&text[..]]);
        prop_assert_eq!(&outcome(dialect, strip, split(&text, &lengths)), &whole);
        if !strip {
            prop_assert_eq!(whole.0, text);
        }
    }

    #[test]
    fn held_events_pass_whole(text in bytes(), lengths in prop::collection::vec(1..30usize, 1..8)) {
        let mut meter = StreamMeter::new(Messages, false).holding();
        let (mut out, mut events) = (Vec::new(), 0);
        for piece in split(&text, &lengths) {
            match meter.feed(piece) {
                Passed::Whole => out.extend_from_slice(piece),
                Passed::Instead(bytes) => out.extend_from_slice(bytes),
            }
            prop_assert!(meter.is_between_events());
            // What has passed is read as whole events by another reader too.
            let mut splitter = crate::ai::sse::Splitter::new(1 << 20);
            let mut told = 0;
            splitter.feed(&out, &mut |_| told += 1).unwrap();
            splitter.feed(b"data: x\n\n", &mut |event| {
                told += 1;
                assert_eq!(event.data, b"x");
            }).unwrap();
            prop_assert!(told > events);
            events = told - 1;
        }
        out.extend_from_slice(meter.finish());
        prop_assert_eq!(out, text);
    }

    #[test]
    fn whole_documents_give_what_a_tree_gives(
        prompt in prop::option::of(0..=100_000_000u64),
        completion in prop::option::of(0..=100_000_000u64),
        before in "[a-z\"\\\\{}\\[\\],:é\u{1f600}\n]{0,40}",
    ) {
        let document = serde_json::json!({
            "a": before, "choices": [{"index": 0, "message": {"role": "assistant", "content": before}}],
            "usage": {"prompt_tokens": prompt, "x": {"completion_tokens": 1}, "completion_tokens": completion, "y": [before]},
        });
        let mut meter = AnswerMeter::new(Chat);
        meter.feed(document.to_string().as_bytes());
        prop_assert_eq!(meter.content_bytes(), before.len() as u64);
        prop_assert_eq!(meter.finish(), counts(prompt, completion, None, None));
    }
}
