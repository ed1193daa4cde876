//! What the balancer must know of a call before it is sent: its model, whether it asks for a stream, how long the answer may
//! be. Read in one pass over the body as it came, in pieces, without a tree and without a copy; and written back with only
//! the changed places replaced.
//!
//! No two readers may disagree about what is read here, or a call is sent, limited and billed as another: keys are decoded
//! before they are compared, and a body that names its model twice is refused. Of other keys that stand there twice the
//! last counts, as with the servers' parsers. How strictly the rest is read: [`cursor`].

mod block;
mod cursor;
mod nesting;
mod payload;
mod search;
pub(in crate::ai) mod splice;
#[cfg(test)]
mod tests;
mod text;
mod words;

use std::ops::Range;

use bytes::Bytes;

use cursor::{Cursor, NotJson};
use splice::{Replacement, splice};
pub use words::texts;

/// What a call asks for. Unknown is `None`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    /// As the client wrote it, not yet resolved; `None`: no `model`, or null.
    pub model: Option<String>,
    /// Whether `stream` is true.
    pub stream: bool,
    /// The tokens that the answer may have: `max_completion_tokens`, else `max_output_tokens`, else `max_tokens`.
    pub max_tokens: Option<u64>,
    /// Whether `stream_options.include_usage` is true: the client wants to see the last chunk.
    pub asks_usage: bool,
    /// How many completions of the prompt are made: the larger of `n` and `best_of`, at least 1; of a form always 1. As the
    /// client wrote it, which may be any number.
    pub completions: u64,
    /// Bytes of the body that are text, for reckoning tokens: all but files in strings (base64, [`payload`]). Of a form 0.
    pub text_bytes: u64,
    pub(in crate::ai) places: Places,
}

impl Call {
    /// One whose model does not stand in a body.
    pub fn without_body(model: String) -> Call {
        Call { model: Some(model), ..Call::default() }
    }
}

impl Default for Call {
    fn default() -> Call {
        Call {
            model: None,
            stream: false,
            max_tokens: None,
            asks_usage: false,
            completions: 1,
            text_bytes: 0,
            places: Places::default(),
        }
    }
}

/// Where things stand in the body, in bytes from its start.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::ai) struct Places {
    /// The value of `model`: JSON with its quotes, of a form the bare text.
    pub model: Option<Range<usize>>,
    /// Where members can be added: the closing brace. Of a form the last delimiter, without the hyphens behind it.
    pub end: Range<usize>,
    /// Whether the object has no members.
    empty: bool,
    options: Options,
}

/// `stream_options`, as far as `include_usage` can be set there.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
enum Options {
    #[default]
    Absent,
    /// Null, or an object with this place for `include_usage`: to be replaced with this.
    Settable(Range<usize>, &'static str),
    /// It is true; or something stands there that only the server can judge.
    Settled,
}

/// Why a body cannot be read. Whoever sent it has to be told: 400.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unreadable {
    #[error("the body is not a JSON object")]
    NotJson,
    #[error("the body is not the form that its content type says")]
    NotMultipart,
    #[error("the body has `model` more than once")]
    TwoModels,
    #[error("`model` is not a text")]
    ModelNotText,
}

impl From<NotJson> for Unreadable {
    fn from(_: NotJson) -> Unreadable {
        Unreadable::NotJson
    }
}

/// Reads a JSON call; the body may come in any pieces.
///
/// # Errors
/// See [`Unreadable`]. `Model`, in whatever case, is a model too: some servers know no case in keys.
pub fn read(parts: &[Bytes]) -> Result<Call, Unreadable> {
    let mut cursor = Cursor::new(parts);
    let mut call = Call::default();
    let (mut models, mut counts) = (0, [None; COUNTS.len()]);
    let filled = cursor.members(|cursor, key| {
        let key = text::decode(key).ok_or(Unreadable::NotJson)?;
        match &*key {
            key if key.eq_ignore_ascii_case("model") => {
                models += 1;
                if models > 1 { Err(Unreadable::TwoModels) } else { read_model(cursor, &mut call) }
            }
            "stream" => {
                call.stream = is_true(cursor)?;
                Ok(())
            }
            "stream_options" => Ok(read_options(cursor, &mut call)?),
            key => match COUNTS.iter().zip(&mut counts).find(|(name, _)| **name == key) {
                Some((_, value)) => {
                    *value = count(cursor)?;
                    Ok(())
                }
                None => Ok(cursor.skip()?),
            },
        }
    })?;
    let end = cursor.place();
    if cursor.peek_token().is_some() {
        return Err(Unreadable::NotJson);
    }
    let [limits @ .., completions, best_of] = counts;
    call.max_tokens = limits.into_iter().flatten().next();
    call.completions = completions.max(best_of).unwrap_or(1).max(1);
    call.text_bytes = (cursor.place() as u64).saturating_sub(cursor.payload());
    call.places.end = end.saturating_sub(1)..end;
    call.places.empty = !filled;
    Ok(call)
}

