//! The three lists of rules of a frontend: of its connections, its requests and its answers. What they share is here:
//! one action each, and the condition under which it happens.

mod actions;
mod answer;
mod connection;
mod counters;
mod request;
mod response;
mod rewrite;

use std::collections::HashSet;

use super::frontends::Around;
use crate::config::checked::Test;
use crate::config::diagnostic::{Code, Diagnostic};
use crate::config::expression::{self, Expression, Wrong};
use crate::config::reader::{Keys, Map};
use crate::config::value::Value;

pub(super) use connection::read as connection;
pub(super) use request::read as request;
pub(super) use response::read as response;

pub(super) const KEYS: &[&Keys] = &[
    &connection::RULE,
    &request::RULE,
    &request::DENY,
    &request::TARPIT,
    &rewrite::REWRITE,
    &answer::RETURN,
    &response::RULE,
    &counters::RAISE,
    &counters::SET_GPT0,
    &counters::CONNECTION_RAISE,
    &counters::CONNECTION_SET_GPT0,
];

/// How far things have come when a rule is looked at, and so what it can ask.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    Connection,
    Request,
    Response,
}

/// A rule, whatever its actions are.
struct Ruled<A> {
    action: A,
    condition: Option<Expression>,
    line: usize,
}

/// Reads one rule; `action` reads the value of the key that is its action.
fn rule<A>(
    value: Value<'_>,
    keys: &'static Keys,
    around: &Around<'_>,
    stage: Stage,
    action: impl FnOnce(&'static str, Value<'_>) -> Option<A>,
) -> Option<Ruled<A>> {
    let what = match stage {
        Stage::Connection => "a connection rule",
        Stage::Request => "a rule",
        Stage::Response => "a response rule",
    };
    let map = Map::open(value, keys, what)?;
    let condition = map.get("if").map(|v| condition(v, around, stage));
    let actions = || keys.known.iter().copied().filter(|k| *k != "if");
    let present: Vec<&'static str> = actions().filter(|a| map.has(a)).collect();
    let action = match present.as_slice() {
        [one] => map.required(one, |v| action(one, v)),
        [] if !map.is_clean() => None,
        [] => {
            let wrong = Diagnostic::error(Code::MissingKey, map.span, "this rule does nothing");
            let all: Vec<&str> = actions().collect();
            map.context.reject(wrong.hint(format!("give it one of {}", all.join(" "))))
        }
        [_, second, ..] => {
            let wrong = Diagnostic::error(Code::Conflict, map.key_span(second), "two actions in one rule");
            map.context.reject(wrong.hint("make it two rules; they run in order"))
        }
    };
    let condition = condition.map_or(Some(None), |c| c.map(Some));
    Some(Ruled { action: action?, condition: condition?, line: value.span().line })
}

fn condition(value: Value<'_>, around: &Around<'_>, stage: Stage) -> Option<Expression> {
    let known = around.known;
    let text = value.nonempty()?;
    if text != value.source() {
        return value.reject(
            Code::BadValue,
            "a condition takes no `${...}`",
            "write the names of the ACLs out",
        );
    }
    if value.is_hidden() {
        return value.context.reject(known.acls.unknown(&value.shown(), value.span()));
    }
    match expression::parse(&text, &|name| known.acls.find(name)) {
        Ok(expression) => asks_what_is_there(value, &text, around, stage).then_some(expression),
        Err(mistakes) => {
            for m in mistakes {
                let span = value.part(m.start, m.length);
                value.context.report(match m.what {
                    Wrong::UnknownAcl(name) => known.acls.unknown(&name, span),
                    Wrong::Syntax(message, hint) => {
                        Diagnostic::error(Code::BadValue, span, message).hint(hint)
                    }
                });
            }
            None
        }
    }
}

/// Reports the ACLs that ask for something that comes later, each once.
fn asks_what_is_there(value: Value<'_>, text: &str, around: &Around<'_>, stage: Stage) -> bool {
    let mut named = HashSet::new();
    let mut good = true;
    for (start, name) in expression::words(text) {
        if !named.insert(name) {
            continue;
        }
        let acl = around.known.acls.find(name).and_then(|i| around.acls.get(i)?.as_ref());
        let Some(lacking) = acl.and_then(|acl| lacks(&acl.test, stage)) else { continue };
        let whose = if stage == Stage::Connection { "a connection" } else { "a request" };
        let hint = match acl.map(|acl| &acl.test) {
            Some(Test::Status(_)) => "move this rule to `response_rules`",
            _ => "connection rules ask `src`, `tls`, `always` and counters; move this rule to `rules`",
        };
        let message = format!("acl `{name}` asks for {lacking}, which {whose} does not have yet");
        let wrong = Diagnostic::error(Code::Conflict, value.part(start, name.len()), message);
        value.context.report(wrong.hint(hint));
        good = false;
    }
    good
}

/// What a test asks for that is not there yet.
fn lacks(test: &Test, stage: Stage) -> Option<&'static str> {
    let lacking = match test {
        Test::Always | Test::Src(_) | Test::Tls | Test::Above { .. } => return None,
        Test::Status(_) => "the status of the answer",
        Test::Path(_) => "the path",
        Test::Method(_) => "the method",
        Test::Host(_) => "the host",
        Test::Header { .. } => "a header",
        Test::Query { .. } => "the query",
        Test::ApiKey(_) => "the client's key",
        Test::Plan(_) => "the client's plan",
        Test::Model(_) | Test::Task(_) => "the model",
        Test::ClientCn(_) | Test::ClientDn(_) => "the client's certificate",
    };
    match stage {
        Stage::Connection => Some(lacking),
        Stage::Request => matches!(test, Test::Status(_)).then_some(lacking),
        Stage::Response => None,
    }
}
