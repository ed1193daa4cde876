//! `rewrite_path`, compiled: a prefix of the path replaced by another, or what a regular expression finds replaced by a
//! template. Owns what a rewritten path may be: whatever a client sends, the result is the path of a target, and names
//! nothing outside of what the template says.

use std::fmt::Write;

use regex::{Captures, Regex, RegexBuilder};
use thiserror::Error;

use super::{has_dot_segment, is_dot_segment, normalised};

/// Bytes that the regular expression may take when compiled.
const MEMORY: usize = 2 << 20;

/// Bytes of a path that was put together: with the longest query a request may have it is still a target that can be
/// written. A template that repeats what it found could make it any length; segments beyond are left out.
const LONGEST: usize = 48_000;

/// A rule that cannot be compiled.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum PathRewriteError {
    #[error("`{pattern}` cannot be used as a regular expression: {problem}")]
    Regex { pattern: String, problem: String },
    #[error("`{path}` is not a path: it must begin with `/`")]
    NotRooted { path: String },
    #[error("`{path}` is not a path: `{character}` ends one; the query of a request is kept as it is")]
    NotOnlyAPath { path: String, character: char },
    #[error("`{path}` has a `.` or `..` segment, which would lead somewhere else; write where to")]
    DotSegment { path: String },
    #[error("`{path}` begins with `//`, which is a host to some servers")]
    Authority { path: String },
    #[error("a `%` in `{path}` is not followed by two hex digits; write `%25` for a percent sign")]
    BadEscape { path: String },
    #[error(
        "`{to}` asks for the group `{group}`, which the regular expression does not have; the name after `$` goes as far \
         as letters, digits and `_` do: write `${{1}}x` for group 1 and an `x`, and `$$` for a dollar sign"
    )]
    NoGroup { to: String, group: String },
}

/// How a path is changed; the query stays.
#[derive(Clone, Debug)]
pub struct PathRewrite(Kind);

#[derive(Clone, Debug)]
enum Kind {
    /// Without a final `/`; the root is "". `from` is in normal form.
    Prefix {
        from: String,
        to: String,
    },
    Regex {
        regex: Regex,
        to: Box<[Piece]>,
    },
}

/// A piece of the template.
#[derive(Clone, Debug)]
enum Piece {
    Text(String),
    Group(usize),
}

impl PathRewrite {
    /// Replaces the leading segments `from` by `to`. Whole segments only: `/a` covers `/a` and `/a/x`, not `/ab`; a
    /// final `/` of either changes nothing, and `/` is every path's prefix.
    pub fn prefix(from: &str, to: &str) -> Result<PathRewrite, PathRewriteError> {
        for path in [from, to] {
            if !path.starts_with('/') {
                return Err(PathRewriteError::NotRooted { path: path.to_owned() });
            }
            check_escapes(path, path)?;
            check_segments(path, path)?;
            check_start(path)?;
        }
        let from = normalised(from).trim_end_matches('/').to_owned();
        Ok(PathRewrite(Kind::Prefix { from, to: to.trim_end_matches('/').to_owned() }))
    }

    /// Replaces what `regex` finds first in the path in normal form, no more of it: anchor it with `^` and `$` where all
    /// of the path is meant. In `to`, `$1` and `${name}` are its groups (nothing, where a group had no part in the
    /// match) and `$$` is a dollar sign. The syntax is that of the crate `regex`.
    pub fn regex(regex: &str, to: &str) -> Result<PathRewrite, PathRewriteError> {
        let compiled = RegexBuilder::new(regex).size_limit(MEMORY).build().map_err(|error| {
            let problem = match error {
                regex::Error::CompiledTooBig(limit) => {
                    format!(
                        "it takes more than {} MiB when compiled; use smaller counts in `{{n}}`",
                        limit >> 20
                    )
                }
                other => other.to_string(),
            };
            PathRewriteError::Regex { pattern: regex.to_owned(), problem }
        })?;
        let pieces = template(to, &compiled)?;
        check_start(to)?;
        // The ends may become part of a longer segment, and a group may be anything: what they bring along is seen to in
        // `finished`.
        let mut sample = "/x".to_owned();
        for piece in &pieces {
            match piece {
                Piece::Text(text) => {
                    check_escapes(text, to)?;
                    sample.push_str(text);
                }
                Piece::Group(_) => sample.push('x'),
            }
        }
        sample.push('x');
        check_segments(&sample, to)?;
        Ok(PathRewrite(Kind::Regex { regex: compiled, to: pieces.into_boxed_slice() }))
    }

