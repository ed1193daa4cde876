//! The access log: how lines are written, and which.

use crate::config::checked::{AccessLogFormat, AccessLogTarget, Log};
use crate::observe::access_log::{Format, Sample};
use crate::runtime::snapshot::AccessLog;

pub(super) fn compile(log: &Log) -> Option<AccessLog> {
    let format = match &log.access.format {
        AccessLogFormat::Json => Format::Json,
        AccessLogFormat::HttpLog => Format::HttpLog,
        AccessLogFormat::Custom(parts) => Format::custom(parts, &hostname(), std::process::id()),
    };
    let access = AccessLog { format, sample: Sample::new(log.access.sample) };
    (log.access.to != AccessLogTarget::Off).then_some(access)
}

/// The name of this machine; empty where it has none.
pub fn hostname() -> String {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    name.trim().to_owned()
}
