//! `backends.NAME.cooldown`: how long a server that said "not now" is left alone.

use std::time::Duration;

use super::off::{self, Said};
use super::timeouts::nonzero;
use crate::config::checked::Cooldown;
use crate::config::reader::{Keys, Map};

pub(super) const COOLDOWN: Keys =
    Keys { path: "backends.NAME.cooldown", known: &["default", "up_to"], not_yet: &[], elsewhere: &[] };

pub(super) fn read(backend: &Map<'_>) -> Option<Cooldown> {
    let mut cooldown = Cooldown { default: Duration::from_secs(1), up_to: Duration::from_secs(600) };
    match off::open(backend, "cooldown", &COOLDOWN) {
        Some(Said::Off) => return None,
        Some(Said::Own(map)) => {
            cooldown.default = map.or("default", cooldown.default, nonzero);
            cooldown.up_to = off::longest(&map, "default", cooldown.default, cooldown.up_to);
        }
        Some(Said::On) | None => {}
    }
    Some(cooldown)
}
