//! A message in the words of a receiver.

mod json;
mod pagerduty;
mod slack;

use std::time::Duration;

use serde_json::Value;

use super::message::Message;
use crate::base::calendar::Civil;
use crate::config::checked::AlertFormat;

/// The body of the request. `node` is the name of this machine.
pub fn body(format: &AlertFormat, message: &Message, node: &str) -> Value {
    match format {
        AlertFormat::Slack => slack::body(message, node),
        AlertFormat::PagerDuty { routing_key } => pagerduty::body(message, node, routing_key.expose()),
        AlertFormat::Json => json::body(message, node),
    }
}

/// As the file names it.
pub fn name(format: &AlertFormat) -> &'static str {
    match format {
        AlertFormat::Slack => "slack",
        AlertFormat::PagerDuty { .. } => "pagerduty",
        AlertFormat::Json => "json",
    }
}

/// `2026-11-21T14:33:24.123Z`.
fn time(at: Duration) -> String {
    let mut text = Vec::new();
    // Writing to memory does not fail.
    let _ = Civil::from_unix(at).write_rfc3339(&mut text);
    String::from_utf8(text).unwrap_or_default()
}

#[cfg(test)]
mod tests;
