//! One header line of an HTTP/1 head, request or answer: a token, a colon at once, a value without control bytes, CRLF.

use super::HeadFault;
use super::bytes::{fault_of, is_token, value_length};

pub struct Field<'a> {
    pub name: &'a [u8],
    /// Without the spaces and tabs around it.
    pub value: &'a [u8],
}

impl Field<'_> {
    /// Whether it has this name, whatever its case.
    pub fn is(&self, lower_name: &[u8]) -> bool {
        self.name.eq_ignore_ascii_case(lower_name)
    }
}

/// Servers that hand fields on as variables (CGI, WSGI) take `content_length` for `content-length`.
pub fn disguises_framing(name: &[u8]) -> bool {
    name.eq_ignore_ascii_case(b"content_length") || name.eq_ignore_ascii_case(b"transfer_encoding")
}

/// `name ":" OWS value OWS CRLF`; and what follows.
pub fn header_line(rest: &[u8]) -> Result<(Field<'_>, &[u8]), HeadFault> {
    let (name, rest) = split_at_first(rest, |b| !is_token(b))?;
    let Some(rest) = rest.strip_prefix(b":") else {
        return Err(name_fault(name, rest));
    };
    if name.is_empty() {
        return Err(HeadFault::EmptyFieldName);
    }
    let (value, rest) = rest.split_at_checked(value_length(rest)).ok_or(HeadFault::Incomplete)?;
    match rest {
        [b'\r', b'\n', rest @ ..] => Ok((Field { name, value: value.trim_ascii() }, rest)),
        [] | [b'\r'] => Err(HeadFault::Incomplete),
        [byte, ..] => Err(fault_of(*byte, HeadFault::ControlByte)),
    }
}

/// The empty line that ends a head, and nothing behind it; `rest` begins with CR.
pub fn check_end(rest: &[u8]) -> Result<(), HeadFault> {
    match rest {
        b"\r\n" => Ok(()),
        b"\r" | [b'\r', b'\n', ..] => Err(HeadFault::Incomplete),
        _ => Err(HeadFault::BareCr),
    }
}

/// Why a line whose name is followed by something other than a colon is wrong.
fn name_fault(name: &[u8], rest: &[u8]) -> HeadFault {
    match rest {
        [b' ' | b'\t', ..] if name.is_empty() => HeadFault::FoldedLine,
        [b' ' | b'\t', ..] if rest.trim_ascii_start().starts_with(b":") => HeadFault::SpaceBeforeColon,
        _ => line_fault(rest, HeadFault::InvalidFieldName, HeadFault::NoColon),
    }
}

/// The fault of a line that goes wrong at the start of `rest`: `ends` if the line is over there, else that of the byte.
pub fn line_fault(rest: &[u8], otherwise: HeadFault, ends: HeadFault) -> HeadFault {
    match rest {
        [b'\r', b'\n', ..] => ends,
        [] | [b'\r'] => HeadFault::Incomplete,
        [byte, ..] => fault_of(*byte, otherwise),
    }
}

/// Before and from the first byte that ends it; a head always has one.
pub fn split_at_first(bytes: &[u8], ends: impl Fn(u8) -> bool) -> Result<(&[u8], &[u8]), HeadFault> {
    let place = bytes.iter().position(|b| ends(*b)).ok_or(HeadFault::Incomplete)?;
    bytes.split_at_checked(place).ok_or(HeadFault::Incomplete)
}
