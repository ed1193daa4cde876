use http::HeaderValue;
use http::header::HeaderName;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::config::checked::{Expect, JsonMatch, JsonPath, JsonStep, TextMatch};

fn expectation(status: &[u16], headers: Vec<(&str, TextMatch)>, body: Option<BodyMatch>) -> Expectation {
    let headers = headers.into_iter().map(|(name, is)| (name.parse::<HeaderName>().unwrap(), is)).collect();
    Expectation::of_http(&HttpCheck {
        method: http::Method::GET,
        path: "/".to_owned(),
        headers: Vec::new(),
        body: None,
        expect: Expect { status: status.to_vec(), headers, body },
    })
}

fn headers(lines: &[(&'static str, &'static str)]) -> HeaderMap {
    let mut map = HeaderMap::new();
    for (name, value) in lines {
        map.append(*name, HeaderValue::from_static(value));
    }
    map
}

fn passed(reason: &'static str) -> Judgement {
    Judgement::Passed(reason.into())
}

fn wrong(reason: &str) -> Judgement {
    Judgement::WrongContent(reason.to_owned())
}

fn equals(text: &str) -> TextMatch {
    TextMatch::Equals(text.to_owned())
}

fn header_judged(expected: TextMatch, lines: &[(&'static str, &'static str)]) -> Judgement {
    expectation(&[200], vec![("x-a", expected)], None).head(200, &headers(lines)).unwrap()
}

fn body_judged(expected: BodyMatch, body: impl AsRef<[u8]>) -> Judgement {
    let expectation = expectation(&[200], Vec::new(), Some(expected));
    assert!(expectation.needs_body());
    assert_eq!(expectation.head(200, &HeaderMap::new()), None);
    expectation.body(200, body.as_ref())
}

/// `steps`: keys, or numbers for a place in a list.
fn path(text: &str, steps: &[&str]) -> JsonPath {
    let step = |step: &&str| match step.parse() {
        Ok(index) => JsonStep::Index(index),
        Err(_) => JsonStep::Key((*step).to_owned()),
    };
    JsonPath { text: text.to_owned(), steps: steps.iter().map(step).collect() }
}

fn json_judged(path: JsonPath, expected: JsonMatch, body: &Value) -> Judgement {
    body_judged(BodyMatch::Json(vec![(path, expected)]), body.to_string())
}

#[test]
fn a_status_of_the_list_passes_without_a_look_at_the_body() {
    let expectation = expectation(&[200, 204], Vec::new(), None);
    assert!(!expectation.needs_body());
    assert_eq!(expectation.head(204, &HeaderMap::new()), Some(passed("status 204")));
    let refused = Judgement::WrongStatus("status 503, expected 200 or 204".to_owned());
    assert_eq!(expectation.head(503, &HeaderMap::new()), Some(refused));
    assert_eq!(
        expectation.head(429, &HeaderMap::new()),
        Some(Judgement::WrongStatus("status 429, expected 200 or 204".to_owned()))
    );
}

#[test]
fn many_expected_statuses_are_named_as_ranges() {
    let many: Vec<u16> = (200..300).chain([301, 302, 404]).collect();
    assert_eq!(list(&many), "200-299 or 301 or 302 or 404");
    assert_eq!(list(&[200]), "200");
}

#[test]
fn a_header_must_have_the_value() {
    assert_eq!(header_judged(equals("yes"), &[("x-a", "yes")]), passed("status 200"));
    assert_eq!(
        header_judged(equals("yes"), &[("x-a", "YES")]),
        wrong("header x-a is \"YES\", expected \"yes\"")
    );
    assert_eq!(header_judged(equals("yes"), &[]), wrong("header x-a is missing"));
}

#[test]
fn of_several_lines_of_a_header_one_is_enough() {
    assert_eq!(header_judged(equals("b"), &[("x-a", "a"), ("x-a", "b")]), passed("status 200"));
}

#[test]
fn a_header_may_contain_match_or_just_be_there() {
    let contains = || TextMatch::Contains("ead".to_owned());
    assert_eq!(header_judged(contains(), &[("x-a", "ready")]), passed("status 200"));
    assert_eq!(
        header_judged(contains(), &[("x-a", "no")]),
        wrong("header x-a is \"no\", expected one that contains \"ead\"")
    );
    let regex = || TextMatch::Regex("^2\\.".to_owned());
    assert_eq!(header_judged(regex(), &[("x-a", "2.1")]), passed("status 200"));
    assert_eq!(
        header_judged(regex(), &[("x-a", "1.2.")]),
        wrong("header x-a is \"1.2.\", expected one that matches \"^2\\\\.\"")
    );
    assert_eq!(header_judged(TextMatch::Present, &[("x-a", "")]), passed("status 200"));
    assert_eq!(header_judged(TextMatch::Present, &[]), wrong("header x-a is missing"));
}

