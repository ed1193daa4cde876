//! An answer that is one JSON document.

use super::Usage;
use super::found::Found;
use super::scan::Scanner;
use crate::ai::path::Dialect;

/// Watches an answer pass. Keeps nothing of it but numbers.
#[derive(Debug)]
pub struct AnswerMeter {
    scanner: Scanner,
    found: Found,
}

impl AnswerMeter {
    /// What the counts mean is told by their names alone, so every dialect is read alike.
    pub fn new(_dialect: Dialect) -> AnswerMeter {
        AnswerMeter { scanner: Scanner::default(), found: Found::default() }
    }

    /// Takes the next piece of the answer, whose bytes must not be compressed.
    pub fn feed(&mut self, bytes: &[u8]) {
        self.scanner.feed(bytes, &mut self.found);
    }

    /// Bytes of what the model wrote, as far as the answer has come: for an answer without counts.
    pub fn content_bytes(&self) -> u64 {
        self.found.content_bytes()
    }

    pub fn finish(self) -> Usage {
        self.found.counts.usage()
    }
}
