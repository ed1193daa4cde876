//! Calls under paths that only end like those of an AI API: they are calls where they name a model, and anybody's requests
//! where they do not.

use crate::ai_bodies::edge;
use crate::ai_usage::{Counted, SECTIONS, call, counted_since, json, usage};
use crate::support::edge::Edge;
use crate::support::http::Ask;
use crate::support::site::Site;
use crate::support::upstream::Upstream;

/// However a provider, or a client that would rather not be counted, spells them.
const SPELT: [&str; 7] = [
    "/chat/completions",
    "/openai/v1/chat/completions",
    "/V1/chat/Completions",
    "//v1/chat/completions/",
    "/api/v3/chat%2fcompletion%73",
    "/x/../anthropic/v1/messages",
    "/inference/responses?api-version=1",
];

const KNOWN: &str = r#"{"model":"gpt-4.1","messages":[]}"#;

/// The body that came to the server last.
#[track_caller]
fn last(one: &Upstream) -> String {
    one.requests().last().expect("a request").text()
}

#[test]
fn call_under_any_prefix_goes_by_its_model() {
    let one = Upstream::named("one");
    let edge = edge("new", &one);
    for path in SPELT {
        let answer = edge.ask(&call(path, KNOWN));
        assert_eq!((answer.status(), answer.header("x-tidegate-model")), (200, Some("gpt-4.1")), "{path}");
        assert_eq!(last(&one), r#"{"model":"new","messages":[]}"#, "{path}");
        let before = one.count();
        edge.ask(&call(path, r#"{"model":"gpt-9"}"#)).is_error(404, "model_not_found");
        edge.ask(&call(path, r#"{"model":"gpt-4.1","model":"whisper-1"}"#)).is_error(400, "bad_request");
        assert_eq!(one.count(), before, "{path}");
    }
}

#[test]
fn call_under_any_prefix_is_counted_and_asked_for_its_usage() {
    let body = format!(r#"{{"id":"c","choices":[],"usage":{}}}"#, usage(10, 5));
    for path in SPELT {
        let site = Site::new(SECTIONS, "    rules: [{track: t}]", json(&body));
        assert_eq!(site.ask(&call(path, KNOWN)).text(), body);
        let counted = counted_since(&site.edge, Counted::default());
        assert_eq!(counted, Counted { tokens: 15, cost: 10 * 2 + 5 * 8 }, "{path}");
    }
    let site = Site::new(SECTIONS, "", json(&body));
    site.ask(&call("/openai/v1/chat/completions", r#"{"model":"gpt-4.1","stream":true}"#));
    assert!(last(&site.one).contains("include_usage"), "{}", last(&site.one));
}

#[test]
fn plan_that_lacks_the_model_is_not_passed_by_another_path() {
    let one = Upstream::named("one");
    let edge = Edge::start(
        "
clients: {mode: required, keys: [{name: app, key: the-key-of-the-app, plan: small}]}
plans: {small: {models: [beta]}}
ai: {models: {alpha: {input: 1, output: 1}, beta: {input: 1, output: 1}}}
frontends:
  web: {bind: [{address: 127.0.0.1:0}], default_backend: ai}
backends:
  ai: {servers: {one: {url: <one>, models: [alpha, beta]}}}",
        &[("one", &one.url())],
    );
    for path in SPELT {
        let ask = |model: &str| call(path, &format!(r#"{{"model":"{model}"}}"#)).bearer("the-key-of-the-app");
        edge.ask(&ask("alpha")).is_error(403, "forbidden");
        assert_eq!(edge.ask(&ask("beta")).status(), 200, "{path}");
    }
    assert_eq!(one.count(), SPELT.len());
}

#[test]
fn form_under_any_prefix_goes_by_its_model() {
    let one = Upstream::named("one");
    let edge = edge("new", &one);
    let form = |model: &str| {
        let field = |name: &str, value: &str| {
            format!("--b\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n")
        };
        let body = [field("language", "en"), field("model", model), "--b--\r\n".to_owned()].concat();
        Ask::post("/openai/audio/transcriptions", body)
            .header("content-type", "multipart/form-data; boundary=b")
    };
    assert_eq!(edge.ask(&form("gpt-4.1")).status(), 200);
    assert!(last(&one).contains("\r\n\r\nnew\r\n"), "{}", last(&one));
    edge.ask(&form("gpt-9")).is_error(404, "model_not_found");
}

#[test]
fn what_names_no_model_there_passes_as_it_came() {
    let one = Upstream::named("one");
    let edge = edge("new", &one);
    let bodies = [
        r#"{"to":"anna","text":"hello"}"#,
        r#"{"model":null}"#,
        r#"{"model":{"wheels":4}}"#,
        r#"{"to":"anna""#,
        r#"[{"model":"gpt-9"}]"#,
        "  ",
        "to=anna&text=hello",
        "\u{0}\u{1f}hello",
    ];
    for path in ["/api/messages", "/openai/deployments/gpt-4.1/chat/completions", "/v1/threads/t/messages"] {
        for body in bodies {
            let ask = Ask::post(path, body);
            for ask in [ask.clone(), ask.clone().chunked(), ask.header("content-encoding", "gzip")] {
                let answer = edge.ask(&ask);
                assert_eq!(
                    (answer.status(), answer.header("x-tidegate-model")),
                    (200, None),
                    "{path} {body}"
                );
                assert_eq!(last(&one), body, "{path}");
            }
        }
        let form = Ask::post(path, "--b\r\nhello").header("content-type", "multipart/form-data; boundary=b");
        assert_eq!(edge.ask(&form).status(), 200, "{path}");
        assert_eq!(edge.ask(&Ask::get(path)).status(), 200, "{path}");
        assert_eq!(edge.ask(&Ask::new("PUT", path)).status(), 200, "{path}");
    }
}

#[test]
fn model_in_a_body_that_says_to_be_something_else_is_refused_there_too() {
    let one = Upstream::named("one");
    let edge = edge("new", &one);
    let ask = || Ask::post("/openai/v1/chat/completions", KNOWN);
    let twice = ask().header("content-type", "text/plain").header("content-type", "application/json");
    let form = ask().header("content-type", "multipart/form-data; boundary=b");
    let encoded = ask().header("content-encoding", "br");
    for ask in [twice, form, encoded] {
        edge.ask(&ask).is_error(400, "bad_request");
    }
    assert_eq!(one.count(), 0);
    assert_eq!(edge.ask(&ask().header("content-type", "text/plain")).status(), 200);
    assert_eq!(last(&one), r#"{"model":"new","messages":[]}"#);
}

#[test]
fn body_that_is_too_large_is_refused_under_any_path() {
    let one = Upstream::named("one");
    let edge = Edge::start(
        "
ai: {models: {gpt-4.1: {input: 1, output: 1}}}
frontends:
  web: {bind: [{address: 127.0.0.1:0}], default_backend: ai, max_request_body: 64}
backends:
  ai: {servers: {one: {url: <one>}}}",
        &[("one", &one.url())],
    );
    let large = format!(r#"{{"model":"gpt-4.1","x":"{}"}}"#, "x".repeat(100));
    for ask in [call("/api/messages", &large), call("/api/messages", &large).chunked()] {
        assert_eq!(edge.ask(&ask).status(), 413);
    }
    assert_eq!(one.count(), 0);
}
