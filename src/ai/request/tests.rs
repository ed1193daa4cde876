use proptest::prelude::*;
use serde_json::Value;

use super::*;

mod amounts;
mod scanning;

fn wants(body: &str) -> bool {
    read(&[Bytes::copy_from_slice(body.as_bytes())]).is_ok_and(|call| call.stream)
}

#[test]
fn only_true_asks_for_a_stream() {
    assert!(wants(r#"{"model":"m","messages":[{"role":"user","content":"hi"}],"stream":true}"#));
    assert!(wants(" {\"str\\u0065am\" : true } \n"));
    for value in ["false", "null", "1", "-1", "1.5", "\"true\"", "[true]", "{\"stream\":true}"] {
        assert!(!wants(&format!(r#"{{"stream":{value}}}"#)), "{value}");
    }
}

#[test]
fn a_stream_further_down_does_not_count() {
    assert!(!wants(r#"{"metadata":{"stream":true},"messages":[{"stream":true}],"Stream":true}"#));
}

#[test]
fn of_a_key_that_is_there_twice_the_last_counts() {
    assert!(wants(r#"{"stream":false,"stream":true}"#));
    assert!(!wants(r#"{"stream":true,"a":1,"stream":{}}"#));
}

#[test]
fn garbage_asks_for_nothing() {
    for body in ["", "true", "[true]", "\"stream\"", r#"{"stream":true"#, r#"{"stream":true} x"#, "\0"] {
        assert!(!wants(body), "{body}");
    }
    assert!(read(&[Bytes::from_static(b"{\"a\":\"\xff\",\"stream\":tru")]).is_err());
}

#[test]
fn depth_takes_no_stack() {
    let deep = format!(r#"{{"a":{}1{},"stream":true}}"#, "[".repeat(100_000), "]".repeat(100_000));
    assert!(wants(&deep));
}

fn whole(text: &str) -> Vec<Bytes> {
    vec![Bytes::copy_from_slice(text.as_bytes())]
}

fn call(text: &str) -> Result<Call, Unreadable> {
    read(&whole(text))
}

fn edit(text: &str, model: Option<&str>, include_usage: bool) -> String {
    let parts = whole(text);
    let edited = edited(&parts, &read(&parts).unwrap(), &Edit { model, include_usage });
    String::from_utf8(edited.concat()).unwrap()
}

#[test]
fn a_call_is_read() {
    let read = call(
        r#" {"messages":[{"role":"user","content":"say \"model\":\"x\" }"}], "model" : "gpt-4.1","max_tokens":100,
            "stream":true,"stream_options":{"include_usage":true}}
        "#,
    )
    .unwrap();
    assert_eq!(read.model.as_deref(), Some("gpt-4.1"));
    assert_eq!((read.stream, read.max_tokens, read.asks_usage), (true, Some(100), true));
    assert_eq!(call("{}").unwrap().model, None);
    assert_eq!(call(r#"{"model":null}"#).unwrap().model, None);
}

#[test]
fn a_model_further_down_does_not_count() {
    let read = call(r#"{"a":{"model":"x"},"b":[{"model":"y","stream":true}],"c":"\"model\":\"z\""}"#);
    assert_eq!((read.clone().unwrap().model, read.unwrap().stream), (None, false));
}

#[test]
fn keys_are_what_they_say_not_how_they_are_written() {
    assert_eq!(call(r#"{"mod\u0065l":"\u0067pt"}"#).unwrap().model.as_deref(), Some("gpt"));
    assert!(call(r#"{"str\u0065am":true}"#).unwrap().stream);
    assert_eq!(call(r#"{"model":"a","mod\u0065l":"b"}"#), Err(Unreadable::TwoModels));
}

#[test]
fn two_models_are_one_too_many() {
    for twice in
        [r#"{"model":"a","model":"a"}"#, r#"{"model":null,"model":"a"}"#, r#"{"Model":"a","model":"b"}"#]
    {
        assert_eq!(call(twice), Err(Unreadable::TwoModels), "{twice}");
    }
    assert_eq!(call(r#"{"Model":"a"}"#).unwrap().model.as_deref(), Some("a"));
}

#[test]
fn a_model_is_a_text() {
    for model in ["1", "true", "[\"a\"]", "{\"model\":\"a\"}", r#""\ud800""#, r#""\x""#, "\"\n\""] {
        assert_eq!(call(&format!(r#"{{"model":{model}}}"#)), Err(Unreadable::ModelNotText), "{model}");
    }
}

#[test]
fn the_limit_of_an_answer_is_the_newest_name_s() {
    let limit = |members: &str| call(&format!("{{{members}}}")).unwrap().max_tokens;
    assert_eq!(limit(r#""max_tokens":5,"max_completion_tokens":7"#), Some(7));
    assert_eq!(limit(r#""max_output_tokens":6,"max_tokens":5"#), Some(6));
    assert_eq!(limit(r#""max_tokens":5,"max_completion_tokens":null"#), Some(5));
    assert_eq!(limit(r#""max_tokens":1,"max_tokens":2"#), Some(2));
    assert_eq!(limit(r#""max_tokens":1e3"#), Some(1000));
    assert_eq!(limit(r#""max_tokens":99999999999999999999999"#), Some(u64::MAX));
    for unknown in ["-1", "1.5", "\"5\"", "null", "true", "[5]", "{}"] {
        assert_eq!(limit(&format!(r#""max_tokens":{unknown}"#)), None, "{unknown}");
    }
}

#[test]
fn what_is_no_whole_object_is_refused() {
    let bad = [
        "",
        " ",
        "[]",
        "\"a\"",
        "null",
        "{",
        "{}x",
        "{}{}",
        "{\"a\"}",
        "{\"a\":}",
        "{\"a\":1,}",
        "{,}",
        "{a:1}",
        "{\"a\":1 \"b\":2}",
        "{\"a\" 1}",
        "{'a':1}",
        "{\"a\":[}",
        "{\"a\":[}]}",
        "{\"a\":{]}",
        "{\"a\":\"}",
        "{\"a\":\"\\\"}",
        "{\"a\":tru}",
        "{\"a\":01}",
        "{\"a\":NaN}",
        "{\"a\":1.}",
        "{\"a\":[1]]}",
        "{\"a\":[/* \" */1]}",
        "{\"a\":[// \"\n]}",
        "{\"a\":['\"']}",
        "{\"a\":1}\0",
        "\u{feff}{}",
        "{\"\\x\":1}",
        "{\"a\":[#\"\n]}",
        "{\"stream_options\":{\"a\"}}",
    ];
    for body in bad {
        assert_eq!(call(body), Err(Unreadable::NotJson), "{body}");
    }
    assert_eq!(read(&[]), Err(Unreadable::NotJson));
    assert_eq!(read(&[Bytes::from_static(b"{\"mod\xffel\":\"a\"}")]), Err(Unreadable::NotJson));
}

#[test]
fn brackets_match_at_any_depth() {
    for depth in [1, 63, 64, 65, 128, 129, 1000] {
        let kinds = |nth: usize| nth.is_multiple_of(3) || nth.is_multiple_of(7);
        let open: String = (0..depth).map(|nth| if kinds(nth) { '{' } else { '[' }).collect();
        let close: String = (0..depth).rev().map(|nth| if kinds(nth) { '}' } else { ']' }).collect();
        assert!(call(&format!("{{\"a\":{open}{close},\"model\":\"m\"}}")).is_ok(), "{depth}");
        for wrong in 0..depth.min(200) {
            let mut close = close.clone().into_bytes();
            close[wrong] ^= b'}' ^ b']';
            let close = String::from_utf8(close).unwrap();
            assert!(call(&format!("{{\"a\":{open}{close}}}")).is_err(), "{wrong} of {depth}");
        }
    }
}

#[test]
fn only_the_model_is_replaced() {
    assert_eq!(
        edit(r#"{ "a":1, "model" : "x" ,"b":"model"}"#, Some("y\"z"), false),
        r#"{ "a":1, "model" : "y\"z" ,"b":"model"}"#
    );
    assert_eq!(edit(r#"{"model":null}"#, Some("y"), false), r#"{"model":"y"}"#);
    assert_eq!(edit(r#"{"a":1}"#, Some("y"), false), r#"{"a":1,"model":"y"}"#);
    assert_eq!(edit("{ }", Some("y"), false), r#"{ "model":"y"}"#);
    assert_eq!(edit(r#"{"model":"\u0079"}"#, Some("y"), false), r#"{"model":"\u0079"}"#);
}

#[test]
fn the_usage_is_asked_for_where_it_is_not() {
    let asked = |body: &str| edit(body, None, true);
    assert_eq!(asked("{} "), r#"{"stream_options":{"include_usage":true}} "#);
    assert_eq!(asked(r#"{"a":1 }"#), r#"{"a":1 ,"stream_options":{"include_usage":true}}"#);
    assert_eq!(asked(r#"{"stream_options":null}"#), r#"{"stream_options":{"include_usage":true}}"#);
    assert_eq!(asked(r#"{"stream_options":{}}"#), r#"{"stream_options":{"include_usage":true}}"#);
    assert_eq!(
        asked(r#"{"stream_options": { "a":1}}"#),
        r#"{"stream_options": {"include_usage":true, "a":1}}"#
    );
    assert_eq!(
        asked(r#"{"stream_options":{"include_usage": false}}"#),
        r#"{"stream_options":{"include_usage": true}}"#
    );
    assert_eq!(
        asked(r#"{"stream_options":{"include_usage":null}}"#),
        r#"{"stream_options":{"include_usage":true}}"#
    );
    for same in [
        r#"{"stream_options":{"include_usage":true}}"#,
        r#"{"stream_options":[]}"#,
        r#"{"stream_options":{"include_usage":"a"}}"#,
    ] {
        assert_eq!(asked(same), same);
    }
    // Of two the last one counts.
    assert_eq!(
        asked(
            r#"{"stream_options":{"include_usage":true},"stream_options":{"include_usage":true,"include_usage":false}}"#
        ),
        r#"{"stream_options":{"include_usage":true},"stream_options":{"include_usage":true,"include_usage":true}}"#
    );
    assert_eq!(edit("{}", Some("m"), true), r#"{"model":"m","stream_options":{"include_usage":true}}"#);
}

#[test]
fn pieces_without_a_change_are_shared() {
    let parts: Vec<Bytes> = [r#"{"messages":"#, r#"["a"],"model":"#, r#""x"}"#]
        .map(|text| Bytes::from_static(text.as_bytes()))
        .into();
    let new = edited(&parts, &read(&parts).unwrap(), &Edit { model: Some("y"), include_usage: false });
    assert_eq!(new.concat(), br#"{"messages":["a"],"model":"y"}"#);
    assert_eq!((new[0].as_ptr(), new[1].as_ptr()), (parts[0].as_ptr(), parts[1].as_ptr()));
}

#[test]
fn what_users_wrote_is_collected() {
    let found = |body: &str| texts(&whole(body));
    assert_eq!(
        found(
            r#"{"messages":[{"role":"system","content":"no"},{"role":"user","content":"a\n\u00e9"},{"content":"b","role":"assistant"},
            {"content":[{"type":"text","text":"c"},{"text":"no","type":"tool_result"},{"type":"image_url","image_url":{"url":"no"}}],
            "role":"user"}],"tools":["no"],"system":"no"}"#
        ),
        "a\né\nc\n"
    );
    assert_eq!(found(r#"{"input":"a","prompt":["b","c"],"suffix":"no"}"#), "a\nb\nc\n");
    assert_eq!(
        found(r#"{"input":[{"type":"message","role":"user","content":[{"type":"input_text","text":"a"}]}]}"#),
        "a\n"
    );
    assert_eq!(found(r#"{"input":[[1,2],[3]],"prompt":null}"#), "");
    assert_eq!(found(r#"{"prompt":"a","input":}"#), "a\n");
    let deep = format!(r#"{{"input":{}"a"{},"prompt":"b"}}"#, "[".repeat(100_000), "]".repeat(100_000));
    assert_eq!(found(&deep), "b\n");
}

/// Members of an object in order, and its values: what a full parser reads.
#[derive(Debug)]
struct Members(Vec<(String, Value)>);

impl<'de> serde::Deserialize<'de> for Members {
    fn deserialize<D: serde::Deserializer<'de>>(json: D) -> Result<Members, D::Error> {
        struct Visitor;
        impl<'de> serde::de::Visitor<'de> for Visitor {
            type Value = Members;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("an object")
            }
            fn visit_map<A: serde::de::MapAccess<'de>>(self, mut map: A) -> Result<Members, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(Members(members))
            }
        }
        json.deserialize_map(Visitor)
    }
}

impl Members {
    /// Of several of one name the last.
    fn get(&self, name: &str) -> Option<&Value> {
        self.0.iter().rfind(|(key, _)| key == name).map(|(_, value)| value)
    }

    fn call(&self) -> Result<Call, Unreadable> {
        let mut models = self.0.iter().filter(|(key, _)| key.eq_ignore_ascii_case("model"));
        let model = match models.next().map(|(_, model)| model) {
            None | Some(Value::Null) => None,
            Some(Value::String(model)) => Some(model.clone()),
            Some(_) => return Err(Unreadable::ModelNotText),
        };
        if models.next().is_some() {
            return Err(Unreadable::TwoModels);
        }
        let limit = |name| match self.get(name)? {
            Value::Number(number) => {
                let float = number.as_f64().filter(|float| *float >= 0.0 && float.fract() == 0.0);
                number.as_u64().or(float.map(|float| float as u64))
            }
            _ => None,
        };
        let usage = self.get("stream_options").and_then(|options| options.get("include_usage"));
        Ok(Call {
            model,
            stream: self.get("stream") == Some(&Value::Bool(true)),
            max_tokens: limit("max_completion_tokens").or(limit("max_output_tokens")).or(limit("max_tokens")),
            asks_usage: usage == Some(&Value::Bool(true)),
            completions: limit("n").max(limit("best_of")).unwrap_or(1).max(1),
            text_bytes: 0,
            places: Places::default(),
        })
    }

    /// What the edit means.
    fn edit(&mut self, edit: &Edit<'_>) {
        let options = self.get("stream_options").cloned();
        let mut put = |name: &str, value: Value| match self
            .0
            .iter_mut()
            .rfind(|(key, _)| key == name || name == "model" && key.eq_ignore_ascii_case(name))
        {
            Some((_, old)) => *old = value,
            None => self.0.push((name.to_owned(), value)),
        };
        if let Some(model) = edit.model {
            put("model", model.into());
        }
        if edit.include_usage {
            match options {
                None | Some(Value::Null) => put("stream_options", serde_json::json!({"include_usage": true})),
                Some(Value::Object(mut options)) => {
                    if matches!(options.get("include_usage"), None | Some(Value::Null | Value::Bool(_))) {
                        options.insert("include_usage".to_owned(), true.into());
                        put("stream_options", options.into());
                    }
                }
                Some(_) => {}
            }
        }
    }
}

fn reference(body: &[u8]) -> Option<Members> {
    serde_json::from_slice(body).ok()
}

/// JSON written with white space and escapes where `noise` says so.
struct Writer<'a> {
    out: String,
    noise: std::iter::Cycle<std::slice::Iter<'a, u8>>,
}

impl Writer<'_> {
    fn noise(&mut self) -> u8 {
        self.noise.next().copied().unwrap_or(0)
    }

    fn space(&mut self) {
        let spaces = [" ", "\n", "\t\r"];
        let noise = usize::from(self.noise());
        self.out.push_str(spaces.get(noise).unwrap_or(&""));
    }

    fn text(&mut self, text: &str) {
        self.out.push('"');
        for char in text.chars() {
            match self.noise() {
                5..=60 => char
                    .encode_utf16(&mut [0; 2])
                    .iter()
                    .for_each(|unit| self.out += &format!("\\u{unit:04x}")),
                _ => {
                    let quoted = Value::from(char.to_string()).to_string();
                    self.out.push_str(&quoted[1..quoted.len() - 1]);
                }
            }
        }
        self.out.push('"');
    }

    fn value(&mut self, value: &Value) {
        self.space();
        match value {
            Value::String(text) => self.text(text),
            Value::Array(values) => {
                self.out.push('[');
                for (nth, value) in values.iter().enumerate() {
                    self.out.push_str(if nth > 0 { "," } else { "" });
                    self.value(value);
                }
                self.space();
                self.out.push(']');
            }
            Value::Object(map) => self.object(map.iter()),
            other => self.out += &other.to_string(),
        }
        self.space();
    }

    fn object<'v>(&mut self, members: impl Iterator<Item = (&'v String, &'v Value)>) {
        self.out.push('{');
        for (nth, (key, value)) in members.enumerate() {
            self.out.push_str(if nth > 0 { "," } else { "" });
            self.space();
            self.text(key);
            self.space();
            self.out.push(':');
            self.value(value);
        }
        self.space();
        self.out.push('}');
    }
}

fn any_text() -> impl Strategy<Value = String> {
    prop_oneof!["[ -~]{0,6}", any::<String>(), "[\"\\\\{}\\[\\]]{0,9}", Just("model".to_owned())]
}

fn any_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        (-9i64..99).prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        any_text().prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 40, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            prop::collection::vec((any_key(), inner), 0..6)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

fn any_key() -> impl Strategy<Value = String> {
    const NAMES: [&str; 11] = [
        "model",
        "Model",
        "stream",
        "stream_options",
        "include_usage",
        "max_tokens",
        "max_completion_tokens",
        "max_output_tokens",
        "n",
        "best_of",
        "messages",
    ];
    prop_oneof![prop::sample::select(&NAMES[..]).prop_map(str::to_owned), any_text()]
}

fn any_options() -> impl Strategy<Value = Value> {
    let usage = prop_oneof![any::<bool>().prop_map(Value::from), Just(Value::Null), any_value()];
    prop::collection::vec((Just("include_usage".to_owned()), usage), 0..2)
        .prop_map(|members| Value::Object(members.into_iter().collect()))
}

fn any_body() -> impl Strategy<Value = String> {
    let member = prop_oneof![
        (any_key(), any_value()),
        (Just("model".to_owned()), any_text().prop_map(Value::from)),
        (Just("stream_options".to_owned()), any_options()),
    ];
    (prop::collection::vec(member, 0..7), prop::collection::vec(any::<u8>(), 1..40)).prop_map(
        |(members, noise)| {
            let mut writer = Writer { out: String::new(), noise: noise.iter().cycle() };
            writer.space();
            writer.object(members.iter().map(|(key, value)| (key, value)));
            writer.space();
            writer.out
        },
    )
}

fn split(body: &[u8], cuts: &[usize]) -> Vec<Bytes> {
    let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut % (body.len() + 1)).chain([0, body.len()]).collect();
    cuts.sort_unstable();
    cuts.windows(2).map(|cut| Bytes::copy_from_slice(&body[cut[0]..cut[1]])).collect()
}

fn without_places(call: Result<Call, Unreadable>) -> Result<Call, Unreadable> {
    call.map(|call| Call { places: Places::default(), text_bytes: 0, ..call })
}

fn whole_bytes(body: &[u8]) -> Vec<Bytes> {
    vec![Bytes::copy_from_slice(body)]
}

proptest! {
    #[test]
    fn a_full_parser_reads_the_same(body in any_body()) {
        let members = reference(body.as_bytes()).unwrap();
        prop_assert_eq!(without_places(call(&body)), members.call());
    }

    #[test]
    fn any_pieces_give_the_same(body in any_body(), cuts in prop::collection::vec(any::<usize>(), 0..9)) {
        let parts = split(body.as_bytes(), &cuts);
        prop_assert_eq!(read(&parts), call(&body));
        prop_assert_eq!(texts(&parts), texts(&whole(&body)));
        let bytes: Vec<Bytes> = body.as_bytes().chunks(1).map(Bytes::copy_from_slice).collect();
        prop_assert_eq!(read(&bytes), call(&body));
        prop_assert_eq!(texts(&bytes), texts(&whole(&body)));
    }

    #[test]
    fn an_edit_changes_what_it_says_and_no_other_byte(
        body in any_body(),
        cuts in prop::collection::vec(any::<usize>(), 0..9),
        model in prop::option::of(any_text()),
        include_usage: bool,
    ) {
        let parts = split(body.as_bytes(), &cuts);
        if let Ok(call) = read(&parts) {
            let edit = Edit { model: model.as_deref(), include_usage };
            let new = edited(&parts, &call, &edit).concat();
            let mut members = reference(body.as_bytes()).unwrap();
            members.edit(&edit);
            prop_assert_eq!(reference(&new).unwrap().0, members.0);
            // Once more changes nothing; and what was put in or replaced is all that is not the old body.
            let again = whole_bytes(&new);
            prop_assert_eq!(edited(&again, &read(&again).unwrap(), &edit).concat(), &new[..]);
            let kept = |place: &std::ops::Range<usize>| [&body.as_bytes()[..place.start], &body.as_bytes()[place.end..]];
            if let (Some(place), false, Some(_)) = (&call.places.model, include_usage, &model) {
                let [before, behind] = kept(place);
                prop_assert!(new.starts_with(before) && new.ends_with(behind));
            }
            if model.is_none() && !include_usage {
                prop_assert_eq!(&new, body.as_bytes());
            }
        }
    }

    #[test]
    fn what_a_full_parser_reads_is_read_the_same_also_when_it_is_damaged(
        body in any_body(),
        at: prop::sample::Index,
        byte in prop_oneof![any::<u8>(), prop::sample::select(&b"\"\\{}[],: \n0"[..])],
        insert: bool,
    ) {
        let mut body = body.into_bytes();
        let at = at.index(body.len());
        body.splice(at..at + usize::from(!insert), [byte]);
        if let Some(members) = reference(&body) {
            prop_assert_eq!(without_places(read(&whole_bytes(&body))), members.call());
        }
    }
}

/// Long enough for what looks at many bytes at once; `\n` is an escape wherever it comes from.
fn long_text() -> impl Strategy<Value = String> {
    const PIECES: [&str; 7] =
        ["nnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnn", "\\\\", "\\\"", "nnnnnnnnn", "n", "\"", "\\"];
    prop::collection::vec(prop::sample::select(&PIECES[..6]), 0..40)
        .prop_flat_map(|pieces| {
            let odd = prop::collection::vec(prop::bool::weighted(0.02), pieces.len());
            (Just(pieces), odd)
        })
        .prop_map(|(pieces, odd)| {
            let quotes = |(piece, odd): (&str, bool)| {
                match piece {
                    "\"" if !odd => "n",
                    _ if odd => PIECES[6],
                    piece => piece,
                }
                .to_owned()
            };
            pieces.into_iter().zip(odd).map(quotes).collect()
        })
}

proptest! {
    #[test]
    fn long_strings_end_where_they_end_for_a_full_parser(
        text in long_text(),
        digits in 1..120usize,
        cuts in prop::collection::vec(any::<usize>(), 0..5),
    ) {
        let numbers = "1".repeat(digits);
        let body = format!("{{\"a\":\"{text}\",\"model\":\"m\"}}");
        let members = reference(body.as_bytes()).and_then(|members| members.call().ok());
        prop_assert_eq!(without_places(read(&split(body.as_bytes(), &cuts))).ok(), members);
        // Inside of an array a full parser refuses more.
        let body = format!("{{\"a\":[{numbers},[{numbers}],\"{text}\",{numbers}],\"model\":\"m\"}}");
        if let Some(members) = reference(body.as_bytes()) {
            prop_assert_eq!(without_places(read(&split(body.as_bytes(), &cuts))), members.call());
        }
    }
}
