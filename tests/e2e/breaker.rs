//! `breaker`: who fails so many times in a row is left alone, then tried with a few requests.

use std::time::Duration;

use crate::support::edge::{Edge, server_of};
use crate::support::fickle::{Does, Fickle};
use crate::support::http::{Ask, Connection, answer};
use crate::support::rude::{Deaf, EVENT_STREAM_HEAD, Refusing, event};
use crate::support::upstream::Upstream;
use crate::support::wait::until;

const CONTENT: &str = r#"{"choices":[{"index":0,"delta":{"content":"hi"}}]}"#;
const ROLE: &str = r#"{"choices":[{"index":0,"delta":{"role":"assistant"}}]}"#;

/// Frontend and backend `ai`; nothing but the breaker takes a server out.
fn sections(breaker: &str, patience: &str, servers: &str) -> String {
    format!(
        "
defaults: {{timeouts: {{connect: {patience}, first_byte: {patience}, first_content: {patience}, server: {patience}}}}}
frontends:
  web: {{bind: [{{address: 127.0.0.1:0}}], default_backend: ai}}
backends:
  ai: {{retry: {{attempts: 1}}, breaker: {breaker}, eject: off, cooldown: off, servers: {{{servers}}}}}"
    )
}

const TIERS: &str = "one: {url: <one>}, two: {url: <two>, tier: 2}";
const ALONE: &str = "one: {url: <one>}";

/// `one`, and `two` for what does not go there.
fn pair(breaker: &str, one: &str, two: &Upstream) -> Edge {
    Edge::start(&sections(breaker, "20s", TIERS), &[("one", one), ("two", &two.url())])
}

fn alone(breaker: &str, one: &Fickle) -> Edge {
    Edge::start(&sections(breaker, "20s", ALONE), &[("one", &one.url())])
}

fn stream(events: &[&str]) -> Vec<u8> {
    events.iter().fold(EVENT_STREAM_HEAD.as_bytes().to_vec(), |all, data| [all, event(data)].concat())
}

fn opened(edge: &Edge) -> usize {
    edge.events_to("one", "breaker_open").len()
}

/// Opens with the third failure and not before; `why` is what the event says of the last one.
fn opens_by_three(patience: &str, url: &str, why: &str, kind: &str) {
    let two = Upstream::named("two");
    let text = sections("{failures: 3, open_for: 60s}", patience, TIERS);
    let edge = Edge::start(&text, &[("one", url), ("two", &two.url())]);
    for count in 1..=3_u8 {
        assert_eq!(two.count(), 0, "{why}: taken out before the third failure");
        let mut client = edge.open();
        client.send(Ask::chat(true).bytes());
        let _ = client.answer();
        until(&format!("failure {count} is counted: {why}"), || {
            let metrics = edge.metrics();
            metrics.sum("tidegate_server_failures_total", &[("server", "one"), ("kind", kind)])
                >= count.into()
        });
    }
    let opened = edge.event_to("one", "breaker_open");
    let text = opened["why"].as_str().unwrap();
    assert!(text.contains("3 failures in a row") && text.contains(why), "{text}");
    assert_eq!(opened["expected_seconds"], 60.0);
    for _ in 0..3 {
        assert_eq!(server_of(&edge.ask(&Ask::chat(false))), "two", "{why}");
    }
}

/// The same of a server that does this, and which is not asked again.
fn opens_by_doing(patience: &str, does: Does, why: &str, kind: &str) {
    let one = Fickle::new("one");
    one.does(does);
    opens_by_three(patience, &one.url(), why, kind);
    assert_eq!(one.count(), 3, "{why}");
}

#[test]
fn opens_when_connects_fail() {
    opens_by_three("20s", &Refusing::new().url(), "no connection", "connect");
}

#[test]
fn opens_when_connects_are_not_answered() {
    opens_by_three("200ms", &Deaf::new().url(), "no connection in time", "connect_timeout");
}

