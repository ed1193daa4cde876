//! How much at once: requests on a server, connections of a frontend, connections of the process.

use std::num::NonZeroU32;

use log::info;

use crate::admin::View;
use crate::admin::change::{Found, MOST_CONCURRENT as MOST};
use crate::admin::socket::change::{DOOR, find};

/// `set maxconn server <backend>/<server> <N>`.
pub fn max_concurrent(view: &View, server: &str, limit: Option<&str>) -> String {
    match find(&view.store.load(), server) {
        Ok(found) => found.limit(view, limit).err().unwrap_or_default(),
        Err(message) => message.to_owned(),
    }
}

impl Found<'_> {
    /// 0 is no limit.
    pub(super) fn limit(&self, view: &View, text: Option<&str>) -> Result<(), String> {
        let limit = read(text, "Require <maxconn>.\n")?;
        self.set_limit(view, NonZeroU32::new(limit), DOOR);
        Ok(())
    }
}

/// `set maxconn frontend <frontend> <N>`; 0, or the configured one: it follows the file again.
pub fn max_connections(view: &View, name: &str, limit: Option<&str>) -> String {
    let snapshot = view.store.load();
    let Some(frontend) = snapshot.frontends.iter().find(|frontend| *frontend.name == *name) else {
        return "No such frontend.\n".to_owned();
    };
    let limit = match read(limit, "Integer value expected.\n") {
        Ok(limit) => limit as usize,
        Err(message) => return message,
    };
    let (gate, configured) = (&frontend.gate, frontend.max_connections);
    let before = gate.max(configured);
    gate.order(Some(limit).filter(|limit| *limit != 0 && *limit != configured));
    let after = gate.max(configured);
    if after != before {
        info!(
            "frontend {name} is set to max_connections {after} (was {before}, configured {configured}) on the runtime \
             socket: {} are open",
            gate.open()
        );
    }
    String::new()
}

/// `set maxconn global <N>`, at most what the file says; 0, or the configured one: it follows the file again.
pub fn max_connections_of_all(view: &View, limit: Option<&str>) -> String {
    let configured = view.store.load().max_connections;
    let limit = match read(limit, "Expects an integer value.\n") {
        Ok(limit) => limit as usize,
        Err(message) => return message,
    };
    if limit > configured {
        return format!("Value out of range: at most global.max_connections, {configured}.\n");
    }
    let gate = &view.state.connections;
    let before = view.state.max_connections(configured);
    gate.order(Some(limit).filter(|limit| *limit != 0 && *limit != configured));
    let after = view.state.max_connections(configured);
    if after != before {
        info!(
            "the process is set to max_connections {after} (was {before}, configured {configured}) on the runtime \
             socket: {} are open",
            gate.open()
        );
    }
    String::new()
}

fn read(text: Option<&str>, missing: &str) -> Result<u32, String> {
    let text = text.ok_or(missing)?;
    match text.parse::<u32>() {
        Ok(limit) if limit <= MOST => Ok(limit),
        Ok(_) => Err(format!("Value out of range: at most {MOST}.\n")),
        Err(_) => Err(format!("maxconn string empty or preceded by garbage: {text} is no whole number.\n")),
    }
}
