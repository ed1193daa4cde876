//! What a key had, in a few words: a value on one line, cut where it is long, without secrets.

use std::fmt;

use super::hidden::Side;
use super::words::Words;
use crate::config::mask::{self, MASKED};
use crate::config::tree::{Key, Kind, Node};

/// Characters of a value that are shown.
const WIDEST: usize = 100;

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// The key is not there.
    Absent,
    /// It is a secret.
    Hidden,
    /// As it may be shown: on one line, the secrets in it masked, and cut (`...`) where it is long.
    Text(String),
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Value::Absent => f.write_str("(not there)"),
            Value::Hidden => f.write_str(MASKED),
            Value::Text(text) => f.write_str(text),
        }
    }
}

/// How the nodes of one text are written down.
pub(super) struct Writer<'a> {
    pub side: &'a Side<'a>,
    pub secrets: &'a Words<'a>,
}

impl Writer<'_> {
    pub fn value(&self, node: &Node) -> Value {
        if matches!(node.kind, Kind::Scalar(_)) && self.side.hides(node.span) {
            return Value::Hidden;
        }
        let mut text = String::new();
        self.write(node, &mut text);
        if text == MASKED {
            return Value::Hidden;
        }
        Value::Text(cut(text))
    }

    /// A key, or the name of an item, as a part of a path.
    pub fn key(&self, key: &Key) -> String {
        let mut text = String::new();
        if self.side.hides(key.span) {
            text.push_str(MASKED);
        } else {
            self.plain(&key.text, ".: ", &mut text);
        }
        cut(text)
    }

    fn write(&self, node: &Node, out: &mut String) {
        // All that is cut off need not be written.
        if out.len() > 4 * WIDEST {
            return;
        }
        match &node.kind {
            Kind::Scalar(_) if self.side.hides(node.span) => out.push_str(MASKED),
            Kind::Scalar(scalar) if scalar.quoted && scalar.text.is_empty() => out.push_str("\"\""),
            Kind::Scalar(_) if node.is_empty() => out.push_str("(empty)"),
            Kind::Scalar(scalar) => self.plain(&scalar.text, "", out),
            Kind::List(items) => {
                out.push('[');
                for (index, item) in items.iter().enumerate() {
                    out.push_str(if index > 0 { ", " } else { "" });
                    self.write(item, out);
                }
                out.push(']');
            }
            Kind::Map(entries) => {
                out.push('{');
                for (index, entry) in entries.iter().enumerate() {
                    out.push_str(if index > 0 { ", " } else { "" });
                    out.push_str(&self.key(&entry.key));
                    out.push_str(": ");
                    self.write(&entry.value, out);
                }
                out.push('}');
            }
        }
    }

    /// A text, in quotes where one of the characters `special` is in it.
    fn plain(&self, text: &str, special: &str, out: &mut String) {
        let quote = if text.contains(|c| special.contains(c)) { "\"" } else { "" };
        out.push_str(quote);
        let mut shown = 0;
        for (from, to) in self.secrets.find(text) {
            if from >= shown {
                out.push_str(&one_line(text.get(shown..from).unwrap_or_default()));
                out.push_str(MASKED);
            }
            shown = to;
        }
        out.push_str(&one_line(text.get(shown..).unwrap_or_default()));
        out.push_str(quote);
    }
}

fn one_line(text: &str) -> String {
    let text: String = text.chars().map(mask::on_one_line).collect();
    mask::visible(&text).into_owned()
}

fn cut(mut text: String) -> String {
    if let Some((end, _)) = text.char_indices().nth(WIDEST) {
        text.truncate(end);
        text.push_str("...");
    }
    text
}
