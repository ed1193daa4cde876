//! `frontends`: where clients connect, and what happens to a request before it has a backend.

use super::timeouts::{self, Defaults};
use super::{Known, acls, bind, global, redirect, rules};
use crate::config::checked::{Acl, Action, ForwardedFor, Frontend, Global, Rule, Test};
use crate::config::diagnostic::{Code, Diagnostic};
use crate::config::reader::{Keys, Map};
use crate::config::value::Value;

pub(super) const KEYS: &[&Keys] = &[&FRONTEND, &FORWARDED_FOR, &redirect::REDIRECT];

const FRONTEND: Keys = Keys {
    path: "frontends.NAME",
    known: &[
        "bind",
        "max_connections",
        "forwarded_for",
        "monitor",
        "rules",
        "default_backend",
        "timeouts",
        "max_request_body",
    ],
    not_yet: &["error_bodies", "response_rules"],
    elsewhere: &[
        ("tls", "it stands in the bind: `bind: [{address: ..., tls: {...}}]`"),
        ("servers", "servers stand in a backend"),
        ("backend", "the key is `default_backend`"),
        ("listen", "the key is `bind`: `bind: [{address: 0.0.0.0:8080}]`"),
    ],
};

const FORWARDED_FOR: Keys =
    Keys { path: "frontends.NAME.forwarded_for", known: &["except", "trust"], not_yet: &[], elsewhere: &[] };

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
    places: &mut bind::Places,
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
    let forwarded_for = map.or("forwarded_for", Some(ForwardedFor::default()), forwarded_for);
    let monitor = map.maybe("monitor", monitor);
    let rules = map
        .or("rules", Some(Vec::new()), |v| Some(Value::each(v.items()?, |v| rules::read(v, around.known))));
    let default_backend = map.get("default_backend").map(|v| around.known.backends.resolve(v));
    let timeouts = timeouts::of_frontend(&map, &around.defaults.timeouts);
    let max_request_body = map.or("max_request_body", around.defaults.max_request_body, timeouts::size);
    if let Some(rules) = &rules {
        check_flow(&map, rules);
        check_tracking(&map, rules, around.acls);
    }
    Some(Frontend {
        name: name.to_owned(),
        binds: binds?,
        max_connections,
        forwarded_for,
        monitor,
        error_bodies: Vec::new(),
        connection_rules: Vec::new(),
        rules: rules?,
        response_rules: Vec::new(),
        default_backend: default_backend.map_or(Some(None), |b| b.map(Some))?,
        timeouts,
        max_request_body,
    })
}

/// A mapping, or a switch: `true` is the default, `false` or `off` none.
fn forwarded_for(value: Value<'_>) -> Option<Option<ForwardedFor>> {
    use crate::config::tree::Kind;
    if matches!(value.node.kind, Kind::Scalar(_)) && !value.node.is_empty() {
        let words = [("true", true), ("false", false), ("off", false)];
        return value.word(&words, &[]).map(|on| on.then(ForwardedFor::default));
    }
    let map = Map::open(value, &FORWARDED_FOR, "`forwarded_for`")?;
    let except = map.or("except", Vec::new(), |v| Value::each(v.items()?, acls::network));
    map.maybe("trust", |v| match v.items()?.is_empty() {
        true => None,
        false => v.not_yet::<()>("`trust` with addresses"),
    });
    Some(Some(ForwardedFor { except, trust: Vec::new() }))
}

fn monitor(value: Value<'_>) -> Option<String> {
    let text = value.nonempty()?;
    if text.starts_with('/') && text.bytes().all(|b| b.is_ascii_graphic() && !b"?#".contains(&b)) {
        return Some(text);
    }
    let message = format!("`{}` is not a path", value.shown());
    value.reject(Code::BadValue, message, "it begins with `/` and has no query, like `/health`")
}

/// Rules that are never reached, and requests that no rule routes.
fn check_flow(frontend: &Map<'_>, rules: &[Rule]) {
    let end = rules.iter().position(|r| r.condition.is_none() && r.action.ends());
    if let Some(end) = end {
        if let (Some(rule), Some(last)) = (rules.get(end + 1), rules.get(end)) {
            let message =
                format!("no request comes here: the rule in line {} ends every one before", last.line);
            let warning =
                Diagnostic::warning(Code::Unreachable, rule_span(frontend, end + 1, rule.line), message);
            frontend.context.report(warning.hint("give that rule an `if`, or move this one up"));
        }
        return;
    }
    if frontend.has("default_backend") {
        return;
    }
    let routes = rules.iter().any(|r| r.action.ends());
    let (span, code) = (frontend.span, Code::MissingKey);
    let found = if routes {
        let message = format!("what no rule of {} ends gets 503: it has no `default_backend`", frontend.what);
        Diagnostic::warning(code, span, message)
    } else {
        Diagnostic::error(code, span, format!("{} sends requests nowhere: every one gets 503", frontend.what))
    };
    let hint = "add `default_backend`, or a last rule without `if`: use_backend, redirect, return or deny";
    frontend.context.report(found.hint(hint));
}

/// A counter is known only for what is tracked, and rules run in order.
fn check_tracking(frontend: &Map<'_>, rules: &[Rule], acls: &[Option<Acl>]) {
    let mut tracked: Vec<usize> = Vec::new();
    for (index, rule) in rules.iter().enumerate() {
        let mut early = None;
        if let Some(condition) = &rule.condition {
            condition.visit(&mut |i| {
                if let Some(Some(Acl { name, test: Test::Above { table, .. } })) = acls.get(i)
                    && !tracked.contains(table)
                {
                    early = Some(name.clone());
                }
            });
        }
        if let Some(acl) = early {
            let message = format!("acl `{acl}` is never true here: no rule before this one tracks its table");
            let warning =
                Diagnostic::warning(Code::Unreachable, rule_span(frontend, index, rule.line), message);
            frontend.context.report(warning.hint("put a rule `{track: ...}` before it"));
        }
        if let Action::Track(table) = rule.action {
            tracked.push(table);
        }
    }
}

/// The place of one rule.
fn rule_span(frontend: &Map<'_>, index: usize, line: usize) -> crate::config::diagnostic::Span {
    let items = frontend.get("rules").and_then(|v| v.items()).unwrap_or_default();
    items.get(index).filter(|v| v.span().line == line).map_or(frontend.span, |v| v.span())
}
