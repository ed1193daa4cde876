//! Models of a plan: what its clients may ask for, what stands in for it, and what they are told there is.

use super::listed;
use crate::ai_routing::{CHAT, asked, call};
use crate::support::edge::Edge;
use crate::support::http::{Ask, Message};
use crate::support::upstream::Upstream;

const SECTIONS: &str = "
clients:
  mode: <mode>
  keys:
    - {name: some, key: the-key-of-some, plan: some}
    - {name: all, key: the-key-of-all, plan: all}
    - {name: none, key: the-key-of-no-plan}
plans:
  some: {models: [alpha, fast]}
  all: {requests_per_minute: 1000}
ai:
  default_model: gamma
  models:
    alpha: {input: 2, output: 8, fallback: [gamma, beta]}
    beta: {input: 1, output: 1}
    gamma: {input: 1, output: 1}
    nobody: {input: 1, output: 1}
  aliases: {fast: beta, slow: gamma}
  tasks: {code: {model: gamma, keywords: [function], fallback: [alpha]}}
frontends:
  web: {bind: [{address: 127.0.0.1:0}], default_backend: ai}
  other: {bind: [{address: 127.0.0.1:0}], default_backend: other}
backends:
  ai:
    retry: {attempts: 1}
    breaker: off
    eject: off
    servers: {one: {url: <one>, models: [alpha]}, two: {url: <two>, models: {beta: b, gamma: g}}}
  other: {servers: {two: {url: <two>, models: [beta]}}}";

const SOME: &str = "the-key-of-some";
const ALL: &str = "the-key-of-all";
const NO_PLAN: &str = "the-key-of-no-plan";

fn site(mode: &str, one: Upstream) -> (Edge, Upstream, Upstream) {
    let two = Upstream::named("two");
    let edge = Edge::start(SECTIONS, &[("mode", mode), ("one", &one.url()), ("two", &two.url())]);
    (edge, one, two)
}

#[test]
fn client_may_ask_for_the_models_of_its_plan() {
    let (edge, one, two) = site("required", Upstream::named("one"));
    for (model, status) in [("alpha", 200), ("beta", 200), ("fast", 200), ("gamma", 403), ("slow", 403)] {
        let answer = edge.ask(&call(model).bearer(SOME));
        assert_eq!(answer.status(), status, "{model}: {}", answer.text());
        if status == 403 {
            answer.is_error(403, "forbidden");
            assert_eq!(answer.header("x-tidegate-attempts"), None);
        }
        assert_eq!(edge.ask(&call(model).bearer(ALL)).status(), 200, "{model}");
        assert_eq!(edge.ask(&call(model).bearer(NO_PLAN)).status(), 200, "{model}");
    }
    edge.ask(&call("delta").bearer(SOME)).is_error(404, "model_not_found");
    edge.ask(&call("alpha").bearer("another-key")).is_error(401, "invalid_api_key");
    edge.ask(&call("alpha")).is_error(401, "invalid_api_key");
    assert_eq!(one.count() + two.count(), 3 + 5 + 5);
}

