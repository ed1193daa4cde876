//! Watches the frames that an HTTP/2 client sends (RFC 9113 4.1), before the library that serves it sees them, and trips
//! on floods of frames that cost us more than they cost the client. Every kind of frame that carries no request has a
//! budget for each [`PERIOD`], so far above what a lawful client sends that it never notices; requests themselves have
//! none. What the library refuses by itself (bad preface, sizes, order of frames, HPACK) is not looked at.

mod flood;

use std::time::Duration;

use super::h2_frames::{FrameHeader, Frames, HEADER, Piece, frame};
use crate::base::clock::Tick;

pub use flood::Flood;

/// The guard of one connection.
#[derive(Clone, Debug, Default)]
pub struct Guard {
    /// Bytes of the preface seen; [`BLIND`] when it was none.
    preface: u8,
    frames: Frames,
    block: Option<Block>,
    /// The stream that was opened last.
    newest: u32,
    period: Tick,
    /// Frames of each kind in this period.
    counts: [u16; Flood::ALL.len()],
    /// Frames that were paid for by what we have written, and not used yet.
    earned: u64,
    /// What we had written when `earned` was counted.
    counted: u64,
    tripped: Option<Flood>,
}

/// The connection is to be closed (GOAWAY with ENHANCE_YOUR_CALM).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Trip {
    pub kind: Flood,
    /// How many of the bytes may still be passed on: where the frame that went too far begins, 0 if that was in an
    /// earlier piece.
    pub at: usize,
}

/// A header block that is not over.
#[derive(Clone, Copy, Debug)]
struct Block {
    continuations: u8,
    bytes: usize,
}

/// Every budget is for this long.
pub const PERIOD: Duration = Duration::from_secs(10);

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
const BLIND: u8 = u8::MAX;

/// CONTINUATION frames of one header block, and all bytes of it. The library would end the connection for one more too, but
/// nobody would hear of it.
const CONTINUATIONS: u8 = 5;
const BLOCK: usize = 64 * 1024;

/// DATA with fewer bytes is tiny.
const TINY: usize = 16;

/// We write this much to earn the client one WINDOW_UPDATE or PING beyond the budget: two for each DATA frame even when
/// a frame holds a single token of an answer, and a PING for each round trip while an answer arrives (gRPC measures so).
const WRITTEN_PER_FRAME: u64 = 64;

/// What can be earned ahead: a client that acknowledges everything at once, late.
const EARNED: u64 = 20_000;

impl Guard {
    /// Looks at the bytes that follow those of earlier calls, in pieces of any size. `written`: what we have sent to
    /// this client so far, in bytes.
    ///
    /// # Errors
    /// The client floods. The same again, at 0, for every later call.
    pub fn feed(&mut self, bytes: &[u8], written: u64, now: Tick) -> Result<(), Trip> {
        if let Some(kind) = self.tripped {
            return Err(Trip { kind, at: 0 });
        }
        let mut rest = self.skip_preface(bytes);
        while let Some(piece) = self.frames.next(&mut rest) {
            let Piece::Header(header) = piece else { continue };
            if let Err(kind) = self.frame(header, written, now) {
                self.tripped = Some(kind);
                return Err(Trip { kind, at: (bytes.len() - rest.len()).saturating_sub(HEADER) });
            }
        }
        Ok(())
    }

    /// What follows the preface. Behind a wrong one there is nothing to look at: the library closes the connection.
    fn skip_preface<'a>(&mut self, bytes: &'a [u8]) -> &'a [u8] {
        if self.preface == BLIND {
            return &[];
        }
        let expected = PREFACE.get(usize::from(self.preface)..).unwrap_or_default();
        let length = expected.len().min(bytes.len());
        let (here, rest) = bytes.split_at(length);
        if expected.starts_with(here) {
            self.preface = self.preface.saturating_add(u8::try_from(length).unwrap_or(BLIND));
            rest
        } else {
            self.preface = BLIND;
            &[]
        }
    }

    /// Judges a frame by its header.
    fn frame(&mut self, header: FrameHeader, written: u64, now: Tick) -> Result<(), Flood> {
        let length = header.length;
        let spent = match header.kind {
            frame::DATA if header.has(frame::END_STREAM) || length >= TINY => return Ok(()),
            frame::DATA if length == 0 => Flood::EmptyData,
            frame::DATA => Flood::TinyData,
            frame::HEADERS => {
                self.block =
                    (!header.has(frame::END_HEADERS)).then_some(Block { continuations: 0, bytes: length });
                let opens = header.stream > self.newest;
                self.newest = self.newest.max(header.stream);
                match length > 0 || header.has(frame::END_HEADERS) {
                    true if opens => return Ok(()),
                    // Trailers, which few clients ever send, or what only looks like them.
                    true => Flood::Headers,
                    false => Flood::Continuation,
                }
            }
            frame::CONTINUATION => {
                if self.continues(length, header.has(frame::END_HEADERS))? {
                    return Ok(());
                }
                Flood::Continuation
            }
            frame::RST_STREAM => Flood::RapidReset,
            frame::SETTINGS if !header.has(frame::ACK) => Flood::Settings,
            frame::PING if !header.has(frame::ACK) => Flood::Ping,
            frame::WINDOW_UPDATE => Flood::WindowUpdate,
            // PRIORITY, types we do not know, answers to what we never or seldom ask.
            _ => Flood::Control,
        };
        if matches!(spent, Flood::WindowUpdate | Flood::Ping) && self.spend_earned(written) {
            return Ok(());
        }
        self.spend(spent, now)
    }

    /// A CONTINUATION of this length; `false` if it must be paid for: it adds nothing to a header block.
    fn continues(&mut self, length: usize, last: bool) -> Result<bool, Flood> {
        let Some(block) = &mut self.block else { return Ok(false) };
        block.continuations += 1;
        block.bytes = block.bytes.saturating_add(length);
        if block.continuations > CONTINUATIONS || block.bytes > BLOCK {
            return Err(Flood::Continuation);
        }
        if last {
            self.block = None;
        }
        Ok(length > 0 || last)
    }

    fn spend_earned(&mut self, written: u64) -> bool {
        let new = written.saturating_sub(self.counted) / WRITTEN_PER_FRAME;
        self.counted = self.counted.saturating_add(new.saturating_mul(WRITTEN_PER_FRAME));
        self.earned = self.earned.saturating_add(new).min(EARNED);
        let paid = self.earned > 0;
        self.earned = self.earned.saturating_sub(1);
        paid
    }

    fn spend(&mut self, kind: Flood, now: Tick) -> Result<(), Flood> {
        if now.since(self.period) >= PERIOD {
            self.period = now;
            self.counts = [0; Flood::ALL.len()];
        }
        let Some(count) = self.counts.get_mut(kind as usize) else { return Err(kind) };
        *count = count.saturating_add(1);
        if *count > kind.budget() { Err(kind) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests;
