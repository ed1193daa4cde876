//! `backends.NAME.check.tcp`: a connection alone, with its handshake where the url is https. It has no keys.

use crate::config::diagnostic::Code;
use crate::config::reader::{Keys, Map};
use crate::config::tree::Kind;
use crate::config::value::Value;

pub(super) const TCP: Keys = Keys {
    path: "backends.NAME.check.tcp",
    known: &[],
    not_yet: &[],
    elsewhere: &[("port", "it is that of the server's `url`"), ("tls", "it follows from the server's `url`")],
};

pub(super) fn read(value: Value<'_>, backend: &str) -> Option<()> {
    if !matches!(value.node.kind, Kind::Map(_)) && !value.node.is_empty() {
        let message = format!("`tcp` must be a mapping, not {}", value.kind());
        return value.reject(Code::WrongType, message, "write `tcp: {}`: it has no keys");
    }
    Map::open(value, &TCP, format!("the TCP check of backend `{backend}`")).map(drop)
}
