//! Counts that no call can have are not believed.

use super::{Counted, chat, counted_since, counts, dripped, json, site};
use crate::support::http::Ask;
use crate::support::sse::{END, ROLE, content};

/// A chat whose answer is forty bytes of text, with this usage.
fn answered(usage: &str) -> String {
    let text = "abcdefgh".repeat(5);
    format!(
        r#"{{"id":"c","object":"chat.completion","choices":[{{"index":0,"message":{{"role":"assistant","content":"{text}"}},"finish_reason":"stop"}}],"usage":{usage}}}"#
    )
}

#[test]
fn total_beyond_all_reasoning_adds_nothing() {
    let usage = r#"{"prompt_tokens":10,"completion_tokens":5,"total_tokens":9999999}"#;
    let site = site(json(&answered(usage)));
    assert_eq!(site.ask(&Ask::chat(false)).text(), answered(usage));
    assert_eq!(counted_since(&site.edge, Counted::default()), Counted { tokens: 15, cost: 10 * 2 + 5 * 8 });
}

#[test]
fn absurd_completion_is_reckoned_by_what_was_said() {
    let usage = r#"{"prompt_tokens":10,"completion_tokens":1000000000000000000}"#;
    let site = site(json(&answered(usage)));
    assert_eq!(site.ask(&Ask::chat(false)).status(), 200);
    counts(&site.edge, 10 + 40 / 4);
}

#[test]
fn absurd_usage_of_a_stream_is_reckoned_by_what_was_said() {
    let usage =
        r#"{"prompt_tokens":18446744073709551615,"completion_tokens":18446744073709551615,"total_tokens":1}"#;
    let (stop, done) = END.split_once("\n\n").unwrap();
    let last = format!(
        "data: {{\"id\":\"c\",\"object\":\"chat.completion.chunk\",\"choices\":[],\"usage\":{usage}}}\n\n"
    );
    let said = content(&"abcdefgh".repeat(5));
    let site = site(dripped(&[ROLE, &said, stop, "\n\n", &last, done].concat()));
    assert_eq!(site.ask(&chat(true)).status(), 200);
    let counted = counted_since(&site.edge, Counted::default());
    assert!((10 + 1..100).contains(&counted.tokens), "{counted:?}");
}
