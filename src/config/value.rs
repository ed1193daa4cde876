//! Reading one value: text, numbers with units, addresses, words. Each method reports what is wrong at the place of the
//! value and gives `None`.

mod money;
mod shown;

use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::Duration;

use super::context::Context;
use super::diagnostic::{Code, Diagnostic, Span};
use super::tree::{Entry, Key, Kind, Node, Scalar};
use super::{interpolate, mask, suggest};
use crate::base::units;
use shown::{duration_text, share_text};

pub(super) use shown::count_text;

/// A node with the key that it belongs to.
#[derive(Clone, Copy)]
pub(super) struct Value<'a> {
    pub context: &'a Context<'a>,
    pub node: &'a Node,
    /// The key, as messages name it.
    pub name: &'a str,
    /// The key's place, or the item's in a list: where to point when something in it is missing.
    pub at: Span,
    /// Not to be quoted.
    secret: bool,
}

/// Bytes of the path of a unix socket: the kernel's `sun_path` less its final NUL.
pub(super) const LONGEST_SOCKET: usize = 107;

/// Longest of all durations: a year, so that sums of them stay far from the clock's end.
pub(super) const LONGEST: Duration = Duration::from_secs(365 * 86_400);

impl<'a> Value<'a> {
    pub fn of(context: &'a Context<'a>, entry: &'a Entry) -> Value<'a> {
        let name = entry.key.text.as_str();
        Value { context, node: &entry.value, name, at: entry.key.span, secret: mask::is_secret(name) }
    }

    /// The whole file; `at` is its beginning.
    pub fn root(context: &'a Context<'a>, node: &'a Node, at: Span) -> Value<'a> {
        Value { context, node, name: "the file", at, secret: false }
    }

    /// The same under another name, and none of the secrets that its own name suggests.
    pub fn called(self, name: &'a str) -> Value<'a> {
        Value { name, secret: false, ..self }
    }

    pub fn span(&self) -> Span {
        self.node.span
    }

    /// Reports an error at this value.
    pub fn reject<T>(&self, code: Code, message: impl Into<String>, hint: impl Into<String>) -> Option<T> {
        self.context.reject(Diagnostic::error(code, self.span(), message).hint(hint))
    }

    /// Reports that something of the design is not there yet.
    pub fn not_yet<T>(&self, what: impl std::fmt::Display) -> Option<T> {
        let message = format!("{what} is not implemented yet");
        self.reject(Code::NotImplemented, message, "remove it; this version would not act on it")
    }

    /// The text as the file has it, references unresolved; empty where there is no text. Never to be quoted.
    pub fn source(&self) -> &'a str {
        match &self.node.kind {
            Kind::Scalar(s) => &s.text,
            _ => "",
        }
    }

    /// "a list" and the like, for messages.
    pub fn kind(&self) -> &'static str {
        match &self.node.kind {
            Kind::Scalar(_) if self.node.is_empty() => "nothing",
            Kind::Scalar(_) => "a single value",
            Kind::List(_) => "a list",
            Kind::Map(_) => "a mapping",
        }
    }

    /// Whether no message may quote it, nor a part of it.
    pub fn is_hidden(&self) -> bool {
        let Kind::Scalar(s) = &self.node.kind else { return false };
        let secret = self.secret || self.context.hides(self.span());
        (secret && !mask::is_reference(&s.text)) || mask::has_credentials(&s.text)
    }

    /// The value as the file has it, for messages: references unresolved, secrets masked.
    pub fn shown(&self) -> String {
        match &self.node.kind {
            Kind::Scalar(_) if self.is_hidden() => "***".to_owned(),
            Kind::Scalar(s) => {
                let text: String = s.text.chars().take(60).map(mask::on_one_line).collect();
                if s.text.chars().count() > 60 { format!("{text}...") } else { text }
            }
            _ => self.kind().to_owned(),
        }
    }

    /// The entries of a mapping whose keys are names that the operator chose.
    pub fn named(&self) -> Option<Vec<(&'a Key, Value<'a>)>> {
        let context = self.context;
        match &self.node.kind {
            Kind::Map(entries) => {
                let named = entries.iter().map(|e| {
                    check_name(context, &e.key.text, e.key.span);
                    (&e.key, Value::of(context, e))
                });
                Some(named.collect())
            }
            _ if self.node.is_empty() || self.node.is_null() => Some(Vec::new()),
            _ => {
                let message = format!("`{}` must be a mapping of names, not {}", self.name, self.kind());
                self.reject(Code::WrongType, message, "like `a_name: {...}`")
            }
        }
    }

    /// The entries of a mapping with free keys that are not names (headers).
    ///
    /// `example` is for a hint.
    pub fn pairs(&self, example: &str) -> Option<Vec<(&'a Key, Value<'a>)>> {
        match &self.node.kind {
            Kind::Map(entries) => {
                Some(entries.iter().map(|e| (&e.key, Value::of(self.context, e))).collect())
            }
            _ => {
                let message = format!("`{}` must be a mapping, not {}", self.name, self.kind());
                self.reject(Code::WrongType, message, format!("like `{example}`"))
            }
        }
    }

    /// The items of a list.
    pub fn items(&self) -> Option<Vec<Value<'a>>> {
        match &self.node.kind {
            Kind::List(items) => Some(items.iter().map(|n| self.item(n)).collect()),
            _ if self.node.is_empty() => Some(Vec::new()),
            _ => {
                let message = format!("`{}` must be a list, not {}", self.name, self.kind());
                self.reject(Code::WrongType, message, "put the value in square brackets: `[...]`")
            }
        }
    }