    /// The new target, or `None` where the rule does not match: nothing changes then. Matching is done on the path in
    /// normal form ([`normalised`]), so no disguise of a path escapes it.
    ///
    /// The rest behind a prefix goes on as it came, where the path as sent begins with the prefix and has no dot segments
    /// behind it; else in normal form. A path replaced by a regular expression goes on in normal form.
    ///
    /// The result begins with one `/` and has no dot segments: those that only come about by putting the pieces
    /// together (`/x../y` as the `$1` of `^/x(.*)`, into `/files/$1`) are left out. They are not resolved, which would
    /// climb. Bytes that no target may have are percent-encoded.
    pub fn apply(&self, path_and_query: &str) -> Option<String> {
        let end = path_and_query.find('?').unwrap_or(path_and_query.len());
        let (path, query) = path_and_query.split_at(end);
        // A target in absolute form may have the empty path, which is `/`; `*` names none.
        let path = if path.is_empty() { "/" } else { path };
        if !path.starts_with('/') {
            return None;
        }
        let normal = normalised(path);
        match &self.0 {
            Kind::Prefix { from, to } => {
                let rest = behind(&normal, from)?;
                let sent = behind(path, from).filter(|rest| !has_dot_segment(rest));
                Some(finished([to.as_str(), sent.unwrap_or(rest)].into_iter(), query))
            }
            Kind::Regex { regex, to } => {
                // Finding costs nothing where there is no match; groups are asked for only where one is used.
                let found = regex.find(&normal)?;
                let groups = to.iter().any(|piece| matches!(piece, Piece::Group(_)));
                let groups = groups.then(|| regex.captures(&normal)).flatten();
                let pieces = to.iter().map(|piece| piece.text(groups.as_ref()));
                let before = [&normal[..found.start()]].into_iter();
                Some(finished(before.chain(pieces).chain([&normal[found.end()..]]), query))
            }
        }
    }
}

impl Piece {
    fn text<'a>(&'a self, groups: Option<&Captures<'a>>) -> &'a str {
        match self {
            Piece::Text(text) => text,
            Piece::Group(group) => groups.and_then(|g| g.get(*group)).map_or("", |found| found.as_str()),
        }
    }
}

/// What follows the prefix when that ends where a segment does.
fn behind<'a>(path: &'a str, prefix: &str) -> Option<&'a str> {
    path.strip_prefix(prefix).filter(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// The pieces as path, and the query, as a target that everybody reads the same way.
fn finished<'a>(pieces: impl Iterator<Item = &'a str>, query: &str) -> String {
    let mut path = String::with_capacity(128);
    for piece in pieces {
        path.push_str(piece);
        if path.len() > LONGEST {
            break;
        }
    }
    let mut target = String::with_capacity(path.len() + query.len() + 1);
    for segment in path.trim_start_matches('/').split('/') {
        let opens_authority = segment.is_empty() && target.is_empty();
        if opens_authority || is_dot_segment(segment) {
            continue;
        }
        let before = target.len();
        target.push('/');
        push_segment(&mut target, segment);
        if target.len() > LONGEST {
            // All of it: a cut segment could be one of dots.
            target.truncate(before);
            break;
        }
    }
    if target.is_empty() {
        target.push('/');
    }
    push_encoded(&mut target, query, |byte| matches!(byte, b'#' | b'<' | b'>' | b'"'));
    target
}

/// RFC 3986 3.3, and the brackets that everybody lets pass.
fn push_segment(target: &mut String, segment: &str) {
    let mut rest = segment.as_bytes();
    push_encoded(target, segment, |byte| {
        let stray = byte == b'%' && !encodes(rest);
        rest = rest.get(1..).unwrap_or_default();
        stray || b"\"#<>?\\^`{|}".contains(&byte)
    });
}

/// Appends a text; bytes that are not visible ASCII or are forbidden are encoded.
fn push_encoded(target: &mut String, text: &str, mut forbidden: impl FnMut(u8) -> bool) {
    for byte in text.bytes() {
        // Each byte is shown to `forbidden`, which may keep count of them.
        if !forbidden(byte) && byte.is_ascii_graphic() {
            target.push(char::from(byte));
        } else {
            // Writing to a String does not fail.
            let _ = write!(target, "%{byte:02X}");
        }
    }
}

