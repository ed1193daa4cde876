//! `frontends.NAME.forwarded_for`: what is told of the client's address, and who is believed about it.

use ipnet::IpNet;

use super::network;
use crate::config::checked::ForwardedFor;
use crate::config::diagnostic::{Code, Diagnostic};
use crate::config::reader::{Keys, Map};
use crate::config::tree::Kind;
use crate::config::value::Value;

pub(super) const FORWARDED_FOR: Keys =
    Keys { path: "frontends.NAME.forwarded_for", known: &["except", "trust"], not_yet: &[], elsewhere: &[] };

/// A mapping, or a switch: `true` is the default, `false` or `off` none.
pub(super) fn read(value: Value<'_>) -> Option<Option<ForwardedFor>> {
    if matches!(value.node.kind, Kind::Scalar(_)) && !value.node.is_empty() {
        let words = [("true", true), ("false", false), ("off", false)];
        return value.word(&words, &[]).map(|on| on.then(ForwardedFor::default));
    }
    let map = Map::open(value, &FORWARDED_FOR, "`forwarded_for`")?;
    let except = map.or("except", Vec::new(), networks);
    let trust = map.or("trust", Vec::new(), |v| {
        let networks = networks(v)?;
        if networks.iter().any(|n| n.prefix_len() == 0) {
            warn_everyone(v);
        }
        Some(networks)
    });
    Some(Some(ForwardedFor { except, trust }))
}

/// A list that may be empty, or one alone.
fn networks(value: Value<'_>) -> Option<Vec<IpNet>> {
    let items = match value.node.kind {
        Kind::Scalar(_) if !value.node.is_empty() => vec![value],
        _ => value.items()?,
    };
    Value::each(items, network::read)
}

fn warn_everyone(value: Value<'_>) {
    let message = "everyone is believed: any client can pose as any address";
    let warning = Diagnostic::warning(Code::Conflict, value.span(), message);
    value.context.report(warning.hint("list the addresses of the proxies before this one: `[10.0.0.0/8]`"));
}