/// Members that are whole numbers: limits of an answer's length, the one that counts first; and how many answers.
const COUNTS: [&str; 5] = ["max_completion_tokens", "max_output_tokens", "max_tokens", "n", "best_of"];

fn read_model(cursor: &mut Cursor<'_>, call: &mut Call) -> Result<(), Unreadable> {
    let first = cursor.peek_token();
    let start = cursor.place();
    if first == Some(b'"') {
        let model = cursor.string()?;
        call.model = Some(text::decode(&model).ok_or(Unreadable::ModelNotText)?.into_owned());
    } else {
        let null = first == Some(b'n');
        cursor.skip()?;
        if !null {
            return Err(Unreadable::ModelNotText);
        }
    }
    call.places.model = Some(start..cursor.place());
    Ok(())
}

fn read_options(cursor: &mut Cursor<'_>, call: &mut Call) -> Result<(), NotJson> {
    let first = cursor.peek_token();
    let start = cursor.place();
    call.asks_usage = false;
    if first != Some(b'{') {
        cursor.skip()?;
        call.places.options = match first {
            Some(b'n') => Options::Settable(start..cursor.place(), r#"{"include_usage":true}"#),
            _ => Options::Settled,
        };
        return Ok(());
    }
    let mut usage = None;
    let filled = cursor.members(|cursor, key| {
        if text::decode(key).ok_or(NotJson)? != "include_usage" {
            return cursor.skip();
        }
        let first = cursor.peek_token();
        let start = cursor.place();
        cursor.skip()?;
        usage = Some((first, start..cursor.place()));
        Ok(())
    })?;
    let inside = start + 1..start + 1;
    call.places.options = match usage {
        Some((Some(b'f' | b'n'), place)) => Options::Settable(place, "true"),
        Some((first, _)) => {
            call.asks_usage = first == Some(b't');
            Options::Settled
        }
        None if filled => Options::Settable(inside, r#""include_usage":true,"#),
        None => Options::Settable(inside, r#""include_usage":true"#),
    };
    Ok(())
}

fn is_true(cursor: &mut Cursor<'_>) -> Result<bool, NotJson> {
    let first = cursor.peek_token();
    cursor.skip()?;
    Ok(first == Some(b't'))
}

/// A whole number that is not negative, however it is written; one that is too large is the largest. Anything else is
/// unknown.
fn count(cursor: &mut Cursor<'_>) -> Result<Option<u64>, NotJson> {
    if matches!(cursor.peek_token(), Some(b'"' | b'{' | b'[')) {
        return cursor.skip().map(|()| None);
    }
    let word = cursor.scalar()?;
    let Ok(word) = std::str::from_utf8(&word) else { return Ok(None) };
    let whole = |number: &f64| *number >= 0.0 && number.fract() == 0.0 || *number == f64::INFINITY;
    // `as` saturates.
    Ok(word.parse().ok().or_else(|| word.parse().ok().filter(whole).map(|number| number as u64)))
}

/// What is changed in a call before it is sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Edit<'a> {
    /// The model's name there; added where the call has none.
    pub model: Option<&'a str>,
    /// Ask for a last chunk with the usage. Only for a call with `stream`: servers refuse it without.
    pub include_usage: bool,
}

/// The body with the edit made; `call` is what [`read`] told of these very `parts`. Everything else stays byte for byte,
/// pieces without a change are shared, and what is already as it should be is not touched. A `stream_options` that is
/// neither an object nor null is left for the server to judge.
pub fn edited(parts: &[Bytes], call: &Call, edit: &Edit<'_>) -> Vec<Bytes> {
    let places = &call.places;
    let mut replacements = Vec::new();
    let mut members = Vec::new();
    if let Some(model) = edit.model.filter(|model| call.model.as_deref() != Some(*model)) {
        let text = text::encode(model);
        match &places.model {
            Some(place) => replacements.push(Replacement { place: place.clone(), with: text.into() }),
            None => members.push(format!(r#""model":{text}"#)),
        }
    }
    match &places.options {
        _ if !edit.include_usage => {}
        Options::Absent => members.push(r#""stream_options":{"include_usage":true}"#.to_owned()),
        Options::Settable(place, text) => {
            replacements
                .push(Replacement { place: place.clone(), with: Bytes::from_static(text.as_bytes()) });
        }
        Options::Settled => {}
    }
    if !members.is_empty() {
        let comma = if places.empty { "" } else { "," };
        let with = Bytes::from(format!("{comma}{}", members.join(",")));
        replacements.push(Replacement { place: places.end.start..places.end.start, with });
    }
    splice(parts, replacements)
}
