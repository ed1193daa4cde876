//! How many completions a call asks for, and how much of it is text.

use super::*;

fn completions(members: &str) -> u64 {
    call(&format!("{{{members}}}")).unwrap().completions
}

#[test]
fn a_prompt_is_completed_as_often_as_the_larger_of_n_and_best_of_says() {
    assert_eq!(completions(r#""n":3"#), 3);
    assert_eq!(completions(r#""n":3,"best_of":5"#), 5);
    assert_eq!(completions(r#""best_of":2,"n":4"#), 4);
    assert_eq!(completions(r#""n":2,"n":3"#), 3);
    assert_eq!(completions(r#""n":99999999999999999999999"#), u64::MAX);
    for one in
        ["", r#""n":1"#, r#""n":0"#, r#""n":null"#, r#""n":-3"#, r#""n":"4""#, r#""n":[4]"#, r#""a":{"n":4}"#]
    {
        assert_eq!(completions(one), 1, "{one}");
    }
    assert_eq!(Call::default().completions, 1);
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

/// Bytes of this string, as a part of a message, that are no text.
fn left_out(text: &str) -> usize {
    let body = format!(r#"{{"messages":[{{"role":"user","content":[{{"url":"{text}"}}]}}],"model":"m"}}"#);
    let read = call(&body).unwrap();
    for size in [1, 7, 64, 1000, 1024] {
        let parts: Vec<Bytes> = body.as_bytes().chunks(size).map(Bytes::copy_from_slice).collect();
        assert_eq!(super::read(&parts).as_ref(), Ok(&read), "in pieces of {size}");
    }
    let top = call(&format!(r#"{{"prompt":"{text}","model":"m"}}"#)).unwrap();
    let left_out = body.len() - usize::try_from(read.text_bytes).unwrap();
    assert_eq!(top.text_bytes as usize + left_out, text.len() + r#"{"prompt":"","model":"m"}"#.len());
    left_out
}

#[test]
fn files_in_strings_are_no_text() {
    let data = base64(20_000);
    let wrapped = data.as_bytes().chunks(76).map(|line| String::from_utf8_lossy(line)).collect::<Vec<_>>();
    for file in [
        data.clone(),
        base64(1024),
        format!("data:image/png;base64,{data}"),
        format!(
            "data:application/vnd.openxmlformats-officedocument.wordprocessingml.document;base64,{data}=="
        ),
        data.replace('/', "\\/"),
        data.replace('+', "-").replace('/', "_"),
        wrapped.join("\\r\\n"),
        // Silence behind a head.
        format!("UklGRiQAAABXQVZFZm10IBAAAAABAAEA{}9z", "AAAA".repeat(4_000)),
    ] {
        assert_eq!(left_out(&file), file.len(), "{}", &file[..60]);
    }
}

#[test]
fn long_words_are_text() {
    let data = base64(20_000);
    for text in [
        base64(1023),
        "a".repeat(20_000),
        "0123456789abcdef".repeat(1_000),
        "It was 1 bright cold Day. ".repeat(1_000),
        format!("data:text/plain,{data}"),
        format!("data: {data}"),
        format!("Look at this: {data}"),
        format!("{data} "),
        format!("{data}\\\""),
        "\u{65e5}\u{672c}".repeat(3_000),
    ] {
        assert_eq!(left_out(&text), 0, "{}", text.chars().take(60).collect::<String>());
    }
}
