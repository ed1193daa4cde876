//! `log`: what is written about the process and about each request.

mod format;
mod syslog;

use std::path::{Path, PathBuf};

use log::LevelFilter;

use crate::config::checked::{AccessLog, AccessLogFormat, AccessLogTarget, Admin, Log};
use crate::config::diagnostic::Code;
use crate::config::reader::{Keys, Map};
use crate::config::tree::Kind;
use crate::config::value::Value;

pub(super) const KEYS: &[&Keys] = &[&LOG, &ACCESS, &syslog::KEYS];

const LOG: Keys = Keys { path: "log", known: &["level", "access"], not_yet: &[], elsewhere: &[] };

const ACCESS: Keys = Keys {
    path: "log.access",
    known: &["to", "format", "sample"],
    not_yet: &[],
    elsewhere: &[("syslog", "it stands in `to`: `to: {syslog: \"unix:/dev/log\"}`")],
};

const LEVELS: &[(&str, LevelFilter)] = &[
    ("error", LevelFilter::Error),
    ("warn", LevelFilter::Warn),
    ("info", LevelFilter::Info),
    ("debug", LevelFilter::Debug),
    ("trace", LevelFilter::Trace),
];

pub(super) fn read(root: &Map<'_>, admin: &Admin) -> Log {
    let mut log = Log {
        level: LevelFilter::Info,
        access: AccessLog { to: AccessLogTarget::Stdout, format: AccessLogFormat::Json, sample: 1.0 },
    };
    if let Some(map) = root.get("log").and_then(|v| Map::open(v, &LOG, "`log`")) {
        log.level = map.or("level", log.level, |v| v.word(LEVELS, &[]));
        if let Some(access) = map.get("access").and_then(|v| Map::open(v, &ACCESS, "`log.access`")) {
            log.access.to = access.or("to", AccessLogTarget::Stdout, |v| target(v, admin));
            log.access.format = access.or("format", AccessLogFormat::Json, format::read);
            log.access.sample = access.or("sample", 1.0, |v| v.share());
        }
    }
    log
}

fn target(value: Value<'_>, admin: &Admin) -> Option<AccessLogTarget> {
    if matches!(value.node.kind, Kind::Map(_)) {
        return syslog::read(value);
    }
    let path = match value.nonempty()?.as_str() {
        text if text.starts_with("unix:") || text.starts_with("udp:") => {
            let hint = format!("like `to: {{syslog: \"{}\"}}`", value.shown());
            return value.reject(Code::WrongType, "a syslog daemon stands in a mapping", hint);
        }
        "stdout" => return Some(AccessLogTarget::Stdout),
        "off" => return Some(AccessLogTarget::Off),
        path => PathBuf::from(path),
    };
    // The directory of the admin socket is made at the start, before the log is opened.
    let made = admin.socket.as_deref().and_then(Path::parent);
    let directory = path.parent().unwrap_or(Path::new(""));
    if made.is_some_and(|made| made.starts_with(directory)) && !directory.exists() {
        return Some(AccessLogTarget::File(path));
    }
    match value.context.environment.why_no_file(&path) {
        None => Some(AccessLogTarget::File(path)),
        Some(why) => {
            let message = format!("cannot write the access log `{}`: {why}", value.shown());
            let hint = "the directory must be there, and the user that runs this must be able to write to it";
            value.reject(Code::Unreadable, message, hint)
        }
    }
}
