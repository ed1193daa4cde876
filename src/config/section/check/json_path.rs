//! A place in a JSON text: `$.data[0].id`, the `$` may be left out, `["..."]` holds keys with other characters. One
//! place, not a search: no `*`, no `..`, no filters.

use crate::config::checked::{JsonPath, JsonStep};
use crate::config::context::Context;
use crate::config::diagnostic::{Code, Diagnostic, Span};

/// `span` is where the text stands; no message quotes it, as it may be hidden.
pub(super) fn read(context: &Context<'_>, text: &str, span: Span) -> Option<JsonPath> {
    match parse(text) {
        Ok(steps) => Some(JsonPath { text: text.to_owned(), steps }),
        Err(wrong) => {
            let message = format!("not a place in JSON: {wrong}");
            let wrong = Diagnostic::error(Code::BadValue, span, message);
            context.reject(wrong.hint("like `$.data[0].id`, or `$[\"a.b\"]` for a key with a dot in it"))
        }
    }
}

/// The steps from the root, or what is wrong.
fn parse(text: &str) -> Result<Vec<JsonStep>, &'static str> {
    let mut steps = Vec::new();
    let mut rest = match text.strip_prefix('$') {
        Some(rest) => rest,
        None if text.is_empty() => return Err("it is empty"),
        None if text.starts_with(['[', '.']) => text,
        None => {
            let (key, rest) = key(text)?;
            steps.push(key);
            rest
        }
    };
    while !rest.is_empty() {
        let (step, after) = if let Some(dotted) = rest.strip_prefix('.') {
            key(dotted)?
        } else if let Some(bracket) = rest.strip_prefix('[') {
            bracketed(bracket)?
        } else {
            return Err("a step begins with `.` or `[`");
        };
        steps.push(step);
        rest = after;
    }
    Ok(steps)
}

/// A key that ends where the next step begins.
fn key(text: &str) -> Result<(JsonStep, &str), &'static str> {
    let end = text.find(['.', '[']).unwrap_or(text.len());
    let (key, rest) = text.split_at(end);
    match key {
        "" if rest.starts_with('.') => Err("`..` searches, and only one place can be named"),
        "" => Err("a key is missing after `.`"),
        _ if key.bytes().all(|b| b.is_ascii_digit()) => {
            Err("after `.` stands a key; a place in a list is written like `[0]`, such a key like `[\"0\"]`")
        }
        "*" => Err("`*` is many places, and only one can be named"),
        _ if key.contains([']', '"', '\'', ' ']) => Err("this key must be in brackets and quotes"),
        _ => Ok((JsonStep::Key(key.to_owned()), rest)),
    }
}

/// What follows a `[`, with its end.
fn bracketed(text: &str) -> Result<(JsonStep, &str), &'static str> {
    if let Some(quote) = text.chars().next().filter(|c| matches!(c, '"' | '\'')) {
        return quoted(&text[1..], quote);
    }
    let (inner, rest) = text.split_once(']').ok_or("a `]` is missing")?;
    match inner.parse::<usize>() {
        Ok(index) if inner.bytes().all(|b| b.is_ascii_digit()) => Ok((JsonStep::Index(index), rest)),
        _ if inner == "*" => Err("`[*]` is many places, and only one can be named"),
        _ if inner.starts_with('-') => Err("places in a list count from 0, and not from its end"),
        _ => Err("in brackets stands a number, or a key in quotes"),
    }
}

/// A key in quotes; a backslash takes the next character as it is.
fn quoted(text: &str, quote: char) -> Result<(JsonStep, &str), &'static str> {
    let mut key = String::new();
    let mut chars = text.chars();
    loop {
        match chars.next() {
            Some('\\') => key.push(chars.next().ok_or("a quote is not closed")?),
            Some(c) if c == quote => break,
            Some(c) => key.push(c),
            None => return Err("a quote is not closed"),
        }
    }
    let rest = chars.as_str().strip_prefix(']').ok_or("a `]` is missing")?;
    Ok((JsonStep::Key(key), rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn k(key: &str) -> JsonStep {
        JsonStep::Key(key.to_owned())
    }

    #[test]
    fn every_way_to_write_a_step_is_understood() {
        assert_eq!(parse("$"), Ok(vec![]));
        assert_eq!(parse("$.data[0].id"), Ok(vec![k("data"), JsonStep::Index(0), k("id")]));
        assert_eq!(parse("data[0].id"), parse("$.data[0].id"));
        assert_eq!(parse("[12]['a.b'][\"c\\\"d\"]"), Ok(vec![JsonStep::Index(12), k("a.b"), k("c\"d")]));
        assert_eq!(parse("$.größe.x-y_z"), Ok(vec![k("größe"), k("x-y_z")]));
        assert_eq!(parse("$[\"\"]"), Ok(vec![k("")]));
    }

    #[test]
    fn what_is_no_single_place_says_why() {
        for (text, part) in [
            ("", "empty"),
            ("$.", "missing"),
            ("$..id", "searches"),
            ("$.a..b", "searches"),
            ("$.data[*].id", "many"),
            ("$.*", "many"),
            ("$.data.0.id", "like `[0]`"),
            ("$.a[-1]", "from 0"),
            ("$.a[0:2]", "a number"),
            ("$.a[+1]", "a number"),
            ("$.a[1", "`]`"),
            ("$[\"a", "not closed"),
            ("$[\"a\\", "not closed"),
            ("$[\"a\"", "`]`"),
            ("$a", "begins with"),
            ("$.a b", "quotes"),
            ("$.a[99999999999999999999999]", "a number"),
        ] {
            let wrong = parse(text).unwrap_err();
            assert!(wrong.contains(part), "{text}: {wrong}");
        }
    }

    proptest::proptest! {
        #[test]
        fn nothing_that_is_written_panics(text in "[$.\\[\\]\"'a0*\\\\ é]{0,12}") {
            let _ = parse(&text);
        }

        #[test]
        fn a_quoted_key_is_taken_letter_for_letter(key in "\\PC{0,12}") {
            let written = key.replace('\\', "\\\\").replace('"', "\\\"");
            proptest::prop_assert_eq!(parse(&format!("$[\"{written}\"]")), Ok(vec![k(&key)]));
        }
    }
}
