//! `backends.NAME.hedge`: a second attempt elsewhere while the first one is slow. Off unless the key is there.

use std::time::Duration;

use super::off::{self, Said};
use super::timeouts::nonzero;
use crate::config::checked::{Hedge, Retry, Server};
use crate::config::diagnostic::{Code, Diagnostic};
use crate::config::reader::{Keys, Map};

pub(super) const HEDGE: Keys = Keys {
    path: "backends.NAME.hedge",
    known: &["quantile", "at_least", "budget"],
    not_yet: &[],
    elsewhere: &[
        ("percentile", "the key is `quantile`: `quantile: 95%`"),
        ("after", "the key is `at_least`"),
    ],
};

pub(super) fn read(backend: &Map<'_>) -> Option<Hedge> {
    let mut hedge = Hedge { quantile: 0.95, at_least: Duration::from_millis(100), budget: 0.05 };
    match off::open(backend, "hedge", &HEDGE)? {
        Said::Off => return None,
        Said::On => {}
        Said::Own(map) => {
            hedge.quantile = map.or("quantile", hedge.quantile, |v| v.share_within(0.5..=0.999));
            hedge.at_least = map.or("at_least", hedge.at_least, nonzero);
            hedge.budget = map.or("budget", hedge.budget, |v| v.share_within(0.001..=1.0));
        }
    }
    Some(hedge)
}

/// Warns of a hedge that has nowhere to go.
pub(super) fn check(backend: &Map<'_>, retry: &Retry, servers: &[Server]) {
    let (why, hint) = if servers.iter().filter(|server| server.weight > 0).count() < 2 {
        ("has no second server with a weight", "add one, or remove `hedge`")
    } else if retry.attempts < 2 {
        ("allows one attempt only", "raise `attempts` in `retry`, or remove `hedge`")
    } else {
        return;
    };
    let message = format!("`hedge` never asks a second server: {} {why}", backend.what);
    let warning = Diagnostic::warning(Code::Conflict, backend.key_span("hedge"), message);
    backend.context.report(warning.hint(hint));
}
