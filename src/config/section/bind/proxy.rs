//! `accept_proxy`: whose connections begin with a PROXY header.

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

use crate::config::checked::BindAddress;
use crate::config::diagnostic::{Code, Diagnostic};
use crate::config::section::network;
use crate::config::tree::Kind;
use crate::config::value::Value;

/// `None` is a mistake, `Some(None)` is off. `address` is unknown after a mistake.
pub(super) fn read(value: Value<'_>, address: Option<&BindAddress>) -> Option<Option<Vec<IpNet>>> {
    let unix = matches!(address, Some(BindAddress::Unix(_)));
    let items = match &value.node.kind {
        Kind::Scalar(_) => match value.nonempty()?.as_str() {
            "false" => return Some(None),
            "true" => {
                if !unix {
                    warn_everyone(value);
                }
                return Some(Some(vec![Ipv4Net::default().into(), Ipv6Net::default().into()]));
            }
            text if text.contains(['.', ':', '/']) => vec![value],
            _ => {
                let message = format!("`accept_proxy` cannot be `{}`", value.shown());
                return value.reject(
                    Code::BadValue,
                    message,
                    "true, false, or a list of networks like `[10.0.0.0/8]`",
                );
            }
        },
        _ => value.items()?,
    };
    if items.is_empty() {
        let message = "`accept_proxy` is an empty list";
        return value.reject(
            Code::BadValue,
            message,
            "write `false`, or the addresses of the proxies before this one",
        );
    }
    if unix {
        let message = "a unix socket has no addresses to compare with";
        return value.reject(
            Code::Conflict,
            message,
            "write `accept_proxy: true`: whoever may enter its directory may connect",
        );
    }
    Value::each(items, network::read).map(Some)
}

fn warn_everyone(value: Value<'_>) {
    let message = "everyone who connects here may say what his address is";
    let warning = Diagnostic::warning(Code::Conflict, value.span(), message);
    value.context.report(
        warning.hint("list the addresses of the proxies before this one: `accept_proxy: [10.0.0.0/8]`"),
    );
}
