//! `frontends.NAME.bind.tls`: certificates, versions, ciphers, and whether clients show a certificate too.

use super::ciphers;
use crate::config::checked::{Alpn, BindTls, ClientAuthorities, TlsVersion};
use crate::config::diagnostic::{Code, Diagnostic};
use crate::config::pem;
use crate::config::reader::{Keys, Map};
use crate::config::value::Value;

pub(super) const TLS: Keys = Keys {
    path: "frontends.NAME.bind.tls",
    known: &["certificates", "min_version", "ciphers", "alpn", "client_ca", "client_verify"],
    not_yet: &[],
    elsewhere: &[
        ("ca_file", "the authority of client certificates is `client_ca`"),
        ("verify", "the key is `client_verify`"),
        ("crt", "the key is `certificates`"),
        ("ciphersuites", "the ciphers of TLS 1.3 stand in `ciphers` too"),
    ],
};

pub(super) fn read(value: Value<'_>) -> Option<BindTls> {
    let map = Map::open(value, &TLS, "`tls`")?;
    let certificates = map.required("certificates", |v| Value::each(v.one_or_more()?, pem::bundle));
    let min_version = map.get("min_version").map_or(Some(TlsVersion::Tls12), version);
    let ciphers = map.get("ciphers").map_or(Some(None), ciphers::read);
    let alpn = map.or("alpn", vec![Alpn::H2, Alpn::Http11], alpn);
    let client_ca = client_ca(&map);
    if let (Some(value), Some(Some(list)), Some(version), Some(certificates)) =
        (map.get("ciphers"), &ciphers, min_version, &certificates)
    {
        ciphers::fit(value, list, version, certificates)?;
    }
    Some(BindTls {
        certificates: certificates?,
        min_version: min_version?,
        ciphers: ciphers?,
        alpn,
        client_ca: client_ca?,
    })
}

fn client_ca(map: &Map<'_>) -> Option<Option<ClientAuthorities>> {
    let optional = map.get("client_verify").map(|v| v.word(&[("required", false), ("optional", true)], &[]));
    match (map.get("client_ca"), optional) {
        (Some(value), optional) => {
            let authorities = pem::authorities(value);
            let optional = optional.unwrap_or(Some(false))?;
            Some(Some(ClientAuthorities { authorities: authorities?, optional }))
        }
        (None, None) => Some(None),
        (None, Some(_)) if map.misspelt("client_ca") => None,
        (None, Some(_)) => {
            let message = "`client_verify` without `client_ca`: no certificate of a client could be verified";
            let wrong = Diagnostic::error(Code::MissingKey, map.key_span("client_verify"), message);
            map.context.reject(wrong.hint("add `client_ca: ca.pem`, or remove `client_verify`"))
        }
    }
}

fn version(value: Value<'_>) -> Option<TlsVersion> {
    let text = value.nonempty()?;
    if matches!(text.as_str(), "1.0" | "1.1") {
        let message = format!("TLS {text} is not offered: it has been broken for years");
        return value.reject(Code::OutOfRange, message, "`\"1.2\"` or `\"1.3\"`");
    }
    value.word(&[("1.2", TlsVersion::Tls12), ("1.3", TlsVersion::Tls13)], &[])
}

/// Each once, in the order of the file.
pub(in crate::config::section) fn alpn(value: Value<'_>) -> Option<Vec<Alpn>> {
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
