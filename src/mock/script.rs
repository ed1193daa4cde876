//! The body of an answer as a list of steps: send, wait, hang, break off. Every piece is flushed by itself.

use std::collections::VecDeque;
use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use hyper::body::{Body, Frame};
use tokio::time::Sleep;

use super::journal::{Mark, Outcome};

#[derive(Debug, PartialEq)]
pub enum Step {
    Send(Bytes),
    Wait(Duration),
    /// Nothing more, and no end either: until the client leaves.
    Hang,
    /// The connection breaks here.
    Cut,
}

pub struct Script {
    steps: VecDeque<Step>,
    sleep: Option<Pin<Box<Sleep>>>,
    /// A piece was handed over; hyper writes it out only when the body has nothing more to give at once.
    flush: bool,
    mark: Mark,
}

/// The body ended by a [`Step::Cut`].
#[derive(Debug)]
pub struct CutOff;

impl fmt::Display for CutOff {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("cut off, as asked")
    }
}

impl std::error::Error for CutOff {}

impl Script {
    pub fn new(steps: Vec<Step>, mark: Mark) -> Script {
        // A cut right at the start still lets the head out.
        let flush = steps.first() == Some(&Step::Cut);
        Script { steps: steps.into(), sleep: None, flush, mark }
    }
}

impl Body for Script {
    type Data = Bytes;
    type Error = CutOff;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, CutOff>>> {
        loop {
            if std::mem::take(&mut self.flush) {
                context.waker().wake_by_ref();
                return Poll::Pending;
            }
            if let Some(sleep) = self.sleep.as_mut() {
                std::task::ready!(sleep.as_mut().poll(context));
                self.sleep = None;
            }
            match self.steps.pop_front() {
                Some(Step::Send(piece)) => {
                    self.flush = true;
                    // With a known length hyper does not ask again after the last piece.
                    if self.steps.is_empty() {
                        self.mark.set(Outcome::Answered);
                    }
                    return Poll::Ready(Some(Ok(Frame::data(piece))));
                }
                Some(Step::Wait(time)) => self.sleep = Some(Box::pin(tokio::time::sleep(time))),
                Some(Step::Hang) => {
                    self.steps.push_front(Step::Hang);
                    return Poll::Pending;
                }
                Some(Step::Cut) => {
                    self.mark.set(Outcome::Cut);
                    return Poll::Ready(Some(Err(CutOff)));
                }
                None => {
                    self.mark.set(Outcome::Answered);
                    return Poll::Ready(None);
                }
            }
        }
    }
}
