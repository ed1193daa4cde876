//! `acls`: named tests of a connection, a request or an answer.

mod counter;
mod models;
mod patterns;
pub(super) mod regexes;

use super::{Known, headers, network};
use crate::config::checked::{Acl, How, Test, Text};
use crate::config::diagnostic::{Code, Diagnostic, Span};
use crate::config::reader::{Keys, Map};
use crate::config::value::Value;
use patterns::text;
use regexes::Subject;

pub(super) const KEYS: &[&Keys] = &[&ACL];

const ACL: Keys = Keys {
    path: "acls.NAME",
    known: &[
        "path",
        "path_beg",
        "path_end",
        "path_reg",
        "method",
        "host",
        "header",
        "query",
        "src",
        "api_key",
        "plan",
        "model",
        "task",
        "tls",
        "always",
        "client_cn",
        "client_dn",
        "status",
        "table",
        "counter",
        "above",
        "present",
        "value",
        "value_beg",
        "value_end",
        "value_reg",
        "ignore_case",
    ],
    not_yet: &[],
    elsewhere: &[("if", "conditions stand in rules; an ACL is one test")],
};

/// The keys that say what is tested; an ACL has exactly one.
const FETCHES: &[&str] = &[
    "path",
    "path_beg",
    "path_end",
    "path_reg",
    "method",
    "host",
    "header",
    "query",
    "src",
    "api_key",
    "plan",
    "model",
    "task",
    "tls",
    "always",
    "client_cn",
    "client_dn",
    "status",
    "table",
];

/// Further keys, with the fetches that they belong to.
const FURTHER: &[(&str, &[&str])] = &[
    ("counter", &["table"]),
    ("above", &["table"]),
    ("present", &["header", "query"]),
    ("value", &["header", "query"]),
    ("value_beg", &["header", "query"]),
    ("value_end", &["header", "query"]),
    ("value_reg", &["header", "query"]),
    ("ignore_case", &["path", "path_beg", "path_end", "path_reg", "header", "query"]),
];

pub(super) fn read(name: &str, at: Span, value: Value<'_>, known: &Known<'_>) -> Option<Acl> {
    if matches!(name, "and" | "or" | "not") {
        let wrong = Diagnostic::error(Code::BadValue, at, format!("`{name}` cannot be the name of an ACL"));
        let _: Option<()> =
            value.context.reject(wrong.hint("it has a meaning in conditions; choose another name"));
    }
    let map = Map::open(value, &ACL, format!("acl `{name}`"))?;
    let present: Vec<&'static str> = FETCHES.iter().copied().filter(|f| map.has(f)).collect();
    let fetch = match present.as_slice() {
        [one] => *one,
        [] if !map.is_clean() => return None,
        [] => {
            let wrong = Diagnostic::error(Code::MissingKey, map.span, format!("acl `{name}` tests nothing"));
            return map.context.reject(wrong.hint(format!("give it one of {}", FETCHES.join(" "))));
        }
        [_, second, ..] => {
            let message = format!("acl `{name}` tests more than one thing");
            let wrong = Diagnostic::error(Code::Conflict, map.key_span(second), message);
            return map.context.reject(wrong.hint("make it two ACLs and join them with `and` in the rule"));
        }
    };
    let mut good = true;
    for (key, fetches) in FURTHER {
        if map.has(key) && !fetches.contains(&fetch) {
            let message = format!("`{key}` has no meaning beside `{fetch}`");
            let hint = format!("it belongs to {}", fetches.join(", "));
            map.context.report(Diagnostic::error(Code::Conflict, map.key_span(key), message).hint(hint));
            good = false;
        }
    }
    let test = test(&map, fetch, known);
    if good { Some(Acl { name: name.to_owned(), test: test? }) } else { None }
}

