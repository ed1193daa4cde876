//! `backends.NAME.servers.NAME`: one server.

mod models;

use super::ai::names::ModelNames;
use super::bind;
use super::timeouts::nonzero;
use super::url;
use crate::base::secret::Secret;
use crate::config::checked::{Alpn, KeyHeader, Server, ServerTls};
use crate::config::diagnostic::{Code, Diagnostic};
use crate::config::pem;
use crate::config::reader::{Keys, Map};
use crate::config::value::Value;

pub(super) const KEYS: &[&Keys] = &[&SERVER, &TLS];

const SERVER: Keys = Keys {
    path: "backends.NAME.servers.NAME",
    known: &[
        "url",
        "api_key",
        "auth",
        "tier",
        "weight",
        "max_concurrent",
        "send_proxy",
        "slow_start",
        "tls",
        "models",
    ],
    not_yet: &[],
    elsewhere: &[
        ("backup", "use `tier: 2`: it takes over when tier 1 has no usable server"),
        ("address", "the key is `url`: `http://127.0.0.1:9001/v1`"),
        ("send_proxy_v2", "the key is `send_proxy`; it speaks version 2"),
        ("model", "the key is `models`: `models: [gpt-4.1]`, or `models: {gpt-4.1: its-name-there}`"),
        ("check", "it stands in the backend and holds for all of its servers"),
    ],
};

const TLS: Keys = Keys {
    path: "backends.NAME.servers.NAME.tls",
    known: &["ca_file", "verify", "sni", "alpn"],
    not_yet: &[],
    elsewhere: &[],
};

const HEADERS: &[(&str, KeyHeader)] =
    &[("authorization", KeyHeader::Authorization), ("x-api-key", KeyHeader::XApiKey)];

pub(super) fn read(name: &str, value: Value<'_>, known: &ModelNames) -> Option<Server> {
    let map = Map::open(value, &SERVER, format!("server `{name}`"))?;
    let url = map.required("url", url::read);
    let api_key = map.get("api_key").map(api_key);
    let key_header = map.or("auth", KeyHeader::default(), |v| v.word(HEADERS, &[]));
    if map.has("auth") && api_key.is_none() && !map.misspelt("api_key") {
        let message = format!("`auth` of server `{name}` has no effect: it has no `api_key`");
        let warning = Diagnostic::warning(Code::Conflict, map.key_span("auth"), message);
        map.context.report(warning.hint("it says where the `api_key` goes; add one, or remove it"));
    }
    let models = map.get("models").map(|v| models::read(v, known));
    let tier = map.or("tier", 1, |v| v.count_u32(1..=100));
    let weight = map.or("weight", 100, |v| v.count_u32(0..=256));
    let max_concurrent = map.maybe("max_concurrent", |v| v.count_u32(1..=1_000_000));
    let send_proxy = map.or("send_proxy", false, |v| v.boolean());
    let slow_start = map.maybe("slow_start", nonzero);
    let mut tls = ServerTls { ca: None, verify: true, sni: None, http2: true, http1: true };
    if let Some(own) = map.get("tls").and_then(|v| Map::open(v, &TLS, format!("the tls of server `{name}`")))
    {
        tls.ca = own.maybe("ca_file", pem::authorities);
        tls.verify = own.or("verify", true, |v| v.boolean());
        tls.sni = own.maybe("sni", |v| url::host_name(v, &v.nonempty()?));
        let alpn = own.or("alpn", vec![Alpn::H2, Alpn::Http11], bind::alpn);
        (tls.http2, tls.http1) = (alpn.contains(&Alpn::H2), alpn.contains(&Alpn::Http11));
        if send_proxy && !tls.http1 {
            let message = format!("server `{name}` has `send_proxy`, which goes with HTTP/1.1 only");
            let wrong = Diagnostic::error(Code::Conflict, own.key_span("alpn"), message);
            map.context.report(wrong.hint("add `http/1.1` to `alpn`, or remove `send_proxy`"));
        }
        if url.as_ref().is_some_and(|u| !u.tls) {
            let message = format!("server `{name}` has `tls`, but its url is not https");
            let wrong = Diagnostic::error(Code::Conflict, map.key_span("tls"), message);
            map.context.report(wrong.hint("write `https://` in `url`, or remove `tls`"));
        } else if !tls.verify {
            let message = format!("server `{name}` is not verified: whoever answers there gets its api_key");
            let warning = Diagnostic::warning(Code::Conflict, own.key_span("verify"), message);
            map.context.report(warning.hint("give the certificate of its authority with `ca_file` instead"));
        }
    }
    let api_key = api_key.map_or(Some(None), |k| k.map(Some))?;
    let models = models.map_or(Some(None), |m| m.map(Some))?;
    Some(Server {
        name: name.to_owned(),
        url: url?,
        api_key,
        key_header,
        models,
        tier,
        weight,
        max_concurrent,
        send_proxy,
        slow_start,
        tls,
    })
}

fn api_key(value: Value<'_>) -> Option<Secret> {
    let key = value.nonempty()?;
    if !key.bytes().all(|b| b.is_ascii_graphic()) {
        let hint = "visible ASCII characters without spaces; look for a line end in the variable or file";
        return value.reject(Code::BadValue, "`api_key` has characters that no header carries", hint);
    }
    Some(Secret::new(key))
}
