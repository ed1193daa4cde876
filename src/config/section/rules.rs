//! `frontends.NAME.rules`: one action each, with the condition under which it happens.

use std::time::Duration;

use http::HeaderValue;

use super::{Known, headers, redirect};
use crate::config::checked::{Action, HeaderPart, HeaderText, Return, Rule};
use crate::config::diagnostic::{Code, Diagnostic};
use crate::config::expression::{self, Expression, Wrong};
use crate::config::reader::{Keys, Map};
use crate::config::value::Value;

pub(super) const KEYS: &[&Keys] = &[&RULE, &DENY, &RETURN];

const RULE: Keys = Keys {
    path: "frontends.NAME.rules",
    known: &[
        "deny",
        "delay",
        "redirect",
        "set_header",
        "remove_header",
        "track",
        "use_backend",
        "return",
        "if",
    ],
    not_yet: &["tarpit", "silent_drop", "add_header", "rewrite_path", "raise"],
    elsewhere: &[
        ("unless", "write `if: not (...)`"),
        ("status", "it stands in the action: `{deny: {status: 429}}`"),
    ],
};

const ACTIONS: &[&str] =
    &["deny", "delay", "redirect", "set_header", "remove_header", "track", "use_backend", "return"];

const DENY: Keys =
    Keys { path: "frontends.NAME.rules.deny", known: &["status"], not_yet: &[], elsewhere: &[] };

const RETURN: Keys = Keys {
    path: "frontends.NAME.rules.return",
    known: &["status", "content_type", "body"],
    not_yet: &[],
    elsewhere: &[],
};

/// Longer delays only hold connections.
const LONGEST_DELAY: Duration = Duration::from_secs(60);

pub(super) fn read(value: Value<'_>, known: &Known<'_>) -> Option<Rule> {
    let map = Map::open(value, &RULE, "a rule")?;
    let condition = map.get("if").map(|v| condition(v, known));
    let present: Vec<&'static str> = ACTIONS.iter().copied().filter(|a| map.has(a)).collect();
    let action = match present.as_slice() {
        [one] => map.required(one, |v| action(one, v, known)),
        [] if !map.is_clean() => None,
        [] => {
            let wrong = Diagnostic::error(Code::MissingKey, map.span, "this rule does nothing");
            map.context.reject(wrong.hint(format!("give it one of {}", ACTIONS.join(" "))))
        }
        [_, second, ..] => {
            let wrong = Diagnostic::error(Code::Conflict, map.key_span(second), "two actions in one rule");
            map.context.reject(wrong.hint("make it two rules; they run in order"))
        }
    };
    let condition = condition.map_or(Some(None), |c| c.map(Some));
    Some(Rule { action: action?, condition: condition?, line: value.span().line })
}

fn condition(value: Value<'_>, known: &Known<'_>) -> Option<Expression> {
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
        Ok(expression) => Some(expression),
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

fn action(name: &str, value: Value<'_>, known: &Known<'_>) -> Option<Action> {
    match name {
        "deny" => {
            let map = Map::open(value, &DENY, "`deny`")?;
            Some(Action::Deny { status: map.or("status", 403, |v| v.count_u16(400..=599)) })
        }
        "delay" => value.duration(Duration::from_millis(1)..=LONGEST_DELAY).map(Action::Delay),
        "redirect" => redirect::read(value).map(Action::Redirect),
        "set_header" => match headers::pairs(value)? {
            none if none.is_empty() => value.reject(
                Code::BadValue,
                "`set_header` sets nothing",
                "like `{set_header: {x-name: value}}`",
            ),
            headers => Some(Action::SetHeader(
                headers.into_iter().map(|(n, v)| (n, HeaderText(vec![HeaderPart::Text(v)]))).collect(),
            )),
        },
        "remove_header" => {
            let names = Value::each(value.one_or_more()?, |v| {
                headers::changeable(v.context, &v.nonempty()?, v.span())
            })?;
            Some(Action::RemoveHeader(names))
        }
        "track" => known.tables.resolve(value).map(Action::Track),
        "use_backend" => known.backends.resolve(value).map(Action::UseBackend),
        _ => answer(value).map(Action::Return),
    }
}

fn answer(value: Value<'_>) -> Option<Return> {
    let map = Map::open(value, &RETURN, "`return`")?;
    let status = map.or("status", 200, |v| v.count_u16(200..=599));
    let content_type =
        map.or("content_type", HeaderValue::from_static("text/plain; charset=utf-8"), content_type);
    let body = map.or("body", String::new(), |v| v.text());
    if matches!(status, 204 | 304) && !body.is_empty() {
        let wrong = Diagnostic::error(
            Code::Conflict,
            map.key_span("body"),
            format!("an answer {status} has no body"),
        );
        return map.context.reject(wrong.hint("remove `body`, or answer with another status"));
    }
    Some(Return { status, content_type, body })
}

fn content_type(value: Value<'_>) -> Option<HeaderValue> {
    let text = value.nonempty()?;
    let kind = text.split(';').next().unwrap_or_default().trim();
    let known = kind.split_once('/').is_some_and(|(a, b)| !a.is_empty() && !b.is_empty() && !b.contains('/'));
    match HeaderValue::from_str(&text) {
        Ok(header) if known => Some(header),
        _ => {
            let message = format!("`{}` is not a content type", value.shown());
            value.reject(Code::BadValue, message, "like `text/plain` or `application/json`")
        }
    }
}
