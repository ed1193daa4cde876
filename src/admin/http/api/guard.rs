//! Who may change something over HTTP: one whose address is in `admin.allow_changes_from` and, where `admin.token` is set,
//! who shows it. A browser is not to be a way in for the pages that it shows: their requests are told by what a page
//! cannot leave away (`Origin`, `Sec-Fetch-Site`) and by what it cannot send without being asked (a header of its own).

use std::net::IpAddr;

use hyper::HeaderMap;
use hyper::header::{CONTENT_TYPE, FORWARDED, HOST, HeaderName, ORIGIN};

use super::problem::Problem;
use crate::admin::http::access;
use crate::runtime::snapshot::Admin;

const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");
const X_REQUESTED_WITH: HeaderName = HeaderName::from_static("x-requested-with");
const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// # Errors
/// 401: the token is missing. 403: it is not to be taken from there, or from that page.
pub fn may_change(admin: &Admin, peer: IpAddr, headers: &HeaderMap) -> Result<(), Problem> {
    if !access::is_allowed(admin.token.as_ref(), headers) {
        return Err(Problem::unauthorized());
    }
    is_from_near(admin, peer, headers)?;
    is_no_strange_page(admin, headers)
}

fn is_from_near(admin: &Admin, peer: IpAddr, headers: &HeaderMap) -> Result<(), Problem> {
    let peer = peer.to_canonical();
    if !admin.allow_changes_from.iter().any(|net| net.contains(&peer)) {
        let message = match admin.allow_changes_from.is_empty() {
            true => "nobody may change anything over HTTP: `admin.allow_changes_from` is empty. Use the runtime socket".into(),
            false => format!(
                "{peer} may not change anything: it is not in `admin.allow_changes_from`. Add it there, or use the runtime \
                 socket"
            ),
        };
        return Err(Problem::forbidden("source_not_allowed", message));
    }
    // Then the address is the proxy's, and says nothing of who asks.
    let proxied = [FORWARDED, X_FORWARDED_FOR].iter().any(|name| headers.contains_key(name));
    if proxied && admin.token.is_none() {
        return Err(Problem::forbidden(
            "source_not_allowed",
            "this came by way of a proxy, so that it is not known who asks: set `admin.token`, or ask without the proxy",
        ));
    }
    Ok(())
}

fn is_no_strange_page(admin: &Admin, headers: &HeaderMap) -> Result<(), Problem> {
    let text = |name: &HeaderName| headers.get(name).map(|value| value.to_str().unwrap_or("?"));
    let strange = |message: &str| Err(Problem::forbidden("cross_site", message));
    if text(&SEC_FETCH_SITE).is_some_and(|site| !matches!(site, "same-origin" | "none")) {
        return strange(
            "a page of another site sent this: changes are taken from the page of this listener alone",
        );
    }
    if let Some(origin) = text(&ORIGIN) {
        let host = text(&HOST).unwrap_or_default();
        let same = origin.split_once("://").is_some_and(|(_, origin)| origin.eq_ignore_ascii_case(host));
        if !same {
            return strange("`Origin` is not this listener: changes are taken from its own page alone");
        }
        // A name that its owner points here would make his page one of ours; a token he does not have.
        if admin.token.is_none() && !host_is_address(headers) {
            return strange(
                "without `admin.token` a browser must call the listener by its address or as localhost, not by another \
                 name: whose name that is cannot be known",
            );
        }
    }
    let json = text(&CONTENT_TYPE).is_some_and(is_json);
    if !json && !headers.contains_key(X_REQUESTED_WITH) {
        return strange(
            "send `content-type: application/json`, or any `x-requested-with`, with a change: forms of other pages cannot",
        );
    }
    Ok(())
}

/// `application/json`, with parameters or without.
pub fn is_json(kind: &str) -> bool {
    kind.split(';').next().is_some_and(|kind| kind.trim().eq_ignore_ascii_case("application/json"))
}

