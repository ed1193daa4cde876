//! Which parts of the file are not shown: the values of keys whose name says that they are secret. Where the file is
//! understood, masks follow its structure; where it is not, they follow its text and rather hide too much.

use super::diagnostic::Span;
use super::tree::{Kind, Node};

/// What is shown in place of a secret.
pub(super) const MASKED: &str = "***";

/// A stretch of the file that is hidden.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Mask(pub Span);

/// Whether the value under this key is hidden: `key`, `api_key`, `x-api-key`, `token`, `authorization` and the like.
pub(super) fn is_secret(key: &str) -> bool {
    let key = key.to_ascii_lowercase();
    let last = key.rsplit(['_', '-', '.']).next().unwrap_or(&key);
    matches!(
        last,
        "key" | "keys" | "token" | "authorization" | "webhook" | "redis" | "secret" | "password" | "cookie"
    )
}

/// Masks of a file that could be read.
pub(super) fn by_position(root: &Node) -> Vec<Mask> {
    let mut masks = Vec::new();
    if let Kind::Map(sections) = &root.kind {
        for section in sections {
            collect(&section.value, section.key.text == "tables", is_secret(&section.key.text), &mut masks);
        }
    }
    masks
}

/// `open`: within `tables`, where `key` says what a table counts by.
fn collect(node: &Node, open: bool, secret: bool, masks: &mut Vec<Mask>) {
    match &node.kind {
        Kind::Scalar(s) => {
            if (secret && !is_reference(&s.text)) || has_credentials(&s.text) {
                masks.push(Mask(node.span));
            }
        }
        Kind::List(items) => items.iter().for_each(|n| collect(n, open, secret, masks)),
        Kind::Map(entries) => {
            for e in entries {
                collect(&e.value, open, is_secret(&e.key.text) && !open, masks);
            }
        }
    }
}

/// `${NAME}` alone tells where the secret is, not what it is. A default would be a secret in the file itself.
pub(super) fn is_reference(text: &str) -> bool {
    text.strip_prefix("${").and_then(|t| t.strip_suffix('}')).is_some_and(|t| !t.contains([':', '$', '}']))
        || text
            .strip_prefix("${file:")
            .and_then(|t| t.strip_suffix('}'))
            .is_some_and(|t| !t.contains(['$', '}']))
}

/// `https://user:password@host`.
pub(super) fn has_credentials(text: &str) -> bool {
    text.split_once("://").is_some_and(|(_, rest)| rest.split('/').next().is_some_and(|a| a.contains('@')))
}

/// Masks of a file that is no YAML: what follows a secret key on its line, and the lines indented below one.
pub(super) fn by_text(text: &str) -> Vec<Mask> {
    let mut masks = Vec::new();
    let mut below: Option<usize> = None;
    for (i, line) in text.lines().enumerate() {
        let indent = line.chars().take_while(|c| c.is_whitespace()).count();
        let width = line.chars().count();
        if below.is_some_and(|key| indent > key || width == indent) {
            masks.push(line_mask(i + 1, indent, width));
            continue;
        }
        below = None;
        for (column, after) in colons(line) {
            let before: String = line.chars().take(column).collect();
            let word =
                before.trim_end_matches(['"', '\'', ' ']).rsplit([' ', '{', ',', '"', '\'', '[']).next();
            let list = word == Some("keys") && after >= width;
            if word.is_some_and(is_secret) && !list {
                masks.push(line_mask(i + 1, after, width));
                below = Some(indent);
                break;
            }
        }
        if has_credentials(line) {
            masks.push(line_mask(i + 1, indent, width));
        }
    }
    masks
}

/// The colons of a line: their column and the column of what follows, both from 0.
fn colons(line: &str) -> impl Iterator<Item = (usize, usize)> {
    let chars: Vec<char> = line.chars().collect();
    (0..chars.len()).filter(|i| chars.get(*i) == Some(&':')).collect::<Vec<_>>().into_iter().map(move |i| {
        let spaces = chars.iter().skip(i + 1).take_while(|c| c.is_whitespace()).count();
        (i, i + 1 + spaces)
    })
}

fn line_mask(line: usize, from: usize, to: usize) -> Mask {
    Mask(Span { line, column: from + 1, end_line: line, end_column: to.max(from) + 1 })
}

/// A line as it may be shown. Tabs and control characters become one space each, so that a caret below fits.
pub(super) struct Shown {
    pub text: String,
    /// For each character of the line, and its end, where it went.
    places: Vec<usize>,
}

impl Shown {
    /// Where the character at `column` (from 0) stands now.
    pub fn place(&self, column: usize) -> usize {
        self.places.get(column).or(self.places.last()).copied().unwrap_or(0)
    }
}

pub(super) fn apply(line: &str, number: usize, masks: &[Mask]) -> Shown {
    let hidden = |column: usize| {
        let here = (number, column + 1);
        masks.iter().any(|Mask(s)| here >= (s.line, s.column) && here < (s.end_line, s.end_column))
    };
    let mut shown = Shown { text: String::new(), places: Vec::new() };
    let mut length = 0;
    let mut inside = false;
    for (column, c) in line.chars().enumerate() {
        let hide = hidden(column) && (inside || !c.is_whitespace());
        if hide && !inside {
            shown.text.push_str(MASKED);
            length += MASKED.len();
        }
        inside = hide;
        if hide {
            shown.places.push(length - MASKED.len());
        } else {
            shown.places.push(length);
            shown.text.push(if c.is_control() { ' ' } else { c });
            length += 1;
        }
    }
    shown.places.push(length);
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(line: &str) -> String {
        apply(line, 1, &by_text(line)).text
    }

    #[test]
    fn text_after_a_secret_key_is_hidden() {
        assert_eq!(text("  key: sk-1"), "  key: ***");
        assert_eq!(text("- {name: a, api_key: \"sk-1\", plan: b"), "- {name: a, api_key: ***");
        assert_eq!(text("authorization: Bearer x"), "authorization: ***");
        assert_eq!(text("max_tokens: 5"), "max_tokens: 5");
        assert_eq!(text("url: https://me:pw@host/"), "***");
    }

    #[test]
    fn lines_below_a_secret_key_are_hidden() {
        let file = "a:\n  key: |\n    sk-1\n  name: b\n";
        let masks = by_text(file);
        let lines: Vec<String> =
            file.lines().enumerate().map(|(i, l)| apply(l, i + 1, &masks).text).collect();
        assert_eq!(lines, ["a:", "  key: ***", "    ***", "  name: b"]);
    }

    #[test]
    fn a_reference_is_not_a_secret() {
        assert!(is_reference("${KEY}") && is_reference("${file:/run/x}"));
        assert!(
            !is_reference("${KEY:-sk-1}") && !is_reference("Bearer ${KEY}") && !is_reference("${A}x${B}")
        );
    }

    #[test]
    fn characters_after_a_mask_move_with_it() {
        let mask = Mask(Span { line: 1, column: 6, end_line: 1, end_column: 16 });
        let shown = apply("key: 0123456789, b", 1, &[mask]);
        assert_eq!(shown.text, "key: ***, b");
        assert_eq!(shown.place(17), 10);
    }
}
