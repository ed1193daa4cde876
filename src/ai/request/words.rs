//! What users wrote in a call, for finding the task that it is about.

use bytes::Bytes;

use super::cursor::{Cursor, NotJson};
use super::text::decode;

/// `input` of the Responses API nests deepest: the list, an item, its content, a part of it, its text.
const DEEPEST: usize = 5;

/// What users wrote in a call: the text of `messages` (of role `user`, or of none), `input` and `prompt`, decoded, each
/// text on a line of its own. What systems, assistants and tools wrote is left out, and so is what cannot be read.
pub fn texts(parts: &[Bytes]) -> String {
    let mut texts = String::new();
    let mut cursor = Cursor::new(parts);
    // What was found before a mistake stays: a body that is not JSON has been refused already.
    let _ = cursor.members(|cursor, key| match decode(key).as_deref() {
        Some("messages" | "input" | "prompt") => collect(cursor, 1, &mut texts),
        _ => cursor.skip(),
    });
    texts
}

fn collect(cursor: &mut Cursor<'_>, depth: usize, texts: &mut String) -> Result<(), NotJson> {
    match cursor.peek_token() {
        Some(b'"') => {
            if let Some(text) = decode(&cursor.string()?) {
                texts.push_str(&text);
                texts.push('\n');
            }
            Ok(())
        }
        Some(b'[') if depth < DEEPEST => cursor.elements(|cursor| collect(cursor, depth + 1, texts)),
        Some(b'{') if depth < DEEPEST => collect_object(cursor, depth, texts),
        _ => cursor.skip(),
    }
}

/// A message or a part of one. Who wrote it, and what it is, may stand behind its text.
fn collect_object(cursor: &mut Cursor<'_>, depth: usize, texts: &mut String) -> Result<(), NotJson> {
    let before = texts.len();
    let mut counts = true;
    cursor.members(|cursor, key| match (decode(key).as_deref(), cursor.peek_token()) {
        (Some("content" | "text"), _) => collect(cursor, depth + 1, texts),
        (Some("role"), Some(b'"')) => {
            counts &= decode(&cursor.string()?).as_deref() == Some("user");
            Ok(())
        }
        (Some("type"), Some(b'"')) => {
            let kind = cursor.string()?;
            counts &= matches!(decode(&kind).as_deref(), Some("text" | "input_text" | "message"));
            Ok(())
        }
        _ => cursor.skip(),
    })?;
    if !counts {
        texts.truncate(before);
    }
    Ok(())
}
