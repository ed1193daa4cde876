//! `slow_start`: who comes back gets little first. Most tests make it so long that nothing grows while they look.

use crate::support::edge::Edge;
use crate::support::fickle::Fickle;
use crate::support::http::Ask;
use crate::support::upstream::Upstream;
use crate::support::wait::until;

fn sections(extra: &str, one: &str) -> String {
    format!(
        "
frontends:
  web: {{bind: [{{address: 127.0.0.1:0}}], default_backend: ai}}
backends:
  ai: {{retry: {{attempts: 1}}, cooldown: off, {extra} servers: {{one: {{url: <one>, {one}}}, two: {{url: <two>}}}}}}"
    )
}

const OFF: &str = "breaker: off, eject: off,";

struct Pair {
    edge: Edge,
    one: Fickle,
    two: Upstream,
}

impl Pair {
    fn new(extra: &str, one: &str) -> Pair {
        Pair::behind(extra, one, Fickle::new("one"))
    }

    fn behind(extra: &str, settings: &str, one: Fickle) -> Pair {
        let two = Upstream::named("two");
        let text = sections(extra, settings);
        let edge = Edge::start(&text, &[("one", &one.url()), ("two", &two.url())]);
        Pair { edge, one, two }
    }

    /// How many of so many requests `one` gets.
    fn share(&self, requests: usize) -> usize {
        self.edge.servers(requests).iter().filter(|server| *server == "one").count()
    }

    fn restart(&self) {
        self.edge.command("set server ai/one state maint");
        self.edge.command("set server ai/one state ready");
    }
}

/// A sixteenth of a weight against a whole one: one of seventeen.
const FIRST_STEP: (usize, usize) = (10, 170);

#[test]
fn no_server_starts_slowly_with_the_process() {
    assert_eq!(Pair::new(OFF, "slow_start: 10m").share(40), 20);
}

#[test]
fn after_maintenance_it_begins_with_a_sixteenth() {
    let pair = Pair::new(OFF, "slow_start: 10m");
    assert_eq!(pair.share(10), 5);
    pair.restart();
    assert_eq!(pair.share(FIRST_STEP.1), FIRST_STEP.0);
}

#[test]
fn after_its_breaker_has_closed_too() {
    let pair = Pair::new(
        "breaker: {failures: 1, open_for: 100ms, trial_requests: 1}, eject: off,",
        "slow_start: 10m",
    );
    pair.one.fails(500);
    until("it has failed", || pair.edge.ask(&Ask::chat(false)).status() == 500);
    pair.one.recovers();
    until("it is back", || {
        pair.edge.ask(&Ask::chat(false));
        pair.edge.events_to("one", "up").len() == 1
    });
    assert_eq!(pair.share(FIRST_STEP.1), FIRST_STEP.0);
}

#[test]
fn after_an_ejection_too() {
    let eject = "breaker: off, eject: {error_rate: 0%, over: 1, for: 100ms, up_to: 1s, max_ejected: 100%},";
    let pair = Pair::new(eject, "slow_start: 10m");
    pair.one.fails(500);
    until("it has failed", || pair.edge.ask(&Ask::chat(false)).status() == 500);
    pair.one.recovers();
    until("it is back", || pair.edge.events_to("one", "up").len() == 1);
    assert_eq!(pair.share(FIRST_STEP.1), FIRST_STEP.0);
}

#[test]
fn after_its_checks_had_failed_too() {
    let check = "breaker: off, eject: off, check: {http: {path: /v1/models}, interval: 50ms, timeout: 2s, rise: 1, fall: 1},";
    let pair = Pair::new(check, "slow_start: 10m");
    assert_eq!(pair.share(20), 10, "a first check that passes is no recovery");
    pair.one.fails(500);
    pair.edge.becomes("one", "down");
    pair.one.recovers();
    pair.edge.becomes("one", "up");
    assert_eq!(pair.share(FIRST_STEP.1), FIRST_STEP.0);
}

#[test]
fn after_a_cooldown_it_gets_all_at_once() {
    let pair = Pair::new(OFF, "slow_start: 10m");
    let text = sections(OFF, "slow_start: 10m").replace("cooldown: off", "cooldown: {default: 100ms}");
    pair.edge.reload(&text, &[("one", &pair.one.url()), ("two", &pair.two.url())]);
    pair.one.fails(429);
    until("it was too much", || pair.edge.ask(&Ask::chat(false)).status() == 429);
    pair.one.recovers();
    until("it is back", || pair.edge.events_to("one", "up").len() == 1);
    let share = pair.share(40);
    assert!((19..=21).contains(&share), "{share}");
}

#[test]
fn its_share_grows_until_it_is_whole() {
    let pair = Pair::new(OFF, "slow_start: 2s");
    pair.restart();
    let mut shares = vec![pair.share(34)];
    until("it has its whole share", || {
        let batches = [(); 3].map(|()| pair.share(34));
        shares.extend(batches);
        batches == [17; 3]
    });
    assert!(shares[0] <= 8, "{shares:?}");
    // A step may fall into the middle of a batch and shift the turns of the next one.
    assert!(shares.windows(2).all(|two| two[1] + 2 >= two[0]), "{shares:?}");
    assert!(shares.iter().any(|share| (5..=13).contains(share)), "no step between: {shares:?}");
}

#[test]
fn places_grow_likewise() {
    let pair = Pair::new(&format!("{OFF} queue: {{max: 100}},"), "slow_start: 10m, max_concurrent: 16");
    pair.edge.command("set server ai/two state maint");
    pair.restart();
    pair.one.holds();
    let mut clients: Vec<_> = (0..5)
        .map(|_| {
            let mut client = pair.edge.open();
            client.send(Ask::chat(false).bytes());
            client
        })
        .collect();
    until("one is there, the others wait", || {
        pair.one.count() == 1 && pair.edge.metrics().sum("tidegate_queue_length", &[]) == 4.0
    });
    pair.one.recovers();
    assert!(clients.iter_mut().all(|client| client.answer().unwrap().status() == 200));
}

#[test]
fn places_that_grow_are_given_to_who_waits() {
    let pair = Pair::new(&format!("{OFF} queue: {{max: 100}},"), "slow_start: 1s, max_concurrent: 4");
    pair.edge.command("set server ai/two state maint");
    pair.restart();
    pair.one.holds();
    let clients: Vec<_> = (0..6)
        .map(|_| {
            let mut client = pair.edge.open();
            client.send(Ask::chat(false).bytes());
            client
        })
        .collect();
    until("all four places are taken, though nobody left", || pair.one.count() == 4);
    assert_eq!(pair.edge.metrics().sum("tidegate_queue_length", &[]), 2.0);
    drop(clients);
}

#[test]
fn without_it_a_server_comes_back_whole_and_a_reload_ends_one() {
    let pair = Pair::new(OFF, "weight: 100");
    pair.restart();
    assert_eq!(pair.share(20), 10);
    let urls = [("one", pair.one.url()), ("two", pair.two.url())];
    let values = urls.each_ref().map(|(name, url)| (*name, url.as_str()));
    pair.edge.reload(&sections(OFF, "slow_start: 10m"), &values);
    pair.restart();
    assert!(pair.share(34) <= 3);
    pair.edge.reload(&sections(OFF, "slow_start: 10m, weight: 100"), &values);
    assert!(pair.share(34) <= 3, "a reload does not hurry it");
    pair.edge.reload(&sections(OFF, "weight: 100"), &values);
    let share = pair.share(40);
    assert!((19..=21).contains(&share), "{share}");
}
