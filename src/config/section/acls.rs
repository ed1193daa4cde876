//! `acls`: named tests of a request.

use http::Method;
use ipnet::{IpNet, Ipv4Net, Ipv6Net};

use super::{Known, headers, tables};
use crate::config::checked::{Acl, How, Test, Text};
use crate::config::diagnostic::{Code, Diagnostic, Span};
use crate::config::reader::{Keys, Map};
use crate::config::suggest;
use crate::config::value::Value;

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
        "tls",
        "always",
        "table",
        "counter",
        "above",
        "present",
        "value",
        "ignore_case",
    ],
    not_yet: &["model", "task"],
    elsewhere: &[("if", "conditions stand in rules; an ACL is one test")],
};

/// The keys that say what is tested; an ACL has exactly one.
const FETCHES: &[&str] = &[
    "path", "path_beg", "path_end", "path_reg", "method", "host", "header", "query", "src", "api_key",
    "plan", "tls", "always", "table",
];

/// Further keys, with the fetches that they belong to.
const FURTHER: &[(&str, &[&str])] = &[
    ("counter", &["table"]),
    ("above", &["table"]),
    ("present", &["header", "query"]),
    ("value", &["header", "query"]),
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
        "path" => text(value, How::Equals, ignore_case).and_then(|t| rooted(value, t)).map(Test::Path),
        "path_beg" => {
            text(value, How::BeginsWith, ignore_case).and_then(|t| rooted(value, t)).map(Test::Path)
        }
        "path_end" => text(value, How::EndsWith, ignore_case).map(Test::Path),
        "path_reg" => text(value, How::Matches, ignore_case).map(Test::Path),
        "method" => Value::each(value.one_or_more()?, method).map(Test::Method),
        "host" => Value::each(value.one_or_more()?, host).map(Test::Host),
        "header" => {
            let name = headers::name(value.context, &value.nonempty()?, value.span());
            let values = of_present_or_value(map, ignore_case);
            Some(Test::Header { name: name?, values: values? })
        }
        "query" => {
            let name = value.nonempty();
            let values = of_present_or_value(map, ignore_case);
            Some(Test::Query { name: name?, values: values? })
        }
        "src" => Value::each(value.one_or_more()?, network).map(Test::Src),
        "api_key" => Value::each(value.one_or_more()?, |v| known.clients.resolve(v)).map(Test::ApiKey),
        "plan" => Value::each(value.one_or_more()?, |v| known.plans.resolve(v)).map(Test::Plan),
        "tls" => value.must_be_true("write `tls: true`, and `not` in the condition").map(|()| Test::Tls),
        "always" => {
            value.must_be_true("write `always: true`, and `not` in the condition").map(|()| Test::Always)
        }
        _ => above(map, value, known),
    }
}

fn text(value: Value<'_>, how: How, ignore_case: bool) -> Option<Text> {
    let values = Value::each(value.one_or_more()?, |v| {
        let text = v.nonempty()?;
        match how {
            How::Matches => regex(v, text, ignore_case),
            _ if ignore_case => Some(text.to_lowercase()),
            _ => Some(text),
        }
    })?;
    Some(Text { how, values, ignore_case })
}

/// Compiled once here, for the error at its place; again where it is used.
fn regex(value: Value<'_>, source: String, ignore_case: bool) -> Option<String> {
    match regex::RegexBuilder::new(&source).case_insensitive(ignore_case).build() {
        Ok(_) => Some(source),
        Err(e) => {
            let reason = e.to_string();
            let reason = reason.lines().last().unwrap_or_default().trim_start_matches("error: ");
            let message = format!("not a regular expression: {reason}");
            value.reject(Code::BadValue, message, "the syntax is that of https://docs.rs/regex")
        }
    }
}

/// A path that does not begin with `/` is never that of a request.
fn rooted(value: Value<'_>, text: Text) -> Option<Text> {
    if text.values.iter().all(|v| v.starts_with('/') || v == "*") {
        return Some(text);
    }
    value.reject(
        Code::BadValue,
        "a path begins with `/`",
        "use `path_end` or `path_reg` for a part of a path",
    )
}

