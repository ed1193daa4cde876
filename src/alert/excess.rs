//! What is too much for a receiver: it is gathered, and told in one message.

use std::collections::VecDeque;
use std::fmt::Write;
use std::time::Duration;

use serde_json::Value;

use super::message::{Message, Severity};
use crate::base::clock::Tick;

/// Messages in a minute; those of ends are not counted.
pub(super) const MOST: usize = 20;
pub(super) const MINUTE: Duration = Duration::from_secs(60);
/// Subjects of an event that a summary names.
const NAMED: usize = 5;

#[derive(Debug, Default)]
pub(super) struct Excess {
    sent: VecDeque<Tick>,
    held: Option<Held>,
}

#[derive(Debug)]
struct Held {
    since: Tick,
    severity: Severity,
    /// By event: how many, and the first of their subjects.
    events: Vec<(&'static str, u64, Vec<String>)>,
}

impl Excess {
    /// Whether it may go out now; what may not is held.
    pub fn admits(&mut self, message: &Message, now: Tick) -> bool {
        while self.sent.front().is_some_and(|at| now.since(*at) >= MINUTE) {
            self.sent.pop_front();
        }
        if self.held.is_none() && self.sent.len() < MOST {
            self.sent.push_back(now);
            return true;
        }
        let held = self.held.get_or_insert_with(|| Held {
            since: now,
            severity: Severity::Info,
            events: Vec::new(),
        });
        held.severity = held.severity.max(message.severity);
        let known = held.events.iter().position(|(event, ..)| *event == message.event);
        let place = known.unwrap_or_else(|| {
            held.events.push((message.event, 0, Vec::new()));
            held.events.len() - 1
        });
        if let Some((_, count, subjects)) = held.events.get_mut(place) {
            *count += 1;
            if subjects.len() < NAMED && !subjects.contains(&message.subject) {
                subjects.push(message.subject.clone());
            }
        }
        false
    }

    /// The summary, a minute after the first that was held.
    pub fn summary(&mut self, now: Tick, at: Duration) -> Option<Message> {
        let held = self.held.take_if(|held| now.since(held.since) >= MINUTE)?;
        self.sent.clear();
        self.sent.push_back(now);
        let all: u64 = held.events.iter().map(|(_, count, _)| count).sum();
        let mut text = format!("{all} more alerts within a minute were held back. These are all of them: ");
        for (place, (event, count, subjects)) in held.events.iter().enumerate() {
            let more = if (subjects.len() as u64) < *count { ", ..." } else { "" };
            let comma = if place == 0 { "" } else { "; " };
            // Writing to a String does not fail.
            let _ = write!(text, "{comma}{count} {event} ({}{more})", subjects.join(", "));
        }
        text.push_str(". The stats page and `show events` have them with their reasons");
        let details = held.events.iter().map(|(event, count, _)| (*event, Value::from(*count))).collect();
        Some(Message {
            event: "many",
            severity: held.severity,
            resolved: false,
            at,
            subject: format!("{all} alerts"),
            text,
            key: "many".to_owned(),
            details,
        })
    }
}
