//! Headers of version 2, for servers that want to know whose connection they are given.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use super::version2::{HEAD, LOCAL, PROXY, SIGNATURE, TCP4, TCP6, UNSPECIFIED};

/// A header, ready to be sent before anything else.
#[derive(Clone, Copy, Debug)]
pub struct Written {
    bytes: [u8; LONGEST],
    length: usize,
}

/// Head, two addresses and two ports of IPv6.
const LONGEST: usize = HEAD + 36;

/// For a connection from `source` to `destination`; if only one of them is IPv4 it is mapped (`::ffff:192.0.2.1`).
pub fn write_v2(source: SocketAddr, destination: SocketAddr) -> Written {
    let ports = [source.port().to_be_bytes(), destination.port().to_be_bytes()];
    match (source.ip(), destination.ip()) {
        (IpAddr::V4(source), IpAddr::V4(destination)) => {
            let addresses = [source.octets(), destination.octets()];
            written(PROXY, TCP4, &[addresses.as_flattened(), ports.as_flattened()])
        }
        (source, destination) => {
            let addresses = [as_ip6(source).octets(), as_ip6(destination).octets()];
            written(PROXY, TCP6, &[addresses.as_flattened(), ports.as_flattened()])
        }
    }
}

/// For a connection that is our own: a check.
pub fn write_v2_local() -> Written {
    written(LOCAL, UNSPECIFIED, &[])
}

fn as_ip6(address: IpAddr) -> Ipv6Addr {
    match address {
        IpAddr::V4(address) => address.to_ipv6_mapped(),
        IpAddr::V6(address) => address,
    }
}

fn written(command: u8, family: u8, parts: &[&[u8]]) -> Written {
    let size = parts.iter().map(|part| part.len()).sum::<usize>();
    let [.., high, low] = size.to_be_bytes();
    let kind = [command, family, high, low];
    let head = SIGNATURE.iter().chain(&kind);
    let mut written = Written { bytes: [0; LONGEST], length: HEAD + size };
    for (place, byte) in written.bytes.iter_mut().zip(head.chain(parts.iter().copied().flatten())) {
        *place = *byte;
    }
    written
}

impl AsRef<[u8]> for Written {
    fn as_ref(&self) -> &[u8] {
        self.bytes.get(..self.length).unwrap_or(&self.bytes)
    }
}
