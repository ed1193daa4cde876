//! `frontends`: where clients connect, and what happens to a request before it has a backend.

use super::timeouts::{self, Defaults};
use super::{Known, bind, error_bodies, flow, forwarded_for, global, redirect, rules};
use crate::config::checked::{Acl, ForwardedFor, Frontend, Global};
use crate::config::diagnostic::{Code, Diagnostic};
use crate::config::reader::{Keys, Map};
use crate::config::value::Value;

pub(super) const KEYS: &[&Keys] = &[&FRONTEND, &forwarded_for::FORWARDED_FOR, &redirect::REDIRECT];

const FRONTEND: Keys = Keys {
    path: "frontends.NAME",
    known: &[
        "bind",
        "max_connections",
        "forwarded_for",
        "monitor",
        "error_bodies",
        "connection_rules",
        "rules",
        "response_rules",
        "default_backend",
        "timeouts",
        "max_request_body",
    ],
    not_yet: &[],
    elsewhere: &[
        ("tls", "it stands in the bind: `bind: [{address: ..., tls: {...}}]`"),
        ("servers", "servers stand in a backend"),
        ("errorfile", "the key is `error_bodies`: `{503: errors/503.json}`"),
        ("http_response", "the key is `response_rules`"),
        ("backend", "the key is `default_backend`"),
        ("listen", "the key is `bind`: `bind: [{address: 0.0.0.0:8080}]`"),
    ],
};

/// What a frontend refers to and falls back on.
pub(super) struct Around<'a> {
    pub known: &'a Known<'a>,
    pub acls: &'a [Option<Acl>],
    pub defaults: &'a Defaults,
    pub global: &'a Global,
}

pub(super) fn read(
    name: &str,
    value: Value<'_>,
    around: &Around<'_>,
    places: &mut bind::Places<'_>,
) -> Option<Frontend> {
    let map = Map::open(value, &FRONTEND, format!("frontend `{name}`"))?;
    let binds = map.required("bind", |v| {
        let items = v.items()?;
        if items.is_empty() {
            let message = format!("frontend `{name}` has no address");
            let wrong = Diagnostic::error(Code::MissingKey, v.at, message);
            return v.context.reject(wrong.hint("at least one: `bind: [{address: 0.0.0.0:8080}]`"));
        }
        Value::each(items, |v| bind::read(v, name, places))
    });
    let max_connections = map.or("max_connections", around.global.max_connections, global::max_connections);
    let forwarded_for = map.or("forwarded_for", Some(ForwardedFor::default()), forwarded_for::read);
    let monitor = map.maybe("monitor", monitor);
    let error_bodies = map.get("error_bodies").map_or(Some(Vec::new()), error_bodies::read);
    let connection_rules = list(&map, "connection_rules", |v| rules::connection(v, around));
    let rules = list(&map, "rules", |v| rules::request(v, around));
    let response_rules = list(&map, "response_rules", |v| rules::response(v, around));
    let default_backend = map.get("default_backend").map(|v| around.known.backends.resolve(v));
    let timeouts = timeouts::of_frontend(&map, &around.defaults.timeouts);
    let max_request_body = map.or("max_request_body", around.defaults.max_request_body, timeouts::size);
    if let (Some(connection), Some(request), Some(response)) = (&connection_rules, &rules, &response_rules) {
        let setting = flow::Setting {
            frontend: &map,
            acls: around.acls,
            tables: around.known.table_list,
            binds: binds.as_deref(),
        };
        flow::check(&setting, &flow::Rules { connection, request, response });
    }
    if let (Some(value), Some(bodies), Some(rules)) = (map.get("error_bodies"), &error_bodies, &rules) {
        error_bodies::warn_unused(value, bodies, rules);
    }
    Some(Frontend {
        name: name.to_owned(),
        binds: binds?,
        max_connections,
        forwarded_for,
        monitor,
        error_bodies: error_bodies?.into_iter().map(|(body, _)| body).collect(),
        connection_rules: connection_rules?,
        rules: rules?,
        response_rules: response_rules?,
        default_backend: default_backend.map_or(Some(None), |b| b.map(Some))?,
        timeouts,
        max_request_body,
    })
}

/// A list of rules; none where the key is left out.
fn list<T>(map: &Map<'_>, key: &'static str, read: impl FnMut(Value<'_>) -> Option<T>) -> Option<Vec<T>> {
    map.get(key).map_or(Some(Vec::new()), |v| Value::each(v.items()?, read))
}

fn monitor(value: Value<'_>) -> Option<String> {
    let text = value.nonempty()?;
    if text.starts_with('/') && text.bytes().all(|b| b.is_ascii_graphic() && !b"?#".contains(&b)) {
        return Some(text);
    }
    let message = format!("`{}` is not a path", value.shown());
    value.reject(Code::BadValue, message, "it begins with `/` and has no query, like `/health`")
}
