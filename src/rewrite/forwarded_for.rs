//! `x-forwarded-for`: the list of addresses that a request came through, nearest last.

use std::fmt::Write;
use std::net::{IpAddr, SocketAddr};

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

/// Elements of the list that are looked at; a chain of proxies is never that long.
const MOST_HOPS: usize = 64;

/// Longest text of an address: `[`, an IPv6 address with a scope, `]:65535`.
const LONGEST_ADDRESS: usize = 64;

/// Where a request comes from: the peer, or, as long as an address is that of a trusted proxy, the address that this
/// proxy appended. So it is the right-most address that is not trusted, and the left-most where all are.
///
/// `lines` are the values of `x-forwarded-for` as they came; together they are one list. Reading goes from the right. An
/// element that is not an address (`unknown`, `_hidden`, nothing) ends it, as does the 64th: what is left of that is
/// anybody's claim. A peer that is not trusted decides nothing. IPv4 in IPv6 is IPv4, in the result and for `trusted`.
pub fn client_address<'a>(
    peer: IpAddr,
    lines: impl DoubleEndedIterator<Item = &'a HeaderValue>,
    trusted: impl Fn(IpAddr) -> bool,
) -> IpAddr {
    let elements = lines.rev().flat_map(|line| line.as_bytes().rsplit(|b| *b == b','));
    let mut client = peer.to_canonical();
    for element in elements.take(MOST_HOPS) {
        if !trusted(client) {
            break;
        }
        match address(element.trim_ascii()) {
            Some(address) => client = address,
            None => break,
        }
    }
    client
}

/// An address, alone or as some proxies write it: `[2001:db8::1]`, `[2001:db8::1]:443`, `192.0.2.1:443`.
fn address(text: &[u8]) -> Option<IpAddr> {
    if text.len() > LONGEST_ADDRESS {
        return None;
    }
    let text = std::str::from_utf8(text).ok()?;
    let address = match text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
        Some(bare) => IpAddr::V6(bare.parse().ok()?),
        None => text.parse().or_else(|_| text.parse::<SocketAddr>().map(|with_port| with_port.ip())).ok()?,
    };
    Some(address.to_canonical())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

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

    fn internal(address: IpAddr) -> bool {
        matches!(address, IpAddr::V4(v4) if v4.octets()[0] == 10)
    }

    #[test]
    fn only_what_a_trusted_proxy_appended_is_believed() {
        for (came, peer, expected) in [
            (lines(&["198.51.100.7"]), "192.0.2.1", "192.0.2.1"),
            (lines(&["10.0.0.9"]), "192.0.2.1", "192.0.2.1"),
            (lines(&[]), "10.0.0.1", "10.0.0.1"),
            (lines(&["198.51.100.7"]), "10.0.0.1", "198.51.100.7"),
            (lines(&["1.1.1.1, 198.51.100.7, 10.0.0.2"]), "10.0.0.1", "198.51.100.7"),
            (lines(&["1.1.1.1", "198.51.100.7", "10.0.0.2"]), "10.0.0.1", "198.51.100.7"),
            (lines(&["10.0.0.3, 10.0.0.2"]), "10.0.0.1", "10.0.0.3"),
            (lines(&["1.1.1.1 ,  198.51.100.7  "]), "::ffff:10.0.0.1", "198.51.100.7"),
        ] {
            assert_eq!(client_address(ip(peer), came.iter(), internal), ip(expected), "{came:?}");
        }
    }

    #[test]
    fn what_is_not_an_address_ends_the_walk() {
        for no_address in [
            "nonsense",
            "unknown",
            "_hidden",
            "",
            "1.2.3",
            "1.2.3.4:",
            "1.2.3.4:x",
            "1.2.3.4:70000",
            "[::1",
            "[1.2.3.4]",
            "::1]",
            "[::1]x",
            "\"::1\"",
            "1.2.3.4 5.6.7.8",
        ] {
            let alone = [HeaderValue::from_static(no_address)];
            assert_eq!(
                client_address(ip("10.0.0.1"), alone.iter(), internal),
                ip("10.0.0.1"),
                "{no_address}"
            );
            let between = [HeaderValue::from_str(&format!("1.1.1.1, {no_address}, 10.0.0.2")).unwrap()];
            assert_eq!(
                client_address(ip("10.0.0.1"), between.iter(), internal),
                ip("10.0.0.2"),
                "{no_address}"
            );
        }
        let bytes = [HeaderValue::from_bytes(b"\xff").unwrap()];
        assert_eq!(client_address(ip("10.0.0.1"), bytes.iter(), internal), ip("10.0.0.1"));
    }

    #[test]
    fn addresses_are_read_with_and_without_port() {
        for (text, expected) in [
            ("198.51.100.7", "198.51.100.7"),
            ("198.51.100.7:1234", "198.51.100.7"),
            ("2001:db8::1", "2001:db8::1"),
            ("::1", "::1"),
            ("[2001:db8::1]", "2001:db8::1"),
            ("[2001:db8::1]:443", "2001:db8::1"),
            ("::ffff:198.51.100.7", "198.51.100.7"),
            ("[::ffff:198.51.100.7]:80", "198.51.100.7"),
        ] {
            let came = [HeaderValue::from_static(text)];
            assert_eq!(client_address(ip("10.0.0.1"), came.iter(), internal), ip(expected), "{text}");
        }
    }

    #[test]
    fn no_more_than_64_elements_are_looked_at() {
        let looked = std::cell::Cell::new(0);
        let everyone = |_| {
            looked.set(looked.get() + 1);
            true
        };
        let came = [HeaderValue::from_str(&format!("10.0.0.9{}", ", 10.0.0.2".repeat(5000))).unwrap()];
        assert_eq!(client_address(ip("10.0.0.1"), came.iter(), everyone), ip("10.0.0.2"));
        assert_eq!(looked.get(), MOST_HOPS);
    }

    fn element() -> impl Strategy<Value = String> {
        prop_oneof!["10\\.0\\.0\\.[0-9]", "192\\.0\\.2\\.[0-9](:80)?", "\\[?[:0-9a-f]{0,6}\\]?", "[ -~]{0,8}"]
    }

    proptest! {
        #[test]
        fn an_untrusted_peer_decides_nothing(came in proptest::collection::vec("[ -~]{0,30}", 0..5)) {
            let came: Vec<_> = came.iter().map(|l| HeaderValue::from_str(l).unwrap()).collect();
            prop_assert_eq!(client_address(ip("192.0.2.1"), came.iter(), internal), ip("192.0.2.1"));
        }

        /// Whatever a client claims, the proxies it really went through appended its address behind that.
        #[test]
        fn no_claim_of_a_client_behind_trusted_proxies_is_believed(
            claims in proptest::collection::vec(element(), 0..8),
            proxies in 1u8..5,
            split: bool,
        ) {
            let honest: Vec<_> = (1..proxies).map(|n| format!("10.9.9.{n}")).collect();
            let appended = [vec!["203.0.113.5".to_owned()], honest].concat().join(", ");
            let claims = claims.join(",");
            let came: Vec<_> = if split { vec![claims, appended] } else { vec![format!("{claims}, {appended}")] };
            let came: Vec<_> = came.iter().map(|l| HeaderValue::from_str(l).unwrap()).collect();
            prop_assert_eq!(client_address(ip("10.9.9.99"), came.iter(), internal), ip("203.0.113.5"));
        }
    }
}
