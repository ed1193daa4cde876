//! `x-forwarded-for`: the list of addresses that a request came through, nearest last.

use std::fmt::Write;
use std::net::IpAddr;

use http::HeaderValue;

/// The one line to send in place of the lines that came: theirs, joined, and the peer's address behind them. Lines
/// without content are dropped. The core leaves the lines as they are where the peer is in `forwarded_for.except`.
pub fn appended<'a>(lines: impl IntoIterator<Item = &'a HeaderValue>, peer: IpAddr) -> HeaderValue {
    let mut list = Vec::with_capacity(48);
    for line in lines {
        let line = line.as_bytes().trim_ascii();
        if !line.is_empty() {
            list.extend_from_slice(line);
            list.extend_from_slice(b", ");
        }
    }
    let mut address = String::with_capacity(40);
    // Writing to a String does not fail.
    let _ = write!(address, "{}", peer.to_canonical());
    list.extend_from_slice(address.as_bytes());
    // Bytes that were in header values, and an address, are a header value.
    HeaderValue::from_maybe_shared(bytes::Bytes::from(list))
        .unwrap_or_else(|_| HeaderValue::from_static("unknown"))
}

/// Where a request comes from: the peer, or, as long as an address is one of a trusted proxy, the address that this
/// proxy appended. Reading goes from the right; a text that is not an address ends it, and what is left of that is
/// anybody's claim.
pub fn source<'a>(
    lines: impl IntoIterator<Item = &'a HeaderValue, IntoIter: DoubleEndedIterator>,
    peer: IpAddr,
    trusted: impl Fn(IpAddr) -> bool,
) -> IpAddr {
    let elements = lines.into_iter().rev().flat_map(|line| line.as_bytes().rsplit(|b| *b == b','));
    let mut source = peer.to_canonical();
    for element in elements {
        if !trusted(source) {
            break;
        }
        match address(element.trim_ascii()) {
            Some(address) => source = address,
            None => break,
        }
    }
    source
}

/// An address, alone or as some proxies write it: `[2001:db8::1]`, `[2001:db8::1]:443`, `192.0.2.1:443`.
fn address(text: &[u8]) -> Option<IpAddr> {
    let text = std::str::from_utf8(text).ok()?;
    let bare = match text.strip_prefix('[') {
        Some(rest) => rest.split_once(']')?.0,
        None if text.matches(':').count() == 1 => text.split_once(':')?.0,
        None => text,
    };
    bare.parse::<IpAddr>().ok().map(|a| a.to_canonical())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(lines: &[&'static str]) -> Vec<HeaderValue> {
        lines.iter().map(|l| HeaderValue::from_static(l)).collect()
    }

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn the_peer_is_appended_to_what_came() {
        for (came, peer, sent) in [
            (lines(&[]), "192.0.2.1", "192.0.2.1"),
            (lines(&["198.51.100.7"]), "192.0.2.1", "198.51.100.7, 192.0.2.1"),
            (lines(&["a", " b , c "]), "2001:db8::1", "a, b , c, 2001:db8::1"),
            (lines(&["", "a"]), "::ffff:192.0.2.1", "a, 192.0.2.1"),
        ] {
            assert_eq!(appended(&came, ip(peer)), sent);
        }
    }

    #[test]
    fn only_what_a_trusted_proxy_appended_is_believed() {
        let internal = |a: IpAddr| a.to_string().starts_with("10.");
        for (came, peer, expected) in [
            (lines(&["198.51.100.7"]), "192.0.2.1", "192.0.2.1"),
            (lines(&[]), "10.0.0.1", "10.0.0.1"),
            (lines(&["198.51.100.7"]), "10.0.0.1", "198.51.100.7"),
            (lines(&["1.1.1.1, 198.51.100.7, 10.0.0.2"]), "10.0.0.1", "198.51.100.7"),
            (lines(&["198.51.100.7", "10.0.0.2"]), "10.0.0.1", "198.51.100.7"),
            (lines(&["1.1.1.1, nonsense"]), "10.0.0.1", "10.0.0.1"),
            (lines(&["[2001:db8::1]:443"]), "::ffff:10.0.0.1", "2001:db8::1"),
            (lines(&["198.51.100.7:1234"]), "10.0.0.1", "198.51.100.7"),
        ] {
            assert_eq!(source(&came, ip(peer), internal), ip(expected), "{came:?}");
        }
    }
}
