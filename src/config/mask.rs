//! Which parts of the file are not shown: the values of keys whose name says that they are secret. Where the file is
//! understood, masks follow its structure; where it is not, they follow its text and rather hide too much.

use std::borrow::Cow;

use super::diagnostic::Span;
use super::suggest;
use super::tree::{self, Kind, Node, Tree};

/// What is shown in place of a secret.
pub(super) const MASKED: &str = "***";

/// A stretch of the file that is hidden.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Mask(pub Span);

/// Whether the value under this key is hidden: `key`, `api_key`, `x-api-key`, `token`, `authorization` and the like, and
/// whatever may be one of them mistyped.
pub(super) fn is_secret(key: &str) -> bool {
    const WORDS: [&str; 9] =
        ["key", "keys", "token", "authorization", "webhook", "redis", "secret", "password", "cookie"];
    const MISTYPED: [&str; 9] = [
        "key",
        "keys",
        "token",
        "authorization",
        "api_key",
        "x-api-key",
        "key_sha256",
        "webhook",
        "routing_key",
    ];
    let lower = key.to_ascii_lowercase();
    let last = lower.rsplit(['_', '-', '.']).next().unwrap_or(&lower);
    WORDS.contains(&last) || key.len() <= 24 && suggest::nearest(key, MISTYPED).is_some()
}

/// Masks of a file that could be read.
pub(super) fn by_position(tree: &Tree) -> Vec<Mask> {
    let mut masks = Vec::new();
    if let Kind::Map(sections) = &tree.root.kind {
        for section in sections {
            let below = match section.key.text.as_str() {
                "tables" => Below::Tables,
                name if NAMED.contains(&name) => Below::Names,
                // `alert`, too, is where webhooks stand.
                name if suggest::nearest(name, ["alerts"]).is_some() => Below::Alerts,
                _ => Below::Keys,
            };
            collect(&section.value, below, is_secret(&section.key.text), &mut masks);
        }
    }
    for entry in &tree.dropped {
        collect(&entry.value, Below::Keys, is_secret(&entry.key.text), &mut masks);
    }
    masks
}

/// The mappings whose keys are names that the operator chose.
const NAMED: [&str; 5] = ["acls", "frontends", "plans", "backends", "servers"];

#[derive(Clone, Copy, PartialEq, Eq)]
enum Below {
    Keys,
    /// A name like `key` says nothing of the mapping below it.
    Names,
    /// `key` says what a table counts by.
    Tables,
    /// Urls there are secret, whatever their key.
    Alerts,
}

