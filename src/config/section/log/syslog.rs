//! `log.access.to: {syslog: ...}`: a syslog daemon, by its socket or over UDP.

use crate::config::checked::{AccessLogTarget, Facility, SyslogAddress};
use crate::config::diagnostic::Code;
use crate::config::reader::{Keys, Map};
use crate::config::value::{LONGEST_SOCKET, Value};

pub(super) const KEYS: Keys =
    Keys { path: "log.access.to", known: &["syslog", "facility"], not_yet: &[], elsewhere: &[] };

/// RFC 5424, table 1, by the names that HAProxy gives them.
const FACILITIES: &[(&str, Facility)] = &[
    ("kern", Facility(0)),
    ("user", Facility(1)),
    ("mail", Facility(2)),
    ("daemon", Facility(3)),
    ("auth", Facility(4)),
    ("syslog", Facility(5)),
    ("lpr", Facility(6)),
    ("news", Facility(7)),
    ("uucp", Facility(8)),
    ("cron", Facility(9)),
    ("auth2", Facility(10)),
    ("ftp", Facility(11)),
    ("ntp", Facility(12)),
    ("audit", Facility(13)),
    ("alert", Facility(14)),
    ("cron2", Facility(15)),
    ("local0", Facility(16)),
    ("local1", Facility(17)),
    ("local2", Facility(18)),
    ("local3", Facility(19)),
    ("local4", Facility(20)),
    ("local5", Facility(21)),
    ("local6", Facility(22)),
    ("local7", Facility(23)),
];

const LOCAL0: Facility = Facility(16);

pub(super) fn read(value: Value<'_>) -> Option<AccessLogTarget> {
    let map = Map::open(value, &KEYS, "`log.access.to`")?;
    let to = map.required("syslog", address);
    let facility = map.or("facility", LOCAL0, |v| v.word(FACILITIES, &[]));
    Some(AccessLogTarget::Syslog { to: to?, facility })
}

fn address(value: Value<'_>) -> Option<SyslogAddress> {
    let text = value.nonempty()?;
    let wrong = |message: String| {
        value.reject(Code::BadValue, message, "like `unix:/dev/log` or `udp:logs.example.com:514`")
    };
    if let Some(path) = text.strip_prefix("unix:") {
        return match path.len() {
            0 => wrong("`syslog` names no socket".to_owned()),
            1..=LONGEST_SOCKET => Some(SyslogAddress::Unix(path.into())),
            _ => wrong(format!("the path of a socket has at most {LONGEST_SOCKET} bytes")),
        };
    }
    let Some(peer) = text.strip_prefix("udp:") else {
        return wrong(format!("`syslog` begins with `unix:` or `udp:`, unlike `{}`", value.shown()));
    };
    let Some((host, port)) = peer.rsplit_once(':').filter(|(host, _)| !host.is_empty()) else {
        return wrong(format!("`{}` lacks a port", value.shown()));
    };
    let port = port.parse::<u16>().ok().filter(|port| *port > 0);
    let bracketed = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
    let good = match bracketed {
        Some(inside) => inside.parse::<std::net::Ipv6Addr>().is_ok(),
        None => host.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._".contains(&b)),
    };
    match port {
        Some(port) if good => Some(SyslogAddress::Udp { host: bracketed.unwrap_or(host).to_owned(), port }),
        _ => wrong(format!("`{}` is not a host and a port", value.shown())),
    }
}
