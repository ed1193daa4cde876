//! The secrets of both texts as words to look for. A key that was moved under another name, or behind a `#`, is the same
//! secret as before, whatever the place says where it stands now.

use std::collections::{BTreeSet, HashMap, HashSet};

/// Bytes. Shorter words are no secrets worth the name, and would be found everywhere.
const SHORTEST: usize = 6;

#[derive(Default)]
pub(super) struct Words<'a> {
    all: HashSet<&'a str>,
    /// By how they begin: how long they are. A text is looked through once, however many words there are.
    lengths: HashMap<&'a [u8], BTreeSet<usize>>,
}

impl<'a> Words<'a> {
    pub fn new(secrets: impl Iterator<Item = &'a str>) -> Words<'a> {
        let mut words = Words::default();
        for secret in secrets {
            words.add(secret);
            for part in
                secret.split("${").enumerate().map(|(i, part)| if i == 0 { part } else { behind_name(part) })
            {
                part.split(is_between).for_each(|part| words.add(part));
                // `:-default}`, `https://user:password@host`
                part.split(|c| is_between(c) || matches!(c, ':' | '@' | '/'))
                    .for_each(|part| words.add(part));
            }
        }
        words
    }

    fn add(&mut self, word: &'a str) {
        let word = word.trim_start_matches('-');
        // The name of a header, or of a scheme, is none of it.
        let common =
            ["bearer", "https:", "http:/", "authorization"].iter().any(|c| word.eq_ignore_ascii_case(c));
        if let (Some(start), false) = (word.as_bytes().get(..SHORTEST), common)
            && self.all.insert(word)
        {
            self.lengths.entry(start).or_default().insert(word.len());
        }
    }

    /// Where secrets stand in `text`: bytes, from and to.
    pub fn find(&self, text: &str) -> Vec<(usize, usize)> {
        let mut found = Vec::new();
        let mut end = 0;
        for (at, _) in text.char_indices() {
            let Some(rest) = text.get(at..) else { continue };
            let Some(lengths) = rest.as_bytes().get(..SHORTEST).and_then(|start| self.lengths.get(start))
            else {
                continue;
            };
            let hit =
                lengths.iter().rev().find(|l| rest.get(..**l).is_some_and(|word| self.all.contains(word)));
            if let Some(length) = hit
                && at + length > end
            {
                end = at + length;
                found.push((at, end));
            }
        }
        found
    }
}

/// What stands between the words of a value.
fn is_between(c: char) -> bool {
    c.is_whitespace()
        || matches!(c, '"' | '\'' | '`' | '{' | '}' | '[' | ']' | '(' | ')' | ',' | ';' | '=' | '?' | '&')
}

/// The name of a variable is no secret.
fn behind_name(reference: &str) -> &str {
    reference.trim_start_matches(|c: char| c.is_ascii_alphanumeric() || c == '_')
}
