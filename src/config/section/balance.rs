//! `backends.NAME.balance`: a word, or `hash(FETCH)`.

use http::HeaderName;

use super::header_text::KEYS;
use crate::config::checked::{Balance, HashKey, Server};
use crate::config::diagnostic::{Code, Diagnostic};
use crate::config::reader::Map;
use crate::config::suggest;
use crate::config::value::Value;

const WORDS: &[(&str, Balance)] = &[
    ("round_robin", Balance::RoundRobin),
    ("least_conn", Balance::LeastConn),
    ("latency", Balance::Latency),
    ("first", Balance::First),
    ("random", Balance::Random),
];

/// What may stand in the brackets of `hash`, as it is written.
const FETCHES: &[&str] = &["src", "path", "api_key", "header(x-name)", "query(name)"];

/// HAProxy's and nginx's words that are no typing mistakes of ours.
const ELSEWHERE: &[(&str, &str)] = &[
    ("static-rr", "round_robin"),
    ("leastconn", "least_conn"),
    ("least_time", "latency"),
    ("least_connections", "least_conn"),
    ("source", "hash(src)"),
    ("ip_hash", "hash(src)"),
    ("uri", "hash(path)"),
    ("url_param", "hash(query(name))"),
    ("hdr", "hash(header(x-name))"),
    ("rdp-cookie", "hash(header(x-name))"),
];

pub(super) fn read(value: Value<'_>) -> Option<Balance> {
    let text = value.nonempty()?;
    let (word, inner) = match text.split_once('(') {
        None => (text.trim(), None),
        Some((word, rest)) => (word.trim(), Some(rest.trim())),
    };
    if word == "hash" {
        return hash(value, inner);
    }
    let known = WORDS.iter().find(|(name, _)| *name == word);
    match (known, inner) {
        (Some((_, balance)), None) => Some(balance.clone()),
        (Some(_), Some(_)) => {
            let message = format!("`{word}` has nothing in brackets");
            value.reject(Code::BadValue, message, format!("write `{word}`"))
        }
        (None, _) => unknown(value, word),
    }
}

/// Whether the text is the file's own and not that of a variable.
fn may_quote(value: Value<'_>) -> bool {
    !value.is_hidden() && !value.source().contains("${")
}

fn unknown<T>(value: Value<'_>, word: &str) -> Option<T> {
    let words: Vec<&str> = WORDS.iter().map(|(name, _)| *name).chain(["hash(src)"]).collect();
    let word = if may_quote(value) { word } else { "" };
    let hint = match ELSEWHERE.iter().find(|(theirs, _)| *theirs == word) {
        Some((_, ours)) => Some(format!("here it is `{ours}`")),
        None => suggest::among(word, &words),
    };
    let message = format!("`{}` cannot be `{}`", value.name, value.shown());
    let wrong = Diagnostic::error(Code::BadValue, value.span(), message);
    value.context.reject(wrong.maybe_hint(hint))
}

fn hash(value: Value<'_>, inner: Option<&str>) -> Option<Balance> {
    let one_of =
        || format!("one of {}", FETCHES.iter().map(|f| format!("`hash({f})`")).collect::<Vec<_>>().join(" "));
    let Some(inner) = inner else {
        return value.reject(Code::BadValue, "`hash` does not say of what", one_of());
    };
    let Some(fetch) = inner.strip_suffix(')').map(str::trim) else {
        let message = format!("`{}` lacks its `)`", value.shown());
        return value.reject(Code::BadValue, message, "like `hash(src)` or `hash(header(x-name))`");
    };
    let (name, argument) = match fetch.split_once('(') {
        None => (fetch, None),
        Some((name, rest)) => match rest.strip_suffix(')') {
            Some(argument) => (name.trim(), Some(argument.trim())),
            None => {
                let message = format!("`{}` lacks a `)`", value.shown());
                return value.reject(Code::BadValue, message, "like `hash(header(x-name))`");
            }
        },
    };
    let key = match (name, argument) {
        ("", None) => return value.reject(Code::BadValue, "`hash` does not say of what", one_of()),
        ("src", None) => HashKey::Src,
        ("path", None) => HashKey::Path,
        ("api_key", None) => HashKey::ApiKey,
        ("header", Some(header)) => return self::header(value, header),
        ("query", Some(name)) if !name.is_empty() => HashKey::Query(name.to_owned()),
        ("header" | "query", _) => {
            let message = format!("`{name}` does not say which");
            return value.reject(Code::BadValue, message, format!("like `hash({name}(x-name))`"));
        }
        ("src" | "path" | "api_key", Some(_)) => {
            let message = format!("`{name}` has nothing in brackets");
            return value.reject(Code::BadValue, message, format!("write `hash({name})`"));
        }
        _ => return unknown_fetch(value, name, one_of()),
    };
    Some(Balance::Hash(key))
}

fn header(value: Value<'_>, name: &str) -> Option<Balance> {
    match HeaderName::from_bytes(name.as_bytes()) {
        Ok(header) if KEYS.contains(&header.as_str()) => {
            let message = format!("`{header}` holds the client's key");
            value.reject(
                Code::Conflict,
                message,
                "write `hash(api_key)`: it finds the key in each of its places",
            )
        }
        Ok(header) => Some(Balance::Hash(HashKey::Header(header))),
        Err(_) => {
            let hint = "letters, digits and `-`, like `hash(header(x-name))`";
            value.reject(Code::BadValue, "not the name of a header", hint)
        }
    }
}

fn unknown_fetch<T>(value: Value<'_>, name: &str, one_of: String) -> Option<T> {
    if !may_quote(value) {
        return value.reject(Code::UnknownName, "there is no such fetch for `hash`", one_of);
    }
    let hint = match name {
        "hdr" | "req.hdr" => "a header is `hash(header(x-name))`".to_owned(),
        "url_param" | "urlp" => "a parameter of the query is `hash(query(name))`".to_owned(),
        "uri" | "url" => "it is `hash(path)`, without the query".to_owned(),
        "source" | "ip" => "the client's address is `hash(src)`".to_owned(),
        _ => {
            match suggest::nearest(name, FETCHES.iter().copied().map(|f| f.split('(').next().unwrap_or(f))) {
                Some(near) => {
                    let written =
                        FETCHES.iter().find(|f| f.split('(').next() == Some(near)).copied().unwrap_or(near);
                    format!("did you mean `hash({written})`?")
                }
                None => one_of,
            }
        }
    };
    value.reject(Code::UnknownName, format!("`hash` knows no fetch `{name}`"), hint)
}

/// Warns of servers that nothing can reach: `first` leaves a server only when it is full.
pub(super) fn check(map: &Map<'_>, balance: &Balance, servers: &[Server], name: &str) {
    if *balance != Balance::First {
        return;
    }
    let unreachable = servers.iter().enumerate().find_map(|(index, server)| {
        let endless = server.max_concurrent.is_none() && server.weight > 0;
        let next = servers.iter().skip(index + 1).find(|next| next.tier == server.tier && next.weight > 0);
        next.filter(|_| endless).map(|next| (server, next))
    });
    if let Some((endless, next)) = unreachable {
        let message = format!(
            "`{}` of backend `{name}` gets requests only while `{}` is down: that one has no `max_concurrent`, so it \
             is never full",
            next.name, endless.name
        );
        let warning = Diagnostic::warning(Code::Conflict, map.key_span("balance"), message);
        map.context.report(warning.hint("give every server but the last of a tier its `max_concurrent`"));
    }
}
