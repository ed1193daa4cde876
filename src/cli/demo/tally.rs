//! What happened to the sample traffic, counted as the clients saw it.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::time::Duration;

use super::client::{Ask, Failure};
use super::plan::Plan;

/// Failures told in full; all are counted.
const TOLD: usize = 5;

/// Parts of a run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Phase {
    #[default]
    Before,
    /// A provider is dead.
    Without,
    After,
}

#[derive(Debug, Default)]
pub struct Tally {
    pub phase: Phase,
    chats: u64,
    streams: u64,
    embeddings: u64,
    models: u64,
    failures: u64,
    told: Vec<String>,
    /// Answers by provider, for each phase.
    served: BTreeMap<String, [u64; 3]>,
    pub killed: Option<Kill>,
    /// Since the start of the run.
    pub revived: Option<Duration>,
    pub answered_again: Option<Duration>,
}

#[derive(Debug)]
pub struct Kill {
    pub name: String,
    pub pid: u32,
    pub at: Duration,
}

impl Tally {
    /// `at`: time since the start of the run, when the answer was complete.
    pub fn count(&mut self, ask: Ask, result: Result<String, Failure>, at: Duration) {
        match ask {
            Ask::Chat => self.chats += 1,
            Ask::Stream => self.streams += 1,
            Ask::Embedding => self.embeddings += 1,
            Ask::Models => self.models += 1,
        }
        match result {
            Ok(provider) => {
                let victim = self.killed.as_ref().is_some_and(|kill| kill.name == provider);
                if victim && self.phase == Phase::After && self.answered_again.is_none() {
                    self.answered_again = Some(at);
                }
                self.served.entry(provider).or_default()[self.phase as usize] += 1;
            }
            Err(failure) => {
                self.failures += 1;
                if self.told.len() < TOLD {
                    self.told.push(format!("at {:.1} s, {ask:?}: {failure}", at.as_secs_f64()));
                }
            }
        }
    }

    /// No failure, and every provider at work before and after the death of one.
    pub fn good(&self, plan: &Plan) -> bool {
        let worked =
            |name: &str| self.served.get(name).is_some_and(|[before, _, after]| *before > 0 && *after > 0);
        self.failures == 0
            && self.killed.is_some()
            && plan.providers.iter().all(|provider| worked(&provider.name))
    }

    pub fn summary(&self, plan: &Plan, seconds: u32) -> String {
        let all = self.chats + self.streams + self.embeddings + self.models;
        let Tally { chats, streams, embeddings, models, failures, .. } = self;
        let mut text = format!(
            "\n  requests                    {all} in {seconds} s \
             ({chats} chats, {streams} streams, {embeddings} embeddings, {models} lists of models)
  failures seen by clients    {failures}\n"
        );
        // Writing to a String cannot fail, here and below.
        for failure in &self.told {
            let _ = writeln!(text, "    {failure}");
        }
        if let (Some(kill), Some(revived)) = (&self.killed, self.revived) {
            let again = self.answered_again.map_or_else(
                || "did not answer again".to_owned(),
                |at| format!("answered again {:.1} s later", at.saturating_sub(revived).as_secs_f64()),
            );
            let Kill { name, pid, at } = kill;
            let _ = writeln!(
                text,
                "  {name} (pid {pid})  killed at {:.1} s, revived at {:.1} s, {again}",
                at.as_secs_f64(),
                revived.as_secs_f64()
            );
            // Honest about what this shows: see `traffic`.
            let _ = writeln!(
                text,
                "  (killed between two streams: one that has begun cannot move to another provider)"
            );
        }
        let dead = self.killed.as_ref().map_or("none", |kill| &kill.name);
        let _ = writeln!(
            text,
            "\n  {:<12}{:>10}{:>18}{:>10}",
            "served by",
            "before",
            format!("{dead} dead"),
            "after"
        );
        for (name, [before, without, after]) in &self.served {
            let _ = writeln!(text, "  {name:<12}{before:>10}{without:>18}{after:>10}");
        }
        let verdict = if self.good(plan) {
            "every request was answered, by every provider before the death and after it"
        } else if self.failures > 0 {
            "clients saw failures"
        } else {
            "not every provider answered before the death and after it"
        };
        let _ = write!(text, "\n  {}: {verdict}", if self.good(plan) { "good" } else { "NOT GOOD" });
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_revived_provider_is_timed_from_its_first_answer() {
        let kill = Kill { name: "beta".into(), pid: 1, at: Duration::from_secs(1) };
        let mut tally = Tally { killed: Some(kill), phase: Phase::After, ..Tally::default() };
        tally.count(Ask::Chat, Ok("alpha".into()), Duration::from_secs(3));
        tally.count(Ask::Chat, Ok("beta".into()), Duration::from_secs(4));
        tally.count(Ask::Chat, Ok("beta".into()), Duration::from_secs(5));
        assert_eq!(tally.answered_again, Some(Duration::from_secs(4)));
        assert_eq!(tally.served.get("beta"), Some(&[0, 0, 2]));
    }

    #[test]
    fn a_failure_is_counted_and_told() {
        let mut tally = Tally::default();
        for _ in 0..9 {
            tally.count(Ask::Stream, Err(Failure::Incomplete(Ask::Stream)), Duration::ZERO);
        }
        assert_eq!((tally.failures, tally.streams, tally.told.len()), (9, 9, TOLD));
    }
}
