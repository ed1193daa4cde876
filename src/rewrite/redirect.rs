//! The `Location` of a redirect that keeps the request's path and query. What comes from the request is made harmless:
//! nothing in the result can end a header line.

use std::fmt::Write;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scheme {
    Http,
    Https,
}

impl Scheme {
    pub fn as_str(self) -> &'static str {
        match self {
            Scheme::Http => "http",
            Scheme::Https => "https",
        }
    }

    pub fn default_port(self) -> u16 {
        match self {
            Scheme::Http => 80,
            Scheme::Https => 443,
        }
    }
}

/// A `redirect` rule: the parts of the request's URL to replace.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Redirect {
    pub scheme: Option<Scheme>,
    pub host: Option<String>,
    pub port: Option<u16>,
}

/// The URL that the client asked for.
#[derive(Clone, Copy, Debug)]
pub struct Requested<'a> {
    pub scheme: Scheme,
    /// Without port; the brackets of an IPv6 address may be there or not.
    pub host: &'a str,
    /// The port that the request names, `None` where it names none.
    pub port: Option<u16>,
    /// As sent; `*` counts as `/`.
    pub path_and_query: &'a str,
}

/// The URL to send the client to. A port that the rule does not name is the new scheme's usual one where the scheme
/// changes, else the request's. A usual port is left out. Without any host (HTTP/1.0 needs none) the result is a path,
/// which can change neither scheme nor port: answer 400 to that instead.
pub fn location(redirect: &Redirect, requested: &Requested<'_>) -> String {
    let scheme = redirect.scheme.unwrap_or(requested.scheme);
    let host = redirect.host.as_deref().unwrap_or(requested.host);
    let kept_port = requested.port.filter(|_| scheme == requested.scheme);
    let port = redirect.port.or(kept_port).filter(|p| *p != scheme.default_port());

    let mut url = String::with_capacity(16 + host.len() + requested.path_and_query.len());
    if !host.is_empty() {
        let bracketed = host.contains(':') && !host.starts_with('[');
        let (open, close) = if bracketed { ("[", "]") } else { ("", "") };
        url.extend([scheme.as_str(), "://", open]);
        url.extend(host.chars().filter(|c| c.is_ascii_alphanumeric() || "-._~[]:".contains(*c)));
        url.push_str(close);
        if let Some(port) = port {
            // Writing to a String does not fail.
            let _ = write!(url, ":{port}");
        }
    }
    push_path(&mut url, requested.path_and_query);
    url
}

/// Appends path and query; every byte that does not belong in a URL is percent-encoded.
fn push_path(url: &mut String, path_and_query: &str) {
    let path = path_and_query.trim_start_matches('/');
    let slashes = if url.is_empty() { 1 } else { (path_and_query.len() - path.len()).max(1) };
    // Without an authority before it `//host` would be one; and a `*` names no path.
    url.extend(std::iter::repeat_n('/', slashes));
    for byte in (if path_and_query == "*" { "" } else { path }).bytes() {
        if matches!(byte, 0x21..=0x7e) && !b"\"<>\\".contains(&byte) {
            url.push(char::from(byte));
        } else {
            let _ = write!(url, "%{byte:02X}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn from(host: &'static str, port: Option<u16>, path_and_query: &'static str) -> Requested<'static> {
        Requested { scheme: Scheme::Http, host, port, path_and_query }
    }

    fn to(scheme: Option<Scheme>, host: Option<&str>, port: Option<u16>) -> Redirect {
        Redirect { scheme, host: host.map(str::to_owned), port }
    }

    #[test]
    fn path_and_query_are_kept_and_usual_ports_left_out() {
        let https = Some(Scheme::Https);
        let asked = from("example.com", Some(8080), "/v1/chat?a=b&c=%20");
        for (redirect, expected) in [
            (to(https, None, None), "https://example.com/v1/chat?a=b&c=%20"),
            (to(https, None, Some(8443)), "https://example.com:8443/v1/chat?a=b&c=%20"),
            (to(https, None, Some(443)), "https://example.com/v1/chat?a=b&c=%20"),
            (to(https, Some("other.net"), None), "https://other.net/v1/chat?a=b&c=%20"),
            (to(None, Some("other.net"), None), "http://other.net:8080/v1/chat?a=b&c=%20"),
            (to(None, None, Some(80)), "http://example.com/v1/chat?a=b&c=%20"),
            (to(Some(Scheme::Http), None, None), "http://example.com:8080/v1/chat?a=b&c=%20"),
        ] {
            assert_eq!(location(&redirect, &asked), expected);
        }
    }

    #[test]
    fn ipv6_hosts_stand_in_brackets() {
        for host in ["::1", "[::1]"] {
            let url = location(&to(Some(Scheme::Https), None, Some(8443)), &from(host, None, "/"));
            assert_eq!(url, "https://[::1]:8443/");
        }
    }

    #[test]
    fn odd_targets_become_paths() {
        let https = to(Some(Scheme::Https), None, None);
        for (path, expected) in [
            ("*", "https://h/"),
            ("", "https://h/"),
            ("?a", "https://h/?a"),
            ("//evil.example/x", "https://h//evil.example/x"),
            ("/a b\r\nset-cookie: x", "https://h/a%20b%0D%0Aset-cookie:%20x"),
            ("/é\"", "https://h/%C3%A9%22"),
        ] {
            assert_eq!(location(&https, &from("h", None, path)), expected);
        }
        assert_eq!(location(&https, &from("", None, "//evil.example")), "/evil.example");
        assert_eq!(location(&https, &from("h\r\nx y", None, "/")), "https://hxy/");
    }

    proptest! {
        #[test]
        fn nothing_can_end_the_header_line(host in ".{0,20}", path in ".{0,40}") {
            let asked = Requested { scheme: Scheme::Http, host: &host, port: None, path_and_query: &path };
            let url = location(&to(Some(Scheme::Https), None, None), &asked);
            prop_assert!(url.bytes().all(|b| (0x21..=0x7e).contains(&b)));
        }
    }
}
