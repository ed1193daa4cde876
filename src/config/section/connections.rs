//! `backends.NAME.connections`: idle connections to servers that are kept for the next request.

use std::time::Duration;

use super::timeouts::nonzero;
use crate::config::checked::Connections;
use crate::config::reader::{Keys, Map};

pub(super) const CONNECTIONS: Keys = Keys {
    path: "backends.NAME.connections",
    known: &["idle_timeout", "max_idle"],
    not_yet: &[],
    elsewhere: &[],
};

pub(super) fn read(backend: &Map<'_>) -> Connections {
    let mut connections = Connections { idle_timeout: Duration::from_secs(30), max_idle: 256 };
    let what = format!("the connections of {}", backend.what);
    if let Some(map) = backend.get("connections").and_then(|v| Map::open(v, &CONNECTIONS, what)) {
        connections.idle_timeout = map.or("idle_timeout", connections.idle_timeout, nonzero);
        connections.max_idle = map.or("max_idle", connections.max_idle, |v| v.count_usize(0..=100_000));
    }
    connections
}
