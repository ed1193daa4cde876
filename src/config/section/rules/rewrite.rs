//! The action `rewrite_path`: a prefix that becomes another, or a regular expression with its groups.

use regex::Regex;

use crate::config::checked::PathRewrite;
use crate::config::diagnostic::{Code, Diagnostic};
use crate::config::reader::{Keys, Map};
use crate::config::section::acls::regexes::{self, Subject};
use crate::config::value::Value;

pub(super) const REWRITE: Keys = Keys {
    path: "frontends.NAME.rules.rewrite_path",
    known: &["prefix", "regex", "to"],
    not_yet: &[],
    elsewhere: &[("from", "the key is `prefix`, or `regex`"), ("path", "the key is `prefix`, or `regex`")],
};

pub(super) fn read(value: Value<'_>) -> Option<PathRewrite> {
    let map = Map::open(value, &REWRITE, "`rewrite_path`")?;
    match (map.get("prefix"), map.get("regex")) {
        (Some(prefix), None) => {
            let from = rooted(prefix);
            let to = map.required("to", rooted);
            Some(PathRewrite::Prefix { from: from?, to: to? })
        }
        (None, Some(source)) => {
            let regex = source.nonempty().and_then(|text| regexes::one(source, text, Subject::Path, false));
            let to = map.required("to", |v| replacement(v).map(|text| (v, text)));
            let (regex, (value, to)) = (regex?, to?);
            fits(value, &regex, &to)?;
            Some(PathRewrite::Regex { regex, to })
        }
        (Some(_), Some(regex)) => regex.reject(
            Code::Conflict,
            "`prefix` and `regex` in one `rewrite_path`",
            "remove one of them, or make it two rules",
        ),
        (None, None) if !map.is_clean() => None,
        (None, None) => {
            let wrong = Diagnostic::error(Code::MissingKey, map.span, "`rewrite_path` rewrites nothing");
            map.context.reject(wrong.hint("give it `prefix` or `regex`, and `to`"))
        }
    }
}

/// The text of `to` beside a regular expression.
fn replacement(value: Value<'_>) -> Option<String> {
    let source = value.source();
    let digit = |at: usize| source.as_bytes().get(at + 2).is_some_and(u8::is_ascii_digit);
    let mut found = source
        .match_indices("${")
        .filter(|(at, _)| digit(*at) && !source.get(..*at).is_some_and(|before| before.ends_with('$')));
    if let Some((at, _)) = found.next() {
        let wrong = Diagnostic::error(Code::BadValue, value.part(at, 2), "`${` is where a variable begins");
        return value
            .context
            .reject(wrong.hint("a group is `$1`, or `$${1}` where a letter or digit follows"));
    }
    value.nonempty()
}

/// A path, or its beginning.
fn rooted(value: Value<'_>) -> Option<String> {
    let text = value.nonempty()?;
    if !text.starts_with('/') {
        let message = format!("`{}` must begin with `/`", value.name);
        let hint = match () {
            () if text == value.shown() => format!("write `/{text}`; a part of a path needs `regex`"),
            () => "paths begin with `/`; a part of a path needs `regex`".to_owned(),
        };
        return value.reject(Code::BadValue, message, hint);
    }
    path_text(value, &text)?;
    leads_there(value, &text)?;
    Some(text)
}

/// What may stand in a path as it is.
fn path_text(value: Value<'_>, text: &str) -> Option<()> {
    let bytes = text.as_bytes();
    let stray = |(at, _): (usize, &str)| !matches!(bytes.get(at + 1..at + 3), Some(hex) if hex.iter().all(u8::is_ascii_hexdigit));
    let why = match () {
        () if text.contains(['?', '#']) => {
            "the path ends before a `?` or `#`; the query of a request is kept as it is"
        }
        () if !bytes.iter().all(|b| b.is_ascii_graphic() && !b"\"<>\\^`{|}".contains(b)) => {
            "letters, digits and most punctuation stand as they are, the rest as `%` and two hex digits"
        }
        () if text.match_indices('%').any(stray) => "write `%25` for a percent sign",
        () => return Some(()),
    };
    value.reject(Code::BadValue, format!("`{}` has a character that no path has", value.name), why)
}

/// A path that leads somewhere else than it says. Of a replacement, `text` has an `x` in place of each group.
fn leads_there(value: Value<'_>, text: &str) -> Option<()> {
    let dots =
        |segment: &str| matches!(segment.to_ascii_lowercase().replace("%2e", ".").as_str(), "." | "..");
    if text.starts_with("//") {
        let message = format!("`{}` begins with `//`, which is a host to some servers", value.name);
        return value.reject(Code::BadValue, message, "begin it with one `/`");
    }
    if text.split('/').any(dots) {
        let message = format!("`{}` has a segment `.` or `..`", value.name);
        return value.reject(Code::BadValue, message, "write where it leads to");
    }
    Some(())
}

