//! One of the two texts, and what of it is not shown: all that diagnostics hide ([`mask`]), and more, since they show a
//! line only where it is wrong and a difference shows any: comments with old keys in them, keys that look like digests,
//! headers that are compared with a secret, texts that are no YAML.

use std::collections::{BTreeSet, HashSet};

use crate::config::diagnostic::Span;
use crate::config::mask::{self, Mask};
use crate::config::tree::{self, Entry, Kind, Node, Tree};

pub(super) struct Side<'a> {
    /// With their ends, and as [`tree::lines`] counts them.
    pub lines: Vec<&'a str>,
    /// `None` for what is no YAML, or nothing at all.
    pub tree: Option<Tree>,
    masks: Vec<Mask>,
    /// Nodes and keys that are hidden.
    spans: BTreeSet<Span>,
    /// What hidden nodes and lines say.
    secrets: HashSet<String>,
}

impl<'a> Side<'a> {
    pub fn read(text: &'a str) -> Side<'a> {
        // Counted by nobody: neither where the file is loaded.
        let bare = text.strip_prefix(BOM).unwrap_or(text);
        let tree = tree::parse(bare).ok();
        let mut side = Side {
            lines: lines(text),
            tree: None,
            masks: Vec::new(),
            spans: BTreeSet::new(),
            secrets: HashSet::new(),
        };
        let mut by_text = in_comments(bare, tree.is_none());
        if let Some(tree) = &tree {
            let mut masks = mask::by_position(tree);
            further(&tree.root, None, &mut masks);
            tree.dropped.iter().for_each(|entry| further_of(entry, None, &mut masks));
            side.spans = masks.iter().map(|Mask(span)| *span).collect();
            side.remember(&tree.root);
            tree.dropped.iter().for_each(|entry| side.remember_entry(entry));
            side.masks = mask::ordered(masks);
            side.remember_lines(|hidden| hidden);
        }
        // What has no sections is no configuration, and its structure says nothing.
        if !tree.as_ref().is_some_and(|tree| matches!(tree.root.kind, Kind::Map(_))) {
            by_text.extend(mask::by_text(bare));
            by_text.extend(rests(bare));
        }
        let by_tree = std::mem::replace(&mut side.masks, mask::ordered(by_text));
        side.remember_lines(first_word);
        side.masks.extend(by_tree);
        side.masks = mask::ordered(std::mem::take(&mut side.masks));
        side.tree = tree;
        side
    }

    /// Everything that is hidden, as it reads and as it is written.
    pub fn secrets(&self) -> impl Iterator<Item = &str> {
        self.secrets.iter().map(String::as_str)
    }

    pub fn hides(&self, span: Span) -> bool {
        self.spans.contains(&span)
    }

    /// What is hidden in the line of this index, as if it were the first one.
    pub fn masks_of(&self, index: usize) -> impl Iterator<Item = Mask> {
        let number = index + 1;
        let first = self.masks.partition_point(|Mask(s)| (s.end_line, s.end_column) <= (number, 1));
        let rest = self.masks.get(first..).unwrap_or_default();
        rest.iter().take_while(move |Mask(s)| s.line <= number).map(move |Mask(s)| {
            let column = if s.line == number { s.column } else { 1 };
            let end_column = if s.end_line == number { s.end_column } else { usize::MAX };
            Mask(Span { line: 1, column, end_line: 1, end_column })
        })
    }

    fn remember(&mut self, node: &Node) {
        match &node.kind {
            Kind::Scalar(scalar) if self.hides(node.span) => self.keep(&scalar.text),
            Kind::Scalar(_) => {}
            Kind::List(items) => items.iter().for_each(|item| self.remember(item)),
            Kind::Map(entries) => entries.iter().for_each(|entry| self.remember_entry(entry)),
        }
    }

    fn remember_entry(&mut self, entry: &Entry) {
        if self.hides(entry.key.span) {
            self.keep(&entry.key.text);
        }
        self.remember(&entry.value);
    }

    fn keep(&mut self, text: &str) {
        text.lines().map(str::trim).filter(|line| !line.is_empty()).for_each(|line| {
            self.secrets.insert(line.to_owned());
        });
    }

    /// What stands in the text under the masks: with escapes that the tree has resolved, or where there is no tree.
    fn remember_lines(&mut self, part: impl Fn(&str) -> &str) {
        let mut found = Vec::new();
        for (index, line) in self.lines.iter().enumerate() {
            let line = line.strip_prefix(BOM).unwrap_or(line).trim_end_matches(['\r', '\n']);
            for Mask(s) in self.masks_of(index) {
                let hidden: String =
                    line.chars().skip(s.column - 1).take(s.end_column.saturating_sub(s.column)).collect();
                let hidden = part(hidden.trim().trim_start_matches(['"', '\'', '-', ' ']));
                found.push(hidden.trim_end_matches(['"', '\'']).to_owned());
            }
        }
        self.secrets
            .extend(found.into_iter().filter(|hidden| !hidden.is_empty() && !mask::is_reference(hidden)));
    }
}

/// Of a text without structure, more than the secret is hidden: the rest of its line, and other keys beside it.
fn first_word(hidden: &str) -> &str {
    let end = hidden.find(['"', '\'', ',', ' ', '}', ']']).unwrap_or(hidden.len());
    hidden.get(..end).filter(|word| !word.ends_with(':')).unwrap_or_default()
}

pub(super) const BOM: char = '\u{feff}';

/// The lines of a text with their ends: LF, CR LF, CR.
pub(super) fn lines(text: &str) -> Vec<&str> {
    let mut lines = Vec::new();
    let mut rest = text;
    while let Some(at) = rest.find(['\n', '\r']) {
        let length = at + if rest.get(at..).is_some_and(|end| end.starts_with("\r\n")) { 2 } else { 1 };
        let (line, after) = rest.split_at(length);
        lines.push(line);
        rest = after;
    }
    if !rest.is_empty() {
        lines.push(rest);
    }
    lines
}

/// What diagnostics do not hide. `above` is the secret key that this stands below.
fn further(node: &Node, above: Option<&str>, masks: &mut Vec<Mask>) {
    match &node.kind {
        Kind::Scalar(scalar) => {
            // Keys are made with `openssl rand -hex 32`, too; only where a digest belongs it is one.
            let digest = scalar.text.len() == 64 && scalar.text.bytes().all(|b| b.is_ascii_hexdigit());
            if digest && above.is_some_and(|key| key != "key_sha256") || names_secret(&scalar.text) {
                masks.push(Mask(node.span));
            }
        }
        Kind::List(items) => items.iter().for_each(|item| further(item, above, masks)),
        Kind::Map(entries) => {
            let asks_for_secret = ["header", "query"].iter().filter_map(|key| node.child(key)).any(
                |entry| matches!(&entry.value.kind, Kind::Scalar(scalar) if mask::is_secret(&scalar.text)),
            );
            for entry in entries {
                if asks_for_secret && entry.key.text.starts_with("value") {
                    whole(&entry.value, masks);
                }
                further_of(entry, above, masks);
            }
        }
    }
}

fn further_of(entry: &Entry, above: Option<&str>, masks: &mut Vec<Mask>) {
    let above = if mask::is_secret(&entry.key.text) { Some(entry.key.text.as_str()) } else { above };
    further(&entry.value, above, masks);
}

/// All the values below a node.
fn whole(node: &Node, masks: &mut Vec<Mask>) {
    match &node.kind {
        Kind::Scalar(scalar) if mask::is_reference(&scalar.text) => {}
        Kind::Scalar(_) => masks.push(Mask(node.span)),
        Kind::List(items) => items.iter().for_each(|item| whole(item, masks)),
        Kind::Map(entries) => entries.iter().for_each(|entry| whole(&entry.value, masks)),
    }
}

/// `{"api_key": "sk-.."}`, `?token=..`, `https://user:pass/word@host`: a text that has a secret in it, and says so.
fn names_secret(text: &str) -> bool {
    text.split_once("://").is_some_and(|(_, rest)| rest.contains('@'))
        || text.match_indices([':', '=']).any(|(at, _)| {
            let (before, after) = text.split_at(at);
            let word = before
                .trim_end_matches(['"', '\'', '\\', ' '])
                .rsplit(|c: char| !(c.is_alphanumeric() || matches!(c, '_' | '-')));
            let value = after.trim_start_matches([':', '=', '"', '\'', '\\', ' ']);
            let secret = word.take(1).any(mask::is_secret);
            secret && !value.is_empty() && !value.starts_with("${")
        })
}

/// In a text that is no YAML, the lines without a key of their own: they may go on with the secret of the line before.
fn rests(text: &str) -> impl Iterator<Item = Mask> {
    tree::lines(text).enumerate().filter_map(|(index, line)| {
        let bare = line.trim();
        let plain = !bare.contains(':') && !bare.starts_with('#') && bare.chars().any(char::is_alphanumeric);
        plain.then(|| {
            let indent = line.chars().take_while(|c| c.is_whitespace()).count();
            stretch(index + 1, indent, line.chars().count())
        })
    })
}

/// Secrets in comments, found by the text as in a file that is no YAML; and, in such a file, anywhere, what begins like
/// the keys of most providers.
fn in_comments(text: &str, everywhere: bool) -> Vec<Mask> {
    // The comments at their places, and nothing else. A dot ends what stands below a key.
    let mut comments = String::with_capacity(text.len());
    let mut masks = Vec::new();
    for (index, line) in tree::lines(text).enumerate() {
        let start = comment(line);
        match start {
            Some(start) => {
                let behind = line.chars().skip(start).skip_while(|c| *c == '#');
                let sign = line.chars().skip(start).take_while(|c| *c == '#').count();
                comments.extend(std::iter::repeat_n(' ', start + sign));
                comments.extend(behind.map(|c| if c == '=' { ':' } else { c }));
            }
            None => comments.push('.'),
        }
        comments.push('\n');
        if let Some(from) = start.or(everywhere.then_some(0)) {
            masks.extend(
                keys_of_providers(line, from).into_iter().map(|(from, to)| stretch(index + 1, from, to)),
            );
        }
    }
    if comments.contains(|c: char| !matches!(c, '.' | '\n')) {
        masks.extend(mask::by_text(&comments));
    }
    masks
}

/// Where a comment begins, in characters from 0. What stands in quotes may be taken for one.
fn comment(line: &str) -> Option<usize> {
    let mut before = ' ';
    line.chars().position(|c| {
        let after_space = before.is_whitespace();
        before = c;
        c == '#' && after_space
    })
}

/// Words from character `start` on that begin with `sk-`, and URLs with an `@` in them.
fn keys_of_providers(line: &str, start: usize) -> Vec<(usize, usize)> {
    const SHORTEST: usize = 8;
    let chars: Vec<char> = line.chars().collect();
    let ends = |c: &char| c.is_whitespace() || matches!(c, '"' | '\'' | '`' | ',' | ';' | ')' | ']' | '}');
    let mut found = Vec::new();
    for at in start..chars.len() {
        let rest = chars.get(at..).unwrap_or_default();
        let follows_a_word =
            at.checked_sub(1).and_then(|i| chars.get(i)).is_some_and(|c| c.is_alphanumeric());
        let key = rest.starts_with(&['s', 'k', '-']) && !follows_a_word;
        if key || rest.starts_with(&[':', '/', '/']) {
            let length = rest.iter().take_while(|c| !ends(c)).count();
            if length >= SHORTEST && (key || rest.iter().take(length).any(|c| *c == '@')) {
                found.push((at, at + length));
            }
        }
    }
    found
}

/// Characters of a line, from 0.
fn stretch(line: usize, from: usize, to: usize) -> Mask {
    Mask(Span { line, column: from + 1, end_line: line, end_column: to.max(from) + 1 })
}
