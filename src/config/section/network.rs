//! Addresses and networks.

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

use crate::config::diagnostic::{Code, Diagnostic};
use crate::config::value::Value;

/// An address or a network; bits beyond the prefix are cut off with a warning.
pub(super) fn read(value: Value<'_>) -> Option<IpNet> {
    let text = value.nonempty()?;
    if let Ok(address) = text.parse::<std::net::IpAddr>() {
        return Some(IpNet::from(address));
    }
    let Ok(net) = text.parse::<IpNet>() else {
        let message = format!("`{}` is not an IP address or network", value.shown());
        return value.reject(
            Code::BadValue,
            message,
            "like `10.0.0.0/8`, `192.0.2.1` or `\"2001:db8::/32\"`",
        );
    };
    let whole = match net {
        IpNet::V4(n) => IpNet::V4(Ipv4Net::trunc(&n)),
        IpNet::V6(n) => IpNet::V6(Ipv6Net::trunc(&n)),
    };
    if whole != net {
        let message = format!("`{}` is an address within its network", value.shown());
        let warning = Diagnostic::warning(Code::BadValue, value.span(), message);
        value.context.report(warning.hint(format!("the whole network is `{whole}`, and is what counts")));
    }
    Some(whole)
}