#[test]
fn opens_by_5xx() {
    for status in [500, 502, 503, 504, 507, 529, 599] {
        let says = Does::Says(answer(status, &[], "{}"));
        opens_by_doing("20s", says, &format!("status {status}"), "status");
    }
}

#[test]
fn opens_by_answers_that_do_not_come() {
    opens_by_doing("20s", Does::Ends(Vec::new()), "closed without an answer", "empty");
    opens_by_doing("200ms", Does::Stalls(Vec::new()), "no answer in time", "first_byte");
}

#[test]
fn opens_by_answers_that_are_not_http() {
    opens_by_doing("20s", Does::Ends(b"SSH-2.0-OpenSSH_9.6\r\n\r\n".to_vec()), "not HTTP", "broken");
    let chunks = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzzz\r\n".to_vec();
    opens_by_doing("20s", Does::Ends(chunks), "not HTTP", "broken");
}

#[test]
fn opens_by_answers_cut_in_the_middle() {
    let short = b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nsome".to_vec();
    opens_by_doing("20s", Does::Ends(short), "answer cut", "cut");
    opens_by_doing("20s", Does::Ends(stream(&[CONTENT])), "answer cut", "cut");
    opens_by_doing("20s", Does::Ends(stream(&[ROLE])), "answer cut", "cut");
}

#[test]
fn opens_by_streams_that_stand_still() {
    opens_by_doing("200ms", Does::Stalls(stream(&[CONTENT])), "stood still", "silent");
    opens_by_doing("200ms", Does::Stalls(stream(&[ROLE])), "no first content", "first_content");
}

#[test]
fn opens_by_streams_that_begin_with_an_error() {
    let error = r#"{"error":{"message":"overloaded","type":"server_error","code":"server_error"}}"#;
    let mut bytes = stream(&[error]);
    bytes.extend_from_slice(b"0\r\n\r\n");
    opens_by_doing("20s", Does::Says(bytes), "error event", "error_event");
}

#[test]
fn clients_mistakes_and_what_nobody_can_do_are_no_failures() {
    let (one, two) = (Fickle::new("one"), Upstream::named("two"));
    let edge = pair("{failures: 1, open_for: 60s}", &one.url(), &two);
    for status in [400, 401, 402, 403, 404, 408, 409, 413, 422, 429, 451, 499, 501, 505] {
        one.fails(status);
        for _ in 0..3 {
            assert_eq!(edge.ask(&Ask::chat(false)).status(), status);
        }
    }
    one.recovers();
    assert_eq!(server_of(&edge.ask(&Ask::chat(false))), "one");
    assert_eq!((edge.state("one").as_str(), opened(&edge), two.count()), ("up", 0, 0));
}

#[test]
fn clients_that_leave_are_no_failures() {
    let (one, two) = (Fickle::new("one"), Upstream::named("two"));
    let edge = pair("{failures: 1, open_for: 60s}", &one.url(), &two);
    one.holds();
    for count in 1..=5 {
        let mut client = edge.open();
        client.send(Ask::chat(false).bytes());
        until("it is at the server", || one.count() == count);
        if count % 2 == 0 {
            client.reset_when_dropped();
        }
    }
    one.does(Does::Stalls(stream(&[CONTENT])));
    for count in 6..=10 {
        let mut client = edge.open();
        client.send(Ask::chat(true).bytes());
        assert_eq!(client.head().unwrap().status(), 200);
        assert!(client.chunk().unwrap().is_some());
        assert_eq!(one.count(), count);
        if count % 2 == 0 {
            client.reset_when_dropped();
        }
    }
    until("all have left", || edge.metrics().sum("tidegate_server_in_flight", &[("server", "one")]) == 0.0);
    one.recovers();
    assert_eq!(server_of(&edge.ask(&Ask::chat(false))), "one");
    assert_eq!((opened(&edge), two.count()), (0, 0));
}

