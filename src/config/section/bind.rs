//! `frontends.NAME.bind`: the addresses of a frontend, and their TLS.

mod address;
mod ciphers;
mod proxy;
mod tls;

use crate::config::checked::Bind;
use crate::config::reader::{Keys, Map};
use crate::config::value::Value;

pub(super) use address::Places;
pub(super) use tls::alpn;

pub(super) const KEYS: &[&Keys] = &[&BIND, &tls::TLS];

const BIND: Keys = Keys {
    path: "frontends.NAME.bind",
    known: &["address", "tls", "accept_proxy"],
    not_yet: &[],
    elsewhere: &[
        ("certificates", IN_TLS),
        ("client_ca", IN_TLS),
        ("client_verify", IN_TLS),
        ("ciphers", IN_TLS),
        ("alpn", IN_TLS),
        ("min_version", IN_TLS),
        ("proxy_protocol", "the key is `accept_proxy`"),
        ("send_proxy", "it stands in a server of a backend; here it is `accept_proxy`"),
        ("port", "it belongs to the address: `0.0.0.0:8080`"),
    ],
};

const IN_TLS: &str = "it stands in `tls`";

pub(super) fn read(value: Value<'_>, frontend: &str, places: &mut Places<'_>) -> Option<Bind> {
    let map = Map::open(value, &BIND, format!("a bind of frontend `{frontend}`"))?;
    let address = map.required("address", |v| address::read(v, frontend, places));
    let tls = map.get("tls").map(tls::read);
    let accept_proxy = map.get("accept_proxy").map_or(Some(None), |v| proxy::read(v, address.as_ref()));
    Some(Bind {
        address: address?,
        accept_proxy: accept_proxy?,
        tls: tls.map_or(Some(None), |t| t.map(Some))?,
    })
}
