use std::collections::HashSet;

use proptest::prelude::*;

use super::checksum::crc32c;
use super::*;

const SIGNATURE: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";

fn pair(source: &str, destination: &str) -> Option<Addresses> {
    Some(Addresses { source: source.parse().unwrap(), destination: destination.parse().unwrap() })
}

fn version2(command: u8, family: u8, rest: &[u8]) -> Vec<u8> {
    let length = u16::try_from(rest.len()).unwrap().to_be_bytes();
    [SIGNATURE, &[command, family], &length, rest].concat()
}

/// IPv4 addresses, and what follows them.
fn with_fields(fields: &[u8]) -> Vec<u8> {
    version2(0x21, 0x11, &[&[192, 0, 2, 1, 192, 0, 2, 2, 0x30, 0x39, 1, 0xbb], fields].concat())
}

/// What comes of a header that arrives byte by byte, with a request behind it.
fn arriving(header: &[u8]) -> Result<Option<Header>, ProxyFault> {
    for end in 0..header.len() {
        match parse(&header[..end]) {
            Ok(None) => {}
            early => return early,
        }
    }
    let whole = parse(header);
    assert_eq!(parse(&[header, b"GET / HTTP/1.1\r\n\r\n"].concat()), whole);
    whole
}

fn read(header: impl AsRef<[u8]>) -> Result<Option<Addresses>, ProxyFault> {
    let header = header.as_ref();
    arriving(header).map(|found| {
        let found = found.expect("a whole header");
        assert_eq!(found.length, header.len());
        found.addresses
    })
}

#[test]
fn lines_of_version_1_name_both_ends() {
    for (line, addresses) in [
        ("PROXY TCP4 192.168.0.1 192.168.0.11 56324 443\r\n", pair("192.168.0.1:56324", "192.168.0.11:443")),
        (
            "PROXY TCP4 255.255.255.255 255.255.255.255 65535 65535\r\n",
            pair("255.255.255.255:65535", "255.255.255.255:65535"),
        ),
        ("PROXY TCP4 0.0.0.0 0.0.0.0 0 1\r\n", pair("0.0.0.0:0", "0.0.0.0:1")),
        ("PROXY TCP6 2001:DB8::1 ::1 1 443\r\n", pair("[2001:db8::1]:1", "[::1]:443")),
        ("PROXY TCP6 ::ffff:192.0.2.1 :: 1 2\r\n", pair("[::ffff:192.0.2.1]:1", "[::]:2")),
        ("PROXY UNKNOWN\r\n", None),
        ("PROXY UNKNOWN ffff:f::ffff whatever 65535\r\n", None),
    ] {
        assert_eq!(read(line), Ok(addresses), "{line:?}");
    }
    let longest = format!("PROXY UNKNOWN {}\r\n", "x".repeat(107 - 16));
    assert_eq!(read(&longest), Ok(None));
}

#[test]
fn lines_that_are_not_exactly_right_are_refused() {
    for line in [
        "PROXY  TCP4 1.2.3.4 5.6.7.8 1 2\r\n",
        "PROXY TCP4  1.2.3.4 5.6.7.8 1 2\r\n",
        "PROXY TCP4 1.2.3.4 5.6.7.8 1 2 \r\n",
        "PROXY TCP4 1.2.3.4 5.6.7.8 1 2 3\r\n",
        "PROXY TCP4 1.2.3.4 5.6.7.8 1\r\n",
        "PROXY TCP4 1.2.3.4 5.6.7.8 1 \r\n",
        "PROXY TCP4\r\n",
        "PROXY \r\n",
        "PROXY TCP4 1.2.3.4 5.6.7.8 01 2\r\n",
        "PROXY TCP4 1.2.3.4 5.6.7.8 1 00\r\n",
        "PROXY TCP4 1.2.3.4 5.6.7.8 1 65536\r\n",
        "PROXY TCP4 1.2.3.4 5.6.7.8 +1 2\r\n",
        "PROXY TCP4 1.2.3.4 5.6.7.8 -1 2\r\n",
        "PROXY TCP4 01.2.3.4 5.6.7.8 1 2\r\n",
        "PROXY TCP4 1.2.3 5.6.7.8 1 2\r\n",
        "PROXY TCP4 1.2.3.256 5.6.7.8 1 2\r\n",
        "PROXY TCP4 ::1 ::1 1 2\r\n",
        "PROXY TCP6 1.2.3.4 5.6.7.8 1 2\r\n",
        "PROXY TCP6 ::1%eth0 ::1 1 2\r\n",
        "PROXY TCP6 [::1] ::1 1 2\r\n",
        "PROXY TCP5 1.2.3.4 5.6.7.8 1 2\r\n",
        "PROXY UDP4 1.2.3.4 5.6.7.8 1 2\r\n",
        "PROXY tcp4 1.2.3.4 5.6.7.8 1 2\r\n",
        "PROXY TCP4 1.2.3.4 5.6.7.8 1 2\n",
        "PROXY TCP4 1.2.3.4 5.6.7.8 1 2\rx",
        "PROXY TCP4 1.2.3.4\t5.6.7.8 1 2\r\n",
        "PROXY TCP4 1.2.3.4 5.6.7.8 1 2\0\r\n",
        "PROXY UNKNOWNX\r\n",
        "PROXY UNKNOWN\n",
        "PROXY UNKNOWN \0\r\n",
        "PROXY UNKNOWN \u{e9}\r\n",
    ] {
        assert_eq!(arriving(line.as_bytes()), Err(ProxyFault::InvalidLine), "{line:?}");
    }
    let long = format!("PROXY UNKNOWN {}\r\n", "x".repeat(107 - 15));
    assert_eq!(arriving(long.as_bytes()), Err(ProxyFault::InvalidLine));
}

