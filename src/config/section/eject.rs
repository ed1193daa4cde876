//! `backends.NAME.eject`: a share of failures takes a server out for a time.

use std::time::Duration;

use super::off::{self, Said};
use super::timeouts::nonzero;
use crate::config::checked::Eject;
use crate::config::reader::{Keys, Map};

pub(super) const EJECT: Keys = Keys {
    path: "backends.NAME.eject",
    known: &["error_rate", "over", "for", "up_to", "max_ejected"],
    not_yet: &[],
    elsewhere: &[],
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
            eject.error_rate = map.or("error_rate", eject.error_rate, |v| v.share());
            eject.over = map.or("over", eject.over, |v| v.count_u32(1..=1000));
            eject.time = map.or("for", eject.time, nonzero);
            eject.up_to = map.or("up_to", eject.up_to.max(eject.time), nonzero);
            eject.max_ejected = map.or("max_ejected", eject.max_ejected, |v| v.share());
        }
        Some(Said::On) | None => {}
    }
    Some(eject)
}
