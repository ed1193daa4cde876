//! Two hundred clients with one key: what was admitted is never more than the limit and one request's error.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Barrier};

use super::{Limited, chat, estimate, is_out_of_tokens};
use crate::ai_usage::{usage, usage_chunk};
use crate::support::http::{Connection, answer};
use crate::support::sse::{END, ROLE, content, whole};
use crate::support::upstream::Upstream;
use crate::support::wait::until;

const CLIENTS: usize = 200;
const LIMIT: u64 = 20_000;

/// A server whose answers take so much each, streams and others, and how much that was in all.
fn taking(prompt: u64, completion: u64) -> (Upstream, Arc<AtomicU64>) {
    let taken = Arc::new(AtomicU64::new(0));
    let count = taken.clone();
    let stream = whole(&[ROLE, &content("hi"), &usage_chunk(prompt, completion), END].concat());
    let body = format!(
        r#"{{"choices":[{{"index":0,"message":{{"content":"hi"}},"finish_reason":"stop"}}],"usage":{}}}"#,
        usage(prompt, completion)
    );
    let plain = answer(200, &[("content-type", "application/json")], body);
    let one = Upstream::replying(move |request| {
        count.fetch_add(prompt + completion, Ordering::SeqCst);
        if request.json()["stream"] == true { stream.clone() } else { plain.clone() }
    });
    (one, taken)
}

/// Every client asks `times` times, all at once; how many got an answer.
fn crowd(site: &Limited, times: usize, most: u64) -> usize {
    let (start, admitted) = (Barrier::new(CLIENTS), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        for number in 0..CLIENTS {
            let (start, admitted) = (&start, &admitted);
            scope.spawn(move || {
                let mut client = Connection::open(site.edge.address("web"));
                start.wait();
                for _ in 0..times {
                    let answer = client.ask(&chat(number % 2 == 0, most));
                    match answer.status() {
                        200 => {
                            admitted.fetch_add(1, Ordering::SeqCst);
                        }
                        _ => is_out_of_tokens(&answer, LIMIT),
                    }
                }
            });
        }
    });
    admitted.into_inner()
}

#[test]
fn a_crowd_gets_all_of_the_limit_and_no_more() {
    // Each takes what is reserved for it, or less.
    let (one, taken) = taking(15, 100);
    let site = Limited::new("tokens_per_minute: 20000", one);
    let admitted = crowd(&site, 3, 100);
    let taken = taken.load(Ordering::SeqCst);
    assert_eq!(taken, admitted as u64 * 115);
    let reserved = estimate(&chat(false, 100), 100);
    assert!(taken <= LIMIT, "{taken} of {LIMIT}");
    assert!(taken + 2 * reserved > LIMIT, "{taken} of {LIMIT}: more would have fitted");
    site.comes_to(LIMIT - taken);
}

#[test]
fn what_a_crowd_did_not_need_others_get() {
    let (one, taken) = taking(5, 15);
    let site = Limited::new("tokens_per_minute: 20000", one);
    // At 5,000 each only four fit at once, and a thousand one after the other.
    let mut admitted = 0;
    while admitted < 20 {
        admitted += crowd(&site, 1, 5000);
    }
    let taken = taken.load(Ordering::SeqCst);
    assert_eq!(taken, admitted as u64 * 20);
    site.comes_to(LIMIT - taken);
}

#[test]
fn one_after_the_other_goes_over_by_one_error_at_most() {
    let (one, taken) = taking(15, 1000);
    let site = Limited::new("tokens_per_minute: 20000", one);
    let (mut client, mut refused) = (site.edge.open(), 0);
    while refused < 5 {
        let before = taken.load(Ordering::SeqCst);
        match client.ask(&chat(before % 2 == 0, 10)).status() {
            200 => {
                let left = LIMIT.saturating_sub(before + 1015);
                until("it is settled", || site.left("sk-app") == left);
            }
            _ => refused += 1,
        }
    }
    let taken = taken.load(Ordering::SeqCst);
    assert!(taken > LIMIT - 1015 && taken <= LIMIT + 1005, "{taken} of {LIMIT}");
}

#[test]
fn clients_that_hang_up_at_any_moment_leave_nothing_reserved() {
    let (one, _) = taking(15, 100);
    let site = Limited::new("tokens_per_minute: 20000, concurrent: 500", one);
    std::thread::scope(|scope| {
        for number in 0..CLIENTS {
            let site = &site;
            scope.spawn(move || {
                let ask = chat(number % 2 == 0, 100).bytes();
                let mut client = Connection::open(site.edge.address("web"));
                let cut = if number % 3 == 0 { ask.len() - number % 50 } else { ask.len() };
                client.send(&ask[..cut]);
                if cut == ask.len() && number % 5 == 0 {
                    client.answer();
                } else if number % 5 == 1 {
                    client.reset_when_dropped();
                }
            });
        }
    });
    // What was answered is settled with 115 or what was seen of it; the rest is back.
    let mut last = (0, 0);
    until("nothing is in flight", || {
        let (left, same) = (site.left("sk-app"), last.1 + 1);
        last = if last.0 == left { (left, same) } else { (left, 0) };
        last.1 >= 20
    });
    let most = 115 * site.one.count() as u64;
    assert!(LIMIT - last.0 <= most, "{} of at most {most}", LIMIT - last.0);
    assert!(last.0 + most >= LIMIT);
}