#[test]
fn what_is_chosen_for_a_client_must_be_in_its_plan_too() {
    let (edge, one, two) = site("required", Upstream::named("one"));
    let without = Ask::post(CHAT, r#"{"messages":[]}"#);
    for ask in [call("auto"), call("auto").header("x-task", "code"), without] {
        edge.ask(&ask.clone().bearer(SOME)).is_error(403, "forbidden");
        assert_eq!(edge.ask(&ask.bearer(ALL)).header("x-tidegate-model"), Some("gamma"));
    }
    assert_eq!((one.count(), two.count()), (0, 3));
}

#[test]
fn anthropic_client_is_forbidden_in_its_own_shape() {
    let (edge, ..) = site("required", Upstream::named("one"));
    let ask = Ask::post("/v1/messages", r#"{"model":"gamma","max_tokens":9,"messages":[]}"#);
    let answer = edge.ask(&ask.header("x-api-key", SOME));
    assert_eq!((answer.status(), &answer.json()["error"]["type"]), (403, &"permission_error".into()));
}

#[test]
fn nothing_stands_in_that_the_plan_lacks() {
    let (edge, one, two) = site("required", Upstream::failing(500));
    let model_for = |key: &str| {
        let answer = edge.ask(&call("alpha").bearer(key));
        assert_eq!(answer.status(), 200, "{}", answer.text());
        answer.header("x-tidegate-model").unwrap().to_owned()
    };
    assert_eq!(model_for(ALL), "gamma");
    assert_eq!(model_for(SOME), "beta");
    assert_eq!((one.count(), asked(&two)), (2, vec!["g".to_owned(), "b".to_owned()]));
}

fn models(edge: &Edge, frontend: &str, key: Option<&str>) -> Message {
    let ask = Ask::get("/v1/models");
    let ask = match key {
        Some(key) => ask.bearer(key),
        None => ask,
    };
    crate::support::http::Connection::open(edge.address(frontend)).ask(&ask)
}

#[test]
fn list_has_what_the_client_may_use_and_some_server_knows() {
    let (edge, one, two) = site("required", Upstream::named("one"));
    assert_eq!(listed(&models(&edge, "web", Some(SOME))), ["alpha", "beta"]);
    assert_eq!(listed(&models(&edge, "web", Some(ALL))), ["alpha", "beta", "gamma"]);
    assert_eq!(listed(&models(&edge, "web", Some(NO_PLAN))), ["alpha", "beta", "gamma"]);
    models(&edge, "web", None).is_error(401, "invalid_api_key");
    assert_eq!((one.count(), two.count()), (0, 0), "nobody is asked");
}

#[test]
fn a_model_is_described_as_far_as_the_client_may_use_it() {
    let (edge, one, two) = site("required", Upstream::named("one"));
    let describe = |name: &str, key: &str| edge.ask(&Ask::get(&format!("/v1/models/{name}")).bearer(key));
    let answer = describe("alpha", SOME);
    assert_eq!((answer.status(), &answer.json()["id"]), (200, &"alpha".into()));
    assert_eq!(answer.json()["object"], "model");
    assert_eq!(describe("gamma", ALL).json()["id"], "gamma");
    describe("gamma", SOME).is_error(404, "model_not_found");
    describe("nothing", ALL).is_error(404, "model_not_found");
    assert_eq!((one.count(), two.count()), (0, 0), "nobody is asked");
}

#[test]
fn list_is_that_of_the_backend() {
    let (edge, ..) = site("required", Upstream::named("one"));
    assert_eq!(
        listed(&models(&edge, "other", Some(SOME))),
        ["alpha", "beta"],
        "the first by what stands in for it"
    );
    assert_eq!(listed(&models(&edge, "other", Some(ALL))), ["alpha", "beta"]);
}

#[test]
fn list_of_passthrough_has_all_models() {
    let (edge, ..) = site("passthrough", Upstream::named("one"));
    for key in [None, Some("whatever-the-client-has")] {
        assert_eq!(listed(&models(&edge, "web", key)), ["alpha", "beta", "gamma"]);
    }
    assert_eq!(
        listed(&models(&edge, "web", Some(SOME))),
        ["alpha", "beta"],
        "a key that is known has its plan"
    );
}

#[test]
fn list_counts_as_a_request_of_the_plan() {
    let one = Upstream::named("one");
    let sections = "
clients: {mode: required, keys: [{name: a, key: the-key-of-a, plan: a}]}
plans: {a: {requests_per_minute: 2}}
ai: {models: {alpha: {input: 1, output: 1}}}
frontends:
  web: {bind: [{address: 127.0.0.1:0}], default_backend: ai}
backends:
  ai: {servers: {one: {url: <one>}}}";
    let edge = Edge::start(sections, &[("one", &one.url())]);
    for _ in 0..2 {
        assert_eq!(listed(&models(&edge, "web", Some("the-key-of-a"))), ["alpha"]);
    }
    models(&edge, "web", Some("the-key-of-a")).is_error(429, "rate_limit_exceeded");
}

#[test]
fn refused_model_takes_nothing_of_the_plan() {
    let one = Upstream::named("one");
    let sections = "
clients: {mode: required, keys: [{name: a, key: the-key-of-a, plan: a}]}
plans: {a: {concurrent: 1, models: [alpha]}}
ai: {models: {alpha: {input: 1, output: 1}, beta: {input: 1, output: 1}}}
frontends:
  web: {bind: [{address: 127.0.0.1:0}], default_backend: ai}
backends:
  ai: {servers: {one: {url: <one>}}}";
    let edge = Edge::start(sections, &[("one", &one.url())]);
    for _ in 0..3 {
        edge.ask(&call("beta").bearer("the-key-of-a")).is_error(403, "forbidden");
        edge.ask(&call("delta").bearer("the-key-of-a")).is_error(404, "model_not_found");
        assert_eq!(edge.ask(&call("alpha").bearer("the-key-of-a")).status(), 200);
    }
}

#[test]
fn client_with_some_models_may_make_calls_that_have_none() {
    let (edge, _one, two) = site("required", Upstream::named("one"));
    for path in ["/v1/files", "/v1/responses/resp_1/cancel"] {
        assert_eq!(edge.ask(&Ask::new("POST", path).bearer(SOME)).status(), 200);
    }
    // What a provider would choose by itself is nothing that the plan names.
    edge.ask(&Ask::post("/v1/images/generations", "{}").bearer(SOME)).is_error(403, "forbidden");
    assert_eq!(edge.ask(&Ask::post("/v1/images/generations", "{}").bearer(ALL)).status(), 200);
    drop(two);
}
