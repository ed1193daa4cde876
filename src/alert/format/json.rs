//! Our own format, for programs.

use serde_json::{Map, Value, json};

use super::time;
use crate::alert::message::Message;

pub(super) fn body(message: &Message, node: &str) -> Value {
    let details: Map<String, Value> =
        message.details.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
    json!({
        "event": message.event,
        "severity": message.severity.label(),
        "resolved": message.resolved,
        "at": time(message.at),
        "node": node,
        "subject": message.subject,
        "message": message.text,
        "details": details,
    })
}