#[test]
fn header_bytes_that_are_no_text_do_no_harm() {
    let mut map = HeaderMap::new();
    map.insert("x-a", HeaderValue::from_bytes(b"caf\xe9").unwrap());
    let expectation = expectation(&[200], vec![("x-a", equals("cafe"))], None);
    assert_eq!(expectation.head(200, &map), Some(wrong("header x-a is \"caf\u{fffd}\", expected \"cafe\"")));
}

#[test]
fn the_value_of_a_cookie_is_not_shown() {
    let expectation =
        expectation(&[200], vec![("set-cookie", TextMatch::Contains("node=1".to_owned()))], None);
    let judged = expectation.head(200, &headers(&[("set-cookie", "session=secret")]));
    assert_eq!(judged, Some(wrong("no set-cookie header is as expected: one that contains \"node=1\"")));
}

#[test]
fn every_part_must_hold() {
    let of = || {
        let body = Some(BodyMatch::Contains("ok".to_owned()));
        expectation(&[200], vec![("x-a", equals("1")), ("x-b", TextMatch::Present)], body)
    };
    assert_eq!(of().head(200, &headers(&[("x-a", "1")])), Some(wrong("header x-b is missing")));
    assert_eq!(of().head(200, &headers(&[("x-a", "1"), ("x-b", "")])), None);
    assert_eq!(of().body(200, b"not good"), wrong("body does not contain \"ok\""));
}

#[test]
fn a_body_must_contain_the_text() {
    let ok = || BodyMatch::Contains("ok".to_owned());
    assert_eq!(body_judged(ok(), "it is ok."), passed("status 200"));
    assert_eq!(body_judged(ok(), b"\xff\xfeok\xff"), passed("status 200"));
    assert_eq!(body_judged(ok(), ""), wrong("body does not contain \"ok\""));
    assert_eq!(body_judged(ok(), "o"), wrong("body does not contain \"ok\""));
}

#[test]
fn a_body_must_match_the_pattern_also_when_it_is_no_text() {
    let regex = || BodyMatch::Regex("(?m)^ready$".to_owned());
    assert_eq!(body_judged(regex(), "a\nready\nb"), passed("status 200"));
    assert_eq!(body_judged(regex(), b"\xff\nready"), passed("status 200"));
    assert_eq!(body_judged(regex(), "already"), wrong("body does not match \"(?m)^ready$\""));
}

#[test]
fn a_value_in_json_must_be_equal() {
    let id = || path("$.data[0].id", &["data", "0", "id"]);
    let is = |value: Value| JsonMatch::Equals(value);
    let judged = |expected, body| json_judged(id(), is(expected), &body);
    assert_eq!(judged(json!("y"), json!({"data": [{"id": "y"}]})), passed("status 200"));
    assert_eq!(
        judged(json!("y"), json!({"data": [{"id": "x"}]})),
        wrong("$.data[0].id is \"x\", expected \"y\"")
    );
    assert_eq!(judged(json!("3"), json!({"data": [{"id": 3}]})), wrong("$.data[0].id is 3, expected \"3\""));
    assert_eq!(judged(json!(3), json!({"data": [{"id": 3.0}]})), passed("status 200"));
    assert_eq!(
        judged(json!(true), json!({"data": [{"id": null}]})),
        wrong("$.data[0].id is null, expected true")
    );
    assert_eq!(
        judged(json!("y"), json!({"data": [{"id": {"secret": 1}}]})),
        wrong("$.data[0].id is an object, expected \"y\"")
    );
    for missing in [json!({}), json!({"data": []}), json!({"data": {"0": {"id": "y"}}}), json!([1])] {
        assert_eq!(judged(json!("y"), missing), wrong("$.data[0].id is missing"));
    }
}

#[test]
fn large_whole_numbers_are_not_rounded() {
    let is = |found: u64, expected: u64| {
        json_judged(path("$.n", &["n"]), JsonMatch::Equals(json!(expected)), &json!({ "n": found }))
    };
    assert_eq!(is(u64::MAX, u64::MAX), passed("status 200"));
    assert_eq!(
        is(9_007_199_254_740_993, 9_007_199_254_740_992),
        wrong("$.n is 9007199254740993, expected 9007199254740992")
    );
}

