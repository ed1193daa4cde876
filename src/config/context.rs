//! What every reader of a section has at hand: the environment, and the list of what was found wrong so far.

use std::cell::RefCell;
use std::collections::HashSet;

use super::diagnostic::{Diagnostic, Severity, Span};
use super::mask::Mask;
use super::source::Environment;

pub(super) struct Context<'a> {
    pub environment: &'a dyn Environment,
    /// Where secrets stand: an alias brings one to a key whose own name says nothing.
    secret: HashSet<(usize, usize)>,
    found: RefCell<Vec<Diagnostic>>,
    /// Which keys were looked at, so that a test can tell that none is accepted without being read.
    #[cfg(test)]
    pub asked: RefCell<std::collections::BTreeSet<(&'static str, String)>>,
}

impl<'a> Context<'a> {
    pub fn new(environment: &'a dyn Environment, masks: &[Mask]) -> Context<'a> {
        Context {
            environment,
            secret: masks.iter().map(|Mask(s)| (s.line, s.column)).collect(),
            found: RefCell::default(),
            #[cfg(test)]
            asked: RefCell::default(),
        }
    }

    pub fn report(&self, diagnostic: Diagnostic) {
        self.found.borrow_mut().push(diagnostic);
    }

    /// Whether the value at this place may not be quoted.
    pub fn hides(&self, span: Span) -> bool {
        self.secret.contains(&(span.line, span.column))
    }

    /// Reports, and gives the `None` that says so.
    pub fn reject<T>(&self, diagnostic: Diagnostic) -> Option<T> {
        self.report(diagnostic);
        None
    }

    pub fn has_errors(&self) -> bool {
        self.found.borrow().iter().any(|d| d.severity == Severity::Error)
    }

    pub fn into_diagnostics(self) -> Vec<Diagnostic> {
        self.found.into_inner()
    }
}
