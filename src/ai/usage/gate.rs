//! What of a stream goes on to the client: everything, or whole events only, some of them left out.

/// Longest event that is held, in bytes; a longer one passes as it comes.
const LONGEST: usize = 1 << 20;

/// What goes on to the client of a piece.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Passed<'a> {
    /// The piece as it came.
    Whole,
    /// These bytes in its place; may be none.
    Instead(&'a [u8]),
}

/// Both buffers are used only while events are held, and stay as large as the largest that was.
#[derive(Debug, Default)]
pub struct Gate {
    /// Unfinished events are held.
    hold: bool,
    /// The unfinished event, of which nothing was passed.
    held: Vec<u8>,
    /// The event at hand is too long to be held.
    open: bool,
    /// Some of the event at hand has come.
    inside: bool,
    /// The last event was left out.
    dropped: bool,
    /// What passes of this piece, where that is not the piece.
    out: Vec<u8>,
    /// Where in the piece the event at hand begins.
    event: usize,
    /// Up to here the piece was written to `out`, held or left out.
    dealt: usize,
    differs: bool,
}

impl Gate {
    pub fn new(hold: bool) -> Gate {
        Gate { hold, ..Gate::default() }
    }

    /// From now on; before the first piece.
    pub fn hold(&mut self) {
        self.hold = true;
    }

    /// Another piece comes.
    pub fn piece(&mut self) {
        self.out.clear();
        self.event = 0;
        self.dealt = 0;
        self.differs = !self.held.is_empty();
    }

    /// This much of the piece belongs to the event before.
    pub fn belated(&mut self, bytes: usize) {
        self.event = bytes;
        if self.dropped {
            self.dealt = bytes;
            self.differs = true;
        }
    }

    /// The event at hand ended before this place of the piece; `drop`: it shall not pass. Too long a one does.
    pub fn end(&mut self, piece: &[u8], at: usize, drop: bool) {
        let size = self.held.len() + (at - self.event);
        self.dropped = drop && self.hold && !self.open && size <= LONGEST;
        if self.dropped {
            self.write(piece, self.event);
            self.held.clear();
            self.dealt = at;
            self.differs = true;
        } else {
            self.release();
        }
        self.open = false;
        self.inside = false;
        self.event = at;
    }

    /// The piece is over.
    pub fn pass(&mut self, piece: &[u8]) -> Passed<'_> {
        let rest = piece.get(self.event..).unwrap_or_default();
        if !rest.is_empty() {
            self.inside = true;
            if self.hold && !self.open {
                self.hold_back(piece, rest);
            }
        }
        if !self.differs {
            return Passed::Whole;
        }
        self.write(piece, piece.len());
        Passed::Instead(&self.out)
    }

    fn hold_back(&mut self, piece: &[u8], rest: &[u8]) {
        if self.held.len() + rest.len() > LONGEST {
            self.open = true;
            return self.release();
        }
        self.write(piece, self.event);
        self.held.extend_from_slice(rest);
        self.dealt = piece.len();
        self.differs = true;
    }

    /// Passes what was held; it lies before everything of the piece.
    fn release(&mut self) {
        self.out.extend_from_slice(&self.held);
        self.held.clear();
    }

    fn write(&mut self, piece: &[u8], to: usize) {
        self.out.extend_from_slice(piece.get(self.dealt..to).unwrap_or_default());
        self.dealt = to;
    }

    /// The stream is over: what was held.
    pub fn finish(&mut self) -> &[u8] {
        self.out.clear();
        self.release();
        &self.out
    }

    /// What was passed ends with a whole event.
    pub fn is_between_events(&self) -> bool {
        !self.inside || (self.hold && !self.open)
    }
}