/// Whether a text begins with `%` and two hex digits.
fn encodes(text: &[u8]) -> bool {
    matches!(text, [b'%', high, low, ..] if high.is_ascii_hexdigit() && low.is_ascii_hexdigit())
}

/// The rules for a path that the configuration writes. The errors show `written`.
fn check_segments(path: &str, written: &str) -> Result<(), PathRewriteError> {
    let written = || written.to_owned();
    match path.chars().find(|c| matches!(c, '?' | '#')) {
        Some(character) => Err(PathRewriteError::NotOnlyAPath { path: written(), character }),
        None if has_dot_segment(path) => Err(PathRewriteError::DotSegment { path: written() }),
        None => Ok(()),
    }
}

fn check_start(path: &str) -> Result<(), PathRewriteError> {
    let authority = path.starts_with("//");
    if authority { Err(PathRewriteError::Authority { path: path.to_owned() }) } else { Ok(()) }
}

fn check_escapes(text: &str, written: &str) -> Result<(), PathRewriteError> {
    let stray = text.match_indices('%').any(|(place, _)| !encodes(&text.as_bytes()[place..]));
    if stray { Err(PathRewriteError::BadEscape { path: written.to_owned() }) } else { Ok(()) }
}

/// Splits a template. Names go as far as letters, digits and `_` do, as in the crate `regex`.
fn template(to: &str, regex: &Regex) -> Result<Vec<Piece>, PathRewriteError> {
    let mut pieces = Vec::new();
    let mut text = String::new();
    let mut rest = to;
    while let Some((before, after)) = rest.split_once('$') {
        text.push_str(before);
        let (name, behind) = reference(after);
        rest = behind;
        match name {
            None => text.push('$'),
            Some(name) => {
                let group = group(name, regex)
                    .ok_or_else(|| PathRewriteError::NoGroup { to: to.to_owned(), group: name.to_owned() })?;
                pieces.extend((!text.is_empty()).then(|| Piece::Text(std::mem::take(&mut text))));
                pieces.push(Piece::Group(group));
            }
        }
    }
    text.push_str(rest);
    pieces.extend((!text.is_empty()).then_some(Piece::Text(text)));
    Ok(pieces)
}

/// The name behind a `$`, and what follows it; without a name the `$` stands for itself.
fn reference(after: &str) -> (Option<&str>, &str) {
    if let Some(rest) = after.strip_prefix('$') {
        return (None, rest);
    }
    if let Some(inner) = after.strip_prefix('{') {
        // Not closed: no group has a name with a brace.
        let (name, rest) = inner.split_once('}').unwrap_or((after, ""));
        return (Some(name), rest);
    }
    let end = after.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(after.len());
    let (name, rest) = after.split_at(end);
    ((!name.is_empty()).then_some(name), rest)
}

