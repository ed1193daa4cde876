//! A receiver of alerts that does as the test says, and the messages that it got.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use serde_json::Value;

use super::http::{Message, answer};
use super::upstream::Upstream;
use super::wait::eventually;

pub struct Pager {
    pub upstream: Upstream,
    script: Arc<Script>,
}

#[derive(Default)]
struct Script {
    /// Answers to the next requests; then 200.
    next: Mutex<Vec<Vec<u8>>>,
    answered: AtomicUsize,
}

impl Pager {
    /// Takes everything.
    pub fn new() -> Pager {
        Pager::answering(&[])
    }

    /// Answers the first requests with these statuses, then takes everything.
    pub fn answering(statuses: &[u16]) -> Pager {
        Pager::saying(statuses.iter().map(|status| answer(*status, &[], "scripted")).collect())
    }

    /// The same with whole answers.
    pub fn saying(mut answers: Vec<Vec<u8>>) -> Pager {
        answers.reverse();
        let script = Arc::new(Script { next: Mutex::new(answers), answered: AtomicUsize::new(0) });
        let shared = Arc::clone(&script);
        let upstream = Upstream::replying(move |_| {
            shared.answered.fetch_add(1, Ordering::SeqCst);
            shared.next.lock().unwrap().pop().unwrap_or_else(|| answer(200, &[], "ok"))
        });
        Pager { upstream, script }
    }

    /// A webhook of its own.
    pub fn url(&self, path: &str) -> String {
        format!("{}{path}", self.upstream.url())
    }

    /// From now on the next requests are answered so.
    pub fn answers_next(&self, statuses: &[u16]) {
        let answers = statuses.iter().rev().map(|status| answer(*status, &[], "scripted"));
        *self.script.next.lock().unwrap() = answers.collect();
    }

    /// What came, tries of the same included.
    pub fn requests(&self) -> Vec<Message> {
        self.upstream.requests()
    }

    pub fn count(&self) -> usize {
        self.upstream.count()
    }

    /// What came to that path.
    #[track_caller]
    pub fn told(&self, path: &str) -> Vec<Value> {
        let to = self.requests().into_iter().filter(|request| request.head.target() == path);
        to.map(|request| request.json()).collect()
    }

    /// In the order in which they came: `server_down`, and `server_down over` at its end.
    #[track_caller]
    pub fn names(&self, path: &str) -> Vec<String> {
        let word = |message: &Value| {
            let over = if message["resolved"] == true { " over" } else { "" };
            format!("{}{over}", message["event"].as_str().unwrap_or("?"))
        };
        self.told(path).iter().map(word).collect()
    }

    /// Waits for the first message that fits.
    #[track_caller]
    pub fn tells(&self, path: &str, what: &str, fits: impl Fn(&Value) -> bool) -> Value {
        let mut last = Vec::new();
        eventually(&format!("a message: {what}"), || {
            last = self.told(path);
            last.iter().find(|message| fits(message)).cloned()
        })
    }

    /// Waits for the first message about this event; `over`: that it has ended.
    #[track_caller]
    pub fn event(&self, path: &str, name: &str, over: bool) -> Value {
        let what = format!("{name}, over: {over}");
        self.tells(path, &what, |message| message["event"] == name && message["resolved"] == over)
    }
}
