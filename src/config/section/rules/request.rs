//! `frontends.NAME.rules`: what happens to a request before it has a server.

use std::time::Duration;

use super::{Stage, actions, answer, counters, rewrite, rule};
use crate::config::checked::{Action, Rule};
use crate::config::reader::{Keys, Map};
use crate::config::section::frontends::Around;
use crate::config::section::redirect;
use crate::config::value::Value;

pub(super) const RULE: Keys = Keys {
    path: "frontends.NAME.rules",
    known: &[
        "deny",
        "tarpit",
        "silent_drop",
        "delay",
        "redirect",
        "set_header",
        "add_header",
        "remove_header",
        "rewrite_path",
        "track",
        "raise",
        "set_gpt0",
        "use_backend",
        "return",
        "if",
    ],
    not_yet: &[],
    elsewhere: &[
        ("unless", "write `if: not (...)`"),
        ("status", "it stands in the action: `{deny: {status: 429}}`"),
        (
            "reject",
            "it stands in `connection_rules`; a request is answered with `deny`, or not with `silent_drop`",
        ),
        ("accept", "it stands in `connection_rules`; a request goes on with `use_backend`"),
        ("replace_path", "the key is `rewrite_path`"),
    ],
};

pub(super) const DENY: Keys =
    Keys { path: "frontends.NAME.rules.deny", known: &["status"], not_yet: &[], elsewhere: &[] };

pub(super) const TARPIT: Keys =
    Keys { path: "frontends.NAME.rules.tarpit", known: &["for", "status"], not_yet: &[], elsewhere: &[] };

/// Longer waits only hold connections.
const LONGEST_WAIT: Duration = Duration::from_secs(60);

pub(in crate::config::section) fn read(value: Value<'_>, around: &Around<'_>) -> Option<Rule> {
    let read = rule(value, &RULE, around, Stage::Request, |name, v| action(name, v, around))?;
    Some(Rule { action: read.action, condition: read.condition, line: read.line })
}

fn action(name: &str, value: Value<'_>, around: &Around<'_>) -> Option<Action> {
    match name {
        "deny" => {
            let map = Map::open(value, &DENY, "`deny`")?;
            Some(Action::Deny { status: map.or("status", 403, |v| v.count_u16(400..=599)) })
        }
        "tarpit" => {
            let map = Map::open(value, &TARPIT, "`tarpit`")?;
            // The status of HAProxy's own `http-request tarpit`.
            let status = map.or("status", 500, |v| v.count_u16(400..=599));
            map.required("for", wait).map(|time| Action::Tarpit { time, status })
        }
        "silent_drop" => actions::switch(value).map(|()| Action::SilentDrop),
        "delay" => wait(value).map(Action::Delay),
        "redirect" => redirect::read(value).map(Action::Redirect),
        "set_header" => actions::fields(value, Stage::Request).map(Action::SetHeader),
        "add_header" => actions::fields(value, Stage::Request).map(Action::AddHeader),
        "remove_header" => actions::names(value).map(Action::RemoveHeader),
        "rewrite_path" => rewrite::read(value).map(Action::RewritePath),
        "track" => around.known.tables.resolve(value).map(Action::Track),
        "raise" => counters::raise(value, Stage::Request, around).map(Action::Raise),
        "set_gpt0" => {
            counters::set_gpt0(value, Stage::Request, around).map(|(tag, value)| Action::SetGpt0(tag, value))
        }
        "use_backend" => around.known.backends.resolve(value).map(Action::UseBackend),
        _ => answer::read(value).map(Action::Return),
    }
}

fn wait(value: Value<'_>) -> Option<Duration> {
    value.duration(Duration::from_millis(1)..=LONGEST_WAIT)
}
