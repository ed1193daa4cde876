//! A rule that rewrites paths: whatever the path, the result is a target that passes our own check of a request, leads
//! nowhere but below what the rule says, and keeps the query. The input is lines: `p` or `r` (prefix or regular
//! expression), what to look for, what to put there, the target.

use tidegate::rewrite::path::PathRewrite;
use tidegate::wire::{HeadLimits, check_request_head};

use super::path::is_dots;
use super::pieces;

/// Longer ones are only slow to compile, and come from the operator.
const LONGEST_REGEX: usize = 40;

pub fn run(input: &[u8]) {
    let [kind, from, to, target] = pieces::parts(input, b'\n').map(pieces::text);
    let (Some(kind), Some(from), Some(to), Some(target)) = (kind, from, to, target) else { return };
    let rule = match kind {
        "p" => PathRewrite::prefix(from, to),
        _ if from.len() > LONGEST_REGEX => return,
        _ => PathRewrite::regex(from, to),
    };
    let Ok(rule) = rule else { return };
    let Some(sent) = rule.apply(target) else { return };
    is_a_target(&sent);
    let (path, query) = sent.split_at(sent.find('?').unwrap_or(sent.len()));
    assert!(!path.split('/').any(is_dots), "{path}");
    assert_eq!(target.contains('?'), !query.is_empty(), "the query is kept");
    let plain = |query: &str| query.bytes().all(|b| b.is_ascii_alphanumeric() || b"?&=/.-".contains(&b));
    if let Some((_, asked)) = target.split_once('?').filter(|(_, asked)| plain(asked)) {
        assert_eq!(query.strip_prefix('?'), Some(asked), "the query is kept as it is");
    }
    let base = to.trim_end_matches('/');
    let letters = |text: &str| text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'/');
    if kind == "p" && letters(base) && !base.contains("//") {
        let rest = path.strip_prefix(base);
        assert!(
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/')),
            "{path} is not below {base}"
        );
    }
}

fn is_a_target(sent: &str) {
    assert!(sent.starts_with('/') && !sent.starts_with("//"), "{sent}");
    assert!(http::Uri::try_from(sent).is_ok(), "{sent} is no URI");
    let limits = HeadLimits { target: 1 << 20, head: 1 << 20, header: 1 << 20, fields: 10 };
    let head = format!("GET {sent} HTTP/1.1\r\nHost: a\r\n\r\n");
    assert!(check_request_head(head.as_bytes(), &limits).is_ok(), "{sent} would be refused");
}
