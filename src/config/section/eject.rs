//! `backends.NAME.eject`: a share of failures takes a server out for a time.

use std::collections::BTreeMap;
use std::time::Duration;

use super::off::{self, Said};
use super::timeouts::nonzero;
use crate::config::checked::{Eject, Server};
use crate::config::diagnostic::{Code, Diagnostic};
use crate::config::reader::{Keys, Map};

pub(super) const EJECT: Keys = Keys {
    path: "backends.NAME.eject",
    known: &["error_rate", "over", "for", "up_to", "max_ejected"],
    not_yet: &[],
    elsewhere: &[
        ("time", "the key is `for`"),
        ("window", "the key is `over`, a number of requests"),
        ("failures", "a row of failures is for `breaker`; here it is `error_rate`"),
    ],
};

pub(super) fn read(backend: &Map<'_>) -> Option<Eject> {
    let mut eject = Eject {
        error_rate: 0.3,
        over: 10,
        time: Duration::from_secs(30),
        up_to: Duration::from_secs(300),
        max_ejected: 0.5,
    };
    match off::open(backend, "eject", &EJECT) {
        Some(Said::Off) => return None,
        Some(Said::Own(map)) => {
            // 100% of errors are not more than 100%: nothing would ever happen.
            eject.error_rate = map.or("error_rate", eject.error_rate, |v| v.share_within(0.0..=0.99));
            eject.over = map.or("over", eject.over, |v| v.count_u32(1..=1000));
            eject.time = map.or("for", eject.time, nonzero);
            eject.up_to = off::longest(&map, "for", eject.time, eject.up_to);
            eject.max_ejected = map.or("max_ejected", eject.max_ejected, |v| v.share());
        }
        Some(Said::On) | None => {}
    }
    Some(eject)
}

/// Warns when no server could ever be ejected, because a whole one is more than the share. A server alone in its tier
/// says nothing: it is never ejected by the usual share.
pub(super) fn check(backend: &Map<'_>, eject: &Eject, servers: &[Server]) {
    // Shares are decimals: a third of three is one.
    const ROUNDING: f64 = 1e-9;
    let mut tiers: BTreeMap<u32, u32> = BTreeMap::new();
    for server in servers.iter().filter(|server| server.weight > 0) {
        *tiers.entry(server.tier).or_default() += 1;
    }
    let Some(largest) = tiers.into_values().max().filter(|largest| *largest > 1) else { return };
    if f64::from(largest) * eject.max_ejected + ROUNDING >= 1.0 {
        return;
    }
    let message = format!(
        "`max_ejected` of {} ejects nobody: it is less than one server of {largest}, the most that a tier has",
        backend.what
    );
    let warning = Diagnostic::warning(Code::Conflict, backend.key_span("eject"), message);
    let least = (100.0 / f64::from(largest)).ceil();
    backend
        .context
        .report(warning.hint(format!("at least `max_ejected: {least}%`, or `eject: off` if that is meant")));
}
