//! Plain HTTP that sends its clients to TLS.

use crate::support::curl;
use crate::support::edge::Edge;
use crate::support::http::Ask;

fn edge(redirect: &str) -> Edge {
    Edge::start(
        "
frontends:
  web:
    bind: [{address: 127.0.0.1:0}]
    rules: [{redirect: {<redirect>}}]
backends:
  ai: {servers: {one: {url: http://127.0.0.1:1}}}",
        &[("redirect", redirect)],
    )
}

#[track_caller]
fn location(edge: &Edge, target: &str, host: &str) -> (u16, String) {
    let answer = edge.ask(&Ask::get(target).header("host", host));
    (answer.status(), answer.header("location").unwrap_or_default().to_owned())
}

#[test]
fn path_query_and_host_are_kept_and_the_port_is_set() {
    let edge = edge("scheme: https, port: 8443, status: 301");
    let target = "/v1/models?limit=5&q=a%20b//c?d";
    assert_eq!(
        location(&edge, target, "api.example.com:8080"),
        (301, format!("https://api.example.com:8443{target}"))
    );
    assert_eq!(location(&edge, "/", "api.example.com"), (301, "https://api.example.com:8443/".to_owned()));
    assert_eq!(location(&edge, "/a", "[::1]:8080"), (301, "https://[::1]:8443/a".to_owned()));
}

#[test]
fn default_port_is_not_written() {
    let edge = edge("scheme: https, status: 308");
    assert_eq!(
        location(&edge, "/a?b", "api.example.com:8080"),
        (308, "https://api.example.com/a?b".to_owned())
    );
}

#[test]
fn post_is_redirected_without_reading_its_body_as_a_request() {
    let edge = edge("scheme: https, status: 308");
    let mut client = edge.open();
    let answer = client.ask(&Ask::post("/v1/chat/completions", "GET /v1/evil HTTP/1.1\r\nHost: a\r\n\r\n"));
    assert_eq!(answer.status(), 308);
    // Either the connection ends here or the next answer is the next request's.
    if client.try_send(Ask::get("/next").bytes()).is_ok()
        && let Some(next) = client.answer()
    {
        assert_eq!(next.header("location"), Some("https://tidegate.test/next"));
    }
}

#[test]
fn curl_follows_the_status() {
    let edge = edge("scheme: https, port: 8443, status: 302");
    let got = curl::http(edge.address("web"), "/a/b?c=d", &[]);
    assert_eq!((got.exit, got.status), (0, 302), "{got:?}");
    assert_eq!(got.redirect, "https://127.0.0.1:8443/a/b?c=d");
}