fn collect(node: &Node, below: Below, secret: bool, masks: &mut Vec<Mask>) {
    match &node.kind {
        Kind::Scalar(s) => {
            // The digest of a key may be seen; what is none may be the key itself.
            let digest = s.text.len() == 64 && s.text.bytes().all(|b| b.is_ascii_hexdigit());
            let hidden = secret && !is_reference(&s.text) && !digest && !node.is_empty();
            let webhook = below == Below::Alerts && s.text.contains("://");
            if hidden || webhook || has_credentials(&s.text) {
                masks.push(Mask(node.span));
            }
        }
        Kind::List(items) => items.iter().for_each(|n| collect(n, below, secret, masks)),
        Kind::Map(entries) => {
            for e in entries {
                let named = below == Below::Names && matches!(e.value.kind, Kind::Map(_));
                let hidden = below != Below::Tables && !named && is_secret(&e.key.text);
                // A list of client keys, in which each value speaks for itself.
                let list = e.key.text == "keys" && !secret && matches!(e.value.kind, Kind::List(_));
                if let (true, Kind::List(items)) = (list, &e.value.kind) {
                    let bare = items.iter().filter(|n| matches!(n.kind, Kind::Scalar(_)));
                    bare.for_each(|n| collect(n, Below::Keys, true, masks));
                }
                if secret {
                    masks.push(Mask(e.key.span));
                }
                let next = match below {
                    Below::Tables | Below::Alerts => below,
                    _ if NAMED.contains(&e.key.text.as_str()) => Below::Names,
                    _ => Below::Keys,
                };
                collect(&e.value, next, secret || hidden && !list, masks);
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

/// `https://hooks.slack.com/services/...` and the like, under whatever key.
fn has_webhook(text: &str) -> bool {
    text.contains("://hooks.")
}

/// Masks of a file that is no YAML: what follows a secret key on its line, and the lines indented below one.
pub(super) fn by_text(text: &str) -> Vec<Mask> {
    let mut masks = Vec::new();
    let mut below: Option<usize> = None;
    for (i, line) in tree::lines(text).enumerate() {
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
        if has_credentials(line) || has_webhook(line) {
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

/// In the order of the file and none within another, so that what hides a character is found at once.
pub(super) fn ordered(mut masks: Vec<Mask>) -> Vec<Mask> {
    masks.sort_by_key(|Mask(s)| *s);
    let mut ordered: Vec<Mask> = Vec::with_capacity(masks.len());
    for Mask(span) in masks {
        match ordered.last_mut() {
            Some(Mask(last)) if (span.line, span.column) < (last.end_line, last.end_column) => {
                let end = (last.end_line, last.end_column).max((span.end_line, span.end_column));
                (last.end_line, last.end_column) = end;
            }
            _ => ordered.push(Mask(span)),
        }
    }
    ordered
}

/// A line as it may be shown: secrets hidden, and what would not stay in its place on a terminal written as `\u{..}`.
pub(super) struct Shown {
    /// Without spaces at its end.
    pub text: Vec<char>,
    /// For each character of the line, and its end, where it went.
    places: Vec<usize>,
}

impl Shown {
    /// Where the character at `column` (from 0) stands now.
    pub fn place(&self, column: usize) -> usize {
        self.places.get(column).or(self.places.last()).copied().unwrap_or(0)
    }
}

/// `masks` as [`ordered`] gives them.
pub(super) fn apply(line: &str, number: usize, masks: &[Mask]) -> Shown {
    let first = masks.partition_point(|Mask(s)| (s.end_line, s.end_column) <= (number, 1));
    let mut masks = masks.get(first..).unwrap_or_default();
    let mut hidden = |column: usize| {
        let here = (number, column + 1);
        while let [Mask(s), rest @ ..] = masks
            && here >= (s.end_line, s.end_column)
        {
            masks = rest;
        }
        masks.first().is_some_and(|Mask(s)| here >= (s.line, s.column))
    };
    let mut shown = Shown { text: Vec::new(), places: Vec::new() };
    let mut inside = false;
    for (column, c) in line.chars().enumerate() {
        let hide = hidden(column) && (inside || !c.is_whitespace());
        if hide && !inside {
            shown.text.extend(MASKED.chars());
        }
        inside = hide;
        if hide {
            shown.places.push(shown.text.len() - MASKED.len());
            continue;
        }
        shown.places.push(shown.text.len());
        match c {
            '\t' => shown.text.push(' '),
            c if is_invisible(c) => shown.text.extend(c.escape_unicode()),
            c => shown.text.push(c),
        }
    }
    shown.places.push(shown.text.len());
    while shown.text.last().is_some_and(|c| c.is_whitespace()) {
        shown.text.pop();
    }
    shown
}

/// Characters that command a terminal, or turn around or hide the text beside them.
fn is_invisible(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}')
        || matches!(c, '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

/// Line ends and tabs as spaces.
pub(super) fn on_one_line(c: char) -> char {
    if matches!(c, '\n' | '\r' | '\t') { ' ' } else { c }
}

/// A text for the terminal, in which such characters are to be seen.
pub(super) fn visible(text: &str) -> Cow<'_, str> {
    if !text.contains(is_invisible) {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len() + 8);
    for c in text.chars() {
        if is_invisible(c) { shown.extend(c.escape_unicode()) } else { shown.push(c) }
    }
    Cow::Owned(shown)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(line: &str) -> String {
        shown(line, 1, &by_text(line))
    }

    fn shown(line: &str, number: usize, masks: &[Mask]) -> String {
        apply(line, number, masks).text.into_iter().collect()
    }

    #[test]
    fn text_after_a_secret_key_is_hidden() {
        assert_eq!(text("  key: sk-1"), "  key: ***");
        assert_eq!(text("- {name: a, api_key: \"sk-1\", plan: b"), "- {name: a, api_key: ***");
        assert_eq!(text("authorization: Bearer x"), "authorization: ***");
        assert_eq!(text("- webhook: https://hooks.slack.com/x"), "- webhook: ***");
        assert_eq!(text("- {url: https://hooks.slack.com/x}"), "***");
        assert_eq!(text("max_tokens: 5"), "max_tokens: 5");
        assert_eq!(text("url: https://me:pw@host/"), "***");
    }

    #[test]
    fn lines_below_a_secret_key_are_hidden() {
        let file = "a:\n  key: |\n    sk-1\n  name: b\n";
        let masks = ordered(by_text(file));
        let lines: Vec<String> = file.lines().enumerate().map(|(i, l)| shown(l, i + 1, &masks)).collect();
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
        assert_eq!(shown.text.iter().collect::<String>(), "key: ***, b");
        assert_eq!(shown.place(17), 10);
    }

    #[test]
    fn names_near_a_secret_one_are_secret() {
        for name in
            ["Key", "kee", "apikey", "api_kye", "x-api-key", "Authorisation", "tokn", "key_sha256", "keis"]
        {
            assert!(is_secret(name), "{name}");
        }
    }

    #[test]
    fn no_other_known_key_is_taken_for_a_secret() {
        let secret = ["key", "keys", "api_key", "key_sha256", "token", "webhook", "routing_key"];
        for keys in crate::config::keys() {
            for key in keys.known.iter().chain(keys.not_yet).filter(|k| !secret.contains(k)) {
                assert!(!is_secret(key), "{key}");
            }
        }
    }

    #[test]
    fn what_commands_a_terminal_is_written_out() {
        let shown = apply("a\t\u{1b}[31m\u{202e}b", 1, &[]);
        assert_eq!(shown.text.iter().collect::<String>(), "a \\u{1b}[31m\\u{202e}b");
        assert_eq!((shown.place(2), shown.place(3), shown.place(8)), (2, 8, 20));
        assert_eq!(visible("x\u{7}"), "x\\u{7}");
    }
}
