//! Calls that are forms (audio, images, files): RFC 7578. Of the fields only `model` and `stream` are read, files are
//! skipped by searching for the boundary.
//!
//! No two readers may disagree about what is read here, so what servers are known to read in different ways is refused:
//! the boundary anywhere but in a delimiter, lines that do not end in CRLF, names with escapes or given twice.

mod body;
mod head;
#[cfg(test)]
mod tests;

use bytes::Bytes;

use super::request::splice::{Replacement, copy, splice};
use super::request::{Call, Edit, Unreadable};
use body::{Body, Part};

/// Longest value of a field that is read.
const LONGEST_VALUE: usize = 1024;

/// Whether this content type is that of a form.
pub fn is_form(content_type: &str) -> bool {
    head::media_type(content_type).eq_ignore_ascii_case("multipart/form-data")
}

/// Reads a call that is a form; the body may come in any pieces. `max_tokens` and `asks_usage` are never told.
///
/// # Errors
/// `NotMultipart`, or what is wrong with `model`: there twice, or a file, or encoded, or not UTF-8.
pub fn read(content_type: &str, parts: &[Bytes]) -> Result<Call, Unreadable> {
    let boundary = head::boundary(content_type).ok_or(Unreadable::NotMultipart)?;
    let mut body = Body::new(parts, &boundary)?;
    let mut call = Call::default();
    while let Some(part) = body.next_part()? {
        match &*part.head.name {
            "model" if call.places.model.is_some() => return Err(Unreadable::TwoModels),
            "model" => {
                call.model = Some(value(parts, &part).ok_or(Unreadable::ModelNotText)?);
                call.places.model = Some(part.value);
            }
            "stream" => {
                call.stream =
                    value(parts, &part).is_some_and(|text| text == "1" || text.eq_ignore_ascii_case("true"));
            }
            _ => {}
        }
    }
    call.places.end = body.end();
    Ok(call)
}

/// The form with the edit made; `call` is what [`read`] told of these very `parts`. Only `model` can be changed, and is
/// added where there is none.
pub fn edited(parts: &[Bytes], call: &Call, edit: &Edit<'_>) -> Vec<Bytes> {
    let Some(model) = edit.model.filter(|model| call.model.as_deref() != Some(*model)) else {
        return parts.to_vec();
    };
    let replacement = match &call.places.model {
        Some(place) => Replacement { place: place.clone(), with: model.to_owned().into() },
        None => {
            let end = &call.places.end;
            let delimiter = bytes(parts, end);
            let head: &[u8] = b"\r\nContent-Disposition: form-data; name=\"model\"\r\n\r\n";
            let with = [&delimiter, head, model.as_bytes(), b"\r\n"].concat().into();
            Replacement { place: end.start..end.start, with }
        }
    };
    splice(parts, vec![replacement])
}

/// The value of a field that is plain text.
fn value(parts: &[Bytes], part: &Part) -> Option<String> {
    if !part.head.plain || part.value.len() > LONGEST_VALUE {
        return None;
    }
    String::from_utf8(bytes(parts, &part.value)).ok()
}

fn bytes(parts: &[Bytes], range: &std::ops::Range<usize>) -> Vec<u8> {
    let mut pieces = Vec::new();
    copy(parts, range.clone(), &mut pieces);
    pieces.concat()
}
