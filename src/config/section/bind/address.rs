//! Where a frontend listens: an IP address, a unix socket, or a descriptor that the process was started with. Each place
//! once.

use std::collections::HashMap;
use std::path::{Component, Path, PathBuf};

use crate::config::checked::{Admin, BindAddress};
use crate::config::diagnostic::Code;
use crate::config::value::{LONGEST_SOCKET, Value};

/// Addresses that are taken, with the words for whoever wants one again.
pub(in crate::config::section) struct Places<'a> {
    taken: HashMap<BindAddress, String>,
    admin: &'a Admin,
}

impl Places<'_> {
    pub fn new(admin: &Admin) -> Places<'_> {
        let listen = admin.listen.map(|a| (BindAddress::Tcp(a), "`admin.listen`".to_owned()));
        let socket = admin.socket.clone().map(|p| (BindAddress::Unix(p), "`admin.socket`".to_owned()));
        let taken = listen.into_iter().chain(socket).map(|(address, owner)| (plain(&address), owner));
        Places { taken: taken.collect(), admin }
    }
}

pub(super) fn read(value: Value<'_>, frontend: &str, places: &mut Places<'_>) -> Option<BindAddress> {
    let text = value.nonempty()?;
    let address = if let Some(path) = text.strip_prefix("unix:") {
        BindAddress::Unix(socket(value, path, places.admin)?)
    } else if let Some(number) = text.strip_prefix("fd@") {
        BindAddress::Fd(descriptor(value, number)?)
    } else if text.starts_with('/') {
        return value.reject(
            Code::BadValue,
            format!("`{}` is a path, not an address", value.shown()),
            "a unix socket is written `unix:/run/tidegate.sock`",
        );
    } else {
        BindAddress::Tcp(value.socket_address()?)
    };
    let free = matches!(&address, BindAddress::Tcp(a) if a.port() == 0);
    if !free && let Some(owner) = places.taken.get(&plain(&address)) {
        let message = format!("`{}` is already the address of {owner}", value.shown());
        let hint = match &address {
            BindAddress::Tcp(_) => "choose another port",
            BindAddress::Unix(_) => "choose another path",
            BindAddress::Fd(_) => "each descriptor is one listening socket, for one bind",
        };
        return value.reject(Code::Conflict, message, hint);
    }
    places.taken.insert(plain(&address), format!("frontend `{frontend}`, line {}", value.span().line));
    Some(address)
}

/// The same for paths that differ only in `.` and doubled slashes.
fn plain(address: &BindAddress) -> BindAddress {
    match address {
        BindAddress::Unix(path) => {
            BindAddress::Unix(path.components().filter(|c| *c != Component::CurDir).collect())
        }
        other => other.clone(),
    }
}

fn socket(value: Value<'_>, path: &str, admin: &Admin) -> Option<PathBuf> {
    if path.is_empty() {
        return value.reject(Code::BadValue, "`unix:` without a path", "like `unix:/run/tidegate.sock`");
    }
    if path.len() > LONGEST_SOCKET {
        let message = format!("the path of this unix socket is longer than {LONGEST_SOCKET} bytes");
        let hint = "the system allows no longer one; use a shorter directory";
        return value.reject(Code::OutOfRange, message, hint);
    }
    let path = PathBuf::from(path);
    // The directory of the admin socket is made at the start, before anything listens.
    let made = admin.socket.as_deref().and_then(Path::parent);
    let directory = path.parent().unwrap_or(Path::new(""));
    if made.is_some_and(|made| made.starts_with(directory)) && !directory.exists() {
        return Some(path);
    }
    match value.context.environment.why_no_socket(&path) {
        None => Some(path),
        Some(why) => {
            let message = format!("there can be no unix socket `{}`: {why}", value.shown());
            let hint = "its directory must be there, and the user that runs this must be able to write to it";
            value.reject(Code::Unreadable, message, hint)
        }
    }
}

fn descriptor(value: Value<'_>, number: &str) -> Option<i32> {
    let plain = number.bytes().all(|b| b.is_ascii_digit());
    match number.parse::<i32>() {
        Ok(number) if plain && number > 2 => Some(number),
        Ok(0..=2) if plain => value.reject(
            Code::OutOfRange,
            format!("`{}` is the process's own input or output", value.shown()),
            "whoever hands a socket over begins at `fd@3`",
        ),
        _ => value.reject(
            Code::BadValue,
            format!("`{}` is not a descriptor", value.shown()),
            "like `fd@3`: the number of a listening socket that the process is started with",
        ),
    }
}