#[test]
fn what_is_no_header_is_refused_at_once() {
    for bytes in
        [&b"G"[..], b"\x16\x03", b"PRI", b"PROXX", b"proxy", b"\r\n\r\nG", b"\r\nG", b"\n", b"\0", b" P"]
    {
        assert_eq!(parse(bytes), Err(ProxyFault::Missing), "{bytes:?}");
    }
    for line in [
        "PROXY X",
        "PROXY TCP4x",
        "PROXY TCP4 x",
        "PROXY TCP4 1.2.3.4.5 ",
        "PROXY TCP4 1.2.3.4 5.6.7.8 0x",
        "PROXY UNKNOWNx",
    ] {
        assert_eq!(parse(line.as_bytes()), Err(ProxyFault::InvalidLine), "{line:?}");
    }
}

#[test]
fn version_2_names_both_ends() {
    assert_eq!(read(with_fields(&[])), Ok(pair("192.0.2.1:12345", "192.0.2.2:443")));
    let mut ip6 = [0; 36];
    (ip6[15], ip6[31], ip6[33], ip6[35]) = (1, 2, 3, 4);
    assert_eq!(read(version2(0x21, 0x21, &ip6)), Ok(pair("[::1]:3", "[::2]:4")));
    assert_eq!(read(version2(0x21, 0x31, &[b'x'; 216])), Ok(None));
    for family in [0x00, 0x01, 0x10, 0x20, 0x30] {
        assert_eq!(read(version2(0x21, family, b"whatever")), Ok(None), "{family:x}");
    }
    for family in [0x00, 0x11, 0x12, 0xff] {
        assert_eq!(read(version2(0x20, family, b"whatever")), Ok(None), "{family:x}");
        assert_eq!(read(version2(0x20, family, b"")), Ok(None), "{family:x}");
    }
}

#[test]
fn other_headers_of_version_2_are_refused() {
    for (header, fault) in [
        (version2(0x11, 0x11, &[0; 12]), ProxyFault::UnknownVersion),
        (version2(0x31, 0x11, &[0; 12]), ProxyFault::UnknownVersion),
        (version2(0x22, 0x11, &[0; 12]), ProxyFault::UnknownVersion),
        (version2(0x21, 0x12, &[0; 12]), ProxyFault::InvalidFamily),
        (version2(0x21, 0x22, &[0; 36]), ProxyFault::InvalidFamily),
        (version2(0x21, 0x32, &[0; 216]), ProxyFault::InvalidFamily),
        (version2(0x21, 0x02, &[]), ProxyFault::InvalidFamily),
        (version2(0x21, 0x13, &[0; 12]), ProxyFault::InvalidFamily),
        (version2(0x21, 0x41, &[0; 12]), ProxyFault::InvalidFamily),
        (version2(0x21, 0x11, &[0; 11]), ProxyFault::InvalidLength),
        (version2(0x21, 0x21, &[0; 35]), ProxyFault::InvalidLength),
        (version2(0x21, 0x31, &[0; 215]), ProxyFault::InvalidLength),
        (version2(0x20, 0x00, &[0; 4097]), ProxyFault::InvalidLength),
        (with_fields(&[4]), ProxyFault::InvalidLength),
        (with_fields(&[4, 0]), ProxyFault::InvalidLength),
        (with_fields(&[4, 0, 1]), ProxyFault::InvalidLength),
        (with_fields(&[4, 0, 0, 4, 0xff, 0xff]), ProxyFault::InvalidLength),
        (with_fields(&[3, 0, 3, 0, 0, 0]), ProxyFault::WrongChecksum),
        (with_fields(&[3, 0, 4, 0, 0, 0, 0]), ProxyFault::WrongChecksum),
    ] {
        assert_eq!(arriving(&header), Err(fault), "{header:02x?}");
    }
    assert_eq!(parse(&version2(0x20, 0x00, &[0; 4097])[..16]), Err(ProxyFault::InvalidLength));
    assert!(read(version2(0x20, 0x00, &[0; 4096])).is_ok());
}

