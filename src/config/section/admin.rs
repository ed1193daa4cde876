//! `admin`: where the running process is watched and changed.

use std::net::SocketAddr;
use std::path::PathBuf;

use ipnet::IpNet;

use crate::base::secret::Secret;
use crate::config::checked::{Admin, Global};
use crate::config::diagnostic::{Code, Diagnostic};
use crate::config::reader::{Keys, Map};
use crate::config::section::network;
use crate::config::source::NoDirectory;
use crate::config::value::{LONGEST_SOCKET, Value};

pub(super) const KEYS: &[&Keys] = &[&ADMIN];

const ADMIN: Keys = Keys {
    path: "admin",
    known: &["listen", "socket", "allow_changes_from", "token"],
    not_yet: &[],
    elsewhere: &[],
};

pub(super) fn read(root: &Map<'_>, global: &Global) -> Admin {
    let mut admin = Admin {
        listen: Some(SocketAddr::from(([127, 0, 0, 1], 8404))),
        socket: Some(global.state_dir.join("admin.sock")),
        token: None,
        allow_changes_from: this_machine(),
    };
    if let Some(map) = root.get("admin").and_then(|v| Map::open(v, &ADMIN, "`admin`")) {
        admin.listen = map.or("listen", admin.listen, |v| off_or(v, |v| v.socket_address()));
        admin.socket = map.or("socket", admin.socket.clone(), |v| off_or(v, socket));
        admin.token = map.maybe("token", |v| v.text()).filter(|t| !t.is_empty()).map(Secret::new);
        if let Some(value) = map.get("allow_changes_from") {
            admin.allow_changes_from = networks(value).unwrap_or_default();
            warn_of_strangers(value, &admin);
        }
    }
    admin
}

/// What `admin.allow_changes_from` is where it is not written.
fn this_machine() -> Vec<IpNet> {
    ["127.0.0.0/8", "::1/128"].iter().filter_map(|net| net.parse().ok()).collect()
}

/// A list that may be empty: nobody.
fn networks(value: Value<'_>) -> Option<Vec<IpNet>> {
    Value::each(value.items()?, network::read)
}

/// Without a token an address is all that one needs who takes servers out or puts an older file in force.
fn warn_of_strangers(value: Value<'_>, admin: &Admin) {
    let stranger = admin.allow_changes_from.iter().find(|net| !net.network().is_loopback());
    if let Some(net) = stranger.filter(|_| admin.token.is_none()) {
        let message = format!("everyone in {net} may take servers out and put older configurations in force");
        let warning = Diagnostic::warning(Code::Conflict, value.span(), message);
        value.context.report(warning.hint("set `admin.token` too: then a change needs both"));
    }
}

/// `off` switches a listener off.
fn off_or<T>(value: Value<'_>, read: impl FnOnce(Value<'_>) -> Option<T>) -> Option<Option<T>> {
    if value.text()? == "off" { Some(None) } else { read(value).map(Some) }
}

fn socket(value: Value<'_>) -> Option<PathBuf> {
    let path = value.path()?;
    if path.as_os_str().len() > LONGEST_SOCKET {
        let message = format!("the path of `socket` is longer than {LONGEST_SOCKET} bytes");
        return value.reject(
            Code::OutOfRange,
            message,
            "the system allows no longer one; use a shorter directory",
        );
    }
    let parent = path.parent().filter(|p| !p.as_os_str().is_empty());
    match parent.and_then(|p| value.context.environment.why_no_directory(p)) {
        None => {}
        Some(NoDirectory::Taken(why)) => {
            let message = format!("`socket` cannot be `{}`: {why}", value.shown());
            return value.reject(
                Code::Unreadable,
                message,
                "its directory is made at the start, if it can be",
            );
        }
        Some(NoDirectory::NotWritable(why)) => {
            let message = format!("no `socket` can be made at `{}`: {why}", value.shown());
            let hint = "a start goes on without it: there are no runtime commands then, and SIGHUP reloads";
            value.context.report(Diagnostic::warning(Code::Unreadable, value.span(), message).hint(hint));
        }
    }
    Some(path)
}