/// Asks `times` times while the server answers so.
fn asks(edge: &Edge, one: &Fickle, status: u16, times: usize) {
    if status == 200 {
        one.recovers()
    } else {
        one.fails(status)
    }
    for _ in 0..times {
        assert_eq!(edge.ask(&Ask::chat(false)).status(), status);
    }
}

#[test]
fn only_failures_in_a_row_count_and_a_limit_is_neither_here_nor_there() {
    let one = Fickle::new("one");
    let edge = alone("{failures: 3, open_for: 60s}", &one);
    for _ in 0..4 {
        asks(&edge, &one, 503, 2);
        asks(&edge, &one, 200, 1);
        asks(&edge, &one, 500, 2);
        asks(&edge, &one, 404, 1);
    }
    assert_eq!(opened(&edge), 0);
    asks(&edge, &one, 503, 2);
    asks(&edge, &one, 429, 3);
    assert_eq!(opened(&edge), 0);
    asks(&edge, &one, 503, 1);
    assert_eq!(edge.state("one"), "breaker_open", "a 429 does not end the row");
}

#[test]
fn without_a_word_it_opens_after_five_for_a_minute() {
    let one = Fickle::new("one");
    let text = sections("X", "20s", ALONE).replace("breaker: X, ", "");
    let edge = Edge::start(&text, &[("one", &one.url())]);
    asks(&edge, &one, 500, 4);
    assert_eq!(edge.state("one"), "up");
    asks(&edge, &one, 500, 1);
    assert_eq!(edge.state("one"), "breaker_open");
    assert_eq!(edge.event_to("one", "breaker_open")["expected_seconds"], 60.0);
}

#[test]
fn off_is_off() {
    for off in ["off", "false"] {
        let one = Fickle::new("one");
        let edge = alone(off, &one);
        asks(&edge, &one, 500, 25);
        assert_eq!((edge.state("one").as_str(), one.count()), ("up", 25));
        assert!(edge.events_to("one", "breaker_open").is_empty());
    }
}

#[test]
fn open_without_another_server_is_a_503_that_says_when_to_come_back() {
    let one = Fickle::new("one");
    let edge = alone("{failures: 2, open_for: 60s}", &one);
    asks(&edge, &one, 500, 2);
    one.recovers();
    for _ in 0..5 {
        let refused = edge.ask(&Ask::chat(false));
        refused.is_error(503, "no_server_available");
        let after: u64 = refused.header("retry-after").unwrap().parse().unwrap();
        assert!((40..=60).contains(&after), "{after}");
    }
    assert_eq!(one.count(), 2, "nothing reaches it");
}

#[test]
fn open_is_not_noticed_by_clients_while_another_is_well() {
    let (one, two) = (Fickle::new("one"), Upstream::named("two"));
    let text = sections("{failures: 3, open_for: 60s}", "20s", "one: {url: <one>}, two: {url: <two>}")
        .replace("attempts: 1", "attempts: 2, budget: 100%, backoff: 1ms..2ms");
    let edge = Edge::start(&text, &[("one", &one.url()), ("two", &two.url())]);
    one.fails(500);
    let mut client = edge.open();
    for _ in 0..40 {
        assert_eq!(server_of(&client.ask(&Ask::chat(false))), "two");
    }
    assert_eq!((one.count(), two.count()), (3, 40));
}

#[test]
fn exactly_so_many_failures_reach_it_whatever_the_threads() {
    let one = Fickle::new("one");
    one.fails(500);
    let servers = "one: {url: <one>, max_concurrent: 1}";
    let text = sections("{failures: 7, open_for: 60s}", "20s", servers);
    let edge = Edge::start(&text, &[("one", &one.url())]);
    let statuses: Vec<u16> = std::thread::scope(|scope| {
        let ask = || scope.spawn(|| edge.ask(&Ask::chat(false)).status());
        let clients: Vec<_> = (0..40).map(|_| ask()).collect();
        clients.into_iter().map(|client| client.join().unwrap()).collect()
    });
    let of = |status| statuses.iter().filter(|have| **have == status).count();
    assert_eq!((one.count(), of(500), of(503)), (7, 7, 33), "who waits is told as soon as it opens");
    assert_eq!(opened(&edge), 1);
}