fn test(map: &Map<'_>, fetch: &'static str, known: &Known<'_>) -> Option<Test> {
    let ignore_case = map.or("ignore_case", false, |v| v.boolean());
    let value = map.required(fetch, Some)?;
    match fetch {
        "path" => text(value, How::Equals, Subject::Path, ignore_case)
            .and_then(|t| patterns::rooted(value, t))
            .map(Test::Path),
        "path_beg" => text(value, How::BeginsWith, Subject::Path, ignore_case)
            .and_then(|t| patterns::rooted(value, t))
            .map(Test::Path),
        "path_end" => text(value, How::EndsWith, Subject::Path, ignore_case).map(Test::Path),
        "path_reg" => text(value, How::Matches, Subject::Path, ignore_case).map(Test::Path),
        "method" => Value::each(value.one_or_more()?, patterns::method).map(Test::Method),
        "host" => Value::each(value.one_or_more()?, patterns::host).map(Test::Host),
        "header" => {
            let name = headers::name(value.context, &value.nonempty()?, value.span());
            let values = present_or_value(map, ignore_case);
            Some(Test::Header { name: name?, values: values? })
        }
        "query" => {
            let name = value.nonempty();
            let values = present_or_value(map, ignore_case);
            Some(Test::Query { name: name?, values: values? })
        }
        "src" => Value::each(value.one_or_more()?, network::read).map(Test::Src),
        "api_key" => Value::each(value.one_or_more()?, |v| known.clients.resolve(v)).map(Test::ApiKey),
        "plan" => Value::each(value.one_or_more()?, |v| known.plans.resolve(v)).map(Test::Plan),
        "model" => Value::each(value.one_or_more()?, |v| models::model(v, &known.models)).map(Test::Model),
        "task" => Value::each(value.one_or_more()?, |v| models::task(v, known)).map(Test::Task),
        "tls" => value.must_be_true("write `tls: true`, and `not` in the condition").map(|()| Test::Tls),
        "always" => {
            value.must_be_true("write `always: true`, and `not` in the condition").map(|()| Test::Always)
        }
        "client_cn" => Value::each(value.one_or_more()?, |v| v.nonempty()).map(Test::ClientCn),
        "client_dn" => Value::each(value.one_or_more()?, patterns::distinguished_name).map(Test::ClientDn),
        "status" => Value::each(value.one_or_more()?, patterns::statuses).map(Test::Status),
        _ => counter::above(map, value, known),
    }
}

/// The keys that say what a value may be.
const VALUES: &[(&str, How)] = &[
    ("value", How::Equals),
    ("value_beg", How::BeginsWith),
    ("value_end", How::EndsWith),
    ("value_reg", How::Matches),
];

/// `present: true`, or one of [`VALUES`].
fn present_or_value(map: &Map<'_>, ignore_case: bool) -> Option<Option<Text>> {
    let present = map.get("present").map(|v| v.must_be_true("leave it out and write `not` in the condition"));
    let mut values = VALUES.iter().filter_map(|(key, how)| Some((map.get(key)?, *how)));
    match (present, values.next(), values.next()) {
        (_, Some(_), Some((second, _))) => {
            let message = format!("`{}` beside another test of the value", second.name);
            let wrong = Diagnostic::error(Code::Conflict, map.key_span(second.name), message);
            map.context.reject(wrong.hint("make it two ACLs and join them in the rule"))
        }
        (Some(present), None, _) => present.map(|()| None),
        (None, Some((value, how)), None) => text(value, how, Subject::Value, ignore_case).map(Some),
        (Some(_), Some((value, _)), None) => value.reject(
            Code::Conflict,
            format!("`present` and `{}` in one ACL", value.name),
            "a value that matches is present; remove `present`",
        ),
        (None, None, _) if !map.is_clean() => None,
        (None, None, _) => {
            let wrong =
                Diagnostic::error(Code::MissingKey, map.span, format!("{} asks for nothing", map.what));
            map.context
                .reject(wrong.hint("add `present: true`, or one of value, value_beg, value_end, value_reg"))
        }
    }
}
