//! `admin`: where the running process is watched and changed.

use std::net::SocketAddr;
use std::path::PathBuf;

use crate::base::secret::Secret;
use crate::config::checked::{Admin, Global};
use crate::config::diagnostic::Code;
use crate::config::reader::{Keys, Map};
use crate::config::value::{LONGEST_SOCKET, Value};

pub(super) const KEYS: &[&Keys] = &[&ADMIN];

const ADMIN: Keys = Keys {
    path: "admin",
    known: &["listen", "socket", "token"],
    not_yet: &["allow_changes_from"],
    elsewhere: &[],
};

pub(super) fn read(root: &Map<'_>, global: &Global) -> Admin {
    let mut admin = Admin {
        listen: Some(SocketAddr::from(([127, 0, 0, 1], 8404))),
        socket: Some(global.state_dir.join("admin.sock")),
        token: None,
    };
    if let Some(map) = root.get("admin").and_then(|v| Map::open(v, &ADMIN, "`admin`")) {
        admin.listen = map.or("listen", admin.listen, |v| off_or(v, |v| v.socket_address()));
        admin.socket = map.or("socket", admin.socket.clone(), |v| off_or(v, socket));
        admin.token = map.maybe("token", |v| v.text()).filter(|t| !t.is_empty()).map(Secret::new);
    }
    admin
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
    if let Some(why) = parent.and_then(|p| value.context.environment.why_no_directory(p)) {
        let message = format!("`socket` cannot be `{}`: {why}", value.shown());
        return value.reject(Code::Unreadable, message, "its directory is made at the start, if it can be");
    }
    Some(path)
}
