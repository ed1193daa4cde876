//! Slack's incoming webhooks: `text` is what notifications show and what the channel shows. Blocks would say the same
//! twice; `text` alone also serves those who speak Slack's format (Mattermost, Rocket.Chat, Discord's `/slack`).

use serde_json::{Value, json};

use crate::alert::message::{Message, Severity};

pub(super) fn body(message: &Message, node: &str) -> Value {
    let sign = match (message.resolved, message.severity) {
        (true, _) => ":white_check_mark:",
        (false, Severity::Info) => ":information_source:",
        (false, Severity::Warning) => ":warning:",
        (false, Severity::Error) => ":red_circle:",
        (false, Severity::Critical) => ":rotating_light:",
    };
    let over = if message.resolved { "resolved: " } else { "" };
    let (event, text, node) = (message.event, escape(&message.text), escape(node));
    json!({ "text": format!("{sign} *{over}{event}* on {node}: {text}") })
}

/// The three characters that mean something in Slack's text.
fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}