#[test]
fn fields_are_skipped_and_a_checksum_counts() {
    let fields = [&[1, 0, 2, b'h', b'2', 4, 0, 0, 3, 0, 4, 0, 0, 0, 0], &[0xea, 0, 3, 1, 2, 3][..]].concat();
    let mut header = with_fields(&fields);
    let sum = crc32c(header.iter()).to_be_bytes();
    let place = 16 + 12 + 5 + 3 + 3;
    header[place..place + 4].copy_from_slice(&sum);
    assert_eq!(read(&header), Ok(pair("192.0.2.1:12345", "192.0.2.2:443")));
    for place in 16..header.len() {
        let mut changed = header.clone();
        changed[place] ^= 1;
        assert!(parse(&changed) != parse(&header) || place == 36, "{place}");
    }
    let twice = [3, 0, 4, 0, 0, 0, 0];
    assert_eq!(arriving(&with_fields(&[twice, twice].concat())), Err(ProxyFault::WrongChecksum));
}

#[test]
fn messages_differ_and_the_label_is_one() {
    let faults = [
        ProxyFault::Missing,
        ProxyFault::InvalidLine,
        ProxyFault::UnknownVersion,
        ProxyFault::InvalidFamily,
        ProxyFault::InvalidLength,
        ProxyFault::WrongChecksum,
    ];
    assert_eq!(faults.iter().map(ToString::to_string).collect::<HashSet<_>>().len(), faults.len());
    assert!(faults.iter().all(|fault| fault.reason() == "bad_proxy_header"));
}

#[test]
fn headers_of_our_own_can_be_read() {
    for (source, destination, read_source, read_destination) in [
        ("192.0.2.1:1", "192.0.2.2:2", "192.0.2.1:1", "192.0.2.2:2"),
        ("[2001:db8::1]:1", "[::1]:65535", "[2001:db8::1]:1", "[::1]:65535"),
        ("192.0.2.1:1", "[::1]:2", "[::ffff:192.0.2.1]:1", "[::1]:2"),
        ("[::1]:1", "192.0.2.2:2", "[::1]:1", "[::ffff:192.0.2.2]:2"),
    ] {
        let written = write_v2(source.parse().unwrap(), destination.parse().unwrap());
        assert_eq!(read(written), Ok(pair(read_source, read_destination)));
    }
    assert_eq!(write_v2_local().as_ref(), version2(0x20, 0, &[]));
    assert_eq!(read(write_v2_local()), Ok(None));
}

fn almost_a_line() -> impl Strategy<Value = Vec<u8>> {
    "PROXY (TCP[46]|UNKNOWN|T)( [0-9.]{0,8}| ::?1?| 1\\.2\\.3\\.4){0,3}( (0|[0-9]{0,6})){0,3}[ ]?(\r\n|\r|\n)?".prop_map(String::into_bytes)
}

fn almost_version_2() -> impl Strategy<Value = Vec<u8>> {
    let command = prop_oneof![4 => Just(0x21u8), 1 => Just(0x20), 1 => any::<u8>()];
    let family = prop_oneof![3 => Just(0x11u8), 2 => Just(0x21), 1 => Just(0x31), 1 => any::<u8>()];
    let fields = proptest::collection::vec((0u8..6, proptest::collection::vec(any::<u8>(), 0..6)), 0..4);
    (command, family, prop_oneof![Just(12usize), Just(36), Just(216), 0usize..300], fields).prop_map(
        |(c, f, length, fields)| {
            let fields: Vec<u8> = fields
                .iter()
                .flat_map(|(kind, value)| [&[*kind, 0, value.len() as u8], &value[..]].concat())
                .collect();
            version2(c, f, &[&vec![7; length][..], &fields].concat())
        },
    )
}

proptest! {
    #[test]
    fn pieces_give_what_the_whole_gives(bytes in prop_oneof![almost_a_line(), almost_version_2()]) {
        let whole = parse(&bytes);
        let first = (0..=bytes.len()).map(|end| parse(&bytes[..end])).find(|found| *found != Ok(None));
        prop_assert_eq!(first.unwrap_or(Ok(None)), whole);
        if let Ok(Some(header)) = whole {
            prop_assert_eq!(parse(&bytes[..header.length]), whole);
            prop_assert_eq!(parse(&bytes[..header.length - 1]), Ok(None));
        }
    }

    #[test]
    fn what_is_written_is_read(source: SocketAddr, destination: SocketAddr) {
        let found = parse(write_v2(source, destination).as_ref()).unwrap().unwrap().addresses.unwrap();
        prop_assert_eq!(found.source.ip().to_canonical(), source.ip().to_canonical());
        prop_assert_eq!(found.destination.ip().to_canonical(), destination.ip().to_canonical());
        prop_assert_eq!((found.source.port(), found.destination.port()), (source.port(), destination.port()));
    }

    #[test]
    fn no_bytes_make_it_panic(bytes: Vec<u8>) {
        for start in [&b""[..], SIGNATURE, &version2(0x21, 0x11, &[])[..14], b"PROXY ", b"PROXY TCP6 "] {
            if let Ok(Some(header)) = parse(&[start, &bytes].concat()) {
                prop_assert!(header.length <= start.len() + bytes.len());
            }
        }
    }
}
