//! `defaults`, and the timeouts that a frontend or a backend has of its own.

use std::time::Duration;

use crate::config::checked::Timeouts;
use crate::config::reader::{Keys, Map};
use crate::config::value::{LONGEST, Value};

pub(super) const KEYS: &[&Keys] = &[&DEFAULTS, &ALL, &CLIENT_SIDE, &SERVER_SIDE];

const DEFAULTS: Keys = Keys {
    path: "defaults",
    known: &["timeouts", "max_request_body"],
    not_yet: &[],
    elsewhere: &[
        ("retry", "it stands in each backend"),
        ("check", "it stands in each backend"),
        ("max_connections", "it stands in `global` or in a frontend"),
        ("forwarded_for", "it stands in each frontend"),
    ],
};

const ALL: Keys = Keys {
    path: "defaults.timeouts",
    known: &[
        "request_head",
        "client",
        "keep_alive",
        "connect",
        "queue",
        "first_byte",
        "first_content",
        "server",
        "total",
        "tunnel",
    ],
    not_yet: &[],
    elsewhere: &[],
};

const CLIENT_SIDE: Keys = Keys {
    path: "frontends.NAME.timeouts",
    known: &["request_head", "client", "keep_alive", "total"],
    not_yet: &[],
    elsewhere: &[
        ("connect", TO_BACKEND),
        ("queue", TO_BACKEND),
        ("first_byte", TO_BACKEND),
        ("first_content", TO_BACKEND),
        ("server", TO_BACKEND),
        ("tunnel", TO_BACKEND),
    ],
};

const SERVER_SIDE: Keys = Keys {
    path: "backends.NAME.timeouts",
    known: &["connect", "queue", "first_byte", "first_content", "server", "total", "tunnel"],
    not_yet: &[],
    elsewhere: &[("request_head", TO_FRONTEND), ("client", TO_FRONTEND), ("keep_alive", TO_FRONTEND)],
};

const TO_BACKEND: &str = "it is about the server: write it in the backend's `timeouts`, or in `defaults`";
const TO_FRONTEND: &str = "it is about the client: write it in the frontend's `timeouts`, or in `defaults`";

/// What holds where a frontend or a backend says nothing.
pub(super) struct Defaults {
    pub timeouts: Timeouts,
    /// Bytes.
    pub max_request_body: u64,
}

pub(super) fn defaults(root: &Map<'_>) -> Defaults {
    let mut defaults = Defaults {
        timeouts: Timeouts {
            request_head: Duration::from_secs(10),
            client: Duration::from_secs(50),
            keep_alive: Duration::from_secs(60),
            connect: Duration::from_secs(5),
            queue: Duration::from_secs(10),
            first_byte: Duration::from_secs(60),
            first_content: Duration::from_secs(60),
            server: Duration::from_secs(60),
            total: Duration::from_secs(600),
            tunnel: Duration::from_secs(3600),
        },
        max_request_body: 32_000_000,
    };
    if let Some(map) = root.get("defaults").and_then(|v| Map::open(v, &DEFAULTS, "`defaults`")) {
        if let Some(all) = map.get("timeouts").and_then(|v| Map::open(v, &ALL, "`defaults.timeouts`")) {
            client_side(&all, &mut defaults.timeouts);
            server_side(&all, &mut defaults.timeouts);
            total(&all, &mut defaults.timeouts);
        }
        defaults.max_request_body = map.or("max_request_body", defaults.max_request_body, size);
    }
    defaults
}

/// The timeouts of a frontend: its own before the defaults.
pub(super) fn of_frontend(frontend: &Map<'_>, defaults: &Timeouts) -> Timeouts {
    let mut timeouts = defaults.clone();
    let what = format!("the timeouts of {}", frontend.what);
    if let Some(own) = frontend.get("timeouts").and_then(|v| Map::open(v, &CLIENT_SIDE, what)) {
        client_side(&own, &mut timeouts);
        total(&own, &mut timeouts);
    }
    timeouts
}

/// The timeouts of a backend, its own before the defaults, and its own `total`.
pub(super) fn of_backend(backend: &Map<'_>, defaults: &Timeouts) -> (Timeouts, Option<Duration>) {
    let mut timeouts = defaults.clone();
    let what = format!("the timeouts of {}", backend.what);
    let own = backend.get("timeouts").and_then(|v| Map::open(v, &SERVER_SIDE, what));
    if let Some(own) = &own {
        server_side(own, &mut timeouts);
        total(own, &mut timeouts);
    }
    let own_total = own.filter(|o| o.has("total")).map(|_| timeouts.total);
    (timeouts, own_total)
}

fn client_side(map: &Map<'_>, to: &mut Timeouts) {
    to.request_head = map.or("request_head", to.request_head, nonzero);
    to.client = map.or("client", to.client, nonzero);
    to.keep_alive = map.or("keep_alive", to.keep_alive, nonzero);
}

fn server_side(map: &Map<'_>, to: &mut Timeouts) {
    to.connect = map.or("connect", to.connect, nonzero);
    to.queue = map.or("queue", to.queue, nonzero);
    to.first_byte = map.or("first_byte", to.first_byte, nonzero);
    // Who waits longer for the head waits no less for the content behind it.
    to.first_content = map.or("first_content", to.first_content.max(to.first_byte), nonzero);
    to.server = map.or("server", to.server, nonzero);
    to.tunnel = map.or("tunnel", to.tunnel, nonzero);
}

fn total(map: &Map<'_>, to: &mut Timeouts) {
    to.total = map.or("total", to.total, nonzero);
}

/// A duration that cannot switch off what it limits.
pub(super) fn nonzero(value: Value<'_>) -> Option<Duration> {
    value.duration(Duration::from_millis(1)..=LONGEST)
}

/// A size in bytes, at least 1.
pub(super) fn size(value: Value<'_>) -> Option<u64> {
    value.count(1..=1_000_000_000_000)
}
