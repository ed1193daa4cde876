//! How long a retry waits: not at all for another server, as long as the server asks for when that is short, and never
//! when it is long.

use std::time::Duration;

use super::{edge, limited_once};
use crate::support::edge::server_of;
use crate::support::http::{Ask, answer};
use crate::support::upstream::Upstream;
use crate::support::wait::timed;

const SLOW: &str = "retry: {attempts: 3, when: [429, 503], backoff: 9s..18s}";

#[test]
fn short_retry_after_is_waited_for() {
    for headers in [&[("retry-after", "1")][..], &[("retry-after-ms", "1000"), ("retry-after", "30")]] {
        for lines in ["cooldown: off", "cooldown: {default: 5s}"] {
            let limited = limited_once(headers);
            let edge = edge(
                &format!("{lines}\n    retry: {{attempts: 3, when: [429], backoff: 1ms..2s}}"),
                &[&limited.url()],
            );
            let (got, took) = timed(|| edge.ask(&Ask::chat(false)));
            assert_eq!(server_of(&got), "good");
            assert_eq!(got.header("x-tidegate-attempts"), Some("2"));
            assert!(took >= Duration::from_millis(990) && took < Duration::from_secs(10), "{took:?}");
        }
    }
}

#[test]
fn long_retry_after_is_passed_on_at_once() {
    for lines in ["cooldown: off", "cooldown: {default: 5s}"] {
        let limited = limited_once(&[("retry-after", "60"), ("content-type", "application/json")]);
        let edge = edge(
            &format!("{lines}\n    retry: {{attempts: 3, when: [429], backoff: 1ms..2s}}"),
            &[&limited.url()],
        );
        let (got, took) = timed(|| edge.ask(&Ask::chat(false)));
        assert_eq!((got.status(), got.header("retry-after")), (429, Some("60")));
        assert_eq!(got.json()["error"]["message"], "of the provider");
        assert_eq!(got.header("x-tidegate-attempts"), Some("1"));
        assert!(took < Duration::from_secs(10), "{took:?}");
        assert_eq!(limited.count(), 1);
    }
}

#[test]
fn longest_wait_is_the_longer_end_of_backoff() {
    for (headers, attempts) in [(&[("retry-after-ms", "300")][..], 2), (&[("retry-after-ms", "301")], 1)] {
        let limited = limited_once(headers);
        let edge = edge(
            "cooldown: off\n    retry: {attempts: 3, when: [429], backoff: 1ms..300ms}",
            &[&limited.url()],
        );
        let got = edge.ask(&Ask::chat(false));
        assert_eq!(got.status(), if attempts == 2 { 200 } else { 429 });
        assert_eq!(limited.count(), attempts);
    }
}

#[test]
fn retry_after_of_a_503_counts_too() {
    let busy = Upstream::replying(|_| answer(503, &[("retry-after", "60")], "{}"));
    let edge = edge("retry: {attempts: 3, when: [503], backoff: 1ms..2s}", &[&busy.url()]);
    let got = edge.ask(&Ask::chat(false));
    assert_eq!((got.status(), got.header("retry-after"), busy.count()), (503, Some("60"), 1));
}

#[test]
fn another_server_is_asked_without_a_pause() {
    let limited = limited_once(&[("retry-after", "60")]);
    for bad in [&limited, &Upstream::failing(503)] {
        let good = Upstream::named("good");
        let edge = edge(SLOW, &[&bad.url(), &good.url()]);
        let (got, took) = timed(|| edge.ask(&Ask::chat(false)));
        assert_eq!(server_of(&got), "good");
        assert!(took < Duration::from_secs(8), "{took:?}");
    }
}

#[test]
fn wait_that_total_does_not_afford_is_not_begun() {
    let bad = Upstream::failing(503);
    let edge = edge(&format!("timeouts: {{total: 5s}}\n    {SLOW}"), &[&bad.url()]);
    let (got, took) = timed(|| edge.ask(&Ask::chat(false)));
    assert_eq!((got.status(), bad.count()), (503, 1));
    assert_eq!(got.json()["error"]["message"], "scripted");
    assert!(took < Duration::from_secs(4), "{took:?}");
}

#[test]
fn cooldown_of_the_only_server_is_told_to_the_next_client() {
    let limited = limited_once(&[("retry-after", "60")]);
    let edge = edge("retry: {attempts: 3, when: [429], backoff: 1ms..2s}", &[&limited.url()]);
    assert_eq!(edge.ask(&Ask::chat(false)).status(), 429);
    let got = edge.ask(&Ask::chat(false));
    got.is_error(503, "no_server_available");
    let after: u64 = got.header("retry-after").unwrap().parse().unwrap();
    assert!((30..=60).contains(&after), "{after}");
    assert_eq!(limited.count(), 1);
}
