//! `backends.NAME.tiers`: when the next tier takes over.

use crate::config::checked::Server;
use crate::config::diagnostic::{Code, Diagnostic};
use crate::config::reader::{Keys, Map};

pub(super) const TIERS: Keys = Keys {
    path: "backends.NAME.tiers",
    known: &["help_below"],
    not_yet: &[],
    elsewhere: &[("tier", "it stands in a server: `one: {url: ..., tier: 2}`")],
};

/// The share of usable servers below which the next tier helps.
pub(super) fn read(backend: &Map<'_>, servers: &[Server]) -> Option<f64> {
    let what = format!("the tiers of {}", backend.what);
    let map = backend.get("tiers").and_then(|v| Map::open(v, &TIERS, what))?;
    let share = map.maybe("help_below", |v| v.share_within(0.01..=1.0))?;
    let one_tier = servers.windows(2).all(|pair| matches!(pair, [a, b] if a.tier == b.tier));
    if one_tier {
        let message = format!("`help_below` has no effect: {} has one tier only", backend.what);
        let warning = Diagnostic::warning(Code::Conflict, map.key_span("help_below"), message);
        map.context.report(warning.hint("give the servers that are to help `tier: 2`, or remove it"));
    }
    Some(share)
}
