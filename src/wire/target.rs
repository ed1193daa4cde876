//! The request target: origin form, absolute form of http and https, and `*` for OPTIONS.

use super::HeadFault;
use super::authority::Authority;
use super::bytes::fault_of;

/// What a valid target names beside a path.
pub enum Target<'a> {
    Path,
    /// Absolute form, with this valid authority.
    Absolute(&'a [u8]),
}

/// Checks a target of a method other than CONNECT.
pub fn check<'a>(target: &'a [u8], method: &[u8]) -> Result<Target<'a>, HeadFault> {
    check_bytes(target)?;
    match target {
        [b'/', ..] => check_path(target).map(|()| Target::Path),
        b"*" if method == b"OPTIONS" => Ok(Target::Path),
        _ => absolute(target),
    }
}

/// Visible ASCII, without `#` (a fragment is never sent) and without `<` and `>`, which no URL has.
pub fn check_bytes(target: &[u8]) -> Result<(), HeadFault> {
    match target.iter().find(|b| !matches!(b, 0x21..=0x7e) || matches!(b, b'#' | b'<' | b'>')) {
        Some(byte) => Err(fault_of(*byte, HeadFault::InvalidTarget)),
        None => Ok(()),
    }
}

/// A backslash in the path is a `/` to some servers and a character to others. A backtick in the path and a quote in the
/// query are what no URL has and the crate `http` refuses: Pingora would answer with a 400 of its own, unlogged.
pub fn check_path(path_and_query: &[u8]) -> Result<(), HeadFault> {
    let end = path_and_query.iter().position(|b| *b == b'?').unwrap_or(path_and_query.len());
    let (path, query) = path_and_query.split_at(end);
    let odd = path.iter().any(|b| matches!(b, b'\\' | b'`')) || query.contains(&b'"');
    if odd { Err(HeadFault::InvalidTarget) } else { Ok(()) }
}

fn absolute(target: &[u8]) -> Result<Target<'_>, HeadFault> {
    let after = |scheme: &[u8]| {
        let (start, rest) = target.split_at_checked(scheme.len())?;
        start.eq_ignore_ascii_case(scheme).then_some(rest)
    };
    let rest = after(b"http://").or_else(|| after(b"https://")).ok_or(HeadFault::InvalidTarget)?;
    let end = rest.iter().position(|b| matches!(b, b'/' | b'?')).unwrap_or(rest.len());
    let (authority, path) = rest.split_at(end);
    check_path(path)?;
    Authority::parse(authority).map(|_| Target::Absolute(authority)).ok_or(HeadFault::InvalidHost)
}
