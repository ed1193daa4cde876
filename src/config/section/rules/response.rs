//! `frontends.NAME.response_rules`: what happens to every answer on its way to the client.

use super::{Stage, actions, rule};
use crate::config::checked::{ResponseAction, ResponseRule};
use crate::config::reader::Keys;
use crate::config::section::frontends::Around;
use crate::config::value::Value;

pub(super) const RULE: Keys = Keys {
    path: "frontends.NAME.response_rules",
    known: &["set_header", "add_header", "remove_header", "if"],
    not_yet: &[],
    elsewhere: &[
        ("unless", "write `if: not (...)`"),
        ("deny", "an answer is there already: deny requests in `rules`"),
        ("return", "an answer is there already: move the rule to `rules`"),
        ("track", "counting belongs in `rules` or `connection_rules`"),
        ("raise", "counting belongs in `rules` or `connection_rules`"),
    ],
};

pub(in crate::config::section) fn read(value: Value<'_>, around: &Around<'_>) -> Option<ResponseRule> {
    let read = rule(value, &RULE, around, Stage::Response, |name, v| match name {
        "set_header" => actions::fields(v, Stage::Response).map(ResponseAction::SetHeader),
        "add_header" => actions::fields(v, Stage::Response).map(ResponseAction::AddHeader),
        _ => actions::names(v).map(ResponseAction::RemoveHeader),
    })?;
    Some(ResponseRule { action: read.action, condition: read.condition, line: read.line })
}
