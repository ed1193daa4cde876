//! A keyword in a text: whole words, whatever the case of ASCII letters.

use memchr::memmem::Finder;

/// A keyword, ready to be looked for.
#[derive(Debug)]
pub struct Keyword {
    finder: Finder<'static>,
    /// It begins, it ends with a letter, a digit or `_`: there a word has to begin, to end. What begins or ends with a
    /// space or punctuation brings its own border.
    begins_word: bool,
    ends_word: bool,
}

impl Keyword {
    pub fn new(keyword: &str) -> Keyword {
        Keyword {
            finder: Finder::new(&keyword.to_ascii_lowercase()).into_owned(),
            begins_word: keyword.chars().next().is_some_and(is_word),
            ends_word: keyword.chars().next_back().is_some_and(is_word),
        }
    }

    /// Whether the keyword is in `text`, whose ASCII letters are all small. An empty keyword is in none.
    pub fn is_in(&self, text: &str) -> bool {
        let length = self.finder.needle().len();
        if length == 0 {
            return false;
        }
        let mut from = 0;
        while let Some(found) = text.as_bytes().get(from..).and_then(|rest| self.finder.find(rest)) {
            let at = from + found;
            let (before, behind) = (text.get(..at), text.get(at + length..));
            let begins = !self.begins_word
                || !before.is_some_and(|text| text.chars().next_back().is_some_and(is_word));
            let ends =
                !self.ends_word || !behind.is_some_and(|text| text.chars().next().is_some_and(is_word));
            if begins && ends {
                return true;
            }
            from = at + 1;
        }
        false
    }
}

fn is_word(char: char) -> bool {
    char.is_alphanumeric() || char == '_'
}
