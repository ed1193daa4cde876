//! What reaches the server: its own Host, path and key, and nothing that was meant for the hop before.

use crate::support::edge::Edge;
use crate::support::http::{Ask, Message};
use crate::support::upstream::Upstream;

/// Sends `ask` through an edge whose only server has the URL of the upstream plus `path`, and the settings `more`.
fn reaching(path: &str, more: &str, clients: &str, ask: &Ask) -> (Message, Upstream) {
    let one = Upstream::named("one");
    let edge = Edge::start(
        "
<clients>
frontends:
  web: {bind: [{address: 127.0.0.1:0}], default_backend: ai}
backends:
  ai: {servers: {one: {url: <one><path><more>}}}",
        &[("clients", clients), ("one", &one.url()), ("path", path), ("more", more)],
    );
    let answer = edge.ask(ask);
    assert_eq!(answer.status(), 200, "{}", answer.text());
    (one.request(), one)
}

fn target(path: &str, asked: &str) -> String {
    reaching(path, "", "", &Ask::get(asked)).0.head.target().to_owned()
}

#[test]
fn base_path_replaces_the_leading_v1() {
    assert_eq!(target("/api/v1", "/v1/chat/completions?a=b"), "/api/v1/chat/completions?a=b");
    assert_eq!(target("/openai", "/v1/models"), "/openai/models");
    assert_eq!(target("/v1", "/v1/models"), "/v1/models");
    assert_eq!(target("/api/v1/", "/v1/models"), "/api/v1/models");
}

#[test]
fn path_stays_where_nothing_is_to_be_replaced() {
    assert_eq!(target("", "/v1/models"), "/v1/models");
    assert_eq!(target("/api/v1", "/other/models?x"), "/other/models?x");
    assert_eq!(target("/api/v1", "/v10/models"), "/v10/models");
    assert_eq!(target("/api/v1", "/v1"), "/api/v1");
}

#[test]
fn encoded_targets_stay_as_they_were_written() {
    assert_eq!(target("", "/a%2Fb/%7Ec//d/e?x=%20&y=+&z=/../"), "/a%2Fb/%7Ec//d/e?x=%20&y=+&z=/../");
}

#[test]
fn dot_segments_reach_no_server() {
    assert_eq!(target("", "/internal/../v1/models?a=/../b"), "/v1/models?a=/../b");
    assert_eq!(target("", "/internal/%2e%2E/v1//models"), "/v1//models");
}

#[test]
fn host_is_the_servers_own() {
    let (request, one) =
        reaching("/v1", "", "", &Ask::get("/v1/models").header("Host", "public.example.com"));
    assert_eq!(request.header("host"), Some(one.address().to_string().as_str()));
}

#[test]
fn api_key_replaces_the_clients_own() {
    let ask = Ask::get("/v1/models").bearer("the-clients-own-key");
    let (request, _one) = reaching("", ", api_key: sk-of-the-server", "", &ask);
    assert_eq!(request.header("authorization"), Some("Bearer sk-of-the-server"));
    assert!(!format!("{request:?}").contains("the-clients-own-key"));
}

#[test]
fn api_key_is_added_where_the_client_has_none() {
    let (request, _one) = reaching("", ", api_key: sk-of-the-server", "", &Ask::get("/v1/models"));
    assert_eq!(request.header("authorization"), Some("Bearer sk-of-the-server"));
}

#[test]
fn known_key_never_reaches_a_server() {
    let clients = "clients: {mode: required, keys: [{name: app, key: the-clients-own-key}]}";
    let ask = Ask::get("/v1/models").bearer("the-clients-own-key");
    let (request, _one) = reaching("", "", clients, &ask);
    assert!(!format!("{request:?}").contains("the-clients-own-key"), "{request:?}");
    let (request, _one) = reaching("", ", api_key: sk-of-the-server", clients, &ask);
    assert_eq!(request.header("authorization"), Some("Bearer sk-of-the-server"));
}

#[test]
fn key_in_passthrough_reaches_a_server_without_one() {
    let ask = Ask::get("/v1/models").bearer("the-clients-own-key");
    let (request, _one) = reaching("", "", "clients: {mode: passthrough}", &ask);
    assert_eq!(request.header("authorization"), Some("Bearer the-clients-own-key"));
}

#[test]
fn headers_of_the_hop_do_not_travel() {
    let ask = Ask::post("/v1/chat/completions", "{}")
        .header("Connection", "keep-alive, X-Secret-Of-The-Hop, x-other")
        .header("X-Secret-Of-The-Hop", "1")
        .header("X-Other", "1")
        .header("Keep-Alive", "timeout=5")
        .header("Proxy-Connection", "keep-alive")
        .header("Proxy-Authorization", "Basic abc")
        .header("TE", "trailers, deflate")
        .header("X-Kept", "yes");
    let (request, _one) = reaching("", "", "", &ask);
    for name in ["x-secret-of-the-hop", "x-other", "keep-alive", "proxy-connection", "proxy-authorization"] {
        assert_eq!(request.head.all(name), Vec::<&str>::new(), "{name}");
    }
    assert_eq!(request.header("x-kept"), Some("yes"));
    // What tidegate itself accepts it may say on its own behalf, nothing else of the client's `TE`.
    assert!(matches!(request.header("te"), None | Some("trailers")), "{request:?}");
    assert!(!request.head.all("connection").join(",").to_lowercase().contains("x-"));
}

#[test]
fn connection_cannot_name_what_is_needed() {
    let ask = Ask::post("/v1/chat/completions", "{\"a\":1}")
        .header("Connection", "content-length, host, authorization, x-forwarded-for, x-request-id")
        .header("X-Request-Id", "mine");
    let one = Upstream::named("one");
    let edge = Edge::start(
        "
frontends:
  web: {bind: [{address: 127.0.0.1:0}], default_backend: ai}
backends:
  ai: {servers: {one: {url: <one>, api_key: sk-of-the-server}}}",
        &[("one", &one.url())],
    );
    let answer = edge.ask(&ask);
    if answer.status() == 400 {
        return assert_eq!(one.count(), 0, "refused, so not sent");
    }
    let request = one.request();
    assert_eq!(request.body, b"{\"a\":1}");
    assert_eq!(request.header("authorization"), Some("Bearer sk-of-the-server"));
    assert_eq!(request.header("x-forwarded-for"), Some("127.0.0.1"));
    assert!(request.header("host").is_some() && request.header("x-request-id").is_some());
}

#[test]
fn other_headers_and_the_body_arrive_untouched() {
    let ask = Ask::post("/v1/chat/completions", vec![0, 255, 13, 10, 0])
        .header("Accept", "text/event-stream")
        .header("OpenAI-Organization", "org-1")
        .header("x-twice", "a")
        .header("x-twice", "b")
        .header("Cookie", "a=b; c=d");
    let (request, _one) = reaching("", "", "", &ask);
    assert_eq!(request.body, [0, 255, 13, 10, 0]);
    assert_eq!(request.header("accept"), Some("text/event-stream"));
    assert_eq!(request.header("openai-organization"), Some("org-1"));
    assert_eq!(request.head.all("x-twice"), ["a", "b"]);
    assert_eq!(request.header("cookie"), Some("a=b; c=d"));
}

#[test]
fn absolute_form_reaches_the_server_in_origin_form() {
    let ask = Ask::get("http://tidegate.test/v1/models?a").header("Host", "tidegate.test");
    let (request, _one) = reaching("", "", "", &ask);
    assert_eq!(request.head.target(), "/v1/models?a");
}
