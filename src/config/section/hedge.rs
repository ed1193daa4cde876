//! `backends.NAME.hedge`: a second attempt elsewhere while the first one is slow. Off unless the key is there.

use std::time::Duration;

use super::off::{self, Said};
use super::timeouts::nonzero;
use crate::config::checked::Hedge;
use crate::config::reader::{Keys, Map};

pub(super) const HEDGE: Keys = Keys {
    path: "backends.NAME.hedge",
    known: &["quantile", "at_least", "budget"],
    not_yet: &[],
    elsewhere: &[],
};

pub(super) fn read(backend: &Map<'_>) -> Option<Hedge> {
    let mut hedge = Hedge { quantile: 0.95, at_least: Duration::from_millis(100), budget: 0.05 };
    match off::open(backend, "hedge", &HEDGE)? {
        Said::Off => return None,
        Said::On => {}
        Said::Own(map) => {
            hedge.quantile = map.or("quantile", hedge.quantile, |v| v.share());
            hedge.at_least = map.or("at_least", hedge.at_least, nonzero);
            hedge.budget = map.or("budget", hedge.budget, |v| v.share());
        }
    }
    Some(hedge)
}