fn group(name: &str, regex: &Regex) -> Option<usize> {
    match name.parse::<usize>() {
        Ok(number) => (number < regex.captures_len()).then_some(number),
        Err(_) => regex.capture_names().position(|known| known == Some(name)),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::LazyLock;

    use super::*;
    use proptest::prelude::*;

    fn prefix(from: &str, to: &str) -> PathRewrite {
        PathRewrite::prefix(from, to).unwrap()
    }

    fn regex(regex: &str, to: &str) -> PathRewrite {
        PathRewrite::regex(regex, to).unwrap()
    }

    fn check_all(rewrite: &PathRewrite, cases: &[(&str, Option<&str>)]) {
        for (path, expected) in cases {
            assert_eq!(rewrite.apply(path).as_deref(), *expected, "{path}");
        }
    }

    #[test]
    fn a_prefix_is_whole_segments() {
        let cases = [
            ("/a", Some("/b")),
            ("/a/", Some("/b/")),
            ("/a/x", Some("/b/x")),
            ("/a/x?q=/a#", Some("/b/x?q=/a%23")),
            ("/a?q=%&x={|\"", Some("/b?q=%&x={|%22")),
            ("/ab", None),
            ("/x/a", None),
            ("/", None),
            ("*", None),
            ("", None),
        ];
        check_all(&prefix("/a", "/b"), &cases);
        check_all(&prefix("/a/", "/b/"), &cases);
    }

    #[test]
    fn no_disguise_of_a_prefix_escapes() {
        check_all(
            &prefix("/a", "/b"),
            &[
                ("/%61/x%2fy", Some("/b/x%2Fy")),
                ("//a//x", Some("/b/x")),
                ("/./a/x", Some("/b/x")),
                ("/z/../a/x", Some("/b/x")),
                ("/a/../c", None),
                ("/a/%2e%2E/c", None),
                ("/c/../../a", Some("/b")),
            ],
        );
        check_all(&prefix("/%61", "/b"), &[("/a/x", Some("/b/x"))]);
    }

    #[test]
    fn the_rest_goes_on_as_it_came_but_for_dots_and_what_no_target_may_have() {
        check_all(
            &prefix("/a", "/b"),
            &[
                ("/a/x%2fy//%7Ez", Some("/b/x%2fy//%7Ez")),
                ("/a//x", Some("/b//x")),
                ("/a/x/../y%2f", Some("/b/y%2F")),
                ("/a/x/..", Some("/b/")),
                ("/a/100%/é \\{}", Some("/b/100%25/%C3%A9%20%5C%7B%7D")),
                ("/a/[x]:@!$&'()*+,;=~", Some("/b/[x]:@!$&'()*+,;=~")),
            ],
        );
    }

    #[test]
    fn the_root_is_every_path_s_prefix_and_may_replace_one() {
        check_all(
            &prefix("/", "/b"),
            &[("/", Some("/b/")), ("/x", Some("/b/x")), ("", Some("/b/")), ("?q", Some("/b/?q"))],
        );
        check_all(
            &prefix("/a", "/"),
            &[
                ("/a", Some("/")),
                ("/a/x", Some("/x")),
                // What would be read as a host.
                ("/a//evil.example/x", Some("/evil.example/x")),
                ("/a///", Some("/")),
                ("/a?q", Some("/?q")),
            ],
        );
    }

    #[test]
    fn a_regular_expression_replaces_what_it_finds() {
        check_all(
            &regex("^/v1/(.*)", "/v2/$1"),
            &[
                ("/v1/chat?x=/v1/", Some("/v2/chat?x=/v1/")),
                ("/%761/./chat", Some("/v2/chat")),
                ("/v1", None),
                ("/v1/", Some("/v2/")),
            ],
        );
        check_all(&regex("/v1/", "/v2/"), &[("/x/v1/y/v1/z", Some("/x/v2/y/v1/z"))]);
        check_all(&regex("^/(?<user>[^/]+)/(x)?", "/u/${user}_$2/$$"), &[("/ann/b", Some("/u/ann_/$b"))]);
        check_all(&regex("^/", "v2/"), &[("/x", Some("/v2/x"))]);
        check_all(&regex("-", "."), &[("/a-b-c", Some("/a.b-c")), ("/-", Some("/"))]);
        check_all(&regex("^/x", "/."), &[("/xwell-known", Some("/.well-known"))]);
        check_all(&regex(".*", ""), &[("/x?q", Some("/?q"))]);
    }

    #[test]
    fn groups_can_neither_climb_nor_name_a_host() {
        check_all(
            &regex("^/x(.*)", "/files/$1"),
            &[
                ("/x../secret", Some("/files/secret")),
                ("/x%2e%2e/secret", Some("/files/secret")),
                ("/x./y", Some("/files/y")),
                ("/x../..", None),
                ("/x..", Some("/files")),
            ],
        );
        check_all(&regex("^/r/(.*)", "$1"), &[("/r/evil.example", Some("/evil.example"))]);
        check_all(&regex("^/r(/.*)", "/$1"), &[("/r/evil.example", Some("/evil.example"))]);
        // Pieces of an escape do not make another one.
        check_all(&regex("^/(.)(..)(.*)", "/${1}2e$3/x"), &[("/%2F", Some("/x"))]);
        check_all(&regex("^/(..).*", "/$1"), &[("/%2F", Some("/%252"))]);
    }

    #[test]
    fn a_long_segment_stays() {
        let segment = "a".repeat(16_380);
        assert_eq!(prefix("/a", "/b").apply(&format!("/a/{segment}")), Some(format!("/b/{segment}")));
    }

    #[test]
    fn a_repeated_group_has_an_end() {
        let long = regex("^/(.*)", &"/$1".repeat(1000));
        let target = long.apply(&format!("/{}", "a".repeat(16_000))).unwrap();
        assert!(target.len() <= LONGEST);
        assert!(strict(&target));
    }

    #[test]
    fn what_cannot_be_a_path_is_refused_with_a_reason() {
        for (from, to, part) in [
            ("a", "/b", "must begin with `/`"),
            ("/a", "", "must begin with `/`"),
            ("/a", "/b?x", "`?` ends one"),
            ("/a#", "/b", "`#` ends one"),
            ("/a", "/b/../c", "`..` segment"),
            ("/a", "/b/%2e", "`..` segment"),
            ("/a", "//b", "a host to some servers"),
            ("/a", "/50%", "`%25`"),
        ] {
            let error = PathRewrite::prefix(from, to).unwrap_err().to_string();
            assert!(error.contains(part), "{error}");
        }
        for (regex, to, part) in [
            ("(", "/", "unclosed group"),
            ("(?:a{1000}){1000}", "/", "more than 2 MiB"),
            ("^/(.*)", "/$2", "the group `2`"),
            ("^/(.*)", "/$1x", "the group `1x`"),
            ("^/(.*)", "/${name}", "the group `name`"),
            ("^/(.*)", "/${1", "the group `{1`"),
            ("^/(.*)", "/%$1", "`%25`"),
            ("^/(.*)", "/../$1", "`..` segment"),
            ("x", "a/%2e/b", "`..` segment"),
            ("^/(.*)", "/x?y=$1", "`?` ends one"),
            ("^/(.*)", "//$1", "a host to some servers"),
        ] {
            let error = PathRewrite::regex(regex, to).unwrap_err().to_string();
            assert!(error.contains(part), "{error}");
        }
        let error = PathRewrite::regex("^/(.*)", "/$1x").unwrap_err().to_string();
        assert!(error.contains("write `${1}x` for group 1"), "{error}");
    }

    /// Whether everybody reads a target the same way: RFC 3986 3.3 and 3.4, no authority, no dot segments.
    fn strict(target: &str) -> bool {
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let harmless = |b: u8| (0x21..=0x7e).contains(&b) && !b"#<>\"".contains(&b);
        path.starts_with('/')
            && !path.starts_with("//")
            && path.bytes().all(|b| harmless(b) && !b"\\^`{|}".contains(&b))
            && path.split('%').skip(1).all(|rest| encodes(format!("%{rest}").as_bytes()))
            && query.bytes().all(harmless)
            && !path.split('/').any(|s| matches!(s.to_lowercase().replace("%2e", ".").as_str(), "." | ".."))
            && http::uri::PathAndQuery::try_from(target).is_ok()
    }

    static REWRITES: LazyLock<Vec<PathRewrite>> = LazyLock::new(|| {
        vec![
            prefix("/", "/"),
            prefix("/a", "/"),
            prefix("/a", "/b%2f"),
            regex("^/(.)(.)(.?)", "/$1$3/$2"),
            regex("^/(.*)/", "/${1}2e"),
            regex("a(.*)", "$1/x$1"),
            regex("[^/]+", ""),
            regex("/", "."),
        ]
    });

    proptest! {
        #[test]
        fn every_rewritten_target_is_a_strict_one(
            path in "/([a./%é ?#\"\\\\]|%2e|%2E|%2f|%61|\\.\\.|[ -~]){0,16}",
        ) {
            for rewrite in &*REWRITES {
                if let Some(target) = rewrite.apply(&path) {
                    prop_assert!(strict(&target), "{rewrite:?}: {path} -> {target}");
                }
            }
        }

        #[test]
        fn a_prefix_matches_exactly_the_paths_whose_normal_form_is_under_it(
            path in "/([a/.]|%2e|%61|%2f){0,10}",
        ) {
            let normal = normalised(&path);
            let under = *normal == *"/a" || normal.starts_with("/a/");
            let target = prefix("/a", "/b").apply(&path);
            prop_assert_eq!(target.is_some(), under);
            if let Some(target) = target {
                let expected = normal.replacen("/a", "/b", 1);
                prop_assert_eq!(normalised(&target), expected);
            }
        }
    }
}
