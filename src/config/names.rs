//! The names of one section and who refers to them: dangling references become errors, unused names warnings.

use std::cell::{Cell, RefCell};

use super::context::Context;
use super::diagnostic::{Code, Diagnostic, MOST, Span};
use super::suggest;
use super::value::Value;

pub(super) struct Names {
    /// What such a name is called: "backend".
    kind: &'static str,
    list: Vec<(String, Span)>,
    used: RefCell<Vec<bool>>,
    /// How many names were asked for that are not there.
    dangling: Cell<usize>,
}

impl Names {
    pub fn new(kind: &'static str, list: Vec<(String, Span)>) -> Names {
        let used = RefCell::new(vec![false; list.len()]);
        Names { kind, list, used, dangling: Cell::new(0) }
    }

    /// The names of a mapping, in its order. They keep their index whatever is wrong below them.
    pub fn of(kind: &'static str, entries: &[(&super::tree::Key, Value<'_>)]) -> Names {
        Names::new(kind, entries.iter().map(|(k, _)| (k.text.clone(), k.span)).collect())
    }

    pub fn find(&self, name: &str) -> Option<usize> {
        let index = self.list.iter().position(|(n, _)| n == name)?;
        if let Some(used) = self.used.borrow_mut().get_mut(index) {
            *used = true;
        }
        Some(index)
    }

    /// The index of the name that a value gives; reports a name that is not there.
    pub fn resolve(&self, value: Value<'_>) -> Option<usize> {
        let name = value.nonempty()?;
        self.find(&name).or_else(|| value.context.reject(self.unknown(&value.shown(), value.span())))
    }

    /// Like [`Names::resolve`], without counting as a use.
    pub fn index(&self, value: Value<'_>) -> Option<usize> {
        let name = value.nonempty()?;
        let found = self.list.iter().position(|(n, _)| *n == name);
        found.or_else(|| value.context.reject(self.unknown(&value.shown(), value.span())))
    }

    /// The error for a name that is not there. `shown` is what may be quoted of it.
    pub fn unknown(&self, shown: &str, span: Span) -> Diagnostic {
        let message = format!("there is no {} `{shown}`", self.kind);
        self.dangling.set(self.dangling.get() + 1);
        // More are not shown anyway, and to compare them all would take long.
        if self.dangling.get() > MOST {
            return Diagnostic::error(Code::UnknownName, span, message);
        }
        let names: Vec<&str> = self.list.iter().map(|(n, _)| n.as_str()).collect();
        let hint = suggest::among(shown, &names)
            .unwrap_or_else(|| format!("the file defines no {} at all", self.kind));
        Diagnostic::error(Code::UnknownName, span, message).hint(hint)
    }

    /// Warns of every name that nothing has asked for.
    pub fn warn_unused(&self, context: &Context<'_>, why: &str, hint: &str) {
        for ((name, span), used) in self.list.iter().zip(self.used.borrow().iter()) {
            if !used {
                let message = format!("{} `{name}` {why}", self.kind);
                context.report(Diagnostic::warning(Code::Unused, *span, message).hint(hint));
            }
        }
    }
}
