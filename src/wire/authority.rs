//! `host[:port]`, as `Host`, `:authority` and absolute targets have it. Stricter than RFC 3986: no user, no escapes, no
//! punctuation that no host name has, no empty port, no zone.

use std::borrow::Cow;
use std::net::Ipv6Addr;

/// A valid authority, taken apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Authority<'a> {
    /// A name or an address; an IPv6 one with its brackets. Case as sent.
    pub host: &'a str,
    /// 1 to 65535.
    pub port: Option<u16>,
}

impl<'a> Authority<'a> {
    /// `None` for what is not `host` or `host:port`.
    pub fn parse(bytes: &'a [u8]) -> Option<Authority<'a>> {
        let text = std::str::from_utf8(bytes).ok()?;
        let host_length = if text.starts_with('[') {
            let end = text.find(']')?;
            text.get(1..end)?.parse::<Ipv6Addr>().ok()?;
            end + 1
        } else {
            bytes.iter().position(|b| *b == b':').unwrap_or(bytes.len())
        };
        let (host, rest) = text.split_at(host_length);
        let of_host = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_' | b'~');
        if host.is_empty() || !(host.starts_with('[') || host.bytes().all(of_host)) {
            return None;
        }
        let port = match rest.strip_prefix(':') {
            Some(digits) => Some(port(digits)?),
            None if rest.is_empty() => None,
            None => return None,
        };
        Some(Authority { host, port })
    }

    /// The host in lower case, copied only if it is not so already.
    pub fn lower_host(&self) -> Cow<'a, str> {
        if self.host.bytes().any(|b| b.is_ascii_uppercase()) {
            Cow::Owned(self.host.to_ascii_lowercase())
        } else {
            Cow::Borrowed(self.host)
        }
    }

    /// Whether both name the same place, when a port that is not named is `default_port`.
    pub fn same_as(&self, other: &Authority<'_>, default_port: u16) -> bool {
        self.host.eq_ignore_ascii_case(other.host)
            && self.port.unwrap_or(default_port) == other.port.unwrap_or(default_port)
    }
}

fn port(digits: &str) -> Option<u16> {
    let plain = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
    digits.parse().ok().filter(|port| plain && *port != 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_and_ports_are_told_apart() {
        for (text, host, port) in [
            ("example.com", "example.com", None),
            ("Example.com.:8443", "Example.com.", Some(8443)),
            ("a_b-c~d", "a_b-c~d", None),
            ("192.0.2.1:80", "192.0.2.1", Some(80)),
            ("[::1]", "[::1]", None),
            ("[2001:db8::1]:443", "[2001:db8::1]", Some(443)),
        ] {
            assert_eq!(Authority::parse(text.as_bytes()), Some(Authority { host, port }), "{text}");
        }
    }

    #[test]
    fn what_is_no_host_is_refused() {
        for text in [
            "",
            ":80",
            "a:",
            "a:0",
            "a:65536",
            "a:+80",
            "a:8o",
            "a:80:80",
            "a b",
            "a,b",
            "user@a",
            "a/b",
            "a?b",
            "a#b",
            "a%41",
            "::1",
            "[::1",
            "[::1]x",
            "[::g]",
            "[]",
            "[fe80::1%25eth0]",
            "[v1.a]",
            "[127.0.0.1]",
            "a\\b",
            "a\0b",
            "é",
            "a;b",
            "a\tb",
            "]",
            "*",
        ] {
            assert_eq!(Authority::parse(text.as_bytes()), None, "{text:?}");
        }
    }

    #[test]
    fn a_usual_port_may_be_left_out() {
        let [plain, with_port, other] =
            ["A.example", "a.example:443", "a.example:80"].map(|t| Authority::parse(t.as_bytes()).unwrap());
        assert!(plain.same_as(&with_port, 443) && plain.same_as(&other, 80));
        assert!(!plain.same_as(&with_port, 80) && !with_port.same_as(&other, 443));
        assert_eq!(plain.lower_host(), "a.example");
    }
}