fn method(value: Value<'_>) -> Option<Method> {
    let text = value.nonempty()?;
    let upper = text.to_ascii_uppercase();
    let hint = if upper == text || text != value.source() {
        "like GET or POST".to_owned()
    } else {
        format!("methods are upper case: `{upper}`")
    };
    match Method::from_bytes(text.as_bytes()) {
        Ok(method) if upper == text => Some(method),
        _ => value.reject(Code::BadValue, format!("`{}` is not a method", value.shown()), hint),
    }
}

fn host(value: Value<'_>) -> Option<String> {
    let text = value.nonempty()?.to_lowercase();
    let port = text.rsplit_once(':').is_some_and(|(_, p)| !p.ends_with(']'));
    let odd = text.contains(|c: char| c.is_whitespace() || matches!(c, '/' | '*' | '@' | '?'));
    if port || odd {
        let message = format!("`{}` is not a host name", value.shown());
        return value.reject(Code::BadValue, message, "like `api.example.com`: no port, no path, no `*`");
    }
    Some(text)
}

/// `present: true`, or `value` with what it may be.
fn of_present_or_value(map: &Map<'_>, ignore_case: bool) -> Option<Option<Text>> {
    let present = map.get("present").map(|v| v.must_be_true("leave it out and write `not` in the condition"));
    match (present, map.get("value")) {
        (Some(present), None) => present.map(|()| None),
        (None, Some(value)) => text(value, How::Equals, ignore_case).map(Some),
        (Some(_), Some(value)) => value.reject(
            Code::Conflict,
            "`present` and `value` in one ACL",
            "a value that matches is present; remove `present`",
        ),
        (None, None) => {
            let wrong =
                Diagnostic::error(Code::MissingKey, map.span, format!("{} asks for nothing", map.what));
            map.context.reject(wrong.hint("add `present: true`, or `value: ...`"))
        }
    }
}

/// An address or a network; bits beyond the prefix are cut off with a warning.
pub(super) fn network(value: Value<'_>) -> Option<IpNet> {
    let text = value.nonempty()?;
    if let Ok(address) = text.parse::<std::net::IpAddr>() {
        return Some(IpNet::from(address));
    }
    let Ok(net) = text.parse::<IpNet>() else {
        let message = format!("`{}` is not an IP address or network", value.shown());
        return value.reject(
            Code::BadValue,
            message,
            "like `10.0.0.0/8`, `192.0.2.1` or `\"2001:db8::/32\"`",
        );
    };
    let whole = match net {
        IpNet::V4(n) => IpNet::V4(Ipv4Net::trunc(&n)),
        IpNet::V6(n) => IpNet::V6(Ipv6Net::trunc(&n)),
    };
    if whole != net {
        let message = format!("`{}` is an address within its network", value.shown());
        let warning = Diagnostic::warning(Code::BadValue, value.span(), message);
        value.context.report(warning.hint(format!("the whole network is `{whole}`, and is what counts")));
    }
    Some(whole)
}

fn above(map: &Map<'_>, value: Value<'_>, known: &Known<'_>) -> Option<Test> {
    let above = map.required("above", |v| v.count(0..=u64::MAX / 2));
    let counter = map.required("counter", Some);
    // Asking is not tracking: only a `track` rule makes a table used.
    let table = known.tables.index(value)?;
    let counter = counter?;
    let text = counter.nonempty()?;
    let Some(Some(found)) = known.table_list.get(table) else { return None };
    let wanted = text.split('(').next().unwrap_or_default();
    let index = found.counters.iter().position(|c| tables::name(*c) == wanted);
    let Some(index) = index else {
        let message = format!("table `{}` has no counter `{}`", found.name, counter.shown());
        let names: Vec<&str> = found.counters.iter().map(|c| tables::name(*c)).collect();
        let wrong = Diagnostic::error(Code::UnknownName, counter.span(), message);
        return map.context.reject(wrong.maybe_hint(suggest::among(&counter.shown(), &names)));
    };
    if text != wanted {
        let message = "a condition names the counter without its period";
        return counter.reject(
            Code::BadValue,
            message,
            format!("write `{wanted}`; the table says the period"),
        );
    }
    Some(Test::Above { table, counter: index, above: above? })
}
