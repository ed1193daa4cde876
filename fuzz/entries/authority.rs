//! `host[:port]`: what passes is the same to everybody, and cannot break out of where it is written to.

use tidegate::wire::Authority;

pub fn run(input: &[u8]) {
    let Some(authority) = Authority::parse(input) else { return };
    let host = authority.host;
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"-._~[]:".contains(&b);
    assert!(!host.is_empty() && host.bytes().all(plain), "a byte that no host has");
    assert!(host.starts_with('[') == host.contains(':'), "colons stand in brackets");
    let said = input.strip_prefix(host.as_bytes()).unwrap_or(b"the host is not the beginning");
    match authority.port {
        None => assert!(said.is_empty(), "a rest without a port"),
        Some(port) => {
            let digits = std::str::from_utf8(said).ok().and_then(|text| text.strip_prefix(':'));
            assert_eq!(digits.and_then(|digits| digits.parse().ok()), Some(port));
            assert!(port != 0, "port 0");
        }
    }
    let lower = authority.lower_host();
    assert!(lower.eq_ignore_ascii_case(host) && !lower.bytes().any(|b| b.is_ascii_uppercase()));
    let again = Authority { host: &lower, ..authority };
    assert!(authority.same_as(&authority, 80) && authority.same_as(&again, 443), "is itself");
    let other = http::uri::Authority::try_from(input).ok();
    let other = other.as_ref().map(|other| (other.host(), other.port_u16()));
    assert_eq!(other, Some((host, authority.port)), "the next layer reads it otherwise");
}
