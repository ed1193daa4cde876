//! What a server says of the key that it is given is between it and us.

use super::edge;
use crate::support::edge::server_of;
use crate::support::http::{Ask, answer};
use crate::support::upstream::Upstream;

const ONCE: &str = "retry: {attempts: 3, when: [connect_failure], backoff: 1ms..5ms}";
const OURS: &str = ", api_key: sk-of-us";

fn says(status: u16) -> Upstream {
    Upstream::replying(move |_| {
        answer(
            status,
            &[("content-type", "application/json")],
            r#"{"error":{"message":"key sk-of-us is bad"}}"#,
        )
    })
}

#[test]
fn server_that_refuses_our_key_is_replaced_whatever_when_says() {
    let (bad, good) = (says(401), Upstream::named("good"));
    let edge = edge(ONCE, &[&(bad.url() + OURS), &good.url()]);
    let got = edge.ask(&Ask::chat(false));
    assert_eq!(server_of(&got), "good");
    assert_eq!(got.header("x-tidegate-attempts"), Some("2"));
    // Off the API too: a server that did not let us in did nothing.
    assert_eq!(server_of(&edge.ask(&Ask::post("/orders", "{}"))), "good");
}

#[test]
fn without_another_server_the_client_learns_nothing_of_our_key() {
    for servers in [vec![says(401)], vec![says(401), says(401)]] {
        let urls: Vec<String> = servers.iter().map(|server| server.url() + OURS).collect();
        let urls: Vec<&str> = urls.iter().map(String::as_str).collect();
        let edge = edge(ONCE, &urls);
        for ask in [Ask::chat(false), Ask::chat(true)] {
            let got = edge.ask(&ask);
            got.is_error(503, "no_server_available");
            assert!(!got.text().contains("sk-of-us"), "{}", got.text());
        }
    }
}

#[test]
fn key_of_the_client_that_is_refused_is_the_clients_to_know() {
    let (bad, good) = (says(401), Upstream::named("good"));
    let edge = edge(ONCE, &[&bad.url(), &good.url()]);
    let got = edge.ask(&Ask::chat(false).bearer("sk-of-the-client"));
    assert_eq!((got.status(), got.json()["error"]["message"].as_str()), (401, Some("key sk-of-us is bad")));
    assert_eq!(good.count(), 0);
}

#[test]
fn what_our_key_may_not_do_is_passed_on() {
    for key in [OURS, ""] {
        let (bad, good) = (says(403), Upstream::named("good"));
        let edge = edge(ONCE, &[&(bad.url() + key), &good.url()]);
        assert_eq!(edge.ask(&Ask::chat(false)).status(), 403);
        assert_eq!(good.count(), 0);
    }
}
