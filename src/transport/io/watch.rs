//! What is expected of the peer, byte for byte: the body of one request, one answer, frames of HTTP/2. The reader above
//! gets only bytes that passed, so that Pingora never sees what could be read two ways.

use std::sync::{Arc, OnceLock};

use tokio::sync::Notify;

use crate::base::clock::Clock;
use crate::wire::{AnswerStream, Flood, Guard, RequestBody};

#[derive(Debug, Default)]
pub enum Watch {
    /// Anything may come.
    #[default]
    Off,
    /// The body of an HTTP/1 request whose head was read.
    Request(RequestBody),
    /// The answer to an HTTP/1 request.
    Answer(Box<AnswerStream>),
    /// What an HTTP/2 client sends.
    Frames(Box<Frames>),
    /// What came was wrong, for this reason; nothing passes any more.
    Faulty(&'static str),
}

impl Watch {
    /// Frames of a client; `flood` learns of it when there are too many.
    pub fn frames(clock: Clock, flood: Arc<FloodWatch>) -> Watch {
        Watch::Frames(Box::new(Frames { guard: Guard::default(), clock, flood }))
    }

    /// How many of `bytes` are for the reader. `sent`: bytes written to the peer so far.
    ///
    /// # Errors
    /// They are not what is expected; the reason.
    pub(super) fn feed(&mut self, bytes: &[u8], sent: u64) -> Result<usize, &'static str> {
        let passed = match self {
            Watch::Off => Ok(bytes.len()),
            Watch::Request(body) => body.feed(bytes).map_err(|fault| fault.reason()),
            Watch::Answer(answer) => answer.feed(bytes).map_err(|fault| fault.reason()),
            Watch::Frames(frames) => return Ok(frames.feed(bytes, sent)),
            Watch::Faulty(fault) => Err(*fault),
        };
        if let Err(fault) = passed {
            *self = Watch::Faulty(fault);
        }
        passed
    }

    /// Whether all of what is expected came: what follows is for later.
    pub(super) fn is_over(&self) -> bool {
        matches!(self, Watch::Request(body) if body.is_over())
    }

    /// Whether the peer sends too much for anybody to listen.
    pub(super) fn is_stopped(&self) -> bool {
        matches!(self, Watch::Frames(frames) if frames.flood.kind().is_some())
    }

    pub(super) fn fault(&self) -> Option<&'static str> {
        match self {
            Watch::Faulty(fault) => Some(fault),
            _ => None,
        }
    }
}

#[derive(Debug)]
pub struct Frames {
    guard: Guard,
    clock: Clock,
    flood: Arc<FloodWatch>,
}

impl Frames {
    fn feed(&mut self, bytes: &[u8], sent: u64) -> usize {
        match self.guard.feed(bytes, sent, self.clock.now()) {
            Ok(()) => bytes.len(),
            Err(trip) => {
                self.flood.trip(trip.kind);
                trip.at
            }
        }
    }
}

/// Tells the owner of an HTTP/2 connection that its client floods it.
#[derive(Debug, Default)]
pub struct FloodWatch {
    kind: OnceLock<Flood>,
    wake: Notify,
}

impl FloodWatch {
    fn trip(&self, kind: Flood) {
        let _ = self.kind.set(kind);
        self.wake.notify_waiters();
    }

    pub fn kind(&self) -> Option<Flood> {
        self.kind.get().copied()
    }

    /// Resolves when there are too many frames of a kind.
    pub async fn tripped(&self) -> Flood {
        loop {
            let woken = self.wake.notified();
            match self.kind() {
                Some(kind) => return kind,
                None => woken.await,
            }
        }
    }
}
