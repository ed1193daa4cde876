//! The keys whose values changed, found by comparing the two trees. Where something stands is no change; in lists it is,
//! but for those whose items have names.

use std::collections::{HashMap, HashSet};
use std::fmt::Write;
use std::time::Duration;

use similar::{Algorithm, DiffOp};

use super::Change;
use super::hidden::Side;
use super::value::{Value, Writer};
use super::words::Words;
use crate::base::clock;
use crate::config::tree::{Entry, Key, Kind, Node};

/// After this, items of lists are compared by their places.
const PATIENCE: Duration = Duration::from_millis(200);

/// Both must have a tree.
pub(super) fn changes(before: &Side<'_>, after: &Side<'_>, secrets: &Words<'_>) -> Vec<Change> {
    let (Some(old), Some(new)) = (&before.tree, &after.tree) else { return Vec::new() };
    let (before, after) = (Writer { side: before, secrets }, Writer { side: after, secrets });
    let mut comparison = Comparison { before, after, path: Vec::new(), found: Vec::new() };
    comparison.nodes(&old.root, &new.root);
    comparison.found
}

struct Comparison<'a> {
    before: Writer<'a>,
    after: Writer<'a>,
    /// The way to where it stands: each part with the dot that it has before it, if any.
    path: Vec<String>,
    found: Vec<Change>,
}

impl Comparison<'_> {
    fn nodes(&mut self, before: &Node, after: &Node) {
        match (&before.kind, &after.kind) {
            (Kind::Map(old), Kind::Map(new)) => self.maps(old, new),
            (Kind::List(old), Kind::List(new)) => self.lists((before, old), (after, new)),
            _ if same(before, after) => {}
            _ => self.report(Some(before), Some(after)),
        }
    }

    fn maps(&mut self, before: &[Entry], after: &[Entry]) {
        let keyed = |entries: &'_ [Entry]| -> HashMap<String, usize> {
            entries.iter().enumerate().map(|(index, entry)| (entry.key.text.clone(), index)).collect()
        };
        let (old, new) = (keyed(before), keyed(after));
        for entry in before {
            let part = dotted(self.before.key(&entry.key));
            let other = new.get(&entry.key.text).and_then(|index| after.get(*index));
            self.at(part, Some(&entry.value), other.map(|other| &other.value));
        }
        for entry in after.iter().filter(|entry| !old.contains_key(&entry.key.text)) {
            let part = dotted(self.after.key(&entry.key));
            self.at(part, None, Some(&entry.value));
        }
    }

    fn lists(&mut self, (old, before): (&Node, &[Node]), (new, after): (&Node, &[Node])) {
        if let (Some(old), Some(new)) = (names(before), names(after)) {
            return self.named((before, &old), (after, &new));
        }
        let scalars = |items: &[Node]| items.iter().all(|item| matches!(item.kind, Kind::Scalar(_)));
        // Of a long one, the items that differ say more than its beginning.
        if scalars(before) && scalars(after) && before.len().max(after.len()) <= 8 {
            let same_items = before.len() == after.len() && before.iter().zip(after).all(|(a, b)| same(a, b));
            if !same_items {
                self.report(Some(old), Some(new));
            }
            return;
        }
        let (old, new): (Vec<String>, Vec<String>) =
            (before.iter().map(print).collect(), after.iter().map(print).collect());
        let deadline = clock::instant() + PATIENCE;
        for op in similar::capture_diff_slices_deadline(Algorithm::Myers, &old, &new, Some(deadline)) {
            if let DiffOp::Equal { .. } = op {
                continue;
            }
            let (mut old, mut new) = (op.old_range(), op.new_range());
            loop {
                let (old, new) = (old.next(), new.next());
                let Some(number) = new.or(old) else { break };
                let item =
                    |items: &'_ [Node], index: Option<usize>| index.and_then(|i| items.get(i).cloned());
                let (old, new) = (item(before, old), item(after, new));
                self.at(format!("#{}", number + 1), old.as_ref(), new.as_ref());
            }
        }
    }

    fn named(&mut self, (before, old): (&[Node], &[Key]), (after, new): (&[Node], &[Key])) {
        let places = |keys: &'_ [Key]| -> HashMap<String, usize> {
            keys.iter().enumerate().map(|(index, key)| (key.text.clone(), index)).collect()
        };
        let (had, has) = (places(old), places(new));
        for (item, name) in before.iter().zip(old) {
            let part = format!("[{}]", self.before.key(name));
            self.at(part, Some(item), has.get(&name.text).and_then(|index| after.get(*index)));
        }
        for (item, name) in after.iter().zip(new).filter(|(_, name)| !had.contains_key(&name.text)) {
            let part = format!("[{}]", self.after.key(name));
            self.at(part, None, Some(item));
        }
    }

    /// Compares, or reports what is there on one side only.
    fn at(&mut self, part: String, before: Option<&Node>, after: Option<&Node>) {
        self.path.push(part);
        match (before, after) {
            (Some(before), Some(after)) => self.nodes(before, after),
            (before, after) => self.report(before, after),
        }
        self.path.pop();
    }

    fn report(&mut self, before: Option<&Node>, after: Option<&Node>) {
        let path = self.path.concat();
        let path = path.strip_prefix('.').unwrap_or(&path);
        self.found.push(Change {
            path: if path.is_empty() { "(the file)".to_owned() } else { path.to_owned() },
            before: before.map_or(Value::Absent, |node| self.before.value(node)),
            after: after.map_or(Value::Absent, |node| self.after.value(node)),
        });
    }
}

fn dotted(key: String) -> String {
    format!(".{key}")
}

/// What the items of a list are called, where each has a name of its own.
fn names(items: &[Node]) -> Option<Vec<Key>> {
    ["name", "address"].into_iter().find_map(|key| {
        let mut seen = HashSet::new();
        let name = |item: &Node| {
            let value = &item.child(key)?.value;
            let Kind::Scalar(scalar) = &value.kind else { return None };
            seen.insert(scalar.text.clone()).then(|| Key { text: scalar.text.clone(), span: value.span })
        };
        items.iter().map(name).collect()
    })
}

fn same(before: &Node, after: &Node) -> bool {
    print(before) == print(after)
}

/// The whole of a node, written so that two are the same just where they mean the same. Not to be shown.
fn print(node: &Node) -> String {
    let mut out = String::new();
    print_to(node, &mut out);
    out
}

fn print_to(node: &Node, out: &mut String) {
    match &node.kind {
        Kind::Scalar(_) if node.is_empty() || node.is_null() => out.push('~'),
        Kind::Scalar(scalar) => print_text(&scalar.text, out),
        Kind::List(items) => {
            out.push('[');
            items.iter().for_each(|item| print_to(item, out));
            out.push(']');
        }
        Kind::Map(entries) => {
            let mut entries: Vec<&Entry> = entries.iter().collect();
            entries.sort_by(|a, b| a.key.text.cmp(&b.key.text));
            out.push('{');
            for entry in entries {
                print_text(&entry.key.text, out);
                print_to(&entry.value, out);
            }
            out.push('}');
        }
    }
}

/// With its length before it, so that no text can end early.
fn print_text(text: &str, out: &mut String) {
    let _ = write!(out, "{}:{text}", text.len());
}
