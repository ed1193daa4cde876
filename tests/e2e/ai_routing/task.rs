//! `auto`: the client says its task, or what it wrote does, or there is a default.

use super::{CHAT, ONCE, asked, call, edge, is_of};
use crate::support::edge::Edge;
use crate::support::http::Ask;
use crate::support::upstream::Upstream;

const AI: &str = r#"
  default_model: base
  models:
    base: {input: 1, output: 1}
    coder: {input: 1, output: 1}
    poet: {input: 1, output: 1}
  aliases: {verse: poet}
  tasks:
    code: {model: coder, keywords: [function, "def ", c++]}
    rhyme: {model: verse, keywords: [poem, function of art]}
    quiet: {model: poet}"#;

fn site() -> (Upstream, Edge) {
    let one = Upstream::named("one");
    let edge = edge(AI, ONCE, &[("one", &one.url(), "models: {base: b, coder: c, poet: p}")]);
    (one, edge)
}

fn says(text: &str) -> Ask {
    let text = serde_json::Value::from(text);
    Ask::post(CHAT, format!(r#"{{"model":"auto","messages":[{{"role":"user","content":{text}}}]}}"#))
}

#[test]
fn task_that_the_client_names_decides() {
    let (one, edge) = site();
    is_of(&edge.ask(&call("auto").header("x-task", "rhyme")), "one", "poet");
    is_of(&edge.ask(&call("auto").header("x-task", "quiet")), "one", "poet");
    is_of(&edge.ask(&says("write a poem").header("X-Task", "code")), "one", "coder");
    assert_eq!(asked(&one), ["p", "p", "c"]);
}

#[test]
fn task_is_nothing_to_who_asks_for_a_model() {
    let (one, edge) = site();
    is_of(&edge.ask(&call("base").header("x-task", "code")), "one", "base");
    is_of(&edge.ask(&Ask::post(CHAT, r#"{"messages":[]}"#).header("x-task", "code")), "one", "base");
    assert_eq!(asked(&one), ["b", "b"]);
}

#[test]
fn keyword_decides_where_no_task_is_named() {
    let (_one, edge) = site();
    let cases = [
        ("write a FUNCTION, please", "coder"),
        ("a poem", "poet"),
        ("a poem about a function", "coder"),
        ("the function of art", "coder"),
        ("def main():", "coder"),
        ("in C++?", "coder"),
        ("functional poems", "base"),
        ("malfunction", "base"),
        ("define x", "base"),
        ("", "base"),
    ];
    for (text, model) in cases {
        is_of(&edge.ask(&says(text)), "one", model);
    }
    is_of(&edge.ask(&says("a poem").header("x-task", "no-such-task")), "one", "poet");
}

#[test]
fn keyword_is_looked_for_in_all_that_users_write() {
    let (_one, edge) = site();
    let cases = [
        (CHAT, r#""messages":[{"role":"user","content":[{"type":"text","text":"a \u0070oem"}]}]"#, "poet"),
        (CHAT, r#""messages":[{"role":"user","content":"x"},{"role":"assistant","content":"poem"}]"#, "base"),
        (CHAT, r#""messages":[{"role":"system","content":"poem"},{"role":"user","content":"x"}]"#, "base"),
        (CHAT, r#""messages":[],"metadata":{"a":"poem"},"user":"poem""#, "base"),
        ("/v1/responses", r#""input":"a poem""#, "poet"),
        ("/v1/completions", r#""prompt":["x","a poem"]"#, "poet"),
        ("/v1/messages", r#""system":"x","messages":[{"role":"user","content":"poem"}]"#, "poet"),
    ];
    for (path, members, model) in cases {
        is_of(&edge.ask(&Ask::post(path, format!(r#"{{{members},"model":"auto"}}"#))), "one", model);
    }
}

#[test]
fn call_without_a_model_gets_the_default() {
    let (one, edge) = site();
    for (path, body) in
        [(CHAT, r#"{"messages":[]}"#), ("/v1/responses", r#"{"model":null,"input":"a poem"}"#)]
    {
        is_of(&edge.ask(&Ask::post(path, body)), "one", "base");
    }
    is_of(&edge.ask(&Ask::post("/v1/completions", " { } ")), "one", "base");
    let arrived: Vec<String> = one.requests().iter().map(|request| request.text()).collect();
    let expected =
        [r#"{"messages":[],"model":"b"}"#, r#"{"model":"b","input":"a poem"}"#, r#" { "model":"b"} "#];
    assert_eq!(arrived, expected);
}

#[test]
fn auto_without_a_default_is_unknown_unless_a_task_fits() {
    let one = Upstream::named("one");
    let ai = "
  models: {coder: {input: 1, output: 1}}
  tasks: {code: {model: coder, keywords: [function]}}";
    let edge = edge(ai, ONCE, &[("one", &one.url(), "models: [coder]")]);
    edge.ask(&says("hi")).is_error(404, "model_not_found");
    is_of(&edge.ask(&says("function")), "one", "coder");
}
