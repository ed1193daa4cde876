//! Conditions and tables that ask for the model and the task of a call.

use super::listed;
use crate::ai_routing::{CHAT, call};
use crate::support::edge::{Edge, server_of};
use crate::support::http::Ask;
use crate::support::upstream::Upstream;

const SECTIONS: &str = r#"
ai:
  default_model: gpt-mini
  models:
    gpt-large: {input: 2, output: 8}
    gpt-mini: {input: 1, output: 1}
    claude: {input: 1, output: 1}
  aliases: {fast: gpt-mini}
  tasks: {code: {model: claude, keywords: [function]}}
acls:
  large: {model: gpt-large}
  gpt: {model: gpt-*}
  quick: {model: fast}
  code: {task: code}
<more>
frontends:
  web:
    bind: [{address: 127.0.0.1:0}]
    default_backend: rest
    rules:
      - {set_header: {x-quick: "yes"}, if: quick}
<rules>
backends:
  large: {servers: {large: {url: <large>}}}
  gpt: {servers: {gpt: {url: <gpt>}}}
  rest: {servers: {rest: {url: <rest>}}}"#;

struct Three {
    edge: Edge,
    large: Upstream,
    gpt: Upstream,
    rest: Upstream,
}

fn site(more: &str, rules: &str) -> Three {
    let [large, gpt, rest] = ["large", "gpt", "rest"].map(Upstream::named);
    let urls = [("large", &*large.url()), ("gpt", &gpt.url()), ("rest", &rest.url())];
    let edge = Edge::start(SECTIONS, &[[("more", more), ("rules", rules)].as_slice(), &urls].concat());
    Three { edge, large, gpt, rest }
}

const ROUTES: &str = "
      - {use_backend: large, if: large}
      - {use_backend: gpt, if: gpt}";

#[test]
fn model_chooses_the_backend() {
    let site = site("", ROUTES);
    let mut client = site.edge.open();
    for (model, server) in
        [("gpt-large", "large"), ("gpt-mini", "gpt"), ("fast", "gpt"), ("claude", "rest"), ("auto", "gpt")]
    {
        assert_eq!(server_of(&client.ask(&call(model))), server, "{model}");
    }
    assert_eq!(server_of(&client.ask(&Ask::post(CHAT, "{}"))), "gpt", "the default's");
    assert_eq!(server_of(&client.ask(&Ask::post("/v1/files", "gpt-large"))), "rest");
    assert_eq!(server_of(&client.ask(&Ask::get("/v1/files?model=gpt-large"))), "rest");
    client.ask(&call("gpt-huge")).is_error(404, "model_not_found");
    let quick: Vec<_> =
        site.gpt.requests().iter().map(|request| request.header("x-quick").is_some()).collect();
    assert_eq!(quick, [true; 4]);
    assert!(
        site.large
            .requests()
            .iter()
            .chain(&site.rest.requests())
            .all(|request| request.header("x-quick").is_none())
    );
}

#[test]
fn list_has_the_models_of_all_backends_that_their_calls_go_to() {
    let [one, two] = ["one", "two"].map(Upstream::named);
    let sections = "
ai: {models: {alpha: {input: 1, output: 1}, beta: {input: 1, output: 1}, gamma: {input: 1, output: 1}}}
acls: {alpha: {model: alpha}, beta: {model: beta}, gamma: {model: gamma}, insider: {header: x-insider, present: true}}
frontends:
  web:
    bind: [{address: 127.0.0.1:0}]
    rules:
      - {deny: {status: 403}, if: gamma and not insider}
      - {use_backend: one, if: alpha}
      - {use_backend: two, if: beta or gamma}
backends:
  one: {servers: {one: {url: <one>, models: [alpha, beta]}}}
  two: {servers: {two: {url: <two>, models: [beta, gamma, alpha]}}}";
    let edge = Edge::start(sections, &[("one", &one.url()), ("two", &two.url())]);
    let list = Ask::get("/v1/models");
    assert_eq!(listed(&edge.ask(&list)), ["alpha", "beta"]);
    assert_eq!(listed(&edge.ask(&list.header("x-insider", "a"))), ["alpha", "beta", "gamma"]);
    assert_eq!(server_of(&edge.ask(&call("alpha"))), "one");
    assert_eq!(server_of(&edge.ask(&call("beta"))), "two");
    edge.ask(&call("gamma")).is_error(403, "forbidden");
    edge.ask(&Ask::get("/v1/files")).is_error(503, "no_server_available");
}

