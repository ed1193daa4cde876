//! The check of a whole HTTP/1 request head on its raw bytes.

use super::authority::Authority;
use super::bytes::is_token;
use super::field::{check_end, disguises_framing, header_line, line_fault, split_at_first};
use super::framing::{Framing, FramingFields};
use super::target::{self, Target};
use super::{HeadFault, HeadLimits};

/// Checks the head that [`super::head_end`] found: from the request line through the empty line, nothing before or
/// after. `Ok` says how its body is framed. At least as strict as HAProxy, and where RFC 9112 lets a recipient repair
/// (line folding, LF alone, equal Content-Lengths, Content-Length beside chunked) it refuses.
pub fn check_request_head(raw: &[u8], limits: &HeadLimits) -> Result<Framing, HeadFault> {
    let (line, mut rest) = request_line(raw, limits)?;
    if raw.len() > limits.head || rest.len() > limits.header {
        return Err(HeadFault::HeadTooLarge);
    }
    let mut host = None;
    let mut framing = FramingFields::default();
    let mut fields = 0;
    while !rest.starts_with(b"\r") {
        let (field, after) = header_line(rest)?;
        rest = after;
        fields += 1;
        if fields > limits.fields {
            return Err(HeadFault::TooManyFields);
        }
        match field.name.len() {
            4 if field.is(b"host") => {
                Authority::parse(field.value).ok_or(HeadFault::InvalidHost)?;
                if host.replace(field.value).is_some() {
                    return Err(HeadFault::RepeatedHost);
                }
            }
            14 if field.is(b"content-length") => framing.length(field.value)?,
            17 if field.is(b"transfer-encoding") => framing.encoding(field.value)?,
            14 | 17 if disguises_framing(field.name) => return Err(HeadFault::InvalidFieldName),
            _ => {}
        }
    }
    check_end(rest)?;
    match (line.target, host) {
        (_, None) if !line.old => return Err(HeadFault::MissingHost),
        // Byte for byte: who compares less strictly than a server behind us lets two names pass for one.
        (Target::Absolute(named), Some(host)) if named != host => return Err(HeadFault::HostMismatch),
        _ => {}
    }
    framing.conclude(line.method, line.old)
}

struct RequestLine<'a> {
    method: &'a [u8],
    target: Target<'a>,
    /// HTTP/1.0.
    old: bool,
}

/// `method SP target SP version CRLF`, single spaces; and what follows.
fn request_line<'a>(raw: &'a [u8], limits: &HeadLimits) -> Result<(RequestLine<'a>, &'a [u8]), HeadFault> {
    let (method, rest) = split_at_first(raw, |b| !is_token(b))?;
    let Some(rest) = rest.strip_prefix(b" ").filter(|_| !method.is_empty()) else {
        return Err(line_fault(rest, HeadFault::InvalidMethod, HeadFault::InvalidMethod));
    };
    let (target, rest) = split_at_first(rest, |b| b <= b' ')?;
    if target.len() > limits.target {
        return Err(HeadFault::TargetTooLong);
    }
    if method == b"CONNECT" {
        return Err(HeadFault::Connect);
    }
    let Some(rest) = rest.strip_prefix(b" ") else {
        return Err(line_fault(rest, HeadFault::InvalidTarget, HeadFault::NoVersion));
    };
    let (version, rest) = split_at_first(rest, |b| b < b' ')?;
    let old = match version {
        b"HTTP/1.1" => false,
        b"HTTP/1.0" => true,
        // A space in the target makes its second half look like a version.
        _ if version.ends_with(b" HTTP/1.1") || version.ends_with(b" HTTP/1.0") => {
            return Err(HeadFault::InvalidTarget);
        }
        _ => return Err(HeadFault::InvalidVersion),
    };
    let Some(rest) = rest.strip_prefix(b"\r\n") else {
        return Err(line_fault(rest, HeadFault::InvalidVersion, HeadFault::Incomplete));
    };
    Ok((RequestLine { method, target: target::check(target, method)?, old }, rest))
}

#[cfg(test)]
mod tests;
