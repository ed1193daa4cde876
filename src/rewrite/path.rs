//! Paths: the normal form that conditions are matched against, the target towards a server with a base path, and the
//! rewriting that rules ask for.

mod replace;

pub use replace::{PathRewrite, PathRewriteError};

use std::borrow::Cow;

/// A path (no query) in its normal form, RFC 3986 6.2.2: percent-encoded unreserved characters decoded, the digits of
/// the other encodings in upper case, dot segments removed. One step beyond the RFC: empty segments (`//`) are merged,
/// before dots are resolved, as nginx does it. Case is left alone, `%2F` stays encoded, and a `%` without two hex
/// digits stands for itself, which is `%25`.
///
/// Borrowed, after one look at the bytes, when there is nothing to do; doing it twice changes nothing.
pub fn normalised(path: &str) -> Cow<'_, str> {
    if is_normal(path) { Cow::Borrowed(path) } else { Cow::Owned(resolve(&decode_unreserved(path), true)) }
}

/// The target towards a server. Where its URL has a base path, that replaces the leading `/v1` segment of the client's path.
/// No base path, or one of `/`, replaces nothing, and neither is a path replaced that is not under `/v1` (`/v1beta` is not).
/// The rest goes out as it came, but for dot segments: they are resolved first, or they would climb out of the base, and
/// past the conditions, which see the path without them.
pub fn target<'a>(base_path: Option<&str>, path_and_query: &'a str) -> Cow<'a, str> {
    let base = base_path.unwrap_or_default().trim_end_matches('/');
    let end = path_and_query.find('?').unwrap_or(path_and_query.len());
    let (path, query) = path_and_query.split_at(end);
    if has_dot_segment(path) {
        let resolved = resolve(&decode_unreserved(path), false);
        let under = under_v1(&resolved).filter(|_| !base.is_empty());
        let rebased = under.map(|rest| join(base, rest, query));
        return Cow::Owned(rebased.unwrap_or_else(|| resolved + query));
    }
    match under_v1(path) {
        Some(rest) if !base.is_empty() && base != "/v1" => Cow::Owned(join(base, rest, query)),
        _ => Cow::Borrowed(path_and_query),
    }
}

/// What follows `/v1` when that is the whole first segment.
fn under_v1(path: &str) -> Option<&str> {
    path.strip_prefix("/v1").filter(|rest| rest.is_empty() || rest.starts_with('/'))
}

fn join(base: &str, rest: &str, query: &str) -> String {
    let slash = if base.starts_with('/') { "" } else { "/" };
    let mut joined = String::with_capacity(slash.len() + base.len() + rest.len() + query.len());
    joined.extend([slash, base, rest, query]);
    joined
}

/// Nothing encoded, no empty and no dot segments. A segment that merely begins with a dot is looked at closer.
fn is_normal(path: &str) -> bool {
    let mut previous = 0;
    path.starts_with('/')
        && path.bytes().all(|b| {
            let suspect = b == b'%' || (previous == b'/' && (b == b'/' || b == b'.'));
            previous = b;
            !suspect
        })
}

fn has_dot_segment(path: &str) -> bool {
    (path.contains('%') || path.contains("/.")) && path.split('/').any(is_dot_segment)
}

/// Whether a segment is `.` or `..`, however it is encoded.
fn is_dot_segment(segment: &str) -> bool {
    match segment.len() {
        1 | 2 => segment.bytes().all(|b| b == b'.'),
        3..=6 => matches!(&*decode_unreserved(segment), "." | ".."),
        _ => false,
    }
}

/// RFC 3986 6.2.2.1 and 6.2.2.2. Only ASCII is decoded, so what comes out is UTF-8.
fn decode_unreserved(path: &str) -> Cow<'_, str> {
    let Some(first) = path.find('%') else { return Cow::Borrowed(path) };
    let (clean, mut rest) = path.split_at(first);
    let mut decoded = String::with_capacity(path.len());
    decoded.push_str(clean);
    while let Some(at) = rest.find('%') {
        decoded.push_str(&rest[..at]);
        let digits = rest.get(at + 1..at + 3).filter(|d| d.bytes().all(|b| b.is_ascii_hexdigit()));
        rest = match digits {
            Some(digits) => {
                match u8::from_str_radix(digits, 16).map(char::from) {
                    Ok(c) if c.is_ascii_alphanumeric() || "-._~".contains(c) => decoded.push(c),
                    _ => decoded
                        .extend(['%'].into_iter().chain(digits.chars().map(|d| d.to_ascii_uppercase()))),
                }
                &rest[at + 3..]
            }
            None => {
                decoded.push_str("%25");
                &rest[at + 1..]
            }
        };
    }
    decoded.push_str(rest);
    Cow::Owned(decoded)
}

