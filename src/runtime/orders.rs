//! What an operator orders of the process as a whole. The doors (HTTP, the socket, signals) hand an order over and wait for
//! what came of it; the app carries orders out one after the other, so that no two changes meet.

use std::time::Duration;

use serde::Serialize;
use tokio::sync::{mpsc, oneshot};

/// Orders that may wait for the one that is being carried out.
const WAITING: usize = 16;

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Order {
    /// Reads the file again and puts it in force.
    Reload,
    /// The same, and puts back what was in force before when things get worse within this time.
    GuardedReload(Duration),
    /// Reads the file again and gives it to a share of the clients (of 10,000) for this time, then to all of them or to none.
    Canary { share: u64, time: Duration },
    /// The canary of this number is over; what was worse, if anything was.
    EndCanary { generation: u64, worse: Option<String> },
    /// Puts back what was in force before the change of this number; why.
    Undo { generation: u64, why: String },
    /// Puts a text of the history in force: by its number, or the one before the one in force. `write`: also in the place of
    /// the file.
    Rollback { to: Option<u64>, write: bool },
    /// Asks for no new traffic, and ends connections as their requests end.
    Drain,
    /// Takes traffic again.
    Undrain,
}

/// What came of an order.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Answer {
    /// It was carried out. Else nothing has changed.
    pub done: bool,
    /// For people; may have many lines.
    pub message: String,
    /// The number of the configuration in the history, where one was put in force and kept.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub number: Option<u64>,
    /// What changed in the configuration, by its keys. No secrets.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub changes: Vec<String>,
    /// Settings that wait for a restart.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub waiting: Vec<String>,
}

impl Answer {
    pub fn refused(why: impl Into<String>) -> Answer {
        Answer { message: why.into(), ..Answer::default() }
    }

    pub fn done(message: impl Into<String>) -> Answer {
        Answer { done: true, message: message.into(), ..Answer::default() }
    }
}

/// An order on its way.
pub struct Ordered {
    pub order: Order,
    /// Who gave it, for the log and the history: `signal`, `socket uid 0`, `http 127.0.0.1`.
    pub who: String,
    answer: oneshot::Sender<Answer>,
}

impl Ordered {
    pub fn answer(self, answer: Answer) {
        // Whoever asked may have gone.
        let _ = self.answer.send(answer);
    }
}

/// For those who give orders.
#[derive(Clone, Debug)]
pub struct Orders(mpsc::Sender<Ordered>);

impl Orders {
    /// And the place where they arrive.
    pub fn new() -> (Orders, mpsc::Receiver<Ordered>) {
        let (give, take) = mpsc::channel(WAITING);
        (Orders(give), take)
    }

    /// Gives an order and waits for what comes of it.
    pub async fn give(&self, order: Order, who: String) -> Answer {
        let (answer, told) = oneshot::channel();
        if self.0.send(Ordered { order, who, answer }).await.is_err() {
            return Answer::refused("tidegate is stopping and takes no orders");
        }
        told.await.unwrap_or_else(|_| Answer::refused("tidegate stopped before the order was carried out"))
    }
}
