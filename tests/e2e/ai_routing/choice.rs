//! Names, aliases and the servers that know them.

use super::{CHAT, ONCE, asked, call, edge, is_of};
use crate::support::edge::{Edge, server_of};
use crate::support::http::{Ask, answer};
use crate::support::upstream::Upstream;

const AI: &str = "
  models: {alpha: {input: 2, output: 8}, beta: {input: 1, output: 1}, gamma: {input: 1, output: 1}}
  aliases: {fast: beta, a/b:c@d: alpha}";

#[test]
fn only_servers_that_know_the_model_are_asked() {
    let [one, two, both, none] = ["one", "two", "both", "none"].map(Upstream::named);
    let edge = edge(
        AI,
        ONCE,
        &[
            ("none", &none.url(), "models: [gamma]"),
            ("one", &one.url(), "models: [alpha]"),
            ("two", &two.url(), "models: [beta]"),
            ("both", &both.url(), "models: {alpha: their-a, beta: their-b}"),
        ],
    );
    let mut client = edge.open();
    for model in ["alpha", "beta"].repeat(10) {
        let answer = client.ask(&call(model));
        assert_eq!((answer.status(), answer.header("x-tidegate-model")), (200, Some(model)));
    }
    assert!(asked(&one).iter().all(|model| model == "alpha"));
    assert!(asked(&two).iter().all(|model| model == "beta"));
    let of_both = asked(&both);
    assert!(of_both.iter().all(|model| model.starts_with("their-")));
    assert!(of_both.contains(&"their-a".to_owned()) && of_both.contains(&"their-b".to_owned()));
    assert_eq!((one.count() + two.count() + both.count(), none.count()), (20, 0));
    assert!(one.count() > 0 && two.count() > 0);
}

#[test]
fn unknown_model_reaches_nobody() {
    let one = Upstream::named("one");
    let edge = edge(AI, ONCE, &[("one", &one.url(), "models: [alpha, beta]")]);
    // The last is known, but by no server of this backend.
    for model in ["delta", "ALPHA", "alpha ", "their-a", "auto", "gamma"] {
        let answer = edge.ask(&call(model));
        answer.is_error(404, "model_not_found");
        assert_eq!(answer.json()["error"]["type"], "invalid_request_error");
        assert_eq!(answer.header("x-tidegate-attempts"), None);
        assert_eq!(answer.header("x-tidegate-model"), None);
    }
    assert_eq!(one.count(), 0);
}

#[test]
fn alias_is_another_name_of_its_model() {
    let one = Upstream::named("one");
    let edge = edge(AI, ONCE, &[("one", &one.url(), "models: {alpha: alpha, beta: b-2}")]);
    is_of(&edge.ask(&call("fast")), "one", "beta");
    is_of(&edge.ask(&call("a\\/b:c@d")), "one", "alpha");
    assert_eq!(asked(&one), ["b-2", "alpha"]);
}

#[test]
fn server_without_models_is_asked_for_any_by_our_name() {
    let one = Upstream::named("one");
    let edge = edge(AI, ONCE, &[("one", &one.url(), "weight: 1")]);
    is_of(&edge.ask(&call("fast")), "one", "beta");
    is_of(&edge.ask(&call("gamma")), "one", "gamma");
    edge.ask(&call("delta")).is_error(404, "model_not_found");
    assert_eq!(asked(&one), ["beta", "gamma"]);
}

#[test]
fn without_a_list_of_models_servers_decide() {
    let [one, two] = ["one", "two"].map(Upstream::named);
    let sections = "
frontends:
  web: {bind: [{address: 127.0.0.1:0}], default_backend: ai}
backends:
  ai: {servers: {one: {url: <one>, models: [alpha]}, two: {url: <two>, models: {beta: b}}}}";
    let edge = Edge::start(sections, &[("one", &one.url()), ("two", &two.url())]);
    for _ in 0..4 {
        assert_eq!(server_of(&edge.ask(&call("alpha"))), "one");
        assert_eq!(server_of(&edge.ask(&call("beta"))), "two");
    }
    edge.ask(&call("gamma")).is_error(404, "model_not_found");
    // A call without one goes to whoever knows better.
    assert_eq!(edge.ask(&Ask::post(CHAT, "{}")).status(), 200);
    assert_eq!(edge.ask(&Ask::get("/v1/models")).status(), 200, "the list of a server");
}

#[test]
fn name_that_no_field_can_carry_passes_where_names_pass() {
    let one = Upstream::named("one");
    let sections = "
tables: {t: {key: model, counters: [http_req_cnt], size: 100, expire: 1m}}
frontends:
  web:
    bind: [{address: 127.0.0.1:0}]
    default_backend: ai
    rules: [{track: t}]
backends:
  ai: {servers: {one: {url: <one>}}}";
    let edge = Edge::start(sections, &[("one", &one.url())]);
    let mut client = edge.open();
    for model in [r"a\r\nset-cookie: b=c\r\n\r\n", r"\u0000", r"\ud83d\ude00", "é", &"x".repeat(100_000)] {
        let body = format!(r#"{{"model":"{model}"}}"#);
        let answer = client.ask(&Ask::post(CHAT, body.as_str()));
        assert_eq!((answer.status(), answer.header("set-cookie")), (200, None), "{}", answer.text());
        assert_eq!(one.requests().last().unwrap().text(), body);
    }
}

#[test]
fn model_is_told_on_every_answer_of_a_server_and_only_ours() {
    let says = Upstream::replying(|request| {
        let status = if request.text().contains("beta") { 400 } else { 200 };
        answer(
            status,
            &[("x-tidegate-model", "theirs"), ("content-type", "text/event-stream")],
            "data: {}\n\n",
        )
    });
    let edge = edge(AI, ONCE, &[("one", &says.url(), "models: [alpha, beta]")]);
    for (model, status) in [("alpha", 200), ("beta", 400)] {
        let answer = edge.ask(&call(model));
        assert_eq!((answer.status(), answer.header("x-tidegate-model")), (status, Some(model)));
    }
}

#[test]
fn key_goes_where_the_server_wants_it_and_the_client_s_goes_nowhere() {
    let [one, two] = ["one", "two"].map(Upstream::named);
    let edge = edge(
        AI,
        ONCE,
        &[
            ("one", &one.url(), "models: [alpha], api_key: key-of-ours, auth: x-api-key"),
            ("two", &two.url(), "models: [beta], api_key: key-of-ours"),
        ],
    );
    for model in ["alpha", "beta"] {
        let ask = call(model)
            .bearer("key-of-the-client")
            .header("x-api-key", "key-of-the-client")
            .header("openai-organization", "org-of-the-client")
            .header("openai-project", "project-of-the-client")
            .header("anthropic-version", "2023-06-01");
        assert_eq!(edge.ask(&ask).status(), 200);
    }
    let (first, second) = (one.request(), two.request());
    assert_eq!((first.header("x-api-key"), first.header("authorization")), (Some("key-of-ours"), None));
    assert_eq!(
        (second.header("x-api-key"), second.header("authorization")),
        (None, Some("Bearer key-of-ours"))
    );
    for request in [first, second] {
        assert_eq!(request.header("anthropic-version"), Some("2023-06-01"));
        let names = ["openai-organization", "openai-project"];
        assert!(
            names.iter().all(|name| request.header(name).is_none()),
            "whose account it is goes with the key"
        );
    }
}