/// RFC 3986 5.2.4 on a decoded path. What climbs above the root stays at the root.
fn resolve(path: &str, merge_slashes: bool) -> String {
    let mut resolved = String::with_capacity(path.len() + 1);
    let segments = path.strip_prefix('/').unwrap_or(path);
    let mut open = false; // the path so far ends where a `/` would follow: it stands for a directory
    for segment in segments.split('/') {
        open = match segment {
            "." => true,
            ".." => {
                resolved.truncate(resolved.rfind('/').unwrap_or(0));
                true
            }
            "" if merge_slashes => true,
            _ => {
                resolved.push('/');
                resolved.push_str(segment);
                false
            }
        };
    }
    if open {
        resolved.push('/');
    }
    resolved
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_plain_path_is_its_own_normal_form_and_is_not_copied() {
        for path in ["/", "/v1/chat/completions", "/a.b/c..d/e.", "/v1/", "/A/b"] {
            assert!(matches!(normalised(path), Cow::Borrowed(p) if p == path), "{path}");
        }
    }

    #[test]
    fn disguises_of_a_path_have_its_normal_form() {
        for path in [
            "/v1/%63hat/completions",
            "/v1//chat/completions",
            "//v1/chat/completions",
            "/v1/./chat/completions",
            "/v1/%2e/chat/completions",
            "/x/../v1/chat/completions",
            "/x/%2E%2e/v1/chat/completions",
            "/x//../v1/chat/completions",
            "/../../v1/chat/completions",
            "/%76%31/chat/%63%6F%6d%70letions",
        ] {
            assert_eq!(normalised(path), "/v1/chat/completions", "{path}");
        }
    }

    #[test]
    fn what_means_something_else_stays() {
        for (path, expected) in [
            ("/a%2fb", "/a%2Fb"),
            ("/a%252e", "/a%252e"),
            ("/a%", "/a%25"),
            ("/a%zz%4", "/a%25zz%254"),
            ("/%é", "/%25é"),
            ("/.well-known/x", "/.well-known/x"),
            ("/...", "/..."),
            ("/a/.", "/a/"),
            ("/a/..", "/"),
            ("/a/b/..", "/a/"),
            ("/..", "/"),
            ("", "/"),
            ("*", "/*"),
        ] {
            assert_eq!(normalised(path), expected, "{path}");
        }
    }

    #[test]
    fn a_base_path_replaces_the_leading_v1() {
        let base = Some("/api/v1");
        for (from, to) in [
            ("/v1/chat/completions", "/api/v1/chat/completions"),
            ("/v1/chat?x=/v1/../..", "/api/v1/chat?x=/v1/../.."),
            ("/v1", "/api/v1"),
            ("/v1/", "/api/v1/"),
            ("/v1?a", "/api/v1?a"),
            ("/v1beta/models", "/v1beta/models"),
            ("/v2/chat", "/v2/chat"),
            ("/", "/"),
            ("*", "*"),
            ("/v1/a%2fb//c", "/api/v1/a%2fb//c"),
            // Dots do not climb out of the base path.
            ("/v1/../admin?q", "/admin?q"),
            ("/v1/%2e%2E/admin", "/admin"),
            ("/v1/x/../y//z", "/api/v1/y//z"),
            ("/v1/a/.hidden", "/api/v1/a/.hidden"),
        ] {
            assert_eq!(target(base, from), to, "{from}");
        }
    }

    #[test]
    fn without_a_base_path_nothing_changes() {
        for base in [None, Some(""), Some("/"), Some("//")] {
            assert!(matches!(target(base, "/v1//x"), Cow::Borrowed("/v1//x")), "{base:?}");
            assert_eq!(target(base, "/internal/%2e%2e/v1/x?a=/../b"), "/v1/x?a=/../b", "{base:?}");
        }
        assert!(matches!(target(Some("/v1"), "/v1/chat?a"), Cow::Borrowed("/v1/chat?a")));
        assert!(matches!(target(Some("/v1/"), "/v1/chat"), Cow::Borrowed("/v1/chat")));
        assert_eq!(target(Some("/v1/"), "/v1/../x"), "/x");
        assert_eq!(target(Some("/openai/"), "/v1/chat"), "/openai/chat");
        assert_eq!(target(Some("openai"), "/v1"), "/openai");
    }

    proptest! {
        #[test]
        fn the_normal_form_is_final_and_has_nothing_to_hide(path in "/([a%2eEfF./4é]|%2e|%41|%2f){0,12}") {
            let once = normalised(&path).into_owned();
            prop_assert_eq!(normalised(&once), once.as_str());
            prop_assert!(once.starts_with('/'));
            prop_assert!(!once.contains("//"));
            prop_assert!(!once.split('/').any(|s| s == "." || s == ".."));
        }

        #[test]
        fn a_rebased_target_is_under_its_base_or_not_under_v1(rest in "(/|[a.]|%2e|%|\\?){0,12}") {
            let client = format!("/v1{rest}");
            let rebased = target(Some("/base"), &client).into_owned();
            prop_assert!(rebased.starts_with('/'));
            let path = rebased.split('?').next().unwrap_or_default();
            prop_assert!(!has_dot_segment(path), "{}", path);
        }
    }
}
