//! A PROXY header: more bytes never change what was said of fewer, nothing behind the header is looked at, and what we
//! write is read back.

use std::net::{IpAddr, SocketAddr};

use tidegate::wire::proxy_protocol::{Addresses, Header, parse, write_v2, write_v2_local};

pub fn run(input: &[u8]) {
    let whole = parse(input);
    // A header has a few hundred bytes; long ones would only be slow here.
    for length in 0..input.len().min(600) {
        let part = input.get(..length).unwrap_or_default();
        match parse(part) {
            Ok(None) => {}
            other => {
                assert_eq!(other, whole, "said of {length} bytes, and something else of all");
                assert!(
                    other.is_err() || other.is_ok_and(|header| header.is_some_and(|h| h.length <= length))
                );
            }
        }
    }
    if let Ok(Some(header)) = whole {
        is_all_that_counts(input, &header);
        if let Some(addresses) = header.addresses {
            is_written_and_read(addresses.source, addresses.destination);
        }
        if header.length < 108 && input.first() == Some(&b'P') {
            is_the_line(input, &header);
        }
    }
    assert_eq!(parse(write_v2_local().as_ref()).map(|header| header.map(|h| h.addresses)), Ok(Some(None)));
}

fn is_all_that_counts(input: &[u8], header: &Header) {
    assert!(header.length > 0 && header.length <= input.len(), "longer than what is there");
    let alone = input.get(..header.length).unwrap_or_default();
    assert_eq!(parse(alone), Ok(Some(*header)), "alone");
    let cut = alone.split_last().map(|(_, before)| before).unwrap_or_default();
    assert_eq!(parse(cut), Ok(None), "without its last byte");
    let other: Vec<u8> = alone.iter().copied().chain(*b"GET / HTTP/1.1\r\n").collect();
    assert_eq!(parse(&other), Ok(Some(*header)), "before something else");
}

fn is_written_and_read(source: SocketAddr, destination: SocketAddr) {
    let written = write_v2(source, destination);
    let read = parse(written.as_ref());
    // A scope or a flow label has no place in the header.
    let plain = |address: SocketAddr| SocketAddr::new(address.ip(), address.port());
    let addresses = Addresses { source: plain(source), destination: plain(destination) };
    let expected = Header { length: written.as_ref().len(), addresses: Some(addresses) };
    if source.is_ipv4() == destination.is_ipv4() {
        assert_eq!(read, Ok(Some(expected)), "what we write");
    }
}

/// Version 1, read word by word.
fn is_the_line(input: &[u8], header: &Header) {
    let line = input.get(..header.length).and_then(|line| line.strip_suffix(b"\r\n")).unwrap_or_default();
    let text = String::from_utf8_lossy(line);
    let mut words = text.split(' ').skip(1);
    if words.next() == Some("UNKNOWN") {
        assert_eq!(header.addresses, None, "{text}");
        return;
    }
    let mut addresses = words.by_ref().take(2).map(|word| word.parse::<IpAddr>().ok());
    let (source, destination) = (addresses.next().flatten(), addresses.next().flatten());
    let found = header.addresses.map(|a| (Some(a.source.ip()), Some(a.destination.ip())));
    assert_eq!(found, Some((source, destination)), "{text}");
    let ports: Vec<Option<u16>> = words.map(|word| word.parse().ok()).collect();
    let found = header.addresses.map(|a| vec![Some(a.source.port()), Some(a.destination.port())]);
    assert_eq!(found, Some(ports), "{text}");
}
