//! The url of a server: scheme, host, port, base path, and nothing else.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::config::checked::{Host, Url};
use crate::config::diagnostic::Code;
use crate::config::value::Value;

pub(super) fn read(value: Value<'_>) -> Option<Url> {
    let text = value.nonempty()?;
    match parse(&text) {
        Ok(url) => Some(url),
        Err(why) => {
            let message = format!("`{}` is not the url of a server: {}", value.shown(), why.message);
            value.reject(Code::BadValue, message, why.hint)
        }
    }
}

/// A host name for TLS, in lower case; reports what is none.
pub(super) fn host_name(value: Value<'_>, text: &str) -> Option<String> {
    match host(text) {
        Ok(Host::Name(name)) => Some(name),
        _ => {
            let message = format!("`{}` is not a host name", value.shown());
            value.reject(Code::BadValue, message, "like `api.example.com`")
        }
    }
}

#[derive(Debug, PartialEq, Eq)]
struct Why {
    message: &'static str,
    hint: &'static str,
}

const EXAMPLE: &str = "like `https://api.example.com/v1` or `http://127.0.0.1:9001/v1`";

/// The message never quotes the url: it may have a password in it.
fn parse(text: &str) -> Result<Url, Why> {
    let wrong = |message| Err(Why { message, hint: EXAMPLE });
    let (tls, rest) = match text.split_once("://") {
        Some((s, rest)) if s.eq_ignore_ascii_case("https") => (true, rest),
        Some((s, rest)) if s.eq_ignore_ascii_case("http") => (false, rest),
        Some(_) => return wrong("the scheme must be http or https"),
        None => return wrong("it must begin with `http://` or `https://`"),
    };
    let (authority, path) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
    if authority.contains('@') {
        return Err(Why { message: "no user or password may be in it", hint: "use `api_key`" });
    }
    if path.contains(['?', '#']) {
        return wrong("it has no query and no fragment");
    }
    let (name, port) = split_port(authority)?;
    let host = host(name)?;
    let base = path.trim_end_matches('/');
    let segments = base.split('/').skip(1);
    if segments.clone().any(|s| s.is_empty() || s == "." || s == "..") {
        return wrong("its path has an empty segment, `.` or `..`");
    }
    if !base.bytes().all(|b| b.is_ascii_graphic() && !b"\"<>\\^`{|}".contains(&b)) {
        return wrong("its path has a character that must be percent-encoded");
    }
    let base_path = (!base.is_empty()).then(|| base.to_owned());
    Ok(Url { tls, host, port: port.unwrap_or(if tls { 443 } else { 80 }), base_path })
}

/// Why a text is not the url of a webhook, if it is none: unlike a server's it may have a query. Never quotes it.
pub(super) fn why_no_webhook(text: &str) -> Option<&'static str> {
    let Some((scheme, rest)) = text.split_once("://") else {
        return Some("it must begin with `https://` or `http://`");
    };
    if !["https", "http"].iter().any(|known| scheme.eq_ignore_ascii_case(known)) {
        return Some("the scheme must be https or http");
    }
    let (authority, path) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
    if authority.contains('@') {
        return Some("no user or password may be in it");
    }
    if path.contains('#') {
        return Some("it has no fragment");
    }
    if !path.bytes().all(|b| b.is_ascii_graphic() && !b"\"<>\\^`{|}".contains(&b)) {
        return Some("its path has a space, or a character that must be percent-encoded");
    }
    split_port(authority).and_then(|(name, _)| host(name)).err().map(|why| why.message)
}

fn split_port(authority: &str) -> Result<(&str, Option<u16>), Why> {
    let bracket = authority.rfind(']').unwrap_or(0);
    let Some(colon) = authority.rfind(':').filter(|c| *c > bracket) else { return Ok((authority, None)) };
    let (name, port) =
        (authority.get(..colon).unwrap_or_default(), authority.get(colon + 1..).unwrap_or_default());
    match port.parse::<u16>() {
        Ok(number) if number > 0 && port.bytes().all(|b| b.is_ascii_digit()) => Ok((name, Some(number))),
        _ => Err(Why { message: "its port is not a number from 1 to 65535", hint: EXAMPLE }),
    }
}