/// Clients whose request is at a server that holds it, or waits for one.
fn clients(edge: &Edge, count: usize) -> Vec<Connection> {
    let asking = || {
        let mut client = edge.open();
        client.send(Ask::chat(false).bytes());
        client
    };
    (0..count).map(|_| asking()).collect()
}

/// Opens the breaker of `one` and waits until it is half open; `one` holds then.
fn half_open(edge: &Edge, one: &Fickle, failures: usize) {
    asks(edge, one, 500, failures);
    one.holds();
    edge.becomes("one", "half_open");
}

#[test]
fn half_open_lets_exactly_so_many_through_and_closes_when_they_succeed() {
    let (one, two) = (Fickle::new("one"), Upstream::named("two"));
    let edge = pair("{failures: 3, open_for: 300ms, trial_requests: 2}", &one.url(), &two);
    half_open(&edge, &one, 3);
    let mut trials = clients(&edge, 30);
    until("all but the trials are served", || two.count() == 28);
    assert_eq!((one.count(), edge.state("one").as_str()), (5, "half_open"));
    one.recovers();
    let mut served: Vec<String> =
        trials.iter_mut().map(|trial| server_of(&trial.answer().unwrap())).collect();
    served.sort();
    assert_eq!(served.iter().filter(|server| *server == "one").count(), 2);
    edge.becomes("one", "up");
    assert_eq!(edge.servers(5), ["one"; 5]);
    let why = edge.events_to("one", "up")[0]["why"].as_str().unwrap().to_owned();
    assert!(why.contains("2 trial requests succeeded"), "{why}");
}

#[test]
fn one_success_of_two_does_not_close_it_yet() {
    let one = Fickle::new("one");
    let edge = alone("{failures: 1, open_for: 200ms, trial_requests: 2}", &one);
    half_open(&edge, &one, 1);
    asks(&edge, &one, 200, 1);
    assert_eq!(edge.state("one"), "half_open");
    asks(&edge, &one, 200, 1);
    assert_eq!(edge.state("one"), "up");
    asks(&edge, &one, 200, 5);
}

#[test]
fn one_failure_of_a_trial_opens_it_again() {
    let one = Fickle::new("one");
    let edge = alone("{failures: 3, open_for: 300ms, trial_requests: 3}", &one);
    half_open(&edge, &one, 3);
    asks(&edge, &one, 200, 2);
    one.fails(500);
    assert_eq!(edge.ask(&Ask::chat(false)).status(), 500);
    assert_eq!((opened(&edge), one.count()), (2, 6));
    edge.ask(&Ask::chat(false)).is_error(503, "no_server_available");
    half_open_again(&edge, &one);
    asks(&edge, &one, 200, 3);
    assert_eq!(edge.state("one"), "up");
    asks(&edge, &one, 500, 2);
    assert_eq!(opened(&edge), 2, "closed, it takes the whole row again");
}

fn half_open_again(edge: &Edge, one: &Fickle) {
    let before = one.count();
    until("another trial period", || edge.events_to("one", "half_open").len() == 2);
    assert_eq!(one.count(), before);
}

#[test]
fn trial_whose_client_leaves_gives_its_place_back() {
    let one = Fickle::new("one");
    let edge = alone("{failures: 1, open_for: 200ms, trial_requests: 1}", &one);
    half_open(&edge, &one, 1);
    for count in 2..=6 {
        let trial = clients(&edge, 1);
        until("it is the trial", || one.count() == count);
        drop(trial);
    }
    assert_eq!(edge.state("one"), "half_open");
    let mut trial = clients(&edge, 1);
    until("one more", || one.count() == 7);
    one.recovers();
    assert_eq!(trial[0].answer().unwrap().status(), 200);
    edge.becomes("one", "up");
}

