//! Version 1: one line of text. `PROXY TCP4 source destination source-port destination-port CRLF`, single spaces.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use super::{Addresses, Header, ProxyFault, begins};

/// The longest line, with its CRLF.
const LINE: usize = 107;

const SIGNATURE: &[u8] = b"PROXY ";
const UNKNOWN: &[u8] = b"UNKNOWN";

#[derive(Clone, Copy)]
enum Family {
    Ip4,
    Ip6,
}

pub fn parse(bytes: &[u8]) -> Result<Option<Header>, ProxyFault> {
    if !begins(bytes, SIGNATURE) {
        return Err(ProxyFault::Missing);
    }
    let line = bytes.get(..LINE).unwrap_or(bytes);
    let end = line.iter().position(|b| matches!(b, b'\r' | b'\n'));
    let Some(end) = end else {
        if line.len() + 2 > LINE || !may_become(line) {
            return Err(ProxyFault::InvalidLine);
        }
        return Ok(None);
    };
    let (line, rest) = line.split_at(end);
    let addresses = line.get(SIGNATURE.len()..).and_then(addresses).ok_or(ProxyFault::InvalidLine)?;
    match rest {
        b"\r" if bytes.len() < LINE => Ok(None),
        [b'\r', b'\n', ..] => Ok(Some(Header { length: end + 2, addresses })),
        _ => Err(ProxyFault::InvalidLine),
    }
}

/// What a whole line says behind its signature; `None` if it is malformed.
fn addresses(text: &[u8]) -> Option<Option<Addresses>> {
    if let Some(rest) = text.strip_prefix(UNKNOWN) {
        let plain = rest.iter().all(|b| matches!(b, b' '..=b'~'));
        return (plain && matches!(rest, [] | [b' ', ..])).then_some(None);
    }
    let mut words = text.split(|b| *b == b' ');
    let family = family(words.next()?)?;
    let (source, destination) = (address(family, words.next()?)?, address(family, words.next()?)?);
    let (source_port, destination_port) = (port(words.next()?)?, port(words.next()?)?);
    if words.next().is_some() {
        return None;
    }
    Some(Some(Addresses {
        source: SocketAddr::new(source, source_port),
        destination: SocketAddr::new(destination, destination_port),
    }))
}

/// Whether a line that is not over can still become a valid one: its words are valid, the last one may be a part of one.
fn may_become(line: &[u8]) -> bool {
    let Some(text) = line.get(SIGNATURE.len()..) else { return true };
    if begins(text, UNKNOWN) {
        return text.get(UNKNOWN.len()..).is_none_or(|rest| matches!(rest, [] | [b' ', ..]));
    }
    let mut words = text.split(|b| *b == b' ');
    let Some(first) = words.next() else { return true };
    let Some(family) = family(first) else {
        return first.len() == text.len() && (b"TCP4".starts_with(first) || b"TCP6".starts_with(first));
    };
    let mut words = words.enumerate().peekable();
    while let Some((place, word)) = words.next() {
        let part = words.peek().is_none();
        let valid = match (place, part) {
            (0 | 1, false) => address(family, word).is_some(),
            (0 | 1, true) => may_become_address(family, word),
            (2, false) => port(word).is_some(),
            (2 | 3, _) => word.is_empty() || port(word).is_some(),
            _ => false,
        };
        if !valid {
            return false;
        }
    }
    true
}

fn family(word: &[u8]) -> Option<Family> {
    match word {
        b"TCP4" => Some(Family::Ip4),
        b"TCP6" => Some(Family::Ip6),
        _ => None,
    }
}

fn address(family: Family, word: &[u8]) -> Option<IpAddr> {
    let text = std::str::from_utf8(word).ok()?;
    match family {
        Family::Ip4 => text.parse::<Ipv4Addr>().ok().map(IpAddr::V4),
        Family::Ip6 => text.parse::<Ipv6Addr>().ok().map(IpAddr::V6),
    }
}

fn may_become_address(family: Family, part: &[u8]) -> bool {
    match family {
        Family::Ip4 => part.len() <= 15 && part.iter().all(|b| b.is_ascii_digit() || *b == b'.'),
        Family::Ip6 => {
            part.len() <= 45 && part.iter().all(|b| b.is_ascii_hexdigit() || matches!(b, b':' | b'.'))
        }
    }
}

/// 0 to 65535 without leading zeros.
fn port(word: &[u8]) -> Option<u16> {
    let plain = matches!(word, b"0" | [b'1'..=b'9', ..]) && word.iter().all(u8::is_ascii_digit);
    std::str::from_utf8(word).ok().filter(|_| plain)?.parse().ok()
}
