//! `backends.NAME.breaker`: a row of failures takes a server out, trials bring it back.

use std::time::Duration;

use super::off::{self, Said};
use super::timeouts::nonzero;
use crate::config::checked::Breaker;
use crate::config::reader::{Keys, Map};

pub(super) const BREAKER: Keys = Keys {
    path: "backends.NAME.breaker",
    known: &["failures", "open_for", "trial_requests"],
    not_yet: &[],
    elsewhere: &[
        ("threshold", "the key is `failures`"),
        ("timeout", "the key is `open_for`"),
        ("half_open", "the key is `trial_requests`"),
    ],
};

pub(super) fn read(backend: &Map<'_>) -> Option<Breaker> {
    let mut breaker = Breaker { failures: 5, open_for: Duration::from_secs(60), trial_requests: 3 };
    match off::open(backend, "breaker", &BREAKER) {
        Some(Said::Off) => return None,
        Some(Said::Own(map)) => {
            breaker.failures = map.or("failures", breaker.failures, |v| v.count_u32(1..=1000));
            breaker.open_for = map.or("open_for", breaker.open_for, nonzero);
            breaker.trial_requests =
                map.or("trial_requests", breaker.trial_requests, |v| v.count_u32(1..=100));
        }
        Some(Said::On) | None => {}
    }
    Some(breaker)
}
