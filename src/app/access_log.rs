//! Where the access log goes: opened at the start, changed by a reload.

use anyhow::Context as _;

use crate::config::checked::{AccessLogTarget, Checked};
use crate::log_writer::{LogWriter, Prepared, Syslog, Target};
use crate::runtime::compile::access_log::hostname;

/// # Errors
/// The file cannot be opened.
pub fn start(checked: &Checked) -> anyhow::Result<LogWriter> {
    LogWriter::start(target(checked)).context("log.access: cannot open the access log")
}

/// Opens what a changed file says, to be switched to.
///
/// # Errors
/// The file cannot be opened.
pub fn prepare(checked: &Checked, log: &LogWriter) -> Result<Prepared, String> {
    log.prepare(target(checked)).map_err(|error| format!("log.access: cannot open the access log: {error}"))
}

fn target(checked: &Checked) -> Target {
    match &checked.log.access.to {
        AccessLogTarget::Off => Target::Nowhere,
        AccessLogTarget::Stdout => Target::Stdout,
        AccessLogTarget::File(path) => Target::File(path.clone()),
        AccessLogTarget::Syslog { to, facility } => {
            Target::Syslog(Syslog { to: to.clone(), facility: *facility, hostname: hostname() })
        }
    }
}
