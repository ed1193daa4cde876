//! From facts to messages: which problems stand, and whom their beginning and their end concern.

use std::collections::HashMap;
use std::time::Duration;

use super::fact::Fact;
use super::message::{Message, Severity};
use super::problem::{Step, Turn, steps};
use super::receiver::Receiver;
use super::rule::{Rule, Topic};
use crate::base::clock::Tick;

/// A message and the rule ([`Rule::id`]) whose receiver gets it.
#[derive(Clone, Debug, PartialEq)]
pub struct Outgoing {
    pub to: u64,
    pub message: Message,
}

/// Messages that were not sent, since the last time somebody asked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Suppressed {
    /// The same was told within the rule's `every`.
    pub repeated: u64,
    /// More than twenty in a minute: a summary names them.
    pub rate: u64,
}

#[derive(Debug, Default)]
pub struct Engine {
    receivers: Vec<Receiver>,
    standing: HashMap<String, Problem>,
    suppressed: Suppressed,
}

/// One that has begun and not ended.
#[derive(Debug)]
struct Problem {
    topic: Topic,
    fact: Fact,
    /// When it ends by itself.
    ends: Option<Tick>,
    /// Of a failover: the tier that is missed.
    tier: Option<u32>,
}

impl Engine {
    /// These are the rules from now on. What receivers that stay were told is remembered; `exists` says of a standing
    /// problem's backend and subject whether the configuration still has them.
    pub fn configure(
        &mut self,
        rules: Vec<Rule>,
        exists: impl Fn(&str, &str) -> bool,
        at: Duration,
    ) -> Vec<Outgoing> {
        let mut kept = std::mem::take(&mut self.receivers);
        for rule in rules {
            let receiver = match kept.iter().position(|receiver| receiver.rule.id == rule.id) {
                Some(place) => kept.swap_remove(place).with(rule),
                None => Receiver::new(rule),
            };
            self.receivers.push(receiver);
        }
        let gone: Vec<String> = self
            .standing
            .iter()
            .filter(|(_, problem)| {
                let backend = problem.fact.backend.as_deref();
                backend.is_some_and(|backend| !exists(backend, &problem.fact.subject))
            })
            .map(|(key, _)| key.clone())
            .collect();
        let text = |problem: &Problem| format!("{} is no longer in the configuration", problem.fact.subject);
        gone.into_iter().flat_map(|key| self.close(&key, at, text)).collect()
    }

    /// Something happened.
    pub fn note(&mut self, fact: &Fact, now: Tick) -> Vec<Outgoing> {
        let failover = key(Topic::Failover, &fact.subject, Severity::Warning);
        let missed = self.standing.get(&failover).and_then(|problem| problem.tier);
        steps(fact, missed).into_iter().flat_map(|step| self.step(step, fact, now)).collect()
    }

    /// What time alone brings: called about once a second. `at` is the same moment since 1970.
    pub fn tick(&mut self, now: Tick, at: Duration) -> Vec<Outgoing> {
        let over = |problem: &Problem| problem.ends.is_some_and(|ends| now >= ends);
        let over: Vec<String> =
            self.standing.iter().filter(|(_, problem)| over(problem)).map(|(key, _)| key.clone()).collect();
        let text =
            |problem: &Problem| format!("a new period has begun for the budget of {}", problem.fact.subject);
        let mut out: Vec<Outgoing> = over.into_iter().flat_map(|key| self.close(&key, at, text)).collect();
        for receiver in &mut self.receivers {
            let to = receiver.rule.id;
            let due = receiver.due(now, at, &mut self.suppressed);
            out.extend(due.into_iter().map(|message| Outgoing { to, message }));
        }
        out
    }

    /// A message did not reach its receiver, whatever was tried.
    pub fn undelivered(&mut self, outgoing: Outgoing, now: Tick) {
        if let Some(receiver) = self.receivers.iter_mut().find(|receiver| receiver.rule.id == outgoing.to) {
            receiver.undelivered(outgoing.message, now);
        }
    }

    pub fn take_suppressed(&mut self) -> Suppressed {
        std::mem::take(&mut self.suppressed)
    }

