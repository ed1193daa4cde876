//! What is expected of the peer, byte for byte: the body of one request, one answer, frames of HTTP/2. The reader above
//! gets only bytes that passed, so that Pingora never sees what could be read two ways.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, OnceLock};

use crate::base::clock::Clock;
use crate::wire::{AnswerStream, Flood, Guard, Refused, RequestBody, Sent};

#[derive(Debug, Default)]
pub enum Watch {
    /// Anything may come.
    #[default]
    Off,
    /// The body of an HTTP/1 request whose head was read.
    Request(RequestBody),
    /// The answer to an HTTP/1 request.
    Answer(Box<AnswerStream>),
    /// What an HTTP/2 client sends, and what it is told.
    Frames(Box<Frames>),
    /// What came was wrong, for this reason; nothing passes any more.
    Faulty(&'static str),
}

impl Watch {
    /// Frames of a client; `conduct` learns of what it does wrong.
    pub fn frames(clock: Clock, conduct: Arc<Conduct>) -> Watch {
        Watch::Frames(Box::new(Frames { guard: Guard::default(), sent: Sent::default(), clock, conduct }))
    }

    /// Sees what is written to the peer.
    pub(super) fn written(&mut self, bytes: &[u8]) {
        if let Watch::Frames(frames) = self {
            frames.conduct.refused(frames.sent.feed(bytes));
        }
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

    /// Whether the whole request came: what follows is for later.
    pub(super) fn has_request(&self) -> bool {
        matches!(self, Watch::Request(body) if body.is_over())
    }

    /// Whether nothing of an answer is to come.
    pub(super) fn awaits_nothing(&self) -> bool {
        match self {
            Watch::Off => true,
            Watch::Answer(answer) => answer.is_over(),
            Watch::Request(_) | Watch::Frames(_) | Watch::Faulty(_) => false,
        }
    }

    /// Whether the peer sends too much for anybody to listen.
    pub(super) fn is_stopped(&self) -> bool {
        matches!(self, Watch::Frames(frames) if frames.conduct.flood().is_some())
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
    sent: Sent,
    clock: Clock,
    conduct: Arc<Conduct>,
}

impl Frames {
    fn feed(&mut self, bytes: &[u8], sent: u64) -> usize {
        match self.guard.feed(bytes, sent, self.clock.now()) {
            Ok(()) => bytes.len(),
            Err(trip) => {
                self.conduct.trip(trip.kind);
                trip.at
            }
        }
    }
}

/// What the client of an HTTP/2 connection does wrong, for the owner of the connection.
#[derive(Debug, Default)]
pub struct Conduct {
    flood: OnceLock<Flood>,
    /// Refused by the library, and not taken notice of yet.
    streams: AtomicU32,
    connections: AtomicU32,
    /// The library found the client too much to bear, before we did.
    calmed: AtomicBool,
    told: AtomicBool,
}

impl Conduct {
    fn trip(&self, kind: Flood) {
        let _ = self.flood.set(kind);
    }

    fn refused(&self, refused: Refused) {
        if refused != Refused::default() {
            self.streams.fetch_add(refused.streams, Ordering::Relaxed);
            self.connections.fetch_add(u32::from(refused.connection), Ordering::Relaxed);
            if refused.calmed && !self.told.load(Ordering::Relaxed) {
                self.calmed.store(true, Ordering::Relaxed);
            }
        }
    }

    /// There were too many frames of this kind. No more is read.
    pub fn flood(&self) -> Option<Flood> {
        self.flood.get().copied()
    }

    /// The client is going to be told by us that it is too much.
    pub fn is_told(&self) {
        self.told.store(true, Ordering::Relaxed);
    }

    /// Whether the library has told it so, of its own accord, since the last call.
    pub fn take_calmed(&self) -> bool {
        self.calmed.load(Ordering::Relaxed) && self.calmed.swap(false, Ordering::Relaxed)
    }

    /// How many streams, and connections, the library has refused since the last call.
    pub fn take_refused(&self) -> (u32, u32) {
        let take = |count: &AtomicU32| match count.load(Ordering::Relaxed) {
            0 => 0,
            _ => count.swap(0, Ordering::Relaxed),
        };
        (take(&self.streams), take(&self.connections))
    }
}