#[test]
fn who_finds_all_trials_taken_waits_for_how_they_end() {
    let one = Fickle::new("one");
    let edge = alone("{failures: 1, open_for: 200ms, trial_requests: 1}", &one);
    half_open(&edge, &one, 1);
    let mut waiting = clients(&edge, 10);
    until("one is the trial, the others wait", || {
        one.count() == 2 && edge.metrics().sum("tidegate_queue_length", &[]) == 9.0
    });
    one.recovers();
    assert!(waiting.iter_mut().all(|client| client.answer().unwrap().status() == 200));

    half_open(&edge, &one, 1);
    let before = one.count();
    let mut waiting = clients(&edge, 10);
    until("the same again", || {
        one.count() == before + 1 && edge.metrics().sum("tidegate_queue_length", &[]) == 9.0
    });
    one.fails(500);
    let mut statuses: Vec<u16> = waiting.iter_mut().map(|client| client.answer().unwrap().status()).collect();
    statuses.sort_unstable();
    assert_eq!(statuses, [vec![500], vec![503; 9]].concat());
    assert_eq!(one.count(), before + 1);
}

#[test]
fn client_that_leaves_the_trial_lets_the_next_in_line_be_it() {
    let one = Fickle::new("one");
    let edge = alone("{failures: 1, open_for: 200ms, trial_requests: 1}", &one);
    half_open(&edge, &one, 1);
    let trial = clients(&edge, 1);
    until("it is the trial", || one.count() == 2);
    let mut next = clients(&edge, 1);
    assert!(next[0].silent_for(Duration::from_millis(50)));
    drop(trial);
    until("the next is", || one.count() == 3);
    one.recovers();
    assert_eq!(next[0].answer().unwrap().status(), 200);
}

#[test]
fn operators_ready_closes_it() {
    let one = Fickle::new("one");
    let edge = alone("{failures: 2, open_for: 60s}", &one);
    asks(&edge, &one, 500, 2);
    assert_eq!(edge.state("one"), "breaker_open");
    edge.command("set server ai/one state ready");
    assert_eq!(edge.state("one"), "up");
    asks(&edge, &one, 500, 1);
    asks(&edge, &one, 200, 1);
}

#[test]
fn reload_keeps_it_open_until_the_server_is_another_or_there_is_no_breaker() {
    let (one, other) = (Fickle::new("one"), Fickle::new("other"));
    let (url, other_url) = (one.url(), other.url());
    let values = [("one", url.as_str()), ("other", other_url.as_str())];
    let breaker = "{failures: 2, open_for: 60s}";
    let edge = Edge::start(&sections(breaker, "20s", ALONE), &values);
    let open = || {
        asks(&edge, &one, 500, 2);
        assert_eq!(edge.state("one"), "breaker_open");
        one.recovers();
    };
    open();
    let before = one.count();
    for same in [ALONE, "one: {url: <one>, weight: 7}, more: {url: <other>, tier: 2}", ALONE] {
        edge.reload(&sections(breaker, "20s", same), &values);
        assert_eq!(edge.state("one"), "breaker_open", "{same}");
    }
    edge.ask(&Ask::chat(false)).is_error(503, "no_server_available");
    assert_eq!(one.count(), before);

    edge.reload(&sections(breaker, "20s", "one: {url: <other>}"), &values);
    assert_eq!(edge.servers(2), ["other"; 2], "another address is another server");
    edge.reload(&sections(breaker, "20s", ALONE), &values);
    assert_eq!(edge.servers(2), ["one"; 2]);

    open();
    edge.reload(&sections(breaker, "20s", "one: {url: <one>, api_key: sk-new}"), &values);
    assert_eq!(edge.servers(2), ["one"; 2], "another key, another answer");

    open();
    edge.reload(&sections("off", "20s", "one: {url: <one>, api_key: sk-new}"), &values);
    assert_eq!((edge.servers(1), edge.state("one").as_str()), (vec!["one".to_owned()], "up"));
}
