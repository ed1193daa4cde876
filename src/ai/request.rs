//! What the balancer must know of a call before it is sent.

use std::fmt;
use std::io::Read;

use serde::de::{Deserialize, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};

/// Whether the body is a JSON object whose `stream` is true: the client asks for events. Nothing of the body is kept, and
/// of a key that is there twice the last counts, as with the servers' parsers. What is not JSON asks for nothing.
///
/// Reads byte by byte: hand it what reads from memory.
pub fn wants_stream(body: impl Read) -> bool {
    serde_json::from_reader(body).is_ok_and(|Wants(stream)| stream)
}

struct Wants(bool);

impl<'de> Deserialize<'de> for Wants {
    fn deserialize<D: Deserializer<'de>>(json: D) -> Result<Wants, D::Error> {
        json.deserialize_map(Object).map(Wants)
    }
}

struct Object;

impl<'de> Visitor<'de> for Object {
    type Value = bool;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the body of a call")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<bool, A::Error> {
        let mut stream = false;
        while let Some(IsStream(is_stream)) = map.next_key()? {
            if is_stream {
                IsTrue(stream) = map.next_value()?;
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        Ok(stream)
    }
}

/// Whether a key is the one asked for.
struct IsStream(bool);

impl<'de> Deserialize<'de> for IsStream {
    fn deserialize<D: Deserializer<'de>>(json: D) -> Result<IsStream, D::Error> {
        json.deserialize_identifier(Key).map(IsStream)
    }
}

struct Key;

impl Visitor<'_> for Key {
    type Value = bool;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_str<E: Error>(self, key: &str) -> Result<bool, E> {
        Ok(key == "stream")
    }
}

/// Whether a value of any type is `true`.
struct IsTrue(bool);

impl<'de> Deserialize<'de> for IsTrue {
    fn deserialize<D: Deserializer<'de>>(json: D) -> Result<IsTrue, D::Error> {
        json.deserialize_any(Value).map(IsTrue)
    }
}

struct Value;

impl<'de> Visitor<'de> for Value {
    type Value = bool;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_bool<E>(self, value: bool) -> Result<bool, E> {
        Ok(value)
    }

    fn visit_unit<E>(self) -> Result<bool, E> {
        Ok(false)
    }

    fn visit_i64<E>(self, _: i64) -> Result<bool, E> {
        Ok(false)
    }

    fn visit_u64<E>(self, _: u64) -> Result<bool, E> {
        Ok(false)
    }

    fn visit_f64<E>(self, _: f64) -> Result<bool, E> {
        Ok(false)
    }

    fn visit_str<E>(self, _: &str) -> Result<bool, E> {
        Ok(false)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<bool, A::Error> {
        while seq.next_element::<IgnoredAny>()?.is_some() {}
        Ok(false)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<bool, A::Error> {
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(false)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wants(body: &str) -> bool {
        wants_stream(body.as_bytes())
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
        assert!(!wants_stream(&b"{\"a\":\"\xff\",\"stream\":tru"[..]));
    }

    #[test]
    fn depth_takes_no_stack() {
        let deep = format!(r#"{{"a":{}1{},"stream":true}}"#, "[".repeat(100_000), "]".repeat(100_000));
        assert!(wants(&deep));
    }
}
