//! A provider that is killed under load: what had content at the client is lost, and the client can tell; all else is asked
//! again elsewhere.

use super::site::Site;
use crate::support::chaos::misbehave::Sent;
use crate::support::chaos::schedule::Fault;
use crate::support::chaos::{Chaos, chat};
use crate::support::http::Connection;
use crate::support::wait::until;

/// In flight when the provider dies, over HTTP/1.1 and on connections of HTTP/2.
const GROUP1: usize = 80;
const GROUP2: usize = 20;
const GROUP: usize = GROUP1 + GROUP2;

/// A server that dies and one that is there for it.
struct Pair {
    victim: Chaos,
    spare: Chaos,
    site: Site,
}

fn pair() -> Pair {
    let (victim, spare) = (Chaos::well("victim"), Chaos::well("spare"));
    let backend = format!(
        "
    retry: {{attempts: 3, backoff: 5ms..50ms, budget: 100%}}
    servers:
      victim: {{url: {}, max_concurrent: 500}}
      spare: {{url: {}, tier: 2, max_concurrent: 20}}",
        victim.url(),
        spare.url()
    );
    let site = Site::start(&backend);
    Pair { victim, spare, site }
}

/// Whether the answer was whole; panics when it was wrong in a way that a client cannot see.
fn over_http1(site: &Site, id: &str, stream: bool) -> bool {
    let answer = Connection::open(site.plain()).ask(&chat::ask(id, stream));
    answer.whole && chat::check(&answer, id).map_or_else(|why| panic!("{why}"), |()| true)
}

/// How many of these were lost.
fn over_http2(site: &Site, ids: &[String], stream: bool) -> usize {
    let mut connection = site.http2();
    let asked: Vec<_> = ids.iter().map(|id| (connection.start(&chat::ask(id, stream)), id)).collect();
    let mut lost = 0;
    for (answer, id) in asked {
        match answer.answer() {
            Ok(answer) => chat::check(&answer, id).unwrap(),
            Err(_) => lost += 1,
        }
    }
    lost
}

#[test]
fn killed_provider_loses_only_what_clients_had_seen_the_beginning_of() {
    let Pair { victim, spare, site } = &pair();
    // Half of the groups are streams; those of the last two have some of their content.
    let groups = [
        (Fault::StallBeforeHead, true),
        (Fault::StallBeforeHead, false),
        (Fault::StallAfterHead, true),
        (Fault::StallAfterContent, true),
        (Fault::StallAfterContent, false),
    ];
    let lost: usize = std::thread::scope(|scope| {
        let mut clients = Vec::new();
        for (group, (fault, stream)) in groups.into_iter().enumerate() {
            victim.act(fault);
            let id = move |number: usize| format!("{group}-{number}");
            for number in 0..GROUP1 {
                let ask = move || usize::from(!over_http1(site, &id(number), stream));
                clients.push(scope.spawn(ask));
            }
            let ids: Vec<String> = (GROUP1..GROUP).map(id).collect();
            clients.push(scope.spawn(move || over_http2(site, &ids, stream)));
            until("the group is with the victim", || victim.received() == (group + 1) * GROUP);
        }
        until("what it will send was sent", || victim.answered(Sent::Content) == 2 * GROUP);
        until("all are in flight", || {
            let labels = [("server", "victim")];
            site.edge.metrics().sum("tidegate_server_in_flight", &labels) == 500.0
        });
        victim.kill();
        clients.into_iter().map(|client| client.join().unwrap()).sum()
    });
    let half_answered = victim.half_answered().len();
    assert!(lost <= half_answered, "{lost} lost, {half_answered} half answered");
    assert_eq!(lost, 2 * GROUP, "only those with content");
    assert_eq!(spare.received(), 3 * GROUP, "the others, each once");
    site.is_at_rest();
}

#[test]
fn provider_killed_while_it_answers_loses_at_most_the_half_answered() {
    let Pair { victim, spare, site } = &pair();
    victim.act(Fault::Drip);
    let lost: usize = std::thread::scope(|scope| {
        let clients: Vec<_> = (0..20)
            .map(|client| {
                scope.spawn(move || {
                    let asks = (0..15).map(|number| {
                        usize::from(!over_http1(site, &format!("{client}-{number}"), number % 2 == 0))
                    });
                    asks.sum::<usize>()
                })
            })
            .collect();
        until("it has answered some", || victim.received() > 100);
        victim.kill();
        clients.into_iter().map(|client| client.join().unwrap()).sum()
    });
    let half_answered = victim.half_answered().len();
    assert!(lost <= half_answered, "{lost} lost, {half_answered} half answered");
    assert!(spare.received() >= 150, "{}", spare.received());
    eprintln!("{lost} lost, {half_answered} half answered");
    site.is_at_rest();
}
