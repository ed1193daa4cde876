//! A call in JSON: read the same in any pieces; a full parser that reads it reads the same model, stream and limit; an
//! edit is what the full parser sees, and changes nothing else.

use bytes::Bytes;
use serde_json::{Map, Value};
use tidegate::ai::request::{Edit, Unreadable, edited, read, texts};

pub fn run(input: &[u8]) {
    let whole = [Bytes::copy_from_slice(input)];
    let call = read(&whole);
    for size in [1, 3, 64] {
        let parts: Vec<Bytes> = input.chunks(size).map(Bytes::copy_from_slice).collect();
        assert_eq!(read(&parts), call, "in pieces of {size}");
        assert_eq!(texts(&parts), texts(&whole), "texts, in pieces of {size}");
        if let Ok(call) = &call {
            let edit = Edit { model: Some("a \"model\""), include_usage: true };
            assert_eq!(edited(&parts, call, &edit).concat(), edited(&whole, call, &edit).concat());
        }
    }
    let object: Option<Map<String, Value>> = serde_json::from_slice(input).ok();
    assert!(call != Err(Unreadable::NotJson) || object.is_none(), "a full parser reads it");
    let Ok(call) = call else { return };
    assert_eq!(edited(&whole, &call, &Edit::default()).concat(), input, "an edit of nothing");
    let edit = Edit { model: Some("other"), include_usage: true };
    let new = [Bytes::from(edited(&whole, &call, &edit).concat())];
    let again = read(&new).ok();
    assert_eq!(again.as_ref().and_then(|call| call.model.as_deref()), Some("other"));
    if let Some(again) = again {
        assert_eq!((again.stream, again.max_tokens), (call.stream, call.max_tokens), "after the edit");
        assert_eq!(edited(&new, &again, &edit).concat(), new.concat(), "once more");
    }
    let Some(mut object) = object else { return };
    let named = |object: &Map<String, Value>| {
        object.iter().find(|(key, _)| key.eq_ignore_ascii_case("model")).map(|(key, _)| key.clone())
    };
    let model = named(&object).and_then(|key| object.get(&key)).and_then(Value::as_str);
    assert_eq!(call.model.as_deref(), model);
    assert_eq!(call.stream, object.get("stream") == Some(&Value::Bool(true)));
    let limit = |name| object.get(name).and_then(Value::as_u64);
    if let Some(limit) = limit("max_completion_tokens") {
        assert_eq!(call.max_tokens, Some(limit));
    }
    let new: Option<Map<String, Value>> = serde_json::from_slice(&new.concat()).ok();
    let key = named(&object).unwrap_or_else(|| "model".to_owned());
    object.insert(key, "other".into());
    match object.get_mut("stream_options") {
        Some(Value::Object(options)) => {
            if matches!(options.get("include_usage"), None | Some(Value::Null | Value::Bool(_))) {
                options.insert("include_usage".to_owned(), true.into());
            }
        }
        None | Some(Value::Null) => {
            let options: Map<String, Value> =
                [("include_usage".to_owned(), true.into())].into_iter().collect();
            object.insert("stream_options".to_owned(), options.into());
        }
        Some(_) => {}
    }
    assert_eq!(new, Some(object), "what the edit means");
}
