//! `x-forwarded-for`: where a request comes from is the peer, or an address that a chain of trusted proxies vouches for;
//! nothing else in the lines matters. The input is lines: which proxies are trusted and the peer, then the fields.

use std::net::IpAddr;

use http::HeaderValue;
use tidegate::rewrite::forwarded_for::{appended, client_address};

use super::pieces;

const PEERS: [&str; 4] = ["10.0.0.1", "192.0.2.1", "2001:db8::1", "::ffff:10.0.0.1"];

pub fn run(input: &[u8]) {
    let [choice, lines] = pieces::parts(input, b'\n');
    let choice = choice.and_then(|bytes| bytes.first()).copied().unwrap_or_default();
    let Some(peer) = PEERS.iter().cycle().nth(usize::from(choice % 4)).and_then(|text| text.parse().ok())
    else {
        return;
    };
    let lines: Vec<HeaderValue> = lines
        .unwrap_or_default()
        .split(|byte| *byte == b'\n')
        .filter_map(|line| HeaderValue::from_bytes(line).ok())
        .collect();
    let trusts_all = choice & 4 != 0;
    let trusted = |address: IpAddr| trusts_all || is_internal(address);
    is_vouched_for(&lines, peer, &trusted);
    is_appended(&lines, peer);
}

fn is_internal(address: IpAddr) -> bool {
    address.to_string().starts_with("10.")
}

fn is_vouched_for(lines: &[HeaderValue], peer: IpAddr, trusted: &dyn Fn(IpAddr) -> bool) {
    let found = client_address(peer, lines.iter(), trusted);
    assert_eq!(found, found.to_canonical(), "one address has one form");
    if !trusted(peer.to_canonical()) {
        assert_eq!(found, peer.to_canonical(), "a stranger speaks for itself only");
        return;
    }
    // The addresses from the right on, as far as there are addresses.
    let joined =
        lines.iter().map(|line| String::from_utf8_lossy(line.as_bytes())).collect::<Vec<_>>().join(",");
    let chain: Vec<IpAddr> = joined.rsplit(',').take(64).map_while(address).collect();
    let expected = chain.iter().copied().find(|address| !trusted(*address));
    let last = || chain.last().copied().unwrap_or(peer.to_canonical());
    assert_eq!(found, expected.unwrap_or_else(last), "{joined}");
}

/// An address, perhaps with a port; only IPv6 stands in brackets.
fn address(text: &str) -> Option<IpAddr> {
    let text = text.trim_matches([' ', '\t']);
    if text.len() > 64 {
        return None;
    }
    let parsed = text
        .parse::<IpAddr>()
        .ok()
        .or_else(|| text.parse::<std::net::SocketAddr>().ok().map(|address| address.ip()))
        .or_else(|| Some(IpAddr::V6(text.strip_prefix('[')?.strip_suffix(']')?.parse().ok()?)));
    parsed.map(|address| address.to_canonical())
}

fn is_appended(lines: &[HeaderValue], peer: IpAddr) {
    let line = appended(lines, peer);
    let text = String::from_utf8_lossy(line.as_bytes()).into_owned();
    let last = text.rsplit(',').next().unwrap_or_default().trim();
    assert_eq!(last.parse(), Ok(peer.to_canonical()), "the peer is the last one");
    // The next proxy, which trusts us, finds our peer, and what was in the lines where it trusts the peer as well.
    let us = IpAddr::from([10, 9, 9, 9]);
    let trusts_us = |address: IpAddr| address == us;
    assert_eq!(
        client_address(us, [&line].into_iter(), trusts_us),
        peer.to_canonical(),
        "the next proxy finds the peer"
    );
}
