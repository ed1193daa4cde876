//! Connections that are used again: many clients at once, few connections to the servers.

use crate::support::edge::{Edge, Settings, server_of};
use crate::support::http::Ask;
use crate::support::scratch::Scratch;
use crate::support::upstream::Upstream;
use crate::support::wait::until;

const SECTIONS: &str = "
frontends:
  web: {bind: [{address: 127.0.0.1:0}], default_backend: ai}
backends:
  ai: {servers: {a: {url: <a>}, b: {url: <b>}, c: {url: <c>}}}";

#[test]
fn fifty_clients_with_two_hundred_requests_each_are_all_answered() {
    let servers = ["a", "b", "c"].map(Upstream::named);
    let urls = servers.each_ref().map(Upstream::url);
    let edge = Edge::start(SECTIONS, &[("a", &urls[0]), ("b", &urls[1]), ("c", &urls[2])]);
    let stuck = std::thread::scope(|scope| {
        let clients: Vec<_> = (0..50)
            .map(|number| {
                scope.spawn({
                    let edge = &edge;
                    move || {
                        let mut client = edge.open();
                        for round in 0..200 {
                            let ask = if (number + round) % 3 == 0 {
                                Ask::chat(false)
                            } else {
                                Ask::get("/v1/models")
                            };
                            assert!(["a", "b", "c"].contains(&server_of(&client.ask(&ask)).as_str()));
                        }
                    }
                })
            })
            .collect();
        clients.into_iter().filter_map(|client| client.join().err()).count()
    });
    let counts = servers.each_ref().map(Upstream::count);
    let answered = edge.log().iter().filter(|line| line["status"] == 200).count();
    assert_eq!(
        stuck, 0,
        "clients without an answer; the servers had {counts:?} requests, {answered} are logged"
    );
    assert_eq!(counts.iter().sum::<usize>(), 10_000);
    assert!(counts.iter().all(|count| count.abs_diff(3333) < 100), "{counts:?}");
    let connections: usize = servers.iter().map(Upstream::connections).sum();
    assert!(connections < 1000, "{connections} connections for 10,000 requests");
    until("nothing is open any more", || edge.metrics().sum("tidegate_connections", &[]) == 0.0);
}

#[test]
fn one_client_needs_one_connection_to_the_server() {
    let one = Upstream::named("one");
    let edge = Edge::start(
        "
frontends:
  web: {bind: [{address: 127.0.0.1:0}], default_backend: ai}
backends:
  ai: {servers: {one: {url: <one>}}}",
        &[("one", &one.url())],
    );
    assert_eq!(edge.servers(50).len(), 50);
    assert_eq!(one.connections(), 1);
}

#[test]
fn connections_above_the_limit_wait_or_are_refused_and_the_admin_is_not() {
    let one = Upstream::named("one");
    let settings = Settings { max_connections: 5, threads: 1, ..Settings::default() };
    let edge = Edge::start_with(
        &settings,
        Scratch::new(),
        "
frontends:
  web: {bind: [{address: 127.0.0.1:0}], default_backend: ai}
backends:
  ai: {servers: {one: {url: <one>}}}",
        &[("one", &one.url())],
    );
    let mut held: Vec<_> = (0..5).map(|_| edge.open()).collect();
    for client in &mut held {
        assert_eq!(client.ask(&Ask::get("/v1/models")).status(), 200);
    }
    let mut sixth = edge.open();
    let _ = sixth.try_send(Ask::get("/v1/models").bytes());
    assert_eq!(edge.admin_get("/health").status(), 200);
    assert_eq!(one.count(), 5, "a connection above the limit was served");
    drop(held);
    until("there is room again", || {
        let mut client = edge.open();
        client.try_send(Ask::get("/v1/models").bytes()).is_ok()
            && client.answer().is_some_and(|answer| answer.status() == 200)
    });
}
