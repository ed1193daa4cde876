//! `backends`: groups of servers and how requests are spread over them.

use super::ai::names::ModelNames;
use super::timeouts::{self, Defaults};
use super::{balance, breaker, check, connections, cooldown, eject, hedge, retry, server, tiers};
use crate::config::checked::{Backend, Balance};
use crate::config::diagnostic::{Code, Diagnostic};
use crate::config::reader::{Keys, Map};
use crate::config::value::Value;

pub(super) const KEYS: &[&Keys] = &[
    &BACKEND,
    &retry::RETRY,
    &QUEUE,
    &tiers::TIERS,
    &breaker::BREAKER,
    &eject::EJECT,
    &cooldown::COOLDOWN,
    &hedge::HEDGE,
    &connections::CONNECTIONS,
];

const BACKEND: Keys = Keys {
    path: "backends.NAME",
    known: &[
        "balance",
        "retry",
        "check",
        "queue",
        "tiers",
        "breaker",
        "eject",
        "cooldown",
        "hedge",
        "connections",
        "servers",
        "timeouts",
        "max_request_body",
    ],
    not_yet: &[],
    elsewhere: &[
        ("server", "the key is `servers`"),
        ("outlier_detection", "here it is `eject`"),
        ("circuit_breaker", "here it is `breaker`"),
        ("help_below", "it stands in `tiers`: `tiers: {help_below: 50%}`"),
        ("slow_start", "it stands in each server"),
        ("models", "they stand in each server"),
        ("rules", "rules stand in the frontend"),
        ("bind", "a backend has no addresses of its own; `bind` stands in the frontend"),
    ],
};

const QUEUE: Keys = Keys { path: "backends.NAME.queue", known: &["max"], not_yet: &[], elsewhere: &[] };

pub(super) fn read(
    name: &str,
    value: Value<'_>,
    defaults: &Defaults,
    models: &ModelNames,
) -> Option<Backend> {
    let map = Map::open(value, &BACKEND, format!("backend `{name}`"))?;
    let balance = map.or("balance", Balance::RoundRobin, balance::read);
    let retry = retry::read(&map);
    let check = map.get("check").map(|v| check::read(v, name));
    let queue = map.get("queue").and_then(|v| Map::open(v, &QUEUE, format!("the queue of backend `{name}`")));
    let queue_max = queue.map_or(1000, |q| q.or("max", 1000, |v| v.count_usize(0..=1_000_000)));
    let (timeouts, own_total) = timeouts::of_backend(&map, &defaults.timeouts);
    let breaker = breaker::read(&map);
    let eject = eject::read(&map);
    let cooldown = cooldown::read(&map);
    let hedge = hedge::read(&map);
    let connections = connections::read(&map);
    let own_max_request_body = map.maybe("max_request_body", timeouts::size);
    let servers = map.required("servers", |v| {
        let entries = v.named()?;
        if entries.is_empty() {
            let message = format!("backend `{name}` has no servers");
            return v.context.reject(
                Diagnostic::error(Code::MissingKey, v.at, message)
                    .hint("at least one, like `servers: {one: {url: \"http://127.0.0.1:9001/v1\"}}`"),
            );
        }
        let servers: Vec<_> = entries.iter().map(|(k, v)| server::read(&k.text, *v, models)).collect();
        servers.into_iter().collect::<Option<Vec<_>>>()
    })?;
    if servers.iter().all(|s| s.weight == 0) {
        let message = format!("no server of backend `{name}` has a weight above 0: none gets requests");
        let warning = Diagnostic::warning(Code::Conflict, map.key_span("servers"), message);
        map.context.report(warning.hint("give at least one a `weight`"));
    }
    let help_below = tiers::read(&map, &servers);
    if let Some(eject) = &eject {
        eject::check(&map, eject, &servers);
    }
    if hedge.is_some() {
        hedge::check(&map, &retry, &servers);
    }
    balance::check(&map, &balance, &servers, name);
    Some(Backend {
        name: name.to_owned(),
        balance,
        retry,
        check: check.map_or(Some(None), |c| c.map(Some))?,
        queue_max,
        help_below,
        breaker,
        eject,
        cooldown,
        hedge,
        connections,
        timeouts,
        own_total,
        own_max_request_body,
        servers,
    })
}
