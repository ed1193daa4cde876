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
