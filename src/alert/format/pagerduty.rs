//! PagerDuty's Events API v2. An incident is known by its `dedup_key`: the end of a problem resolves the incident that its
//! beginning opened, and a second process of the same machine does not open it again.

use serde_json::{Map, Value, json};

use super::time;
use crate::alert::message::Message;

/// Characters, after the API's documentation.
const LONGEST_SUMMARY: usize = 1024;
const LONGEST_KEY: usize = 255;

pub(super) fn body(message: &Message, node: &str, routing_key: &str) -> Value {
    let key = cut(&format!("tidegate/{node}/{}", message.key), LONGEST_KEY);
    if message.resolved {
        // Nothing else of such an event is read.
        return json!({ "routing_key": routing_key, "event_action": "resolve", "dedup_key": key });
    }
    let mut details: Map<String, Value> =
        message.details.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
    details.insert("message".to_owned(), message.text.as_str().into());
    let group = details.get("backend").cloned().unwrap_or(Value::Null);
    json!({
        "routing_key": routing_key,
        "event_action": "trigger",
        "dedup_key": key,
        "client": "tidegate",
        "payload": {
            "summary": cut(&message.text, LONGEST_SUMMARY),
            "source": node,
            "severity": message.severity.label(),
            "timestamp": time(message.at),
            "component": message.subject,
            "group": group,
            "class": message.event,
            "custom_details": details,
        },
    })
}

fn cut(text: &str, longest: usize) -> String {
    text.chars().take(longest).collect()
}
