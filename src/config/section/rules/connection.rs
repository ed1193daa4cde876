//! `frontends.NAME.connection_rules`: what happens to a connection before any byte of it is read.

use super::{Stage, actions, counters, rule};
use crate::config::checked::{ConnectionAction, ConnectionRule, TableKey};
use crate::config::diagnostic::Code;
use crate::config::reader::Keys;
use crate::config::section::frontends::Around;
use crate::config::value::Value;

pub(super) const RULE: Keys = Keys {
    path: "frontends.NAME.connection_rules",
    known: &["track", "reject", "silent_drop", "accept", "raise", "set_gpt0", "if"],
    not_yet: &[],
    elsewhere: &[
        ("unless", "write `if: not (...)`"),
        ("deny", "a connection has sent no request to answer: use `reject`, or move the rule to `rules`"),
        ("tarpit", "it needs a request: move the rule to `rules`, or use `silent_drop`"),
        ("delay", "it needs a request: move the rule to `rules`"),
    ],
};

pub(in crate::config::section) fn read(value: Value<'_>, around: &Around<'_>) -> Option<ConnectionRule> {
    let read = rule(value, &RULE, around, Stage::Connection, |name, v| match name {
        "track" => {
            let table = around.known.tables.resolve(v)?;
            keyed_by_src(v, table, around).then_some(ConnectionAction::Track(table))
        }
        "reject" => actions::switch(v).map(|()| ConnectionAction::Reject),
        "silent_drop" => actions::switch(v).map(|()| ConnectionAction::SilentDrop),
        "accept" => actions::switch(v).map(|()| ConnectionAction::Accept),
        "raise" => counters::raise(v, Stage::Connection, around).map(ConnectionAction::Raise),
        _ => counters::set_gpt0(v, Stage::Connection, around)
            .map(|(tag, value)| ConnectionAction::SetGpt0(tag, value)),
    })?;
    Some(ConnectionRule { action: read.action, condition: read.condition, line: read.line })
}

/// A connection has an address; who else it is for, only its requests tell.
pub(super) fn keyed_by_src(value: Value<'_>, table: usize, around: &Around<'_>) -> bool {
    let Some(Some(table)) = around.known.table_list.get(table) else { return true };
    let key = match table.key {
        TableKey::Src => return true,
        TableKey::ApiKey => "the client's key",
        TableKey::Model => "the model",
        TableKey::Plan => "the client's plan",
    };
    let message = format!("table `{}` is keyed by {key}, which a connection does not have yet", table.name);
    let hint = "use a table with `key: src`, or move this rule to `rules`";
    value.reject::<()>(Code::Conflict, message, hint).is_some()
}