/// The replacement: its groups are there, and what it makes is a path.
fn fits(value: Value<'_>, regex: &str, to: &str) -> Option<()> {
    let compiled = Regex::new(regex).ok()?;
    let pieces = pieces(to);
    for piece in &pieces {
        if let Piece::Group(name) = piece
            && let Some(hint) = why_no_group(&compiled, name)
        {
            let message = if value.is_hidden() {
                "a group that the regular expression does not have".to_owned()
            } else {
                format!("the regular expression has no group `{name}`")
            };
            return value.reject(Code::UnknownName, message, hint);
        }
    }
    let mut sample = String::new();
    for piece in &pieces {
        match piece {
            Piece::Text(text) => {
                path_text(value, text)?;
                sample.push_str(text);
            }
            Piece::Group(_) => sample.push('x'),
        }
    }
    leads_there(value, &sample)?;
    let begins = !matches!(pieces.first(), Some(Piece::Text(text)) if !text.starts_with('/'));
    if regex.starts_with("^/") && !begins {
        let message = "this would make a path that does not begin with `/`";
        return value.reject(
            Code::BadValue,
            message,
            "begin it with `/`: the regular expression has taken it",
        );
    }
    Some(())
}

#[derive(Debug, PartialEq, Eq)]
enum Piece<'a> {
    Text(&'a str),
    Group(&'a str),
}

/// Takes a replacement apart as the crate `regex` does: `$name` is as long as it can be, `${name}` ends it, `$$` is `$`.
fn pieces(to: &str) -> Vec<Piece<'_>> {
    let mut pieces = Vec::new();
    let mut rest = to;
    while let Some(at) = rest.find('$') {
        let (before, after) = (rest.get(..at).unwrap_or_default(), rest.get(at + 1..).unwrap_or_default());
        let word = after.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(after.len());
        let (piece, length) = match (after.strip_prefix('{').and_then(|inner| inner.split_once('}')), word) {
            (Some((name, _)), _) => (Piece::Group(name), name.len() + 2),
            (None, 0) => (Piece::Text("$"), usize::from(after.starts_with('$'))),
            (None, word) => (Piece::Group(after.get(..word).unwrap_or_default()), word),
        };
        if !before.is_empty() {
            pieces.push(Piece::Text(before));
        }
        pieces.push(piece);
        rest = after.get(length..).unwrap_or_default();
    }
    if !rest.is_empty() {
        pieces.push(Piece::Text(rest));
    }
    pieces
}

/// What to do about a group that is not there.
fn why_no_group(regex: &Regex, name: &str) -> Option<String> {
    let groups = regex.captures_len();
    let there = match name.parse::<usize>() {
        Ok(number) => number < groups,
        Err(_) => regex.capture_names().flatten().any(|n| n == name),
    };
    if there {
        return None;
    }
    let digits = name.find(|c: char| !c.is_ascii_digit()).filter(|d| *d > 0);
    if let Some((number, rest)) = digits.and_then(|d| name.split_at_checked(d)) {
        return Some(format!("a name is as long as it can be: write `$${{{number}}}{rest}`"));
    }
    Some(match groups - 1 {
        0 => "it has none: put round brackets around the part to keep".to_owned(),
        1 => "it has one: `$1`".to_owned(),
        n => format!("it has {n}: `$1` to `${n}`"),
    })
}

#[cfg(test)]
mod tests {
    use super::Piece::{Group, Text};
    use super::*;

    #[test]
    fn a_replacement_comes_apart_as_the_regex_crate_reads_it() {
        assert_eq!(pieces("/v2/$1"), [Text("/v2/"), Group("1")]);
        assert_eq!(pieces("$1_x/${2}y"), [Group("1_x"), Text("/"), Group("2"), Text("y")]);
        assert_eq!(pieces("a$$b$"), [Text("a"), Text("$"), Text("b"), Text("$")]);
        assert_eq!(pieces("${x"), [Text("$"), Text("{x")]);
    }

    #[test]
    fn a_group_that_is_not_there_has_a_hint() {
        let regex = Regex::new("^/(a)/(?P<rest>.*)$").unwrap();
        for there in ["0", "1", "2", "rest"] {
            assert_eq!(why_no_group(&regex, there), None);
        }
        assert_eq!(why_no_group(&regex, "3").as_deref(), Some("it has 2: `$1` to `$2`"));
        assert!(why_no_group(&regex, "1_x").is_some_and(|h| h.contains("`$${1}_x`")));
        assert!(why_no_group(&regex, "tail").is_some());
    }
}
