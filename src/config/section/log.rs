//! `log`: what is written about the process and about each request.

use std::path::PathBuf;

use log::LevelFilter;

use crate::config::checked::{AccessLog, AccessLogFormat, AccessLogTarget, Log};
use crate::config::reader::{Keys, Map};
use crate::config::value::Value;

pub(super) const KEYS: &[&Keys] = &[&LOG, &ACCESS];

const LOG: Keys = Keys { path: "log", known: &["level", "access"], not_yet: &[], elsewhere: &[] };

const ACCESS: Keys = Keys { path: "log.access", known: &["to", "format"], not_yet: &[], elsewhere: &[] };

const LEVELS: &[(&str, LevelFilter)] = &[
    ("error", LevelFilter::Error),
    ("warn", LevelFilter::Warn),
    ("info", LevelFilter::Info),
    ("debug", LevelFilter::Debug),
    ("trace", LevelFilter::Trace),
];

const FORMATS: &[(&str, AccessLogFormat)] =
    &[("json", AccessLogFormat::Json), ("httplog", AccessLogFormat::HttpLog)];

pub(super) fn read(root: &Map<'_>) -> Log {
    let mut log = Log {
        level: LevelFilter::Info,
        access: AccessLog { to: AccessLogTarget::Stdout, format: AccessLogFormat::Json },
    };
    if let Some(map) = root.get("log").and_then(|v| Map::open(v, &LOG, "`log`")) {
        log.level = map.or("level", log.level, |v| v.word(LEVELS, &[]));
        if let Some(access) = map.get("access").and_then(|v| Map::open(v, &ACCESS, "`log.access`")) {
            log.access.to = access.or("to", AccessLogTarget::Stdout, target);
            log.access.format = access.or("format", AccessLogFormat::Json, format);
        }
    }
    log
}

fn target(value: Value<'_>) -> Option<AccessLogTarget> {
    Some(match value.nonempty()?.as_str() {
        "stdout" => AccessLogTarget::Stdout,
        "off" => AccessLogTarget::Off,
        path => AccessLogTarget::File(PathBuf::from(path)),
    })
}

fn format(value: Value<'_>) -> Option<AccessLogFormat> {
    if value.nonempty()?.contains('%') {
        return value.not_yet("a custom log format");
    }
    value.word(FORMATS, &[])
}
