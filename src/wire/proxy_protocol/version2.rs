//! Version 2: 16 bytes of head, addresses, and fields of type, length and value, of which only the checksum matters here.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};

use super::checksum::crc32c;
use super::{Addresses, Header, ProxyFault, begins};

pub const SIGNATURE: &[u8; 12] = b"\r\n\r\n\0\r\nQUIT\n";
/// Signature, version and command, family and protocol, length.
pub const HEAD: usize = 16;

pub const LOCAL: u8 = 0x20;
pub const PROXY: u8 = 0x21;
pub const UNSPECIFIED: u8 = 0x00;
pub const TCP4: u8 = 0x11;
pub const TCP6: u8 = 0x21;
const UNIX: u8 = 0x31;

/// Bytes behind the head.
const LARGEST: usize = 4096;

/// A field that holds the CRC32c of the header, computed with this field at zero.
const CHECKSUM: u8 = 3;

pub fn parse(bytes: &[u8]) -> Result<Option<Header>, ProxyFault> {
    if !begins(bytes, SIGNATURE) {
        return Err(ProxyFault::Missing);
    }
    let local = match bytes.get(12) {
        None => return Ok(None),
        Some(&LOCAL) => true,
        Some(&PROXY) => false,
        Some(_) => return Err(ProxyFault::UnknownVersion),
    };
    let Some(family) = bytes.get(13) else { return Ok(None) };
    // LOCAL leaves the family unsaid, and what follows is to be skipped.
    let addresses_length = if local { None } else { addresses_length(*family)? };
    let Some([high, low]) = bytes.get(14..16) else { return Ok(None) };
    let length = usize::from(u16::from_be_bytes([*high, *low]));
    if length > LARGEST || length < addresses_length.unwrap_or(0) {
        return Err(ProxyFault::InvalidLength);
    }
    let Some(header) = bytes.get(..HEAD + length) else { return Ok(None) };
    let Some(addresses_length) = addresses_length else {
        return Ok(Some(Header { length: HEAD + length, addresses: None }));
    };
    check_fields(header, HEAD + addresses_length)?;
    let addresses = header.get(HEAD..).and_then(|rest| addresses(*family, rest));
    Ok(Some(Header { length: HEAD + length, addresses }))
}

/// How many bytes of addresses this family and protocol have; `None` if all that follows is opaque.
fn addresses_length(family: u8) -> Result<Option<usize>, ProxyFault> {
    match family {
        TCP4 => Ok(Some(12)),
        TCP6 => Ok(Some(36)),
        UNIX => Ok(Some(216)),
        // The family or the protocol is unspecified.
        0x00 | 0x01 | 0x10 | 0x20 | 0x30 => Ok(None),
        _ => Err(ProxyFault::InvalidFamily),
    }
}

fn addresses(family: u8, bytes: &[u8]) -> Option<Addresses> {
    let port = |at: usize| bytes.get(at..at + 2)?.first_chunk().map(|port| u16::from_be_bytes(*port));
    let ip4 = |at: usize| bytes.get(at..at + 4)?.first_chunk().map(|ip: &[u8; 4]| Ipv4Addr::from(*ip));
    let ip6 = |at: usize| bytes.get(at..at + 16)?.first_chunk().map(|ip: &[u8; 16]| Ipv6Addr::from(*ip));
    match family {
        TCP4 => Some(Addresses {
            source: SocketAddr::from((ip4(0)?, port(8)?)),
            destination: SocketAddr::from((ip4(4)?, port(10)?)),
        }),
        TCP6 => Some(Addresses {
            source: SocketAddr::from((ip6(0)?, port(32)?)),
            destination: SocketAddr::from((ip6(16)?, port(34)?)),
        }),
        _ => None,
    }
}

/// The fields that begin at `start` must fill the header exactly; a checksum among them must be right.
fn check_fields(header: &[u8], start: usize) -> Result<(), ProxyFault> {
    let mut at = start;
    let mut checksum = None;
    while at < header.len() {
        let Some([kind, high, low]) = header.get(at..at + 3) else { return Err(ProxyFault::InvalidLength) };
        let value = at + 3;
        let end = value + usize::from(u16::from_be_bytes([*high, *low]));
        if end > header.len() {
            return Err(ProxyFault::InvalidLength);
        }
        if *kind == CHECKSUM && (end - value != 4 || checksum.replace(value).is_some()) {
            return Err(ProxyFault::WrongChecksum);
        }
        at = end;
    }
    let Some(place) = checksum else { return Ok(()) };
    let (before, rest) = header.split_at_checked(place).ok_or(ProxyFault::InvalidLength)?;
    let Some((stated, after)) = rest.split_first_chunk::<4>() else {
        return Err(ProxyFault::InvalidLength);
    };
    let computed = crc32c(before.iter().chain(&[0; 4]).chain(after));
    if computed == u32::from_be_bytes(*stated) { Ok(()) } else { Err(ProxyFault::WrongChecksum) }
}
