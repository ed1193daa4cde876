//! A body in pieces with some places of it replaced; the rest is shared with the old one, not copied.

use std::ops::Range;

use bytes::Bytes;

/// What stands at a place from now on. An empty place: an insertion.
pub struct Replacement {
    pub place: Range<usize>,
    pub with: Bytes,
}

/// `parts` with the replacements made. They must not overlap; of several insertions at one place the first stands first.
pub fn splice(parts: &[Bytes], mut replacements: Vec<Replacement>) -> Vec<Bytes> {
    replacements.sort_by_key(|replacement| replacement.place.start);
    let mut new = Vec::with_capacity(parts.len() + 2 * replacements.len());
    let mut kept = 0;
    for Replacement { place, with } in replacements {
        copy(parts, kept..place.start, &mut new);
        new.push(with);
        kept = place.end;
    }
    copy(parts, kept..usize::MAX, &mut new);
    new
}

/// The bytes of a range, as parts of the pieces they lie in.
pub fn copy(parts: &[Bytes], range: Range<usize>, into: &mut Vec<Bytes>) {
    let mut before = 0;
    for part in parts {
        let start = range.start.saturating_sub(before).min(part.len());
        let end = range.end.saturating_sub(before).min(part.len());
        if start < end {
            into.push(part.slice(start..end));
        }
        before += part.len();
    }
}