/// A name or an address; IPv6 in brackets.
pub(super) fn is_host(text: &str) -> bool {
    host(text).is_ok()
}

fn host(text: &str) -> Result<Host, Why> {
    let wrong = |message| Err(Why { message, hint: EXAMPLE });
    if let Some(inner) = text.strip_prefix('[') {
        let address = inner.strip_suffix(']').and_then(|i| i.parse::<Ipv6Addr>().ok());
        return address
            .map(|a| Host::Ip(IpAddr::V6(a)))
            .ok_or(Why { message: "the address in brackets is not IPv6", hint: EXAMPLE });
    }
    if let Ok(address) = text.parse::<Ipv4Addr>() {
        return Ok(Host::Ip(IpAddr::V4(address)));
    }
    let name = text.strip_suffix('.').unwrap_or(text).to_ascii_lowercase();
    if name.is_empty() || name.len() > 253 {
        return wrong("it has no host, or one that is too long");
    }
    let label = |l: &str| {
        let plain = l.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'));
        !l.is_empty() && l.len() <= 63 && plain && !l.starts_with('-') && !l.ends_with('-')
    };
    if !name.split('.').all(label) {
        return wrong("its host has characters that no host name has; IPv6 addresses stand in brackets");
    }
    if name.rsplit('.').next().is_some_and(|l| l.bytes().all(|b| b.is_ascii_digit())) {
        return wrong("its host looks like an IPv4 address and is none");
    }
    Ok(Host::Name(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_gives_address_and_base_path() {
        let url = parse("https://API.example.com/v1/").unwrap();
        assert_eq!(url.host, Host::Name("api.example.com".into()));
        assert_eq!((url.tls, url.port, url.base_path.as_deref()), (true, 443, Some("/v1")));
        assert_eq!(url.authority(), "api.example.com");
        let url = parse("http://127.0.0.1:9003").unwrap();
        assert_eq!((url.tls, url.port, url.base_path.as_deref()), (false, 9003, None));
        assert_eq!(url.authority(), "127.0.0.1:9003");
        assert_eq!(parse("http://[::1]:9003/").unwrap().authority(), "[::1]:9003");
        assert_eq!(parse("http://[::1]").unwrap().authority(), "[::1]");
        assert_eq!(parse("http://mock_1:80/").unwrap().authority(), "mock_1");
    }

    #[test]
    fn a_webhook_is_a_url_that_may_have_a_query() {
        for good in ["https://hooks.slack.com/services/T0/B0/x", "HTTP://[::1]:80/?a=b&c", "https://x"] {
            assert_eq!(why_no_webhook(good), None, "{good}");
        }
        for (bad, part) in [
            ("hooks.slack.com/services", "begin with"),
            ("ftp://x", "scheme"),
            ("https://", "no host"),
            ("https://u:p@x/", "password"),
            ("https://x/#a", "fragment"),
            ("https://x/a b", "space"),
            ("https://x/a\n", "space"),
            ("https://a b/", "characters"),
            ("https://x:0/", "port"),
        ] {
            assert!(why_no_webhook(bad).is_some_and(|why| why.contains(part)), "{bad:?}");
        }
    }

    #[test]
    fn what_is_no_url_of_a_server_says_why() {
        for (text, part) in [
            ("api.example.com", "begin with"),
            ("ftp://x", "scheme"),
            ("https://", "no host"),
            ("https://u:p@x", "password"),
            ("https://x?y", "query"),
            ("https://x/#y", "fragment"),
            ("https://x:0", "port"),
            ("https://x:65536", "port"),
            ("https://x:", "port"),
            ("https://x:+1", "port"),
            ("https://::1", "brackets"),
            ("https://[::1", "IPv6"),
            ("https://999.1.1.1", "IPv4"),
            ("https://x y", "characters"),
            ("https://x//v1", "empty segment"),
            ("https://x/../v1", ".."),
            ("https://x/ä", "percent-encoded"),
            ("https://a..b", "characters"),
        ] {
            let why = parse(text).unwrap_err();
            assert!(why.message.contains(part), "{text}: {}", why.message);
        }
    }
}
