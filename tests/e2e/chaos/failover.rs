//! What a dead server costs: one attempt of a request, until its breaker opens; from then on nothing.

use std::time::Duration;

use super::site::Site;
use crate::support::chaos::{Chaos, chat};
use crate::support::http::Connection;
use crate::support::rude::{Deaf, Refusing};
use crate::support::wait::timed;

const FAILURES: usize = 5;

fn site(dead: &str, well: &Chaos) -> Site {
    Site::start(&format!(
        "
    breaker: {{failures: {FAILURES}, open_for: 60s}}
    eject: off
    retry: {{budget: 100%}}
    timeouts: {{connect: 200ms}}
    servers:
      dead: {{url: {dead}}}
      well: {{url: {}}}",
        well.url()
    ))
}

fn attempts_at_dead(site: &Site) -> usize {
    site.edge.metrics().sum("tidegate_server_attempts_total", &[("server", "dead")]) as usize
}

/// Asks so often, and says how many attempts and how long each took.
fn ask(site: &Site, times: usize) -> Vec<(usize, Duration)> {
    let mut connection = Connection::open(site.plain());
    (0..times)
        .map(|number| {
            let id = format!("{number}");
            let (answer, took) = timed(|| connection.ask(&chat::ask(&id, number % 2 == 0)));
            chat::check(&answer, &id).unwrap();
            (answer.header("x-tidegate-attempts").unwrap().parse().unwrap(), took)
        })
        .collect()
}

fn costs_one_attempt_until_the_breaker_opens(what: &str, dead: &str) {
    let well = Chaos::well("well");
    let site = site(dead, &well);
    let asked = ask(&site, 40);
    assert_eq!(attempts_at_dead(&site), FAILURES);
    let mean = |attempts| {
        let of: Vec<Duration> = asked.iter().filter(|one| one.0 == attempts).map(|one| one.1).collect();
        (of.len(), of.iter().sum::<Duration>() / of.len().max(1) as u32)
    };
    let (straight, failed_over) = (mean(1), mean(2));
    eprintln!("{what}: {straight:.1?} in one attempt, {failed_over:.1?} in two");
    assert_eq!((straight.0, failed_over.0), (40 - FAILURES, FAILURES), "(of one attempt, of two)");
    assert!(ask(&site, 40).iter().all(|one| one.0 == 1), "the breaker is open");
    assert_eq!((attempts_at_dead(&site), well.received()), (FAILURES, 80));
}

#[test]
fn server_that_refuses_connections_costs_one_attempt_until_its_breaker_opens() {
    let refusing = Refusing::new();
    costs_one_attempt_until_the_breaker_opens("refused", &refusing.url());
}

#[test]
fn server_that_does_not_answer_connects_costs_one_attempt_until_its_breaker_opens() {
    let deaf = Deaf::new();
    costs_one_attempt_until_the_breaker_opens("timeout of 200ms", &deaf.url());
}

#[test]
fn crowd_that_meets_a_dead_server_costs_one_attempt_each_at_most() {
    let (refusing, well) = (Refusing::new(), Chaos::well("well"));
    let site = &site(&refusing.url(), &well);
    let asked: Vec<(usize, Duration)> = std::thread::scope(|scope| {
        let clients: Vec<_> = (0..50).map(|_| scope.spawn(move || ask(site, 4))).collect();
        clients.into_iter().flat_map(|client| client.join().unwrap()).collect()
    });
    assert!(asked.iter().all(|one| one.0 <= 2), "{asked:?}");
    let before = attempts_at_dead(site);
    assert_eq!(before, asked.iter().filter(|one| one.0 == 2).count());
    ask(site, 40);
    assert_eq!(attempts_at_dead(site), before, "none once the breaker is open");
}