#[test]
fn a_value_in_json_may_match_or_just_be_there() {
    let judged = |expected, body| json_judged(path("$.x", &["x"]), expected, &body);
    let regex = || JsonMatch::Regex("^gpt-".to_owned());
    assert_eq!(judged(regex(), json!({"x": "gpt-4"})), passed("status 200"));
    assert_eq!(judged(regex(), json!({"x": 4})), wrong("$.x is 4, expected text that matches \"^gpt-\""));
    assert_eq!(judged(JsonMatch::Present, json!({"x": null})), passed("status 200"));
    assert_eq!(judged(JsonMatch::Present, json!({})), wrong("$.x is missing"));
    let root = json_judged(path("$", &[]), JsonMatch::Equals(json!("up")), &json!("up"));
    assert_eq!(root, passed("status 200"));
}

#[test]
fn what_is_not_json_says_where_and_not_what() {
    let judged =
        |body: &str| body_judged(BodyMatch::Json(vec![(path("$.x", &["x"]), JsonMatch::Present)]), body);
    assert_eq!(judged("<html>secret"), wrong("body is not JSON (line 1 column 1)"));
    assert_eq!(judged("{\"x\": 1"), wrong("body is not JSON (line 1 column 7)"));
    assert_eq!(judged(""), wrong("the answer has no body, expected JSON"));
    assert!(matches!(judged(&"[".repeat(BODY_LIMIT)), Judgement::WrongContent(_)));
}

#[test]
fn a_long_value_is_cut() {
    let long = "é".repeat(100);
    let judged = json_judged(path("$.x", &["x"]), JsonMatch::Equals(json!("y")), &json!({"x": long}));
    assert_eq!(judged, wrong(&format!("$.x is \"{}\"..., expected \"y\"", "é".repeat(60))));
    let judged = json_judged(path("$.x", &["x"]), JsonMatch::Equals(json!("y")), &json!({"x": "a\nb"}));
    assert_eq!(judged, wrong("$.x is \"a\\nb\", expected \"y\""));
}

fn chat() -> Expectation {
    Expectation::of_chat(&ChatCheck { model: "m".to_owned(), max_tokens: 5, prompt: "ping".to_owned() })
}

#[test]
fn a_chat_completion_has_choices() {
    assert_eq!(chat().head(200, &HeaderMap::new()), None);
    let judged = |body: Value| chat().body(200, body.to_string().as_bytes());
    assert_eq!(judged(json!({"choices": [{"message": {"content": ""}}]})), passed("status 200"));
    assert_eq!(judged(json!({"choices": []})), wrong("`choices` of the answer is empty"));
    assert_eq!(judged(json!({})), wrong("the answer has no `choices`"));
    assert_eq!(
        judged(json!({"error": {"message": "key sk-1 is bad"}})),
        wrong("the answer is an error, expected `choices`")
    );
    assert_eq!(judged(json!({"choices": 3})), wrong("`choices` of the answer is 3, expected a list"));
    assert_eq!(judged(json!([])), wrong("body is a list, expected a chat completion"));
}

#[test]
fn a_server_that_limits_chats_is_alive() {
    assert_eq!(chat().head(429, &HeaderMap::new()), Some(passed("rate limited")));
    let refused = Judgement::WrongStatus("status 500, expected 200".to_owned());
    assert_eq!(chat().head(500, &HeaderMap::new()), Some(refused));
}

proptest! {
    #[test]
    fn contains_is_what_the_standard_library_says(text in "[ab]{0,20}", part in "[ab]{0,4}") {
        prop_assert_eq!(contains(text.as_bytes(), part.as_bytes()), text.contains(&part));
    }

    #[test]
    fn no_body_is_shown_whole(body in prop::collection::vec(any::<u8>(), 100..300)) {
        for expected in [
            BodyMatch::Contains("\u{1}ready".to_owned()),
            BodyMatch::Regex("^\u{1}ready$".to_owned()),
            BodyMatch::Json(vec![(path("$.x", &["x"]), JsonMatch::Present)]),
        ] {
            if let Judgement::WrongContent(why) = body_judged(expected, &body) {
                prop_assert!(why.len() < 80, "{}", why);
            }
        }
    }
}
