//! `global`: the process as a whole.

use std::path::PathBuf;
use std::time::Duration;

use crate::config::checked::{Global, Threads};
use crate::config::diagnostic::{Code, Diagnostic};
use crate::config::reader::{Keys, Map};
use crate::config::source::NoDirectory;
use crate::config::value::{LONGEST, Value};

pub(super) const KEYS: &[&Keys] = &[&GLOBAL];

const GLOBAL: Keys = Keys {
    path: "global",
    known: &["threads", "max_connections", "shutdown_grace", "state_dir", "max_body_memory"],
    not_yet: &[],
    elsewhere: &[],
};

/// A million connections are more than one machine's memory; ten of them more than any.
const MOST_CONNECTIONS: u64 = 10_000_000;

/// Less would not hold one picture; nobody has more than the most.
const LEAST_BODY_MEMORY: u64 = 1_000_000;
const MOST_BODY_MEMORY: u64 = 1_000_000_000_000;

pub(super) fn read(root: &Map<'_>) -> Global {
    let mut global = Global {
        threads: Threads::Auto,
        max_connections: 10_000,
        shutdown_grace: Duration::from_secs(30),
        state_dir: PathBuf::from("./state"),
        max_body_memory: 512_000_000,
    };
    if let Some(map) = root.get("global").and_then(|v| Map::open(v, &GLOBAL, "`global`")) {
        global.threads = map.or("threads", global.threads, threads);
        global.max_connections = map.or("max_connections", global.max_connections, max_connections);
        global.shutdown_grace =
            map.or("shutdown_grace", global.shutdown_grace, |v| v.duration(Duration::ZERO..=LONGEST));
        global.state_dir = map.or("state_dir", global.state_dir.clone(), state_dir);
        global.max_body_memory = map
            .or("max_body_memory", global.max_body_memory, |v| v.count(LEAST_BODY_MEMORY..=MOST_BODY_MEMORY));
    }
    global
}

pub(super) fn max_connections(value: Value<'_>) -> Option<usize> {
    value.count_usize(1..=MOST_CONNECTIONS)
}

fn threads(value: Value<'_>) -> Option<Threads> {
    if value.nonempty()? == "auto" {
        return Some(Threads::Auto);
    }
    value.count_usize(1..=256).map(Threads::Count)
}

fn state_dir(value: Value<'_>) -> Option<PathBuf> {
    let path = value.path()?;
    match value.context.environment.why_no_directory(&path) {
        None => {}
        Some(NoDirectory::Taken(why)) => {
            let message = format!("`state_dir` cannot be `{}`: {why}", value.shown());
            return value.reject(Code::Unreadable, message, "a directory, or a path where one can be made");
        }
        Some(NoDirectory::NotWritable(why)) => {
            let message = format!("nothing can be kept in `state_dir`, `{}`: {why}", value.shown());
            value.context.report(Diagnostic::warning(Code::Unreadable, value.span(), message).hint(
                "until it can: the ledger is in memory only, no configuration is kept to roll back to, and a runtime \
                 socket there cannot be made",
            ));
        }
    }
    Some(path)
}