    fn step(&mut self, step: Step, fact: &Fact, now: Tick) -> Vec<Outgoing> {
        let topic = step.topic;
        match step.turn {
            Turn::Begins { severity, ends, tier } => {
                let key = key(topic, &fact.subject, severity);
                let ends = ends.map(|time| now + time);
                let problem = Problem { topic, fact: fact.clone(), ends, tier };
                self.standing.insert(key.clone(), problem);
                self.begin(topic, fact, severity, &key, now)
            }
            Turn::Happened(severity) => {
                let key = key(topic, &fact.subject, severity);
                self.begin(topic, fact, severity, &key, now)
            }
            Turn::Ends { quiet } => {
                let ended: Vec<String> = self
                    .standing
                    .iter()
                    .filter(|(_, problem)| problem.topic == topic && problem.fact.subject == fact.subject)
                    .map(|(key, _)| key.clone())
                    .collect();
                ended.into_iter().flat_map(|key| self.end(&key, fact, quiet, now)).collect()
            }
        }
    }

    fn begin(
        &mut self,
        topic: Topic,
        fact: &Fact,
        severity: Severity,
        key: &str,
        now: Tick,
    ) -> Vec<Outgoing> {
        let message = message(topic.name(), severity, false, fact, key);
        let backend = fact.backend.as_deref();
        let suppressed = &mut self.suppressed;
        let wanted = self
            .receivers
            .iter_mut()
            .filter(|receiver| receiver.rule.has(topic) && receiver.rule.cares_for(backend));
        wanted
            .filter_map(|receiver| {
                let message = receiver.begins(message.clone(), now, suppressed)?;
                Some(Outgoing { to: receiver.rule.id, message })
            })
            .collect()
    }

    fn end(&mut self, key: &str, fact: &Fact, quiet: bool, now: Tick) -> Vec<Outgoing> {
        let Some(problem) = self.standing.remove(key) else { return Vec::new() };
        let suppressed = &mut self.suppressed;
        let backend = fact.backend.as_deref();
        let mut out = Vec::new();
        for receiver in &mut self.receivers {
            let rule = &receiver.rule;
            let up = problem.topic == Topic::ServerDown && !rule.incidents;
            let (wants_up, told_down) = (rule.has(Topic::ServerUp), rule.has(Topic::ServerDown));
            let name = if up { Topic::ServerUp.name() } else { problem.topic.name() };
            let told = message(name, Severity::Info, true, fact, key);
            let id = rule.id;
            let sent = if up && wants_up && !told_down && !quiet && rule.cares_for(backend) {
                let key = self::key(Topic::ServerUp, &fact.subject, Severity::Info);
                receiver.happened(Message { key, ..told }, now, suppressed)
            } else {
                let loud = !quiet && (!up || wants_up);
                receiver.ends(told, loud)
            };
            out.extend(sent.map(|message| Outgoing { to: id, message }));
        }
        out
    }

    /// Ends a problem of which no fact says that it is over: only those who keep incidents hear of it.
    fn close(&mut self, key: &str, at: Duration, text: impl Fn(&Problem) -> String) -> Vec<Outgoing> {
        let Some(problem) = self.standing.get(key) else { return Vec::new() };
        let fact = Fact { at, text: text(problem), details: Vec::new(), ..problem.fact.clone() };
        self.end(key, &fact, true, Tick(0))
    }
}

fn message(event: &'static str, severity: Severity, resolved: bool, fact: &Fact, key: &str) -> Message {
    let mut details = fact.details.clone();
    if let Some(backend) = &fact.backend {
        details.push(("backend", backend.to_string().into()));
    }
    Message {
        event,
        severity,
        resolved,
        at: fact.at,
        subject: fact.subject.clone(),
        text: fact.text.clone(),
        key: key.to_owned(),
        details,
    }
}

/// The same for a problem and its end. A budget's two marks, and what is worse than it was, are problems of their own.
fn key(topic: Topic, subject: &str, severity: Severity) -> String {
    let mark = match (topic, severity) {
        (Topic::Budget | Topic::Ledger | Topic::Certificate, _) => severity.label(),
        _ => "",
    };
    let figure = match topic {
        Topic::Figure(measure) => measure.to_string(),
        _ => String::new(),
    };
    let name = topic.name();
    [name, subject, mark, &figure].into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(":")
}

#[cfg(test)]
mod tests;
