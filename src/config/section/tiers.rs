//! `backends.NAME.tiers`: when the next tier takes over.

use crate::config::reader::{Keys, Map};

pub(super) const TIERS: Keys =
    Keys { path: "backends.NAME.tiers", known: &["help_below"], not_yet: &[], elsewhere: &[] };

/// The share of usable servers below which the next tier helps.
pub(super) fn read(backend: &Map<'_>) -> Option<f64> {
    let what = format!("the tiers of {}", backend.what);
    let map = backend.get("tiers").and_then(|v| Map::open(v, &TIERS, what))?;
    map.maybe("help_below", |v| v.share())
}
