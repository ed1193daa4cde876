//! What one receiver was told, and what it has to be told still.

use std::collections::HashMap;
use std::time::Duration;

use super::engine::Suppressed;
use super::excess::Excess;
use super::message::Message;
use super::rule::Rule;
use crate::base::clock::Tick;

/// How long a summary stands with those who keep incidents.
const MANY_STANDS: Duration = Duration::from_secs(600);

#[derive(Debug)]
pub(super) struct Receiver {
    pub rule: Rule,
    told: HashMap<String, Told>,
    excess: Excess,
    /// A summary was told: this ends it.
    many: Option<(Tick, Message)>,
}

#[derive(Debug)]
struct Told {
    /// It believes that the problem stands.
    firing: bool,
    /// When it was last told that it does, or it was last tried.
    at: Tick,
    /// What it should be told once `every` is over.
    waiting: Option<Message>,
    /// How often it would have been told since.
    held: u32,
}

impl Receiver {
    pub fn new(rule: Rule) -> Receiver {
        Receiver { rule, told: HashMap::new(), excess: Excess::default(), many: None }
    }

    /// The same receiver, with other wishes.
    pub fn with(self, rule: Rule) -> Receiver {
        Receiver { rule, ..self }
    }

    /// A problem begins, or comes up again.
    pub fn begins(&mut self, message: Message, now: Tick, suppressed: &mut Suppressed) -> Option<Message> {
        match self.told.get_mut(&message.key) {
            Some(told) if now.since(told.at) < self.rule.every => {
                if told.waiting.as_ref().is_some_and(|end| end.resolved) {
                    // Its end could not be told: it is believed to stand, and so it does.
                    told.firing = true;
                    told.waiting = None;
                } else {
                    told.waiting = Some(message);
                }
                told.held = told.held.saturating_add(1);
                suppressed.repeated += 1;
                None
            }
            _ => self.send(message, now, suppressed),
        }
    }

    /// A problem is over. `loud`: not only those who keep incidents want to hear it.
    pub fn ends(&mut self, message: Message, loud: bool) -> Option<Message> {
        let told = self.told.get_mut(&message.key)?;
        told.waiting = None;
        let firing = std::mem::replace(&mut told.firing, false);
        (firing && (loud || self.rule.incidents)).then_some(message)
    }

    /// Something that has no end to wait for.
    pub fn happened(&mut self, message: Message, now: Tick, suppressed: &mut Suppressed) -> Option<Message> {
        let key = message.key.clone();
        let sent = self.begins(message, now, suppressed);
        if let Some(told) = self.told.get_mut(&key) {
            told.firing = false;
        }
        sent
    }

    /// What has waited long enough.
    pub fn due(&mut self, now: Tick, at: Duration, suppressed: &mut Suppressed) -> Vec<Message> {
        let every = self.rule.every;
        let due: Vec<(String, u32)> = self
            .told
            .iter()
            .filter(|(_, told)| told.waiting.is_some() && now.since(told.at) >= every)
            .map(|(key, told)| (key.clone(), told.held))
            .collect();
        let mut messages = Vec::new();
        for (key, held) in due {
            let Some(mut message) = self.told.get_mut(&key).and_then(|told| told.waiting.take()) else {
                continue;
            };
            if message.resolved {
                messages.push(message);
                continue;
            }
            if held > 1 {
                message.text = format!("{} ({held} times since it was last told)", message.text);
            }
            messages.extend(self.send(message, now, suppressed));
        }
        self.told.retain(|_, told| told.firing || told.waiting.is_some() || now.since(told.at) < every);
        if let Some(summary) = self.excess.summary(now, at) {
            let end = Message {
                resolved: true,
                text: "no more alerts are held back".to_owned(),
                ..summary.clone()
            };
            self.many = Some((now + MANY_STANDS, end));
            messages.push(summary);
        }
        if let Some((_, end)) = self.many.take_if(|(then, _)| now >= *then)
            && self.rule.incidents
        {
            messages.push(Message { at, ..end });
        }
        messages
    }

    /// It could not be told: what stands is tried again once `every` is over.
    pub fn undelivered(&mut self, message: Message, now: Tick) {
        let Some(told) = self.told.get_mut(&message.key) else { return };
        if message.resolved == told.firing || told.waiting.is_some() {
            // Something newer was said of it since.
            return;
        }
        told.firing = false;
        told.at = now;
        told.waiting = Some(message);
    }

    fn send(&mut self, message: Message, now: Tick, suppressed: &mut Suppressed) -> Option<Message> {
        let admitted = self.excess.admits(&message, now);
        // What only a summary names has no end that anybody would wait for.
        let told = Told { firing: admitted, at: now, waiting: None, held: 0 };
        self.told.insert(message.key.clone(), told);
        if admitted {
            return Some(message);
        }
        suppressed.rate += 1;
        None
    }
}
