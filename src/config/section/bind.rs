//! `frontends.NAME.bind`: the addresses of a frontend, and their TLS.

use std::net::SocketAddr;

use crate::config::checked::{Admin, Alpn, Bind, BindAddress, BindTls, TlsVersion};
use crate::config::diagnostic::Code;
use crate::config::pem;
use crate::config::reader::{Keys, Map};
use crate::config::value::Value;

pub(super) const KEYS: &[&Keys] = &[&BIND, &TLS];

const BIND: Keys = Keys {
    path: "frontends.NAME.bind",
    known: &["address", "tls", "accept_proxy"],
    not_yet: &[],
    elsewhere: &[
        ("certificates", "it stands in `tls`"),
        ("port", "it belongs to the address: `0.0.0.0:8080`"),
    ],
};

const TLS: Keys = Keys {
    path: "frontends.NAME.bind.tls",
    known: &["certificates", "min_version", "ciphers", "alpn", "client_ca"],
    not_yet: &["client_verify"],
    elsewhere: &[],
};

/// Addresses that are taken, with the words and the line for whoever wants one again.
pub(super) struct Places(Vec<(SocketAddr, String)>);

impl Places {
    pub fn new(admin: &Admin) -> Places {
        Places(admin.listen.iter().map(|a| (*a, "`admin.listen`".to_owned())).collect())
    }
}

pub(super) fn read(value: Value<'_>, frontend: &str, places: &mut Places) -> Option<Bind> {
    let map = Map::open(value, &BIND, format!("a bind of frontend `{frontend}`"))?;
    let address = map.required("address", |v| address(v, frontend, places));
    let tls = map.get("tls").map(tls);
    if map.or("accept_proxy", false, |v| v.boolean()) {
        map.get("accept_proxy").and_then(|v| v.not_yet::<()>("`accept_proxy: true`"));
    }
    Some(Bind {
        address: BindAddress::Tcp(address?),
        accept_proxy: None,
        tls: tls.map_or(Some(None), |t| t.map(Some))?,
    })
}

fn address(value: Value<'_>, frontend: &str, places: &mut Places) -> Option<SocketAddr> {
    let text = value.nonempty()?;
    if text.starts_with("unix:") || text.starts_with("fd@") {
        return value.not_yet("an address `unix:...` or `fd@...`");
    }
    let address = value.socket_address()?;
    if address.port() != 0
        && let Some((_, owner)) = places.0.iter().find(|(a, _)| *a == address)
    {
        let message = format!("`{}` is already the address of {owner}", value.shown());
        return value.reject(Code::Conflict, message, "choose another port");
    }
    places.0.push((address, format!("frontend `{frontend}`, line {}", value.span().line)));
    Some(address)
}

fn tls(value: Value<'_>) -> Option<BindTls> {
    let map = Map::open(value, &TLS, "`tls`")?;
    let certificates = map.required("certificates", |v| Value::each(v.one_or_more()?, pem::bundle));
    let min_version = map.or("min_version", TlsVersion::Tls12, version);
    map.or("ciphers", (), |v| match v.nonempty()?.as_str() {
        "default" => Some(()),
        _ => v.not_yet("a choice of ciphers other than `default`"),
    });
    let alpn = map.or("alpn", vec![Alpn::H2, Alpn::Http11], alpn);
    map.maybe("client_ca", |v| v.not_yet::<()>("`client_ca`"));
    Some(BindTls { certificates: certificates?, min_version, ciphers: None, alpn, client_ca: None })
}

fn version(value: Value<'_>) -> Option<TlsVersion> {
    let text = value.nonempty()?;
    if matches!(text.as_str(), "1.0" | "1.1") {
        let message = format!("TLS {text} is not offered: it has been broken for years");
        return value.reject(Code::OutOfRange, message, "`\"1.2\"` or `\"1.3\"`");
    }
    value.word(&[("1.2", TlsVersion::Tls12), ("1.3", TlsVersion::Tls13)], &[])
}

fn alpn(value: Value<'_>) -> Option<Vec<Alpn>> {
    let mut protocols =
        Value::each(value.one_or_more()?, |v| v.word(&[("h2", Alpn::H2), ("http/1.1", Alpn::Http11)], &[]))?;
    let all = protocols.clone();
    let mut place = 0;
    protocols.retain(|p| {
        place += 1;
        !all.iter().take(place - 1).any(|earlier| earlier == p)
    });
    Some(protocols)
}
