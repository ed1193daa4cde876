//! Brings messages to one receiver, in their order, on a thread of its own. A receiver that is slow, refuses or hangs
//! keeps nobody waiting but its own line, which is bounded.

use std::collections::VecDeque;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use log::{debug, warn};
use parking_lot::{Condvar, Mutex};

use super::post::{Answer, Post, TIMES, Times, place};
use crate::alert::{Outgoing, format};
use crate::base::clock;
use crate::config::checked::Alert;
use crate::runtime::state::State;

/// Messages in the line.
pub const LINE: usize = 64;
/// The shortest time between two log lines of failures.
const WARN_EVERY: Duration = Duration::from_secs(60);

/// How patient it is.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    pub times: Times,
    /// Before the second try, the third, and so on.
    pub pauses: &'static [Duration],
}

pub const PACE: Pace =
    Pace { times: TIMES, pauses: &[Duration::from_secs(1), Duration::from_secs(4), Duration::from_secs(16)] };

/// A handle on the line of a receiver.
pub struct Courier(Arc<Line>);

#[derive(Default)]
struct Line {
    inner: Mutex<Inner>,
    changed: Condvar,
}

#[derive(Default)]
struct Inner {
    waiting: VecDeque<Outgoing>,
    stop: bool,
    ended: bool,
}

impl Courier {
    /// `given_up` gets back what could not be brought.
    ///
    /// # Errors
    /// No thread can be started.
    pub fn start(
        alert: Alert,
        node: String,
        state: Arc<State>,
        pace: Pace,
        given_up: impl Fn(Outgoing) + Send + 'static,
    ) -> std::io::Result<Courier> {
        let line = Arc::new(Line::default());
        let round = Round { line: line.clone(), alert, node, state, pace, warned: None };
        thread::Builder::new().name("alerts-post".to_owned()).spawn(move || round.run(given_up))?;
        Ok(Courier(line))
    }

    /// Never waits. What finds no room comes back.
    pub fn take(&self, outgoing: Outgoing) -> Option<Outgoing> {
        let mut inner = self.0.inner.lock();
        if inner.stop || inner.waiting.len() >= LINE {
            return Some(outgoing);
        }
        inner.waiting.push_back(outgoing);
        drop(inner);
        self.0.changed.notify_all();
        None
    }

    /// Brings what is in the line, each tried once, and ends then.
    pub fn finish(&self) {
        self.0.inner.lock().stop = true;
        self.0.changed.notify_all();
    }

    /// Waits for its end; whether it came.
    pub fn ended(&self, patience: Duration) -> bool {
        let mut inner = self.0.inner.lock();
        self.0.changed.wait_while_for(&mut inner, |inner| !inner.ended, patience);
        inner.ended
    }
}

struct Round {
    line: Arc<Line>,
    alert: Alert,
    node: String,
    state: Arc<State>,
    pace: Pace,
    warned: Option<Instant>,
}

impl Round {
    fn run(mut self, given_up: impl Fn(Outgoing)) {
        let post = Post::new(&self.alert, self.pace.times);
        while let Some(outgoing) = self.next() {
            let format = format::name(&self.alert.format);
            let event = outgoing.message.event;
            match self.bring(&post, &outgoing) {
                Ok(answer) => {
                    self.state.events.alerts.sent.count(format, event);
                    debug!(
                        "alerts: {} took {event} of {}: {}",
                        self.name(),
                        outgoing.message.subject,
                        answer.status
                    );
                }
                Err(why) => {
                    self.state.events.alerts.failed.count(format, event);
                    self.warn(&outgoing, &why);
                    given_up(outgoing);
                }
            }
        }
        self.line.inner.lock().ended = true;
        self.line.changed.notify_all();
    }

    fn next(&self) -> Option<Outgoing> {
        let mut inner = self.line.inner.lock();
        self.line.changed.wait_while(&mut inner, |inner| inner.waiting.is_empty() && !inner.stop);
        inner.waiting.pop_front()
    }

    /// Tries until it is taken, or it makes no sense to try again.
    fn bring(&self, post: &Post, outgoing: &Outgoing) -> Result<Answer, String> {
        let body = format::body(&self.alert.format, &outgoing.message, &self.node).to_string();
        let mut pauses = self.pace.pauses.iter();
        let mut tries = 0;
        loop {
            tries += 1;
            let (why, wait) = match post.send(body.as_bytes()) {
                Ok(answer) if answer.is_good() => return Ok(answer),
                Ok(answer) => {
                    let why = refused(&answer);
                    if !answer.may_pass() {
                        return Err(why);
                    }
                    (why, answer.retry_after)
                }
                Err(why) => (why, None),
            };
            let Some(pause) = pauses.next() else { return Err(format!("{why} ({tries} tries)")) };
            if self.pause(wait.unwrap_or(*pause)) {
                return Err(why);
            }
        }
    }

    /// Whether it shall come to an end instead.
    fn pause(&self, time: Duration) -> bool {
        let mut inner = self.line.inner.lock();
        self.line.changed.wait_while_for(&mut inner, |inner| !inner.stop, time);
        inner.stop
    }

    fn warn(&mut self, outgoing: &Outgoing, why: &str) {
        let now = clock::instant();
        if self.warned.is_some_and(|last| now.duration_since(last) < WARN_EVERY) {
            return;
        }
        self.warned = Some(now);
        let message = &outgoing.message;
        warn!(
            "alerts: {} did not take {} of {}: {why}. What stands is told again after {:?}; more of this is in \
             tidegate_alerts_failed_total. Try `tidegate alert test -c FILE`",
            self.name(),
            message.event,
            message.subject,
            self.alert.every,
        );
    }

    fn name(&self) -> String {
        format!("{} ({})", place(&self.alert.webhook), format::name(&self.alert.format))
    }
}

/// Why an answer is no good.
pub fn refused(answer: &Answer) -> String {
    let said = if answer.said.is_empty() { String::new() } else { format!(", {}", answer.said) };
    let more = match answer.status {
        300..=399 => " (a redirect, which is not followed: write the address it leads to)",
        404 | 410 => " (is the webhook still there?)",
        401 | 403 => " (is the webhook, or its key, still good?)",
        _ => "",
    };
    format!("status {}{said}{more}", answer.status)
}