fn host_is_address(headers: &HeaderMap) -> bool {
    let Some(host) = headers.get(HOST).and_then(|value| value.to_str().ok()) else { return false };
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|b| b.is_ascii_digit()) => name,
        _ => host,
    };
    let name = name.strip_prefix('[').and_then(|name| name.strip_suffix(']')).unwrap_or(name);
    name.eq_ignore_ascii_case("localhost") || name.parse::<IpAddr>().is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::secret::Secret;

    const LOCAL: &str = "127.0.0.1";

    fn code(token: Option<&str>, nets: &[&str], peer: &str, sent: &[(&str, &str)]) -> &'static str {
        let admin = Admin {
            token: token.map(Secret::new),
            allow_changes_from: nets.iter().map(|net| net.parse().unwrap()).collect(),
        };
        let headers = sent
            .iter()
            .map(|(name, value)| (name.parse::<HeaderName>().unwrap(), value.parse().unwrap()))
            .collect();
        may_change(&admin, peer.parse().unwrap(), &headers).map_or_else(|problem| problem.code, |()| "")
    }

    #[test]
    fn a_change_needs_the_address_and_the_token() {
        let (json, near) = (("content-type", "application/json"), &["127.0.0.0/8"][..]);
        let shown = ("authorization", "Bearer t");
        assert_eq!(code(None, near, LOCAL, &[json]), "");
        assert_eq!(code(None, near, "::ffff:127.0.0.1", &[json]), "");
        assert_eq!(code(None, near, "10.0.0.1", &[json]), "source_not_allowed");
        assert_eq!(code(None, &[], LOCAL, &[json]), "source_not_allowed");
        assert_eq!(code(Some("t"), near, LOCAL, &[json]), "unauthorized");
        assert_eq!(code(Some("t"), near, LOCAL, &[json, shown]), "");
        assert_eq!(code(Some("t"), near, "10.0.0.1", &[json, shown]), "source_not_allowed");
        let proxied = ("x-forwarded-for", "127.0.0.1");
        assert_eq!(code(None, near, LOCAL, &[json, proxied]), "source_not_allowed");
        assert_eq!(code(Some("t"), near, LOCAL, &[json, shown, proxied]), "");
    }

    #[test]
    fn pages_of_others_change_nothing() {
        let near = &["127.0.0.0/8"][..];
        let json = ("content-type", "application/json; charset=utf-8");
        let check = |sent: &[(&str, &str)]| code(None, near, LOCAL, sent);
        for kind in ["text/plain", "application/x-www-form-urlencoded", "application/jsonp"] {
            assert_eq!(check(&[("content-type", kind)]), "cross_site", "{kind}");
        }
        assert_eq!(check(&[]), "cross_site");
        assert_eq!(check(&[("x-requested-with", "curl")]), "");
        for (host, origin, good) in [
            ("127.0.0.1:8404", "http://127.0.0.1:8404", true),
            ("[::1]:8404", "http://[::1]:8404", true),
            ("localhost", "http://localhost", true),
            ("127.0.0.1:8404", "http://127.0.0.1:80", false),
            ("127.0.0.1:8404", "http://evil.example", false),
            ("127.0.0.1:8404", "null", false),
            ("evil.example:8404", "http://evil.example:8404", false),
        ] {
            let found = check(&[json, ("host", host), ("origin", origin)]);
            assert_eq!(found.is_empty(), good, "{host} {origin}: {found}");
        }
        let named =
            [json, ("host", "lb.example"), ("origin", "https://lb.example"), ("authorization", "Basic OnQ=")];
        assert_eq!(code(Some("t"), near, LOCAL, &named), "");
        assert_eq!(check(&[json, ("sec-fetch-site", "same-site")]), "cross_site");
        assert_eq!(check(&[json, ("sec-fetch-site", "same-origin")]), "");
    }
}
