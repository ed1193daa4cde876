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
            if let Some((user, _)) = secret.split_once("://").and_then(|(_, url)| url.rsplit_once('@')) {
                user.split(':').chain([user]).for_each(|part| words.add(part));
            }
            let references = secret.split("${").enumerate();
            for part in references.map(|(i, part)| if i == 0 { part } else { behind_name(part) }) {
                part.split(is_between).for_each(|part| words.add_parts(part));
            }
        }
        words
    }

    /// A value without spaces, and what of it may stand alone somewhere else.
    fn add_parts(&mut self, part: &'a str) {
        self.add(part);
        let Some((_, url)) = part.split_once("://") else {
            // `user:password`, or the default of a reference.
            return part.split(':').for_each(|part| self.add(part));
        };
        // Behind the host: what has a digit is no word of a language.
        let keys = url.split('/').skip(1).filter(|part| part.contains(|c: char| c.is_ascii_digit()));
        keys.for_each(|part| self.add(part));
    }

    fn add(&mut self, word: &'a str) {
        /// Names of secrets that stand in values, too.
        const NAMES: [&str; 8] =
            ["bearer", "authorization", "api_key", "x-api-key", "api-key", "password", "webhook", "secret"];
        let word = word.trim_start_matches('-');
        if let (Some(start), false) =
            (word.as_bytes().get(..SHORTEST), NAMES.iter().any(|name| word.eq_ignore_ascii_case(name)))
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