    /// The items of a list that has some, or the single value that stands for a list of one.
    pub fn one_or_more(&self) -> Option<Vec<Value<'a>>> {
        match &self.node.kind {
            Kind::List(items) if items.is_empty() => self.reject(
                Code::BadValue,
                format!("`{}` is an empty list", self.name),
                "it needs at least one value",
            ),
            Kind::List(items) => Some(items.iter().map(|n| self.item(n)).collect()),
            _ => Some(vec![*self]),
        }
    }

    fn item(&self, node: &'a Node) -> Value<'a> {
        Value { node, at: node.span, ..*self }
    }

    /// Every item read; `None` when one of them is wrong, after all are reported.
    pub fn each<T>(items: Vec<Value<'a>>, mut read: impl FnMut(Value<'a>) -> Option<T>) -> Option<Vec<T>> {
        let count = items.len();
        let good: Vec<T> = items.into_iter().filter_map(&mut read).collect();
        (good.len() == count).then_some(good)
    }

    /// The text as the file has it, references unresolved. Not to be quoted where [`Value::is_hidden`].
    pub fn unresolved(&self) -> Option<&'a str> {
        self.scalar().map(|s| s.text.as_str())
    }

    fn scalar(&self) -> Option<&'a Scalar> {
        match &self.node.kind {
            Kind::Scalar(_) if self.node.is_empty() || self.node.is_null() => self.reject(
                Code::WrongType,
                format!("`{}` has no value", self.name),
                "give it one, or remove it",
            ),
            Kind::Scalar(s) => Some(s),
            _ => {
                let message = format!("`{}` must be a single value, not {}", self.name, self.kind());
                self.reject(Code::WrongType, message, "write it on one line, without brackets")
            }
        }
    }

    /// The text with its references resolved; may be empty where the file says `""` or a variable is.
    pub fn text(&self) -> Option<String> {
        let scalar = self.scalar()?;
        self.text_of(&scalar.text, 0)
    }

    /// The same for a part of the text as the file has it, which begins at the byte `start`.
    pub fn text_of(&self, part: &str, start: usize) -> Option<String> {
        match interpolate::resolve(part, self.context.environment) {
            Ok(text) => Some(text),
            Err(wrong) => {
                let span = self.part(start + wrong.start, wrong.length);
                let found = Diagnostic::error(Code::MissingVariable, span, wrong.message);
                self.context.reject(found.hint(wrong.hint))
            }
        }
    }

    /// The place of some bytes of the text as the file has it, or of the whole value where that cannot be told.
    pub fn part(&self, start: usize, length: usize) -> Span {
        let Kind::Scalar(Scalar { text, verbatim: Some(shift), .. }) = &self.node.kind else {
            return self.span();
        };
        match (text.get(..start), text.get(start..start + length)) {
            (Some(before), Some(part)) => {
                self.span().part(shift + before.chars().count(), part.chars().count().max(1))
            }
            _ => self.span(),
        }
    }

    /// A text of at least one character and without control characters.
    pub fn nonempty(&self) -> Option<String> {
        let text = self.text()?;
        if text.is_empty() {
            return self.reject(
                Code::BadValue,
                format!("`{}` is empty", self.name),
                "give it a value, or remove it",
            );
        }
        if text.chars().any(char::is_control) {
            let message = format!("`{}` contains a line end or another control character", self.name);
            return self.reject(Code::BadValue, message, "write it on one line");
        }
        Some(text)
    }

    pub fn path(&self) -> Option<PathBuf> {
        self.nonempty().map(PathBuf::from)
    }

    pub fn boolean(&self) -> Option<bool> {
        match self.text()?.as_str() {
            "true" => Some(true),
            "false" => Some(false),
            _ => {
                let message = format!("`{}` is true or false, not `{}`", self.name, self.shown());
                self.reject(Code::BadValue, message, "write `true` or `false`")
            }
        }
    }

    /// Accepts `false` alone: for switches whose other side is the only one there is to write differently.
    pub fn must_be_true(&self, hint: &str) -> Option<()> {
        if self.boolean()? {
            return Some(());
        }
        self.reject(Code::BadValue, format!("`{}: false` is no test", self.name), hint)
    }

    /// A plain number or one with `k`, `m`, `g`, within the range.
    pub fn count(&self, range: RangeInclusive<u64>) -> Option<u64> {
        let text = self.nonempty()?;
        match units::parse_count(&text) {
            Ok(n) if range.contains(&n) => Some(n),
            Ok(_) => self.out_of_range(&count_text(*range.start()), &count_text(*range.end())),
            Err(units::UnitError::TooLarge) => {
                self.out_of_range(&count_text(*range.start()), &count_text(*range.end()))
            }
            Err(e) => {
                let message = format!("`{}` must be a number, not `{}`", self.name, self.shown());
                self.reject(Code::BadValue, message, e.to_string())
            }
        }
    }

    pub fn count_u32(&self, range: RangeInclusive<u32>) -> Option<u32> {
        let n = self.count(u64::from(*range.start())..=u64::from(*range.end()))?;
        u32::try_from(n).ok()
    }

    pub fn count_usize(&self, range: RangeInclusive<u64>) -> Option<usize> {
        self.count(range).and_then(|n| usize::try_from(n).ok())
    }

    pub fn count_u16(&self, range: RangeInclusive<u16>) -> Option<u16> {
        let n = self.count(u64::from(*range.start())..=u64::from(*range.end()))?;
        u16::try_from(n).ok()
    }

    /// A duration with its unit, within the range.
    pub fn duration(&self, range: RangeInclusive<Duration>) -> Option<Duration> {
        let text = self.nonempty()?;
        self.duration_of(&text, &self.shown(), range)
    }

    /// The same for a part of the value's text; `shown` is what a message may quote.
    pub fn duration_of(&self, text: &str, shown: &str, range: RangeInclusive<Duration>) -> Option<Duration> {
        match units::parse_duration(text) {
            Ok(d) if range.contains(&d) => Some(d),
            Ok(_) | Err(units::UnitError::TooLarge) => {
                self.out_of_range(&duration_text(*range.start()), &duration_text(*range.end()))
            }
            Err(e) => {
                let message = format!("`{}` must be a duration, not `{shown}`", self.name);
                let hint = match text.parse::<f64>() {
                    Ok(_) if !text.contains(['e', 'E', '+', '-']) => format!("did you mean `{text}s`? {e}"),
                    _ => e.to_string(),
                };
                self.reject(Code::BadValue, message, if text == shown { hint } else { e.to_string() })
            }
        }
    }

    /// A percentage as a number from 0.0 to 1.0.
    pub fn share(&self) -> Option<f64> {
        let text = self.nonempty()?;
        self.share_of(&text, &self.shown(), 0.0..=1.0)
    }

    /// The same, within the range.
    pub fn share_within(&self, range: RangeInclusive<f64>) -> Option<f64> {
        let text = self.nonempty()?;
        self.share_of(&text, &self.shown(), range)
    }

    /// The same for a part of the value's text; `shown` is what a message may quote.
    pub fn share_of(&self, text: &str, shown: &str, range: RangeInclusive<f64>) -> Option<f64> {
        // A percentage becomes a fraction of two: 99.9% is a little more than 0.999.
        const ROUNDING: f64 = 1e-9;
        let share = match units::parse_share(text) {
            Ok(share) => share,
            Err(e) => {
                let message = format!("`{}` must be a percentage, not `{shown}`", self.name);
                // 0.2 is a fifth, not a fifth of a percent.
                let meant = match units::parse_share(&format!("{text}%")) {
                    Ok(share) if share <= 0.01 && text.contains('.') => Some(share_text(share * 100.0)),
                    Ok(_) => Some(format!("{text}%")),
                    Err(_) => None,
                };
                let hint = match meant.filter(|_| text == shown) {
                    Some(meant) => format!("did you mean `{meant}`? {e}"),
                    None => e.to_string(),
                };
                return self.reject(Code::BadValue, message, hint);
            }
        };
        if share < range.start() - ROUNDING || share > range.end() + ROUNDING {
            return self.out_of_range(&share_text(*range.start()), &share_text(*range.end()));
        }
        Some(share.clamp(*range.start(), *range.end()))
    }

    fn out_of_range<T>(&self, from: &str, to: &str) -> Option<T> {
        let message = format!("`{}` is out of range: `{}`", self.name, self.shown());
        self.reject(Code::OutOfRange, message, format!("from {from} to {to}"))
    }

    /// One of a few words; those in `not_yet` are known and refused.
    pub fn word<T: Copy>(&self, words: &[(&str, T)], not_yet: &[&str]) -> Option<T> {
        let text = self.nonempty()?;
        if let Some((_, meaning)) = words.iter().find(|(w, _)| *w == text) {
            return Some(*meaning);
        }
        let name = text.split('(').next().unwrap_or_default();
        if not_yet.contains(&name) {
            return self.not_yet(format!("`{}: {}`", self.name, self.shown()));
        }
        let all: Vec<&str> = words.iter().map(|(w, _)| *w).collect();
        let message = format!("`{}` cannot be `{}`", self.name, self.shown());
        let shown = if text == self.shown() { text } else { String::new() };
        let wrong = Diagnostic::error(Code::BadValue, self.span(), message);
        self.context.reject(wrong.maybe_hint(suggest::among(&shown, &all)))
    }

    /// An IP address with a port.
    pub fn socket_address(&self) -> Option<SocketAddr> {
        let text = self.nonempty()?;
        text.parse().ok().or_else(|| {
            let message = format!("`{}` must be an IP address and a port, not `{}`", self.name, self.shown());
            let hint = match text.strip_prefix('*').unwrap_or(&text).strip_prefix(':') {
                Some(port) if port.parse::<u16>().is_ok() => {
                    format!("`0.0.0.0:{port}` is every IPv4 address, `\"[::]:{port}\"` every IPv6 one")
                }
                _ => "like `127.0.0.1:8080`, `0.0.0.0:8080` or `\"[::]:8080\"`".to_owned(),
            };
            self.reject(Code::BadValue, message, hint)
        })
    }
}

/// Names go into logs, metrics, the admin API and conditions: letters, digits, `_`, `-`, `.`.
pub(super) fn check_name(context: &Context<'_>, name: &str, span: Span) -> Option<()> {
    let first = name.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_');
    let plain = name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.'));
    if first && plain && name.len() <= 64 {
        return Some(());
    }
    let wrong = Diagnostic::error(Code::BadValue, span, "not a name that can be used");
    context
        .reject(wrong.hint("letters, digits, `_`, `-` and `.`, at most 64, first a letter, a digit or `_`"))
}
