//! A set of networks: sorted ranges of addresses, one search by halving per lookup. An IPv6 address that carries an IPv4
//! one (`::ffff:10.0.0.1`, what a dual-stack socket reports) is that IPv4 address, in the set and in the question.

use std::net::{IpAddr, Ipv4Addr};

use ipnet::{IpNet, Ipv4Net};
use thiserror::Error;

/// Text that is neither an address nor a network.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("`{0}` is neither an address nor a network, like 10.0.0.1, 10.0.0.0/8 or 2001:db8::/32")]
pub struct NetError(pub String);

/// `10.0.0.0/8`, or an address as the network of itself. Bits after the prefix are ignored.
pub fn parse_net(text: &str) -> Result<IpNet, NetError> {
    text.parse::<IpNet>()
        .or_else(|_| text.parse::<IpAddr>().map(IpNet::from))
        .map_err(|_| NetError(text.to_owned()))
}

/// Networks, as disjoint inclusive ranges in order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct IpSet {
    v4: Box<[(u32, u32)]>,
    v6: Box<[(u128, u128)]>,
}

impl IpSet {
    pub fn contains(&self, address: IpAddr) -> bool {
        match address.to_canonical() {
            IpAddr::V4(a) => within(&self.v4, u32::from(a)),
            IpAddr::V6(a) => within(&self.v6, u128::from(a)),
        }
    }

    pub fn is_empty(&self) -> bool {
        self.v4.is_empty() && self.v6.is_empty()
    }
}

impl FromIterator<IpNet> for IpSet {
    fn from_iter<I: IntoIterator<Item = IpNet>>(nets: I) -> IpSet {
        let (mut v4, mut v6) = (Vec::new(), Vec::new());
        for net in nets {
            match mapped(net) {
                IpNet::V4(n) => v4.push((u32::from(n.network()), u32::from(n.broadcast()))),
                IpNet::V6(n) => v6.push((u128::from(n.network()), u128::from(n.broadcast()))),
            }
        }
        IpSet { v4: merged(v4), v6: merged(v6) }
    }
}

/// `::ffff:10.0.0.0/104` is `10.0.0.0/8`.
fn mapped(net: IpNet) -> IpNet {
    let IpNet::V6(v6) = net else { return net };
    let v4: Option<Ipv4Addr> = v6.addr().to_ipv4_mapped();
    let narrowed = v4
        .zip(v6.prefix_len().checked_sub(96))
        .and_then(|(address, prefix)| Ipv4Net::new(address, prefix).ok());
    narrowed.map_or(net, IpNet::V4)
}

fn merged<T: Ord + Copy>(mut ranges: Vec<(T, T)>) -> Box<[(T, T)]> {
    ranges.sort_unstable();
    ranges.dedup_by(|later, kept| {
        let overlaps = later.0 <= kept.1;
        if overlaps {
            kept.1 = kept.1.max(later.1);
        }
        overlaps
    });
    ranges.into_boxed_slice()
}

fn within<T: Ord + Copy>(ranges: &[(T, T)], address: T) -> bool {
    let above = ranges.partition_point(|range| range.0 <= address);
    above.checked_sub(1).and_then(|i| ranges.get(i)).is_some_and(|range| address <= range.1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn set(nets: &[&str]) -> IpSet {
        nets.iter().map(|n| parse_net(n).unwrap()).collect()
    }

    fn has(set: &IpSet, address: &str) -> bool {
        set.contains(address.parse().unwrap())
    }

    #[test]
    fn networks_contain_their_first_and_last_address() {
        let s = set(&["10.0.0.0/8", "192.168.1.7", "2001:db8::/32"]);
        for yes in ["10.0.0.0", "10.255.255.255", "192.168.1.7", "2001:db8::", "2001:db8:ffff::1"] {
            assert!(has(&s, yes), "{yes}");
        }
        for no in ["9.255.255.255", "11.0.0.0", "192.168.1.6", "192.168.1.8", "2001:db9::", "::1"] {
            assert!(!has(&s, no), "{no}");
        }
        assert!(has(&set(&["0.0.0.0/0"]), "255.255.255.255"));
        assert!(!has(&IpSet::default(), "0.0.0.0"));
    }

    #[test]
    fn a_mapped_address_is_the_ipv4_one() {
        assert!(has(&set(&["10.0.0.0/8"]), "::ffff:10.1.2.3"));
        assert!(has(&set(&["::ffff:10.0.0.0/104"]), "10.1.2.3"));
        assert!(has(&set(&["::ffff:10.0.0.1"]), "10.0.0.1"));
        assert!(!has(&set(&["::/0"]), "10.0.0.1"));
    }

    #[test]
    fn text_that_is_no_network_says_what_one_looks_like() {
        let error = parse_net("10.0.0.0/33").unwrap_err().to_string();
        assert!(error.contains("10.0.0.0/33") && error.contains("10.0.0.0/8"), "{error}");
        assert!(parse_net("localhost").is_err());
    }

    proptest! {
        #[test]
        fn ranges_agree_with_asking_each_network(
            nets in proptest::collection::vec((any::<u32>(), 0u8..=32), 0..20),
            probe: u32,
        ) {
            let nets: Vec<IpNet> = nets
                .into_iter()
                .map(|(a, p)| IpNet::V4(Ipv4Net::new(Ipv4Addr::from(a & 0x0f0f_0f0f), p).unwrap()))
                .collect();
            let set: IpSet = nets.iter().copied().collect();
            let address = IpAddr::V4(Ipv4Addr::from(probe & 0x0f0f_0f0f));
            prop_assert_eq!(set.contains(address), nets.iter().any(|n| n.contains(&address)));
        }
    }
}
