//! What was said stays between client and server: no prompt, no answer and no key is in any file.

use std::path::Path;

use crate::support::edge::Edge;
use crate::support::http::{answer, ok};
use crate::support::sse::{completion, whole};
use crate::support::till::{Take, Terms, Till, chat};
use crate::support::upstream::Upstream;
use crate::support::usage_db::UsageDb;

/// In prompts, answers, keys, and whatever else may be one's own.
const MARK: &str = "zebrafinch";

/// No file below has it; how many files there are.
fn search(path: &Path) -> usize {
    let mut files = 0;
    for entry in std::fs::read_dir(path).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files += search(&path);
        } else if let Ok(bytes) = std::fs::read(&path) {
            let found = bytes.windows(MARK.len()).any(|window| window.eq_ignore_ascii_case(MARK.as_bytes()));
            assert!(!found, "{}", path.display());
            files += 1;
        }
    }
    files
}

fn body(stream: bool) -> String {
    format!(
        r#"{{"model":"gpt-4.1","stream":{stream},"user":"{MARK}","messages":[{{"role":"user","content":"the {MARK} sings"}}]}}"#
    )
}

#[test]
fn no_word_of_what_was_said_is_kept() {
    let one = Upstream::replying(|request| match request.header("x-how") {
        Some("stream") => whole(&completion(&format!("the {MARK} sings back"))),
        Some("error") => {
            let body = format!(r#"{{"error":{{"message":"{MARK} is not allowed","code":"{MARK}"}}}}"#);
            answer(400, &[("content-type", "application/json")], body)
        }
        _ => ok(format!(r#"{{"choices":[{{"message":{{"content":"a {MARK}"}}}}],"model":"{MARK}"}}"#)),
    });
    let till = Till::with(&Terms::default(), one);
    for how in ["plain", "stream", "error"] {
        let ask = crate::ai_usage::call("/v1/chat/completions", &body(how == "stream")).bearer("sk-app");
        let ask = ask.header("x-how", how).header("x-mine", MARK).header("user-agent", MARK);
        assert!(till.ask(&ask).text().contains(MARK));
    }
    UsageDb::of(&till.edge).comes_to(3);
    let state = till.edge.directory.path().join("state");
    assert!(search(&state) >= 2, "the file and its journal");
    let directory = till.stop();
    assert!(search(&directory.path().join("state")) >= 1);
}

#[test]
fn no_key_is_kept() {
    let one = Upstream::failing(401);
    let edge = Edge::start(
        "
clients: {mode: passthrough}
ai: {models: {gpt-4.1: {input: 2.00, output: 8.00}}}
frontends:
  web: {bind: [{address: 127.0.0.1:0}], default_backend: ai}
backends:
  ai: {servers: {one: {url: <one>}}}",
        &[("one", &one.url())],
    );
    let key = format!("sk-{MARK}-0123456789");
    edge.ask(&chat(&key, "gpt-4.1", false, 5, Take::default()));
    edge.ask(&crate::ai_usage::call("/v1/messages", &body(false)).header("x-api-key", &key));
    edge.ask(&crate::ai_usage::call(&format!("/v1/chat/completions?key={key}"), &body(false)));
    UsageDb::of(&edge).comes_to(3);
    search(&edge.directory.path().join("state"));
}

/// Where the file lists no models, a name is whatever the client says.
#[test]
fn a_model_that_no_server_took_is_not_kept() {
    let one = Upstream::failing(404);
    let edge = Edge::start(
        "
clients: {mode: required, keys: [{name: app, key: sk-app, plan: p}]}
plans: {p: {tokens_per_minute: 1m}}
frontends:
  web: {bind: [{address: 127.0.0.1:0}], default_backend: ai}
backends:
  ai: {servers: {one: {url: <one>}}}",
        &[("one", &one.url())],
    );
    edge.ask(&chat("sk-app", MARK, false, 5, Take::default()));
    UsageDb::of(&edge).comes_to(1);
    search(&edge.directory.path().join("state"));
}
