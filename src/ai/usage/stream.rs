//! An answer that is a stream of events.

use super::Usage;
use super::found::{Found, Kind};
use super::gate::{Gate, Passed};
use super::lines::{Lines, Part};
use super::scan::Scanner;
use crate::ai::path::Dialect;

/// `[DONE]` with blanks around it; longer data is something else.
const MARK: usize = 16;

/// Watches a stream pass: counts it, and takes out of it what the client has not asked for. In the steady state it
/// allocates nothing.
#[derive(Debug)]
pub struct StreamMeter {
    pub(super) dialect: Dialect,
    strip: bool,
    lines: Lines,
    gate: Gate,
    pub(super) watch: Watch,
}

/// What has come of the stream.
#[derive(Debug, Default)]
pub(super) struct Watch {
    scanner: Scanner,
    pub found: Found,
    chunks: u64,
    any_content: bool,
    pub done: bool,
    /// A chunk that only tells usage was passed.
    pub told_usage: bool,
    /// Anthropic's block that has begun and not ended.
    pub block: Option<u64>,
    /// How the data of the event at hand begins, and how much there is of it.
    mark: [u8; MARK],
    size: usize,
}

/// How far a stream has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Seen {
    /// Bytes of UTF-8 of what the model wrote, decoded, so that they are exact: text, refusals, reasoning that is shown,
    /// names and arguments of tools. Audio, images, signatures and what is there twice are not among it.
    pub content_bytes: u64,
    /// Events with content of any form.
    pub chunks: u64,
    pub first_content: bool,
    /// The stream told its own end: `[DONE]`, `message_stop`, the last event of Responses.
    pub done: bool,
    pub finish_reason_seen: bool,
}

impl StreamMeter {
    /// `strip`: the chunk that only tells usage is not passed, since the client did not ask for it. Then whole events go
    /// out at once and an unfinished one is held until it ends. Dialects without such a chunk pass as they are.
    pub fn new(dialect: Dialect, strip: bool) -> StreamMeter {
        let strip = strip && matches!(dialect, Dialect::Chat | Dialect::Completions);
        let gate = Gate::new(strip);
        StreamMeter { dialect, strip, lines: Lines::default(), gate, watch: Watch::default() }
    }

    /// Holds unfinished events even where nothing is stripped, so that the stream can be cut at any time.
    pub fn holding(mut self) -> StreamMeter {
        self.gate.hold();
        self
    }

    /// Takes the next piece of the stream, whose bytes must not be compressed, and says what goes on to the client.
    pub fn feed(&mut self, bytes: &[u8]) -> Passed<'_> {
        let StreamMeter { strip, lines, gate, watch, .. } = self;
        watch.found.fresh = false;
        gate.piece();
        lines.feed(bytes, |part| match part {
            Part::Data(data) => watch.data(data),
            Part::End(at) => {
                let only_usage = watch.end();
                gate.end(bytes, at, *strip && only_usage);
                watch.told_usage |= only_usage && !*strip;
            }
            Part::Belated(bytes) => gate.belated(bytes),
        });
        watch.any_content |= watch.found.fresh;
        gate.pass(bytes)
    }

    /// The stream is over: what was held, an event without an end. A stream that is cut by [`StreamMeter::cut`] does not
    /// want it.
    pub fn finish(&mut self) -> &[u8] {
        self.gate.finish()
    }

    /// What the provider has counted so far.
    pub fn usage(&self) -> Usage {
        self.watch.found.counts.usage()
    }

    pub fn seen(&self) -> Seen {
        let watch = &self.watch;
        Seen {
            content_bytes: watch.found.content_bytes(),
            chunks: watch.chunks,
            first_content: watch.any_content,
            done: watch.done,
            finish_reason_seen: watch.found.finish,
        }
    }

    /// The last piece had content, be it of an unfinished event.
    pub fn saw_content_at_last_feed(&self) -> bool {
        self.watch.found.fresh
    }

    /// What was passed ends with a whole event: only here the stream can be cut. Always so while events are held, but
    /// within one of more than a megabyte.
    pub fn is_between_events(&self) -> bool {
        self.gate.is_between_events()
    }
}

impl Watch {
    fn data(&mut self, data: &[u8]) {
        let at = self.size.min(MARK);
        for (kept, byte) in self.mark.iter_mut().skip(at).zip(data) {
            *kept = *byte;
        }
        self.size = self.size.saturating_add(data.len());
        self.scanner.feed(data, &mut self.found);
    }

    /// The event is over; whether it only told usage.
    fn end(&mut self) -> bool {
        if self.size == 0 {
            return false;
        }
        let mark = self.mark.get(..self.size).unwrap_or_default();
        self.done |= mark.trim_ascii() == b"[DONE]";
        let document = &self.found.document;
        match document.kind {
            Kind::BlockStart => self.block = document.index,
            Kind::BlockStop => self.block = None,
            Kind::MessageStop | Kind::ResponseFailed => self.done = true,
            Kind::ResponseEnded => {
                self.done = true;
                self.found.finish = true;
            }
            Kind::Other => {}
        }
        self.chunks += u64::from(document.has_content);
        let only_usage = document.only_usage();
        self.found.next_document();
        self.scanner.next_document();
        self.size = 0;
        only_usage
    }
}