#[test]
fn large_call_is_routed_whole() {
    let site = site("", ROUTES);
    let body = format!(r#"{{"input":"{}","model":"gpt-large"}}"#, "x".repeat(2_000_000));
    for ask in
        [Ask::post("/v1/embeddings", body.as_str()), Ask::post("/v1/embeddings", body.as_str()).chunked()]
    {
        assert_eq!(server_of(&site.edge.ask(&ask)), "large");
    }
    assert!(site.large.requests().iter().all(|request| request.text() == body));
}

#[test]
fn task_is_a_condition_where_it_has_chosen() {
    let site = site("", "      - {use_backend: large, if: code}");
    let text = |model: &str| {
        format!(r#"{{"model":"{model}","messages":[{{"role":"user","content":"a function"}}]}}"#)
    };
    assert_eq!(server_of(&site.edge.ask(&Ask::post(CHAT, text("auto")))), "large");
    assert_eq!(server_of(&site.edge.ask(&call("auto").header("x-task", "code"))), "large");
    assert_eq!(server_of(&site.edge.ask(&call("auto"))), "rest");
    assert_eq!(server_of(&site.edge.ask(&Ask::post(CHAT, text("claude")))), "rest", "the client has chosen");
    assert_eq!(server_of(&site.edge.ask(&call("claude").header("x-task", "code"))), "rest");
}

#[test]
fn model_can_be_denied() {
    let site = site("", "      - {deny: {status: 403}, if: large}");
    site.edge.ask(&call("gpt-large")).is_error(403, "forbidden");
    assert_eq!(server_of(&site.edge.ask(&call("gpt-mini"))), "rest");
    assert_eq!((site.large.count(), site.rest.count()), (0, 1));
}

#[test]
fn table_by_model_counts_each_by_itself() {
    let more = "
  many: {table: by-model, counter: http_req_rate, above: 2}
tables: {by-model: {key: model, counters: [http_req_rate(1m)], size: 100, expire: 5m}}";
    let rules = "      - {track: by-model}\n      - {deny: {status: 429}, if: many}";
    let site = site(more, rules);
    for model in ["gpt-large", "gpt-mini"] {
        for _ in 0..2 {
            assert_eq!(site.edge.ask(&call(model)).status(), 200);
        }
        assert_eq!(site.edge.ask(&call(model)).status(), 429, "{model}");
    }
    // An alias is no way around it.
    assert_eq!(site.edge.ask(&call("fast")).status(), 429);
    assert_eq!(site.edge.ask(&call("claude")).status(), 200);
    for _ in 0..5 {
        assert_eq!(site.edge.ask(&Ask::get("/v1/files")).status(), 200, "what has no model is not counted");
    }
}

#[test]
fn table_by_plan_counts_all_its_clients_together() {
    let one = Upstream::named("one");
    let sections = "
clients:
  mode: required
  keys: [{name: a, key: the-key-of-a, plan: p}, {name: b, key: the-key-of-b, plan: p}, {name: c, key: the-key-of-c, plan: q}]
plans: {p: {concurrent: 100}, q: {concurrent: 100}}
tables: {by-plan: {key: plan, counters: [http_req_rate(1m)], size: 100, expire: 5m}}
acls: {many: {table: by-plan, counter: http_req_rate, above: 2}}
frontends:
  web:
    bind: [{address: 127.0.0.1:0}]
    default_backend: ai
    rules: [{track: by-plan}, {deny: {status: 429}, if: many}]
backends:
  ai: {servers: {one: {url: <one>}}}";
    let edge = Edge::start(sections, &[("one", &one.url())]);
    let status = |key: &str| edge.ask(&call("x").bearer(key)).status();
    assert_eq!([status("the-key-of-a"), status("the-key-of-b"), status("the-key-of-a")], [200, 200, 429]);
    assert_eq!(status("the-key-of-c"), 200);
}

#[test]
fn limit_of_bodies_is_that_of_the_backend_which_the_model_chooses() {
    let [one, two] = ["one", "two"].map(Upstream::named);
    let sections = "
acls: {alpha: {model: alpha}}
defaults: {max_request_body: 1000}
frontends:
  web: {bind: [{address: 127.0.0.1:0}], default_backend: small, rules: [{use_backend: large, if: alpha}]}
backends:
  small: {servers: {one: {url: <one>}}}
  large: {max_request_body: 2000, servers: {two: {url: <two>}}}";
    let edge = Edge::start(sections, &[("one", &one.url()), ("two", &two.url())]);
    let body = |model: &str, size: usize| {
        let head = format!(r#"{{"model":"{model}","x":""#);
        format!(r#"{head}{}"}}"#, "x".repeat(size - head.len() - 2))
    };
    for (model, size, status) in [
        ("alpha", 2000, 200),
        ("alpha", 2001, 413),
        ("beta", 1000, 200),
        ("beta", 1001, 413),
        ("beta", 5000, 413),
    ] {
        let ask = Ask::post(CHAT, body(model, size));
        assert_eq!(edge.ask(&ask).status(), status, "{model} {size}");
        assert_eq!(edge.ask(&ask.chunked()).status(), status, "{model} {size} in chunks");
    }
    assert_eq!((one.count(), two.count()), (2, 2));
}

#[test]
fn client_without_a_key_is_not_asked_for_its_call() {
    let one = Upstream::named("one");
    let sections = "
clients: {mode: required, keys: [{name: a, key: the-key-of-a}]}
acls: {alpha: {model: alpha}}
frontends:
  web: {bind: [{address: 127.0.0.1:0}], default_backend: ai, rules: [{deny: {status: 403}, if: alpha}]}
backends:
  ai: {servers: {one: {url: <one>, models: [alpha, beta]}}}";
    let edge = Edge::start(sections, &[("one", &one.url())]);
    let head =
        format!("POST {CHAT} HTTP/1.1\r\nHost: a.test\r\nExpect: 100-continue\r\nContent-Length: 17\r\n");
    let mut stranger = edge.open();
    stranger.send(format!("{head}\r\n"));
    assert_eq!(stranger.head().unwrap().status(), 401);
    let mut client = edge.open();
    client.send(format!("{head}authorization: Bearer the-key-of-a\r\n\r\n"));
    assert_eq!(client.head().unwrap().status(), 100);
    client.send(r#"{"model":"alpha"}"#);
    client.answer().unwrap().is_error(403, "forbidden");
    assert_eq!(one.count(), 0);
}

#[test]
fn who_is_refused_before_the_model_is_asked_for_sends_no_body() {
    let one = Upstream::named("one");
    let edge = Edge::start(
        "
acls: {here: {src: [127.0.0.0/8]}, large: {model: gpt-large}}
frontends:
  web:
    bind: [{address: 127.0.0.1:0}]
    default_backend: ai
    rules:
      - {deny: {status: 403}, if: here}
      - {deny: {status: 429}, if: large}
backends: {ai: {servers: {one: {url: <one>}}}}",
        &[("one", &one.url())],
    );
    let mut client = edge.open();
    client.send(b"POST /v1/chat/completions HTTP/1.1\r\nhost: a\r\ncontent-length: 1000\r\n\r\n");
    assert_eq!(client.head().expect("an answer before the body").status(), 403);
}
